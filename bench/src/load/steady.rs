//! Send, or publish, and receive and delete, all at once and for as long as the plan says: the time from send to receipt.
//!
//! Senders stop at a window of messages that are sent and not yet received: so the queue stays short, and
//! the latency is that of the broker, not of a backlog. Receives and deletes are in batches.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Line, Plan, Recorder, Report, now_ns, send};
use crate::http::{self, Api, CallError, has_failed_entry};
use crate::template::{FIELD_DIGITS, Template, queue_url};

/// The most that one ReceiveMessage gives.
const RECEIVE_MAX: usize = 10;

/// Long enough that an idle receiver costs nothing, short enough that the end of a load is not waited for.
const WAIT_S: u64 = 1;

/// Runs the plan to its end.
pub(crate) async fn run(plan: &Plan) -> Report {
    flow(plan, std::slice::from_ref(&plan.queue)).await
}

/// The same for a topic whose messages come to each of these queues. What is received counts: of each message as many
/// as there are queues, which is also how the window counts. Each queue has the plan's receivers.
pub(crate) async fn fan_out(plan: &Plan, queues: &[String]) -> Report {
    flow(plan, queues).await
}

async fn flow(plan: &Plan, queues: &[String]) -> Report {
    let recorder = Arc::new(Recorder::start(plan));
    let window = Arc::new(Semaphore::new(plan.window));
    let mut tasks = JoinSet::new();
    for index in 0..plan.connections {
        let (plan, recorder, window) = (plan.clone(), Arc::clone(&recorder), Arc::clone(&window));
        let receipts = plan.batch * queues.len();
        tasks.spawn(async move { sender(&plan, index, &recorder, (&window, receipts)).await });
    }
    for queue in queues {
        let plan = Plan {
            queue: queue.clone(),
            ..plan.clone()
        };
        for index in 0..plan.receivers {
            let plan = plan.clone();
            let (recorder, window) = (Arc::clone(&recorder), Arc::clone(&window));
            tasks.spawn(async move { receiver(&plan, index, &recorder, &window).await });
        }
    }
    recorder.finish(plan, tasks).await
}

/// A request takes as much of the window as will be received for it.
async fn sender(
    plan: &Plan,
    index: usize,
    recorder: &Recorder,
    (window, receipts): (&Semaphore, usize),
) {
    let endpoint = plan.endpoint(index);
    let mut line = Line::to(endpoint);
    let mut template = send::template(plan, endpoint);
    let receipts = u32::try_from(receipts).unwrap_or(u32::MAX);
    while recorder.take(plan.batch) {
        // Nobody closes the window; at the end of the load the task is dropped where it waits.
        let Ok(permits) = window.acquire_many(receipts).await else {
            return;
        };
        send::stamp(&mut template, plan);
        if line.call(template.bytes(), recorder).await.is_some() {
            permits.forget();
        }
    }
}

async fn receiver(plan: &Plan, index: usize, recorder: &Recorder, window: &Semaphore) {
    let endpoint = plan.endpoint(index);
    let mut line = Line::to(endpoint);
    let receive = Template::receive(endpoint, &plan.queue, RECEIVE_MAX, WAIT_S);
    let url = queue_url(endpoint, &plan.queue);
    while recorder.running() {
        let Some(answer) = line.call(receive.bytes(), recorder).await else {
            continue;
        };
        let (received_ns, received) = (now_ns(), Instant::now());
        let messages = messages(answer);
        if messages.is_empty() {
            continue;
        }
        for message in &messages {
            let latency = Duration::from_nanos(received_ns.saturating_sub(message.sent_ns()));
            recorder.latency(received, latency);
        }
        let count = messages.len();
        let request = delete_batch(endpoint, &url, &messages);
        window.add_permits(count);
        match line.call(&request, recorder).await {
            Some(answer) if has_failed_entry(Api::Sqs, answer) => {
                recorder.error(&CallError::FailedEntry)
            }
            Some(_) => recorder.count(Instant::now(), count),
            None => {}
        }
    }
}

/// What is needed of a received message.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(borrow)]
    receipt_handle: Cow<'a, str>,
}

impl Message<'_> {
    /// The time that the sender stamped, on this process's clock.
    fn sent_ns(&self) -> u64 {
        self.body
            .get(..FIELD_DIGITS)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_default()
    }
}

/// The messages of an answer to ReceiveMessage; none where it holds none, or is not one.
pub(super) fn messages(answer: &[u8]) -> Vec<Message<'_>> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, rename = "Messages", default)]
        messages: Option<Vec<Message<'a>>>,
    }
    let answer: Option<Answer<'_>> = serde_json::from_slice(answer).ok();
    answer
        .and_then(|answer| answer.messages)
        .unwrap_or_default()
}

/// DeleteMessageBatch for what was received.
pub(super) fn delete_batch(endpoint: &str, url: &str, messages: &[Message<'_>]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Request<'a> {
        queue_url: &'a str,
        entries: Vec<Entry<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entry<'a> {
        id: String,
        receipt_handle: &'a str,
    }
    let handles = messages
        .iter()
        .map(|message| &*message.receipt_handle)
        .enumerate();
    let entries = handles
        .map(|(index, receipt_handle)| Entry {
            id: index.to_string(),
            receipt_handle,
        })
        .collect();
    // Strings and numbers always serialize.
    let body = serde_json::to_string(&Request {
        queue_url: url,
        entries,
    })
    .unwrap_or_default();
    http::request(endpoint, Api::Sqs, "DeleteMessageBatch", &body)
}
