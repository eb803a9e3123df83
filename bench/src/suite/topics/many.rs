//! Very many topics and subscriptions: what they cost in memory, and that nobody waits for them.

use std::time::Instant;

use super::super::Bench;
use super::super::server::Server;
use super::super::table::Figure;
use super::{between, create, make, one_client, subscribe};
use crate::http::{self, Connection};
use crate::load::{Latency, histogram};
use crate::usage;

const TOPICS: usize = 100_000;
const TOPICS_QUICK: usize = 1_000;
const SUBSCRIPTIONS_EACH: usize = 10;

const MEMORY_MIB: f64 = 1536.0;

/// A publish to a topic, with so many others there.
const PUBLISH_SLOWER: f64 = 1.20;

/// A page at the end of the list, against one at its beginning.
const LIST_SLOWER: f64 = 1.50;

/// Pages at either end of the list of topics that are compared.
const PAGES: usize = 100;
const PAGES_QUICK: usize = 5;

/// How many are made between two lines of progress.
const PROGRESS: usize = 100_000;

pub(in super::super) async fn many(bench: &mut Bench) -> Result<(), String> {
    let topics = if bench.quick { TOPICS_QUICK } else { TOPICS };
    let nodes = bench.cluster("topics-many").await?;
    create(&nodes[0].http, "probe").await?;
    let before_us = one_client(bench, &nodes, "probe").await;
    make(&nodes, topics, |host, number| {
        http::form(host, "CreateTopic", &[("Name", &topic(number))])
    })
    .await?;
    let subscriptions = topics * SUBSCRIPTIONS_EACH;
    let began = Instant::now();
    for from in (0..subscriptions).step_by(PROGRESS) {
        let count = PROGRESS.min(subscriptions - from);
        make(&nodes, count, move |host, number| {
            let number = from + number;
            // Queues that nobody has made: what is subscribed is a name.
            let queue = format!("queue-{}", number % SUBSCRIPTIONS_EACH);
            let name = topic(number / SUBSCRIPTIONS_EACH);
            subscribe(host, &name, &queue, ("RawMessageDelivery", "true"))
        })
        .await?;
        eprintln!("   {} of {subscriptions}", from + count);
    }
    let made_per_s = subscriptions as f64 / began.elapsed().as_secs_f64();
    let after_us = one_client(bench, &nodes, "probe").await;
    let name =
        |what: &str| format!("three nodes, {topics} topics, {subscriptions} subscriptions: {what}");
    let memory_mib = nodes.iter().map(|node| usage::resident_max_mib(node.pid()));
    let memory_mib = memory_mib.fold(0.0, f64::max);
    bench.table.figure(Figure {
        name: name("memory of the largest, at most"),
        measured: format!("{memory_mib:.0} MiB; made at {made_per_s:.0} subscriptions/s"),
        target: format!("< {MEMORY_MIB} MiB"),
        met: Some(memory_mib < MEMORY_MIB),
        ratio: None,
    });
    let before_us = ("before", before_us);
    bench.slower(
        name("one client's Publish, p50"),
        after_us,
        before_us,
        PUBLISH_SLOWER,
    );
    let pages = if bench.quick { PAGES_QUICK } else { PAGES };
    let (first, last, listed) = list(&nodes[0], pages).await?;
    // The one that is published to is among them.
    if listed != topics + 1 {
        return Err(format!(
            "ListTopics tells {listed} of {} topics",
            topics + 1
        ));
    }
    let first_us = ("the first", first.p50_us);
    let page = name(&format!("a page of ListTopics, p50 of the last {pages}"));
    bench.slower(page, last.p50_us, first_us, LIST_SLOWER);
    Ok(())
}

fn topic(number: usize) -> String {
    format!("topic-{number:06}")
}

/// Lists all topics: the times of the first and of the last pages, and how many topics there are.
async fn list(node: &Server, pages: usize) -> Result<(Latency, Latency, usize), String> {
    let mut connection = Connection::open(&node.http)
        .await
        .map_err(super::in_words)?;
    let (mut times_us, mut listed, mut next) = (Vec::new(), 0, String::new());
    loop {
        let token = [("NextToken", next.as_str())];
        let fields: &[_] = if next.is_empty() { &[] } else { &token };
        let request = http::form(&node.http, "ListTopics", fields);
        let began = Instant::now();
        let answer = connection.call(&request).await.map_err(super::in_words)?;
        times_us.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        let answer = String::from_utf8_lossy(answer).into_owned();
        listed += answer.matches("<TopicArn>").count();
        let Some(token) = between(&answer, "<NextToken>", "</NextToken>") else {
            break;
        };
        next = token.to_owned();
    }
    let of = |times_us: &[u64]| {
        let mut latency = histogram();
        times_us
            .iter()
            .for_each(|us| latency.saturating_record(*us));
        Latency::of(&latency)
    };
    let pages = pages.min(times_us.len());
    let (first, last) = (&times_us[..pages], &times_us[times_us.len() - pages..]);
    Ok((of(first), of(last), listed))
}
