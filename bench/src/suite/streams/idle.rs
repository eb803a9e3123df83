//! What many shards cost that nobody uses.

use std::time::Duration;

use super::super::Bench;
use super::super::idle::sample;
use super::super::table::Figure;
use super::create;
use crate::http::Api;
use crate::load::{Plan, send};
use crate::usage;

const SHARDS: u32 = 1_000;
const IDLE_PERCENT: f64 = 10.0;
const MEMORY_MIB: f64 = 1024.0;

/// Some records for each shard: one that never took any would cost less.
const RECORDS: u64 = 20_000;

/// Process times come in hundredths of a second.
const SAMPLE_S: u64 = 15;

pub(in super::super) async fn idle(bench: &mut Bench) -> Result<(), String> {
    let nodes = bench.cluster("streams-idle").await?;
    create(&nodes[0].http, "shards", SHARDS).await?;
    let fill = Plan {
        api: Api::Kinesis,
        batch: 500,
        connections: 4,
        warmup: Duration::ZERO,
        duration: Duration::from_secs(60),
        messages_max: Some(RECORDS),
        ..bench.plan(
            &format!("three nodes, filling {SHARDS} shards"),
            &nodes,
            "shards",
        )
    };
    let filled = send::run(&fill).await;
    if filled.errors > 0 {
        return Err(format!("filling the shards: {:?}", filled.first_error));
    }
    bench.table.load(filled);
    tokio::time::sleep(bench.seconds(10, 5)).await;
    let resting = sample(&nodes, bench.seconds(SAMPLE_S, 5)).await;
    let memory_mib = nodes
        .iter()
        .map(|node| usage::resident_max_mib(node.pid()))
        .fold(0.0, f64::max);
    bench.table.figure(Figure {
        name: format!("three nodes with {SHARDS} shards at rest, CPU of the busiest"),
        measured: format!("{resting:.1} % of a core"),
        target: format!("< {IDLE_PERCENT} %"),
        met: Some(resting < IDLE_PERCENT),
        ratio: None,
    });
    bench.table.figure(Figure {
        name: "the same, memory of the largest, at most".to_owned(),
        measured: format!("{memory_mib:.0} MiB"),
        target: format!("< {MEMORY_MIB} MiB"),
        met: Some(memory_mib < MEMORY_MIB),
        ratio: None,
    });
    Ok(())
}
