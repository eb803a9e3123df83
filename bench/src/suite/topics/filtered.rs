//! A topic with thousands of filters, of which few let a message through: a publish is not to ask each.

use super::super::Bench;
use super::super::backlog::waiting;
use super::super::table::{Figure, ms};
use super::{arrive, create, make, subscribe};
use crate::http::{self, Api};
use crate::load::{Latency, histogram};
use crate::template::Template;

const SUBSCRIPTIONS: usize = 10_000;
const SUBSCRIPTIONS_QUICK: usize = 1_000;
/// Of them, those whose filter lets a message through.
const MATCHING: usize = 10;

/// One client's, one after the other.
const PUBLISHES: usize = 5_000;
const PUBLISHES_QUICK: usize = 500;

const PUBLISH_P99_US: u64 = 10_000;

const TOPIC: &str = "filtered";

pub(in super::super) async fn filtered(bench: &mut Bench) -> Result<(), String> {
    let count = if bench.quick {
        SUBSCRIPTIONS_QUICK
    } else {
        SUBSCRIPTIONS
    };
    let node = [bench.node("topics-filtered").await?];
    create(&node[0].http, TOPIC).await?;
    make(&node, count, |host, number| {
        let body = format!("{{\"QueueName\":\"{}\"}}", queue(number));
        http::request(host, Api::Sqs, "CreateQueue", &body)
    })
    .await?;
    let kinds = count / MATCHING;
    make(&node, count, move |host, number| {
        let policy = format!("{{\"kind\":[\"k{}\"]}}", number % kinds);
        subscribe(host, TOPIC, &queue(number), ("FilterPolicy", &policy))
    })
    .await?;
    // One that is named by nobody, for comparison.
    create(&node[0].http, "alone").await?;
    let alone = publishes(bench, &node[0].http, "alone", "k1").await?;
    let found = publishes(bench, &node[0].http, TOPIC, "k1").await?;
    bench.table.figure(Figure {
        name: format!("one client's Publish, {count} filtered subscriptions, {MATCHING} match"),
        measured: format!(
            "p50 {} ms, p99 {} ms (to nobody: {} ms, {} ms)",
            ms(found.p50_us),
            ms(found.p99_us),
            ms(alone.p50_us),
            ms(alone.p99_us)
        ),
        target: format!("p99 < {} ms", ms(PUBLISH_P99_US)),
        met: Some(found.p99_us < PUBLISH_P99_US),
        ratio: None,
    });
    // Those that match have it all; the first, that does not, has nothing.
    let sent = if bench.quick {
        PUBLISHES_QUICK
    } else {
        PUBLISHES
    } as u64;
    for number in [1, 1 + kinds] {
        arrive(&node[0], &[queue(number)], sent).await?;
    }
    match waiting(&node[0], &queue(0)).await? {
        0 => Ok(()),
        there => Err(format!("{there} messages came to who did not want them")),
    }
}

fn queue(number: usize) -> String {
    format!("filtered-{number}")
}

async fn publishes(bench: &Bench, host: &str, topic: &str, kind: &str) -> Result<Latency, String> {
    let attribute = [
        ("MessageAttributes.entry.1.Name", "kind"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", kind),
    ];
    let request = Template::publish(host, topic, super::super::MESSAGE_BYTES, &attribute);
    let mut connection = http::Connection::open(host)
        .await
        .map_err(super::in_words)?;
    let mut latency = histogram();
    for _ in 0..(if bench.quick {
        PUBLISHES_QUICK
    } else {
        PUBLISHES
    }) {
        let began = std::time::Instant::now();
        let answer = connection.call(request.bytes()).await;
        answer.map_err(super::in_words)?;
        let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        latency.saturating_record(us);
    }
    Ok(Latency::of(&latency))
}
