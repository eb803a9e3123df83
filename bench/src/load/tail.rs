//! Writers at a steady pace, and for each shard one who asks for what is new without a pause: the time from put to get.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::drain::get_records;
use super::{Line, Plan, Recorder, Report, now_ns, send};
use crate::http::{self, Api, CallError};
use crate::template::FIELD_DIGITS;

/// Runs the plan to its end: each of its connections puts a request every `every`.
pub(crate) async fn run(
    plan: &Plan,
    shards: &[String],
    every: Duration,
) -> Result<Report, CallError> {
    let mut first = Vec::new();
    for (index, shard) in shards.iter().enumerate() {
        first.push(iterator(plan.endpoint(index), &plan.queue, shard, "LATEST").await?);
    }
    let recorder = Arc::new(Recorder::start(plan));
    let mut tasks = writers(plan, &recorder, every);
    for (index, iterator) in first.into_iter().enumerate() {
        let (plan, recorder) = (plan.clone(), Arc::clone(&recorder));
        tasks.spawn(async move { reader(plan.endpoint(index), iterator, &recorder).await });
    }
    Ok(recorder.finish(plan, tasks).await)
}

/// The writers of a plan, who take the first call's turn at different moments.
pub(super) fn writers(plan: &Plan, recorder: &Arc<Recorder>, every: Duration) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for index in 0..plan.connections {
        let (plan, recorder) = (plan.clone(), Arc::clone(recorder));
        tasks.spawn(async move {
            let endpoint = plan.endpoint(index);
            let mut line = Line::to(endpoint);
            let mut template = send::template(&plan, endpoint);
            let share = every.mul_f64(index as f64 / plan.connections as f64);
            let mut turns = tokio::time::interval_at((Instant::now() + share).into(), every);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while recorder.take(plan.batch) {
                turns.tick().await;
                send::stamp(&mut template, &plan);
                line.call(template.bytes(), &recorder).await;
            }
        });
    }
    tasks
}

async fn reader(endpoint: &str, mut iterator: String, recorder: &Recorder) {
    let mut line = Line::to(endpoint);
    while recorder.running() {
        let request = get_records(endpoint, &iterator);
        let Some(answer) = line.call(&request, recorder).await else {
            continue;
        };
        let received = Received::now();
        match serde_json::from_slice::<Answer<'_>>(answer) {
            Ok(answer) => {
                received.record(&answer.records, recorder);
                iterator = answer.next_shard_iterator.into_owned();
            }
            Err(_) => recorder.error(&CallError::Malformed("GetRecords")),
        }
    }
}

/// When an answer or an event came, on both clocks.
pub(super) struct Received {
    at: Instant,
    at_ns: u64,
}

impl Received {
    pub(super) fn now() -> Self {
        Self {
            at: Instant::now(),
            at_ns: now_ns(),
        }
    }

    /// Writes down what its records took.
    pub(super) fn record(&self, records: &[Record<'_>], recorder: &Recorder) {
        for record in records {
            let digits = record.data.get(..FIELD_DIGITS);
            let Some(put_ns) = digits.and_then(|digits| digits.parse().ok()) else {
                recorder.error(&CallError::Malformed("a record without its time"));
                continue;
            };
            let latency = Duration::from_nanos(self.at_ns.saturating_sub(put_ns));
            recorder.latency(self.at, latency);
        }
        recorder.count(self.at, records.len());
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(borrow)]
    records: Vec<Record<'a>>,
    #[serde(borrow)]
    next_shard_iterator: Cow<'a, str>,
}

/// What is needed of a record: the base64 of its data, which begins with the time.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Where to read a shard from.
pub(super) async fn iterator(
    endpoint: &str,
    stream: &str,
    shard: &str,
    kind: &str,
) -> Result<String, CallError> {
    let body = json!({"StreamName": stream, "ShardId": shard, "ShardIteratorType": kind});
    let answer = http::once(endpoint, Api::Kinesis, "GetShardIterator", &body).await?;
    let iterator = answer["ShardIterator"].as_str();
    iterator
        .map(str::to_owned)
        .ok_or(CallError::Malformed("GetShardIterator"))
}
