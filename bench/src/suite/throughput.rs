//! How much, and how fast: sends and batches against the reference, one client alone, and a steady flow.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::server::Server;
use super::table::{Figure, ms};
use super::{Bench, create, delete};
use crate::load::{Latency, Plan, Report, histogram, send, steady};

/// The targets, as parts of the reference's messages a second.
const ONE_SEND: f64 = 0.50;
const ONE_BATCH: f64 = 0.35;
const THREE_SEND: f64 = 0.22;
const THREE_BATCH: f64 = 0.13;

/// One client's SendMessage on one node.
const LATENCY_P50_US: u64 = 600;

/// Send, receive and delete on three nodes.
const STEADY_PER_S: f64 = 12_000.0;
const STEADY_P50_US: u64 = 10_000;

/// Receives are in batches of ten, so a few connections carry what 64 senders send.
const STEADY_RECEIVERS: usize = 12;

/// Twelve thousand messages a second that take 10 ms each are 120 on their way.
const STEADY_WINDOW: usize = 128;

/// How often the bare file is written and synced, for comparison with one client's latency.
const SYNCS: usize = 500;

pub(super) async fn one(bench: &mut Bench) -> Result<(), String> {
    let node = [bench.node("one").await?];
    compare(bench, &node, "one node", 1, ONE_SEND).await?;
    compare(bench, &node, "one node", 10, ONE_BATCH).await
}

pub(super) async fn three(bench: &mut Bench) -> Result<(), String> {
    let nodes = bench.cluster("three").await?;
    compare(bench, &nodes, "three nodes", 1, THREE_SEND).await?;
    compare(bench, &nodes, "three nodes", 10, THREE_BATCH).await
}

/// The same load on the reference and on the subject in turn, so that both have what the machine gives; the
/// median round of each counts.
async fn compare(
    bench: &mut Bench,
    subject: &[Server],
    who: &str,
    batch: usize,
    target: f64,
) -> Result<(), String> {
    let what = if batch == 1 {
        "SendMessage".to_owned()
    } else {
        format!("SendMessageBatch of {batch}")
    };
    let reference = [bench.reference().await?];
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for round in 0..(if bench.quick { 1 } else { 3 }) {
        let plan = Plan {
            batch,
            ..bench.plan(&format!("reference, {what}"), &reference, "bench")
        };
        theirs.push(send::run(&plan).await);
        // A queue for each round: what the earlier rounds left is not in the way.
        let queue = format!("bench-{batch}-{round}");
        create(&subject[0], &queue).await?;
        let plan = Plan {
            batch,
            ..bench.plan(&format!("{who}, {what}"), subject, &queue)
        };
        ours.push(send::run(&plan).await);
        delete(&subject[0], &queue).await?;
    }
    let (theirs, ours) = (median(theirs), median(ours));
    let ratio = ours.messages_per_s / theirs.messages_per_s;
    bench.table.figure(Figure {
        name: format!("{who}, {what}, 64 connections"),
        measured: format!("{:.0} messages/s", ours.messages_per_s),
        target: format!("{:.0} % of the reference", 100.0 * target),
        met: Some(ratio >= target),
        ratio: Some(ratio),
    });
    bench.table.load(theirs);
    bench.table.load(ours);
    Ok(())
}

/// The round in the middle by throughput.
pub(super) fn median(mut rounds: Vec<Report>) -> Report {
    rounds.sort_by(|a, b| a.messages_per_s.total_cmp(&b.messages_per_s));
    let middle = rounds.len() / 2;
    rounds.swap_remove(middle)
}

pub(super) async fn latency(bench: &mut Bench) -> Result<(), String> {
    let node = [bench.node("latency").await?];
    let reference = [bench.reference().await?];
    create(&node[0], "bench").await?;
    // Before the loads, while nothing else writes.
    let sync = bare_sync(&bench.home("latency")).map_err(|error| format!("bare file: {error}"))?;
    let one_client = |plan: Plan| Plan {
        connections: 1,
        ..plan
    };
    let theirs = one_client(bench.plan("reference, one client", &reference, "bench"));
    let theirs = send::run(&theirs).await;
    let ours = send::run(&one_client(bench.plan(
        "one node, one client",
        &node,
        "bench",
    )))
    .await;
    let p50_us = ours.latency.p50_us;
    bench.table.figure(Figure {
        name: "one node, one client, SendMessage p50".to_owned(),
        measured: format!(
            "{} ms (a bare 4 KiB fdatasync: {} ms)",
            ms(p50_us),
            ms(sync.p50_us)
        ),
        target: format!("< {} ms", ms(LATENCY_P50_US)),
        met: Some(p50_us < LATENCY_P50_US),
        ratio: None,
    });
    bench.table.load(theirs);
    bench.table.load(ours);
    Ok(())
}

/// What the disk alone takes: 4 KiB appended to a file and synced, again and again.
fn bare_sync(directory: &Path) -> std::io::Result<Latency> {
    let mut file = File::create(directory.join("bare"))?;
    let mut histogram = histogram();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        histogram.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(Latency::of(&histogram))
}

pub(super) async fn steady(bench: &mut Bench) -> Result<(), String> {
    let nodes = bench.cluster("steady").await?;
    create(&nodes[0], "bench").await?;
    let plan = Plan {
        receivers: STEADY_RECEIVERS,
        window: STEADY_WINDOW,
        warmup: Duration::from_secs(2),
        duration: bench.seconds(15, 4),
        ..bench.plan("three nodes, send + receive + delete", &nodes, "bench")
    };
    let report = steady::run(&plan).await;
    let p50_us = report.latency.p50_us;
    bench.table.figure(Figure {
        name: "three nodes, send + receive + delete".to_owned(),
        measured: format!(
            "{:.0} messages/s, p50 send to receipt {} ms",
            report.messages_per_s,
            ms(p50_us)
        ),
        target: format!("{STEADY_PER_S} messages/s, p50 < {} ms", ms(STEADY_P50_US)),
        met: Some(report.messages_per_s >= STEADY_PER_S && p50_us < STEADY_P50_US),
        ratio: None,
    });
    bench.table.load(report);
    Ok(())
}
