//! SendMessage or SendMessageBatch, of topics Publish, and of streams PutRecord or PutRecords: the time from request to answer.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::{Line, Plan, Recorder, Report, now_ns, unique};
use crate::http::{Api, CallError, has_failed_entry};
use crate::template::Template;

/// Runs the plan to its end.
pub(crate) async fn run(plan: &Plan) -> Report {
    let recorder = Arc::new(Recorder::start(plan));
    let tasks = spawn(plan, &recorder);
    recorder.finish(plan, tasks).await
}

/// The sending connections of a plan, for a caller who watches the recorder meanwhile.
pub(crate) fn spawn(plan: &Plan, recorder: &Arc<Recorder>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for index in 0..plan.connections {
        let (plan, recorder) = (plan.clone(), Arc::clone(recorder));
        tasks.spawn(async move { sender(&plan, index, &recorder).await });
    }
    tasks
}

async fn sender(plan: &Plan, index: usize, recorder: &Recorder) {
    let endpoint = plan.endpoint(index);
    let mut line = Line::to(endpoint);
    let mut template = template(plan, endpoint);
    while recorder.take(plan.batch) {
        stamp(&mut template, plan);
        let began = Instant::now();
        let Some(answer) = line.call(template.bytes(), recorder).await else {
            continue;
        };
        let done = Instant::now();
        if plan.batch > 1 && has_failed_entry(plan.api, answer) {
            recorder.error(&CallError::FailedEntry);
            continue;
        }
        recorder.latency(done, done - began);
        recorder.count(done, plan.batch);
    }
}

/// The request of a plan: single where its batch is one.
pub(crate) fn template(plan: &Plan, endpoint: &str) -> Template {
    let fifo = plan.groups.is_some();
    let (name, bytes) = (&plan.queue, plan.message_bytes);
    match (plan.api, plan.batch) {
        (Api::Sqs, ..=1) => Template::send(endpoint, name, bytes, fifo),
        (Api::Sqs, batch) => Template::send_batch(endpoint, name, bytes, fifo, batch),
        (Api::Sns, _) => Template::publish(endpoint, name, bytes, &[]),
        (Api::Kinesis, ..=1) => Template::put(endpoint, name, bytes),
        (Api::Kinesis, batch) => Template::put_batch(endpoint, name, bytes, batch),
    }
}

/// Stamps every message of the request: the time, and for FIFO queues the next group and a new id; for streams a key that
/// no record had, so that all shards get as much.
pub(crate) fn stamp(template: &mut Template, plan: &Plan) {
    let now_ns = now_ns();
    for message in 0..plan.batch {
        if plan.api == Api::Kinesis {
            template.stamp(message * 2, now_ns);
            template.stamp(message * 2 + 1, unique());
        } else if plan.groups.is_some() {
            let id = unique();
            stamp_fifo(template, plan, message, [now_ns, id, id]);
        } else {
            template.stamp(message, now_ns);
        }
    }
}

/// Stamps requests for one message that differ in where they go and in nothing else, so that each is a retry
/// of the others.
pub(crate) fn stamp_alike(templates: &mut [Template], plan: &Plan, group: u64) {
    let (now_ns, id) = (now_ns(), unique());
    for template in templates {
        if plan.groups.is_some() {
            stamp_fifo(template, plan, 0, [now_ns, group, id]);
        } else {
            template.stamp(0, now_ns);
        }
    }
}

/// The three fields of a FIFO message: time, group, deduplication id.
fn stamp_fifo(template: &mut Template, plan: &Plan, message: usize, [now_ns, group, id]: [u64; 3]) {
    template.stamp(message * 3, now_ns);
    template.stamp(message * 3 + 1, group % plan.groups.unwrap_or(1));
    template.stamp(message * 3 + 2, id);
}
