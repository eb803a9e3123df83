//! One client that sends, receives and deletes, one after the other: what each of them takes when nobody else
//! is there. The scenarios of backlogs compare it on a full queue and an empty one.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::steady::{delete_batch, messages};
use super::{Latency, Plan, histogram, send};
use crate::http::{CallError, Connection};
use crate::template::{Template, queue_url};

/// A receive waits this long for what was just sent.
const WAIT_S: u64 = 1;

/// What the three calls took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct CycleReport {
    /// SendMessage.
    pub(crate) send: Latency,
    /// ReceiveMessage that gave a message.
    pub(crate) receive: Latency,
    /// DeleteMessageBatch of one.
    pub(crate) delete: Latency,
}

/// Runs the plan's warm-up and duration on one connection. The first error ends it.
pub(crate) async fn run(plan: &Plan) -> Result<CycleReport, CallError> {
    let endpoint = &plan.endpoints[0];
    let mut connection = Connection::open(endpoint).await?;
    let mut template = send::template(plan, endpoint);
    let receive = Template::receive(endpoint, &plan.queue, 1, WAIT_S);
    let url = queue_url(endpoint, &plan.queue);
    let mut histograms = [histogram(), histogram(), histogram()];
    let from = Instant::now() + plan.warmup;
    while Instant::now() < from + plan.duration {
        send::stamp(&mut template, plan);
        let began = Instant::now();
        connection.call(template.bytes()).await?;
        let sent = Instant::now();
        let answer = connection.call(receive.bytes()).await?;
        let received = Instant::now();
        let messages = messages(answer);
        if messages.is_empty() {
            // Sent and not there within a second: the next turn sends another, and this one is not counted.
            continue;
        }
        let request = delete_batch(endpoint, &url, &messages);
        let deleting = Instant::now();
        connection.call(&request).await?;
        if began >= from {
            record(&mut histograms[0], sent - began);
            record(&mut histograms[1], received - sent);
            record(&mut histograms[2], deleting.elapsed());
        }
    }
    let [send, receive, delete] = histograms.map(|histogram| Latency::of(&histogram));
    Ok(CycleReport {
        send,
        receive,
        delete,
    })
}

fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
}
