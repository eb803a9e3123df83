//! An endpoint that is gone, with very many messages behind it: that costs no memory, and nobody else waits.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::server::Server;
use super::super::table::Figure;
use super::super::{Bench, create as create_queue};
use super::{between, call, create, subscribe_raw};
use crate::http::{self, Api};
use crate::load::{Plan, send, steady};
use crate::template::{queue_url, topic_arn};
use crate::usage;

const MESSAGES: u64 = 1_000_000;
const MESSAGES_QUICK: u64 = 20_000;

/// A load that takes longer than this has failed.
const FILL_TIMEOUT: Duration = Duration::from_secs(600);

/// What nine tenths of the messages may add. What waits is known by position, whoever it is for: about 70 bytes each.
const MORE_MIB: f64 = 128.0;

/// Of the way from publish to receipt, by another subscription of the same topic.
const OTHERS_SLOWER: f64 = 1.20;

/// Messages on their way to the other subscription.
const WINDOW: usize = 16;

/// A request to confirm that has not come by then will not.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// Its head and its body are shorter.
const REQUEST_BYTES_MAX: usize = 64 << 10;

const TOPIC: &str = "dead";

pub(in super::super) async fn dead(bench: &mut Bench) -> Result<(), String> {
    let messages = if bench.quick {
        MESSAGES_QUICK
    } else {
        MESSAGES
    };
    let node = [bench.node("topics-dead").await?];
    create(&node[0].http, TOPIC).await?;
    create_queue(&node[0], "other").await?;
    subscribe_raw(&node[0].http, TOPIC, "other").await?;
    let before_us = to_the_other(bench, &node).await;
    subscribe_one_that_goes(&node[0]).await?;
    publish(bench, &node, messages / 10).await?;
    let few_mib = usage::resident_mib(node[0].pid());
    publish(bench, &node, messages - messages / 10).await?;
    let all_mib = usage::resident_mib(node[0].pid());
    bench.table.figure(Figure {
        name: format!("one node, {messages} messages for an HTTP endpoint that is gone: memory"),
        measured: format!("{all_mib:.0} MiB, with a tenth of them {few_mib:.0} MiB"),
        target: format!("< {MORE_MIB} MiB more"),
        met: Some(all_mib - few_mib < MORE_MIB),
        ratio: None,
    });
    purge(&node[0], "other").await?;
    let after_us = to_the_other(bench, &node).await;
    let name = "the same: another subscription's way from publish to receipt, p50";
    bench.slower(
        name.to_owned(),
        after_us,
        ("before", before_us),
        OTHERS_SLOWER,
    );
    Ok(())
}

async fn publish(bench: &mut Bench, node: &[Server], messages: u64) -> Result<(), String> {
    let plan = Plan {
        api: Api::Sns,
        warmup: Duration::ZERO,
        duration: FILL_TIMEOUT,
        messages_max: Some(messages),
        ..bench.plan("one node, Publish for one that is gone", node, TOPIC)
    };
    let report = send::run(&plan).await;
    let published = report.messages;
    bench.table.load(report);
    if published == messages {
        Ok(())
    } else {
        Err(format!("{published} of {messages} messages were taken"))
    }
}

/// The other queue has had a copy of each.
async fn purge(node: &Server, queue: &str) -> Result<(), String> {
    let body = json!({"QueueUrl": queue_url(&node.http, queue)});
    let purged = http::once(&node.http, Api::Sqs, "PurgeQueue", &body).await;
    purged
        .map(drop)
        .map_err(|error| format!("PurgeQueue {queue}: {error}"))
}

async fn to_the_other(bench: &Bench, node: &[Server]) -> u64 {
    let plan = Plan {
        api: Api::Sns,
        connections: 1,
        receivers: 2,
        window: WINDOW,
        ..bench.plan("other", node, TOPIC)
    };
    steady::fan_out(&plan, &["other".to_owned()])
        .await
        .latency
        .p50_us
}

/// Subscribes an endpoint that answers until it has confirmed, and then nobody is there.
async fn subscribe_one_that_goes(node: &Server) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(|error| format!("an endpoint: {error}"))?;
    let address = listener.local_addr();
    let address = address.map_err(|error| format!("an endpoint: {error}"))?;
    let arn = topic_arn(TOPIC);
    let fields = [
        ("TopicArn", arn.as_str()),
        ("Protocol", "http"),
        ("Endpoint", &format!("http://{address}/")),
    ];
    call(&node.http, "Subscribe", &fields).await?;
    let asked = tokio::time::timeout(CONFIRM_TIMEOUT, request(&listener)).await;
    let asked = asked.map_err(|_| "nobody asked to confirm".to_owned())?;
    let asked = asked.map_err(|error| format!("a request to confirm: {error}"))?;
    let token = between(&asked, "\"Token\" : \"", "\"").or(between(&asked, "\"Token\":\"", "\""));
    let token = token.ok_or_else(|| format!("no token in {asked}"))?;
    let fields = [("TopicArn", arn.as_str()), ("Token", token)];
    call(&node.http, "ConfirmSubscription", &fields)
        .await
        .map(drop)
}

/// Takes one request and answers 200.
async fn request(listener: &TcpListener) -> std::io::Result<String> {
    let (mut stream, _) = listener.accept().await?;
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        let read = stream.read(&mut some).await?;
        bytes.extend_from_slice(&some[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // The token is followed by what says how to confirm.
        if read == 0 || text.contains("SigningCertURL") || bytes.len() > REQUEST_BYTES_MAX {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await?;
            return Ok(text);
        }
    }
}
