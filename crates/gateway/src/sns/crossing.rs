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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use levada_cluster::QueueSettings;
    use levada_engine::proto::TopicRow;
    use levada_types::Timestamp;

    use super::*;

    fn topic(account: &str) -> Topic {
        let row = TopicRow {
            account: account.to_owned(),
            region: "eu-west-1".to_owned(),
            name: "events".to_owned(),
            ..TopicRow::default()
        };
        Topic::from_row(row).unwrap()
    }

    fn queue(version: u64, policy: Option<&str>) -> Queue {
        let policy = policy.map(|text| ("Policy".to_owned(), text.to_owned()));
        Queue {
            id: QueueId(1),
            version,
            account: "444455556666".parse().unwrap(),
            region: "eu-west-3".parse().unwrap(),
            name: "orders".parse().unwrap(),
            attributes: policy.into_iter().collect(),
            tags: BTreeMap::new(),
            partitions: Vec::new(),
            created_at: Timestamp::from_millis(0),
            modified_at: Timestamp::from_millis(0),
            settings: QueueSettings {
                fifo: false,
                content_based_deduplication: false,
                deduplicate_by_group: false,
                message_size_max_bytes: 1,
                wait_time_secs: 0,
                visibility_timeout_secs: 0,
                delay_secs: 0,
            },
            subscription: None,
        }
    }

    fn allowing(condition: &str) -> String {
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"Service": "sns.amazonaws.com"}}, "Action": "SQS:SendMessage",
                "Resource": "arn:aws:sqs:eu-west-3:444455556666:orders", "Condition": {condition}}}}}"#
        )
    }

    #[test]
    fn a_queue_of_another_account_is_asked() {
        let theirs = topic("111122223333");
        assert!(!topic_may_send(&theirs, &queue(1, None)));
        assert!(!topic_may_send(&theirs, &queue(1, Some("no policy"))));
        assert!(topic_may_send(&theirs, &queue(1, Some(&allowing("{}")))));
        for (condition, allows) in [
            (
                r#"{"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:111122223333:events"}}"#,
                true,
            ),
            (
                r#"{"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:111122223333:event"}}"#,
                false,
            ),
            (
                r#"{"StringEquals": {"aws:SourceAccount": "111122223333", "aws:ResourceAccount": "444455556666"}}"#,
                true,
            ),
            (
                r#"{"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}"#,
                false,
            ),
            (r#"{"Bool": {"aws:SecureTransport": "true"}}"#, true),
            (r#"{"Null": {"aws:PrincipalAccount": "false"}}"#, false),
        ] {
            let asked = queue(1, Some(&allowing(condition)));
            assert_eq!(topic_may_send(&theirs, &asked), allows, "{condition}");
        }
        // Its own is asked nothing.
        assert!(topic_may_send(&topic("444455556666"), &queue(1, None)));
    }

    #[test]
    fn what_was_said_is_kept_for_one_version() {
        let (theirs, kept) = (topic("111122223333"), Kept::default());
        let open = allowing("{}");
        assert!(kept.may_send(&theirs, &queue(1, Some(&open))));
        // Nothing is read again: what would say something else is of the same version.
        assert!(kept.may_send(&theirs, &queue(1, None)));
        assert!(!kept.may_send(&theirs, &queue(2, None)));
        assert!(kept.may_send(&theirs, &queue(3, Some(&open))));
        let of_that_name = Queue {
            id: QueueId(2),
            ..queue(3, None)
        };
        assert!(!kept.may_send(&theirs, &of_that_name));
    }

    #[test]
    fn what_depends_on_the_time_is_kept_for_a_second() {
        let theirs = topic("111122223333");
        let said = |policy: &str| {
            let kept = Kept::default();
            assert!(kept.may_send(&theirs, &queue(1, Some(policy))));
            kept.0.into_inner().unwrap().unwrap()
        };
        let timed = allowing(r#"{"NumericGreaterThan": {"aws:EpochTime": "1"}}"#);
        for (policy, holds_longer) in [(allowing("{}"), true), (timed, false)] {
            let said = said(&policy);
            let asked = queue(1, Some(&policy));
            assert!(said.holds(&asked, said.at_ms + FOR_NOW_MS - 1));
            assert_eq!(said.holds(&asked, said.at_ms + FOR_NOW_MS), holds_longer);
        }
    }
}
