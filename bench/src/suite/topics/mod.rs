//! The figures of topics.

pub(super) mod dead;
pub(super) mod filtered;
pub(super) mod many;
pub(super) mod throughput;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Bench;
use super::backlog::waiting;
use super::server::Server;
use crate::http::{self, Connection};
use crate::load::{Plan, send};
use crate::template::{queue_arn, topic_arn};

/// Connections that make topics and subscriptions.
const MAKERS: usize = 64;

/// Deliveries that take longer than this to arrive are lost.
const ARRIVE_TIMEOUT: Duration = Duration::from_secs(120);

/// Between two looks at what has arrived.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Creates a topic.
pub(crate) async fn create(endpoint: &str, topic: &str) -> Result<(), String> {
    call(endpoint, "CreateTopic", &[("Name", topic)])
        .await
        .map(drop)
}

/// Subscribes a queue, which gets what is published as it was published.
async fn subscribe_raw(endpoint: &str, topic: &str, queue: &str) -> Result<(), String> {
    let request = subscribe(endpoint, topic, queue, ("RawMessageDelivery", "true"));
    let mut connection = Connection::open(endpoint).await.map_err(in_words)?;
    connection
        .call(&request)
        .await
        .map(drop)
        .map_err(|error| format!("Subscribe: {error}"))
}

/// Subscribe of a queue, with one attribute.
fn subscribe(endpoint: &str, topic: &str, queue: &str, (name, value): (&str, &str)) -> Vec<u8> {
    let fields = [
        ("TopicArn", topic_arn(topic)),
        ("Protocol", "sqs".to_owned()),
        ("Endpoint", queue_arn(queue)),
        ("Attributes.entry.1.key", name.to_owned()),
        ("Attributes.entry.1.value", value.to_owned()),
    ];
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    http::form(endpoint, "Subscribe", &fields)
}

/// One call on a connection of its own; the XML of its answer.
async fn call(endpoint: &str, action: &str, fields: &[(&str, &str)]) -> Result<String, String> {
    let mut connection = Connection::open(endpoint).await.map_err(in_words)?;
    let answer = connection.call(&http::form(endpoint, action, fields)).await;
    let answer = answer.map_err(|error| format!("{action}: {error}"))?;
    Ok(String::from_utf8_lossy(answer).into_owned())
}

fn in_words(error: http::CallError) -> String {
    error.to_string()
}

/// Makes so many things, over many connections to all the servers: `request` is the one of a number.
async fn make(
    servers: &[Server],
    count: usize,
    request: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static,
) -> Result<(), String> {
    let (next, request) = (Arc::new(AtomicUsize::new(0)), Arc::new(request));
    let mut makers = JoinSet::new();
    for index in 0..MAKERS {
        let endpoint = servers[index % servers.len()].http.clone();
        let (next, request) = (Arc::clone(&next), Arc::clone(&request));
        makers.spawn(async move {
            let mut connection = Connection::open(&endpoint).await?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                connection.call(&request(&endpoint, number)).await?;
            }
        });
    }
    while let Some(made) = makers.join_next().await {
        let ended_early = || Err(http::CallError::Malformed("a maker ended early"));
        made.unwrap_or_else(|_| ended_early()).map_err(in_words)?;
    }
    Ok(())
}

/// How many messages wait in these queues.
async fn arrived(node: &Server, queues: &[String]) -> Result<u64, String> {
    let mut sum = 0;
    for queue in queues {
        sum += waiting(node, queue).await?;
    }
    Ok(sum)
}

/// Waits until so many do.
async fn arrive(node: &Server, queues: &[String], wanted: u64) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let there = arrived(node, queues).await?;
        if there >= wanted {
            return Ok(());
        }
        if began.elapsed() > ARRIVE_TIMEOUT {
            return Err(format!("{there} of {wanted} deliveries arrived"));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// What stands between these signs in an answer.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(found, _)| found)
}

/// One client's Publish.
async fn one_client(bench: &Bench, servers: &[Server], topic: &str) -> u64 {
    let plan = Plan {
        api: http::Api::Sns,
        connections: 1,
        ..bench.plan(topic, servers, topic)
    };
    send::run(&plan).await.latency.p50_us
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_names_topic_queue_and_attribute() {
        let request = subscribe("h:1", "t", "q", ("RawMessageDelivery", "true"));
        let text = String::from_utf8(request).unwrap();
        assert!(text.contains("TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3At&"));
        assert!(text.contains("&Endpoint=arn%3Aaws%3Asqs%3Aus-east-1%3A000000000000%3Aq&"));
        assert!(text.ends_with("entry.1.key=RawMessageDelivery&Attributes.entry.1.value=true"));
    }

    #[test]
    fn what_stands_between_two_signs_is_found() {
        assert_eq!(between("a<b>c</b>", "<b>", "</b>"), Some("c"));
        assert_eq!(between("a<b>c", "<b>", "</b>"), None);
    }
}
