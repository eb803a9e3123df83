//! `levada bench`: a small load on a running node. `scripts/bench` measures the figures of the docs.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Client, Error};
use crate::cluster::align;

/// Entries of a batch.
const BATCH_MAX: u64 = 10;
/// Receives of one connection that may come back empty before it takes the queue for empty: the parts
/// of a queue on several nodes do not answer alike.
const EMPTY_RECEIVES_MAX: u32 = 5;

/// What to do, how often, how wide.
#[derive(Args)]
#[command(after_help = "\
Examples:
  levada bench
  levada bench --connections 16 --messages 100000 --size 256
  levada bench --endpoint http://10.0.0.2:4566 --batch

A queue levada-bench-<pid> is made for it, and deleted after it.")]
pub(crate) struct Options {
    /// The node to ask.
    #[arg(
        long,
        value_name = "URL",
        env = "LEVADA_ENDPOINT",
        default_value = "http://127.0.0.1:4566"
    )]
    endpoint: String,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4096))]
    connections: u64,
    /// Messages to send, receive and delete.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Bytes of a message's body.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    size: u64,
    /// Send by tens. Receives and deletes always are.
    #[arg(long)]
    batch: bool,
    /// Leave the queue and what is in it.
    #[arg(long)]
    keep: bool,
}

/// Latencies of one step, by one connection or all.
#[derive(Debug, Default)]
struct Figures {
    messages: u64,
    latencies: Vec<Duration>,
}

/// Runs the load and prints a table.
pub(crate) async fn run(options: Options) -> Result<(), Error> {
    let mut client = Client::connect(&options.endpoint).await?;
    // A name of its own: that of a deleted queue stays taken for a minute.
    let name = format!("levada-bench-{}", std::process::id());
    let created = client
        .call("CreateQueue", &json!({ "QueueName": name }).to_string())
        .await?;
    let url = parsed(&created)?["QueueUrl"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let options = Arc::new(options);
    let mut rows = vec![
        ["step", "messages/s", "requests/s", "p50", "p99", "p99.9"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let left = Arc::new(AtomicU64::new(options.messages));
    let begun = Instant::now();
    let sent = all(&options, |client| {
        send(client, url.clone(), options.clone(), left.clone())
    })
    .await?;
    rows.push(row("send", sent, begun.elapsed()));
    let begun = Instant::now();
    let received = all(&options, |client| receive(client, url.clone())).await?;
    rows.push(row("receive and delete", received, begun.elapsed()));
    if !options.keep {
        client
            .call("DeleteQueue", &json!({ "QueueUrl": url }).to_string())
            .await?;
    }
    let mut out = String::new();
    align(&mut out, &rows);
    std::io::stdout().write_all(out.as_bytes())?;
    Ok(())
}

/// Runs `step` on every connection at once.
async fn all<F>(options: &Options, step: impl Fn(Client) -> F) -> Result<Figures, Error>
where
    F: Future<Output = Result<Figures, Error>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..options.connections {
        tasks.spawn(step(Client::connect(&options.endpoint).await?));
    }
    let mut sum = Figures::default();
    while let Some(done) = tasks.join_next().await {
        let figures = done.map_err(|e| Error::Answer(e.to_string()))??;
        sum.messages += figures.messages;
        sum.latencies.extend(figures.latencies);
    }
    Ok(sum)
}

async fn send(
    mut client: Client,
    url: String,
    options: Arc<Options>,
    left: Arc<AtomicU64>,
) -> Result<Figures, Error> {
    let body = "x".repeat(usize::try_from(options.size).unwrap_or(usize::MAX));
    let step = if options.batch { BATCH_MAX } else { 1 };
    let (action, request) = if options.batch {
        let entries: Vec<Value> = (0..step)
            .map(|n| json!({ "Id": n.to_string(), "MessageBody": body }))
            .collect();
        (
            "SendMessageBatch",
            json!({ "QueueUrl": url, "Entries": entries }).to_string(),
        )
    } else {
        (
            "SendMessage",
            json!({ "QueueUrl": url, "MessageBody": body }).to_string(),
        )
    };
    let mut figures = Figures::default();
    let take = |left: u64| {
        left.checked_sub(step)
            .or(if left > 0 { Some(0) } else { None })
    };
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
    {
        let begun = Instant::now();
        client.call(action, &request).await?;
        figures.latencies.push(begun.elapsed());
        figures.messages += step;
    }
    Ok(figures)
}

async fn receive(mut client: Client, url: String) -> Result<Figures, Error> {
    let request = json!({ "QueueUrl": url, "MaxNumberOfMessages": BATCH_MAX }).to_string();
    let mut figures = Figures::default();
    let mut empty = 0;
    while empty < EMPTY_RECEIVES_MAX {
        let begun = Instant::now();
        let answer = parsed(&client.call("ReceiveMessage", &request).await?)?;
        let Some(messages) = answer["Messages"]
            .as_array()
            .filter(|messages| !messages.is_empty())
        else {
            empty += 1;
            continue;
        };
        empty = 0;
        let entry = |(n, message): (usize, &Value)| json!({ "Id": n.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
        let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
        client
            .call(
                "DeleteMessageBatch",
                &json!({ "QueueUrl": url, "Entries": entries }).to_string(),
            )
            .await?;
        figures.latencies.push(begun.elapsed());
        figures.messages += messages.len() as u64;
    }
    Ok(figures)
}

fn parsed(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|e| Error::Answer(format!("the answer is not JSON: {e}")))
}

fn row(step: &str, mut figures: Figures, took: Duration) -> Vec<String> {
    figures.latencies.sort_unstable();
    let rate = |count: u64| format!("{:.0}", count as f64 / took.as_secs_f64());
    let at = |part: f64| {
        let last = figures.latencies.len().saturating_sub(1);
        let latency = figures.latencies.get((last as f64 * part).round() as usize);
        latency.map_or_else(
            || "-".to_owned(),
            |latency| format!("{:.2} ms", latency.as_secs_f64() * 1e3),
        )
    };
    let requests = figures.latencies.len() as u64;
    vec![
        step.to_owned(),
        rate(figures.messages),
        rate(requests),
        at(0.5),
        at(0.99),
        at(0.999),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_rates_and_percentiles() {
        let latencies = (1..=100).rev().map(Duration::from_millis).collect();
        let figures = Figures {
            messages: 1_000,
            latencies,
        };
        let row = row("send", figures, Duration::from_secs(2));
        assert_eq!(
            row,
            ["send", "500", "50", "51.00 ms", "99.00 ms", "100.00 ms"]
        );
    }
}
