//! What topics send to queues of other accounts, by those queues' policies.
//!
//! A policy is not read for each message: what it said is kept with the subscription for as long as the queue is as it was, or for
//! a second if it depends on the time.

use std::sync::{Mutex, PoisonError};

use levada_cluster::{Queue, Topic};
use levada_types::QueueId;
use tracing::info;

use super::context::arn_of;
use crate::access::{self, Verdict};
use crate::clock;

/// How long something holds that depends on the time.
const FOR_NOW_MS: u64 = 1_000;

/// Whether a topic may send to a queue. Between what one account owns, nobody is asked.
pub fn topic_may_send(topic: &Topic, queue: &Queue) -> bool {
    // So that the ARN is not written for nothing.
    topic.account == queue.account || access::topic_may_send(topic, &arn_of(topic), queue).allows
}

/// What a queue's policy said last to a subscription's topic.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<Said>>);

#[derive(Clone, Copy, Debug)]
struct Said {
    queue: QueueId,
    version: u64,
    verdict: Verdict,
    at_ms: u64,
}

impl Said {
    fn holds(&self, queue: &Queue, now_ms: u64) -> bool {
        (self.queue, self.version) == (queue.id, queue.version)
            && (!self.verdict.is_for_now || now_ms.abs_diff(self.at_ms) < FOR_NOW_MS)
    }
}

impl Kept {
    /// As [`topic_may_send`]; a refusal is logged when it is new.
    pub(super) fn may_send(&self, topic: &Topic, queue: &Queue) -> bool {
        if topic.account == queue.account {
            return true;
        }
        let now_ms = clock::now_ms();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = kept.as_ref().filter(|said| said.holds(queue, now_ms)) {
            return said.verdict.allows;
        }
        let topic_arn = arn_of(topic);
        let verdict = access::topic_may_send(topic, &topic_arn, queue);
        let is_news = kept.as_ref().is_none_or(|said| said.verdict.allows);
        if !verdict.allows && is_news {
            info!(
                topic = topic_arn,
                queue = %queue.name,
                account = %queue.account,
                "a queue's policy does not let a topic of another account send to it"
            );
        }
        *kept = Some(Said {
            queue: queue.id,
            version: queue.version,
            verdict,
            at_ms: now_ms,
        });
        verdict.allows
    }
}
