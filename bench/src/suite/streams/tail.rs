//! How soon a record is there: put by one client, and got or pushed at another, through whichever node.

use std::time::Duration;

use serde_json::json;

use super::super::Bench;
use super::super::server::Server;
use super::super::table::{Figure, ms};
use super::{active, call, create};
use crate::http::Api;
use crate::load::{Plan, push, tail};
use crate::reference::STREAM_SHARDS;

const GET_P50_US: u64 = 5_000;
const PUSH_P50_US: u64 = 10_000;
const PUSH_P99_US: u64 = 50_000;

/// Writers, each with a record this often: 400 a second, which is no load.
const WRITERS: usize = 8;
const EVERY: Duration = Duration::from_millis(20);

pub(in super::super) async fn tail(bench: &mut Bench) -> Result<(), String> {
    let nodes = bench.cluster("streams-tail").await?;
    let endpoint = &nodes[0].http;
    let shards = create(endpoint, "tail", STREAM_SHARDS).await?;
    let got = tail::run(&plan(bench, &nodes, "put to GetRecords"), &shards, EVERY).await;
    let got = got.map_err(|error| format!("GetRecords: {error}"))?;
    let p50_us = got.latency.p50_us;
    bench.table.figure(Figure {
        name: "three nodes, from put to GetRecords without pause, p50".to_owned(),
        measured: format!("{} ms", ms(p50_us)),
        target: format!("< {} ms", ms(GET_P50_US)),
        met: Some(p50_us < GET_P50_US && got.messages > 0),
        ratio: None,
    });
    bench.table.load(got);
    let consumer = register(endpoint, "tail").await?;
    let plan = plan(bench, &nodes, "put to SubscribeToShard");
    let pushed = push::run(&plan, &consumer, &shards, EVERY).await;
    let pushed = pushed.map_err(|error| format!("SubscribeToShard: {error}"))?;
    let (p50_us, p99_us) = (pushed.latency.p50_us, pushed.latency.p99_us);
    bench.table.figure(Figure {
        name: "three nodes, from put to SubscribeToShard, p50 and p99".to_owned(),
        measured: format!("{} ms, {} ms", ms(p50_us), ms(p99_us)),
        target: format!("< {} ms, < {} ms", ms(PUSH_P50_US), ms(PUSH_P99_US)),
        met: Some(p50_us < PUSH_P50_US && p99_us < PUSH_P99_US && pushed.messages > 0),
        ratio: None,
    });
    bench.table.load(pushed);
    Ok(())
}

fn plan(bench: &Bench, nodes: &[Server], what: &str) -> Plan {
    Plan {
        api: Api::Kinesis,
        connections: WRITERS,
        duration: bench.seconds(20, 4),
        ..bench.plan(&format!("three nodes, {what}"), nodes, "tail")
    }
}

/// Registers a consumer and waits until it can subscribe; its ARN.
async fn register(endpoint: &str, stream: &str) -> Result<String, String> {
    let named = json!({"StreamName": stream});
    let described = call(endpoint, "DescribeStreamSummary", &named).await?;
    let arn = &described["StreamDescriptionSummary"]["StreamARN"];
    let body = json!({"StreamARN": arn, "ConsumerName": "bench"});
    let registered = call(endpoint, "RegisterStreamConsumer", &body).await?;
    let consumer = &registered["Consumer"]["ConsumerARN"];
    let status = ["ConsumerDescription", "ConsumerStatus"];
    let body = json!({"ConsumerARN": consumer});
    active(endpoint, "DescribeStreamConsumer", &body, status).await?;
    consumer
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("RegisterStreamConsumer answered {registered}"))
}
