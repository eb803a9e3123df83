//! How much is published: to nobody, against SendMessage, and to ten queues.

use std::time::{Duration, Instant};

use super::super::server::Server;
use super::super::table::{Figure, ms};
use super::super::throughput::median;
use super::super::{Bench, create as create_queue, delete};
use super::{arrive, arrived, create, subscribe_raw};
use crate::http::Api;
use crate::load::{Plan, send, steady};

/// Of SendMessage's rate.
const TARGET: f64 = 0.90;

/// Queues that are subscribed.
const QUEUES: usize = 10;

/// Messages that come to all of them.
const MESSAGES: u64 = 100_000;
const MESSAGES_QUICK: u64 = 5_000;

const DELIVERIES_PER_S: f64 = 50_000.0;

/// A load that takes longer than this has failed.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(120);

/// Deliveries on their way, for the time that they take.
const WINDOW: usize = 160;

const RECEIPT_P50_US: u64 = 20_000;

pub(in super::super) async fn topics(bench: &mut Bench) -> Result<(), String> {
    let node = [bench.node("topics").await?];
    to_nobody(bench, &node).await?;
    let queues: Vec<String> = (0..QUEUES).map(|n| format!("fan-out-{n}")).collect();
    create(&node[0].http, "fan-out").await?;
    for queue in &queues {
        create_queue(&node[0], queue).await?;
        subscribe_raw(&node[0].http, "fan-out", queue).await?;
    }
    to_receipt(bench, &node, &queues).await;
    to_queues(bench, &node, &queues).await
}

/// In turn with SendMessage, on the same node.
async fn to_nobody(bench: &mut Bench, node: &[Server]) -> Result<(), String> {
    create(&node[0].http, "alone").await?;
    let (mut sends, mut publishes) = (Vec::new(), Vec::new());
    for round in 0..(if bench.quick { 1 } else { 3 }) {
        let queue = format!("queue-{round}");
        create_queue(&node[0], &queue).await?;
        sends.push(send::run(&bench.plan("one node, SendMessage", node, &queue)).await);
        delete(&node[0], &queue).await?;
        let plan = Plan {
            api: Api::Sns,
            ..bench.plan("one node, Publish", node, "alone")
        };
        publishes.push(send::run(&plan).await);
    }
    let (sends, publishes) = (median(sends), median(publishes));
    let ratio = publishes.messages_per_s / sends.messages_per_s;
    bench.table.figure(Figure {
        name: "one node, Publish to nobody, 64 connections".to_owned(),
        measured: format!(
            "{:.0} messages/s ({:.1} % of SendMessage's {:.0})",
            publishes.messages_per_s,
            100.0 * ratio,
            sends.messages_per_s
        ),
        target: format!("{:.0} % of SendMessage", 100.0 * TARGET),
        met: Some(ratio >= TARGET),
        ratio: None,
    });
    bench.table.load(sends);
    bench.table.load(publishes);
    Ok(())
}

/// From the first Publish until all is in the queues.
async fn to_queues(bench: &mut Bench, node: &[Server], queues: &[String]) -> Result<(), String> {
    let messages = if bench.quick {
        MESSAGES_QUICK
    } else {
        MESSAGES
    };
    let before = arrived(&node[0], queues).await?;
    let plan = Plan {
        api: Api::Sns,
        warmup: Duration::ZERO,
        duration: PUBLISH_TIMEOUT,
        messages_max: Some(messages),
        ..bench.plan("one node, Publish to ten queues", node, "fan-out")
    };
    let began = Instant::now();
    let report = send::run(&plan).await;
    let wanted = before + report.messages * queues.len() as u64;
    arrive(&node[0], queues, wanted).await?;
    let deliveries = report.messages * queues.len() as u64;
    let per_s = deliveries as f64 / began.elapsed().as_secs_f64();
    bench.table.figure(Figure {
        name: format!("one node, Publish to {QUEUES} queues, raw, 64 connections"),
        measured: format!("{per_s:.0} deliveries/s until all were there"),
        target: format!("{DELIVERIES_PER_S} deliveries/s"),
        met: Some(per_s >= DELIVERIES_PER_S),
        ratio: None,
    });
    bench.table.load(report);
    Ok(())
}

/// While every queue is received from and nothing waits for long.
async fn to_receipt(bench: &mut Bench, node: &[Server], queues: &[String]) {
    let plan = Plan {
        api: Api::Sns,
        connections: WINDOW / QUEUES,
        receivers: 1,
        window: WINDOW,
        warmup: Duration::from_secs(2),
        duration: bench.seconds(15, 4),
        ..bench.plan(
            "one node, publish to ten queues + receive + delete",
            node,
            "fan-out",
        )
    };
    let report = steady::fan_out(&plan, queues).await;
    let p50_us = report.latency.p50_us;
    bench.table.figure(Figure {
        name: format!("the same, received and deleted, {WINDOW} on their way: publish to receipt"),
        measured: format!(
            "p50 {} ms at {:.0} deliveries/s",
            ms(p50_us),
            report.messages_per_s
        ),
        target: format!("p50 < {} ms", ms(RECEIPT_P50_US)),
        met: Some(p50_us < RECEIPT_P50_US),
        ratio: None,
    });
    bench.table.load(report);
}
