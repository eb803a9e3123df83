//! A long queue must be as fast as a short one, and must not live in memory.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::server::Server;
use super::table::Figure;
use super::{Bench, create};
use crate::http::{self, Api};
use crate::load::cycle::{self, CycleReport};
use crate::load::{Plan, Recorder, send};
use crate::template::queue_url;
use crate::usage;

const STANDARD_MESSAGES: u64 = 5_000_000;
const STANDARD_MESSAGES_QUICK: u64 = 200_000;
const FIFO_MESSAGES: u64 = 1_000_000;
const FIFO_MESSAGES_QUICK: u64 = 50_000;
const FIFO_GROUPS: u64 = 1000;

const MEMORY_MIB: f64 = 1024.0;
const RESTART: Duration = Duration::from_secs(20);

/// How much slower a full queue may be than an empty one.
const STANDARD_SLOWER: f64 = 1.20;
const FIFO_SLOWER: f64 = 1.30;

/// Connections that fill a queue, each with batches of ten.
const FILL_CONNECTIONS: usize = 24;

/// A fill that takes longer than this has failed.
const FILL_TIMEOUT: Duration = Duration::from_secs(1800);

/// How often a fill says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

pub(super) async fn standard(bench: &mut Bench) -> Result<(), String> {
    let messages = if bench.quick {
        STANDARD_MESSAGES_QUICK
    } else {
        STANDARD_MESSAGES
    };
    let mut node = [bench.node("backlog").await?];
    for queue in ["empty", "full"] {
        create(&node[0], queue).await?;
    }
    fill(bench, &node, "full", messages, None).await?;
    let (empty, full) = compare(bench, &node, "empty", "full", None).await?;
    let name = |what: &str| format!("{messages} waiting: {what}");
    for (what, empty_us, full_us) in [
        ("SendMessage p50", empty.send.p50_us, full.send.p50_us),
        (
            "ReceiveMessage p50",
            empty.receive.p50_us,
            full.receive.p50_us,
        ),
    ] {
        bench.slower(name(what), full_us, ("empty", empty_us), STANDARD_SLOWER);
    }
    let memory_mib = usage::resident_max_mib(node[0].pid());
    bench.table.figure(Figure {
        name: name("memory of the node, at most"),
        measured: format!("{memory_mib:.0} MiB"),
        target: format!("< {MEMORY_MIB} MiB"),
        met: Some(memory_mib < MEMORY_MIB),
        ratio: None,
    });
    node[0].kill();
    node[0].restart()?;
    let restart = node[0].ready().await?;
    let still = waiting(&node[0], "full").await?;
    let memory_mib = usage::resident_mib(node[0].pid());
    bench.table.figure(Figure {
        name: name("kill -9, restart to ready"),
        measured: format!(
            "{:.1} s, {still} waiting, {memory_mib:.0} MiB",
            restart.as_secs_f64()
        ),
        target: format!("< {} s, nothing lost", RESTART.as_secs()),
        met: Some(restart < RESTART && still >= messages),
        ratio: None,
    });
    Ok(())
}

pub(super) async fn fifo(bench: &mut Bench) -> Result<(), String> {
    let messages = if bench.quick {
        FIFO_MESSAGES_QUICK
    } else {
        FIFO_MESSAGES
    };
    let node = [bench.node("fifo-backlog").await?];
    for queue in ["empty.fifo", "full.fifo"] {
        create(&node[0], queue).await?;
    }
    fill(bench, &node, "full.fifo", messages, Some(FIFO_GROUPS)).await?;
    let (empty, full) = compare(bench, &node, "empty.fifo", "full.fifo", Some(FIFO_GROUPS)).await?;
    let name = format!("FIFO, {messages} waiting in {FIFO_GROUPS} groups: ReceiveMessage p99");
    let empty_us = ("empty", empty.receive.p99_us);
    bench.slower(name, full.receive.p99_us, empty_us, FIFO_SLOWER);
    Ok(())
}

async fn fill(
    bench: &mut Bench,
    node: &[Server],
    queue: &str,
    messages: u64,
    groups: Option<u64>,
) -> Result<(), String> {
    let plan = Plan {
        batch: 10,
        connections: FILL_CONNECTIONS,
        groups,
        warmup: Duration::ZERO,
        duration: FILL_TIMEOUT,
        messages_max: Some(messages),
        ..bench.plan(&format!("one node, filling {queue}"), node, queue)
    };
    let recorder = Arc::new(Recorder::start(&plan));
    let watched = Arc::clone(&recorder);
    let progress = tokio::spawn(async move {
        loop {
            tokio::time::sleep(PROGRESS).await;
            eprintln!("   {} of {messages}", watched.messages());
        }
    });
    let report = recorder.finish(&plan, send::spawn(&plan, &recorder)).await;
    progress.abort();
    // What the broker could not take at once was not sent again: the backlog may be a little short.
    let filled = report.messages;
    bench.table.load(report);
    if filled * 100 >= messages * 99 {
        Ok(())
    } else {
        Err(format!("only {filled} of {messages} messages were taken"))
    }
}

/// One client's calls on either queue, in turn; of the rounds the median by its receive.
async fn compare(
    bench: &Bench,
    node: &[Server],
    empty: &str,
    full: &str,
    groups: Option<u64>,
) -> Result<(CycleReport, CycleReport), String> {
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..(if bench.quick { 1 } else { 3 }) {
        for (reports, queue) in rounds.iter_mut().zip([empty, full]) {
            let plan = Plan {
                groups,
                ..bench.plan(queue, node, queue)
            };
            reports.push(
                cycle::run(&plan)
                    .await
                    .map_err(|error| format!("{queue}: {error}"))?,
            );
        }
    }
    let [empty, full] = rounds.map(|mut reports| {
        reports.sort_by_key(|report| report.receive.p50_us);
        reports[reports.len() / 2]
    });
    Ok((empty, full))
}

/// How many messages the broker says are waiting.
pub(super) async fn waiting(node: &Server, queue: &str) -> Result<u64, String> {
    const WAITING: &str = "ApproximateNumberOfMessages";
    let url = queue_url(&node.http, queue);
    let body = json!({"QueueUrl": url, "AttributeNames": [WAITING]});
    let answer = http::once(&node.http, Api::Sqs, "GetQueueAttributes", &body).await;
    let answer = answer.map_err(|error| format!("GetQueueAttributes: {error}"))?;
    let number = answer["Attributes"][WAITING]
        .as_str()
        .and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("GetQueueAttributes answered {answer}"))
}
