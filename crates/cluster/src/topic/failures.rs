//! The last failure of each part of a delivery queue, in the memory of the node that leads the part: for an operator who asks why
//! messages wait. `server`'s workers note, [`crate::peek`] asks.
//!
//! Only parts that have failed have an entry, and no more than [`FAILURES_MAX`].

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use levada_types::{PartitionId, QueueId, Timestamp};

use crate::broker::Broker;
use crate::proto;

/// Parts whose failures are kept, each some hundred bytes. Beyond it those that failed longest ago are forgotten.
const FAILURES_MAX: usize = 4_096;

/// An attempt to deliver a message that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// When, by the clock of the node that tried.
    pub at: Timestamp,
    /// What was answered, if anything was.
    pub status: Option<u16>,
    /// What was said, or why there was no answer. Whoever notes it has made it short and free of secrets.
    pub detail: String,
    /// When a message was last delivered after it.
    pub delivered_at: Option<Timestamp>,
}

impl DeliveryFailure {
    pub(crate) fn from_reply(failure: &proto::DeliveryFailure) -> Self {
        Self {
            at: Timestamp::from_millis(failure.at),
            status: failure.status.and_then(|status| status.try_into().ok()),
            detail: failure.detail.clone(),
            delivered_at: failure.delivered_at.map(Timestamp::from_millis),
        }
    }

    pub(crate) fn to_reply(&self) -> proto::DeliveryFailure {
        proto::DeliveryFailure {
            at: self.at.as_millis(),
            status: self.status.map(u32::from),
            detail: self.detail.clone(),
            delivered_at: self.delivered_at.map(Timestamp::as_millis),
        }
    }
}

/// A part of a delivery queue.
type Key = (QueueId, PartitionId);

/// The last failures that this node knows of.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// With the number of the failure.
    by_part: BTreeMap<Key, (u64, DeliveryFailure)>,
    /// By their numbers, so that the oldest is found.
    by_number: BTreeMap<u64, Key>,
    next: u64,
}

impl Failures {
    fn note(&self, key: Key, failure: DeliveryFailure) {
        let mut kept = self.lock();
        let number = kept.next;
        kept.next += 1;
        if let Some((before, _)) = kept.by_part.insert(key, (number, failure)) {
            kept.by_number.remove(&before);
        }
        kept.by_number.insert(number, key);
        if kept.by_part.len() > FAILURES_MAX
            && let Some((_, oldest)) = kept.by_number.pop_first()
        {
            kept.by_part.remove(&oldest);
        }
    }

    fn delivered(&self, key: Key, at: Timestamp) {
        if let Some((_, failure)) = self.lock().by_part.get_mut(&key) {
            failure.delivered_at = Some(at);
        }
    }

    /// The last one of a part.
    pub(crate) fn of(&self, queue: QueueId, partition: PartitionId) -> Option<DeliveryFailure> {
        let kept = self.lock();
        let (_, failure) = kept.by_part.get(&(queue, partition))?;
        Some(failure.clone())
    }

    /// Forgets what failed in a partition: another node has delivered from it meanwhile.
    pub(crate) fn forget(&self, partition: PartitionId) {
        let mut kept = self.lock();
        kept.by_part.retain(|(_, of), _| *of != partition);
        kept.by_number.retain(|_, (_, of)| *of != partition);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker {
    /// A message of a part of a delivery queue that this node leads could not be delivered.
    pub fn note_delivery_failure(
        &self,
        queue: QueueId,
        partition: PartitionId,
        failure: DeliveryFailure,
    ) {
        self.core
            .delivery_failures
            .note((queue, partition), failure);
    }

    /// One was delivered.
    pub fn note_delivered(&self, queue: QueueId, partition: PartitionId, at: Timestamp) {
        self.core
            .delivery_failures
            .delivered((queue, partition), at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(at: u64) -> DeliveryFailure {
        DeliveryFailure {
            at: Timestamp::from_millis(at),
            status: Some(503),
            detail: format!("busy at {at}"),
            delivered_at: None,
        }
    }

    fn key(queue: u64, partition: u32) -> Key {
        (QueueId(queue), PartitionId(partition))
    }

    #[test]
    fn a_part_has_its_last_failure_and_what_was_delivered_since() {
        let failures = Failures::default();
        let (queue, partition) = key(7, 1);
        // What never failed is not told of.
        failures.delivered((queue, partition), Timestamp::from_millis(5));
        assert_eq!(failures.of(queue, partition), None);
        failures.note((queue, partition), failure(10));
        failures.note((queue, partition), failure(20));
        assert_eq!(failures.of(queue, partition), Some(failure(20)));
        assert_eq!(failures.of(queue, PartitionId(2)), None);
        failures.delivered((queue, partition), Timestamp::from_millis(30));
        let told = failures.of(queue, partition).unwrap();
        assert_eq!(told.delivered_at, Some(Timestamp::from_millis(30)));
        assert_eq!(DeliveryFailure::from_reply(&told.to_reply()), told);
        failures.note((queue, partition), failure(40));
        assert_eq!(failures.of(queue, partition), Some(failure(40)));
    }

    #[test]
    fn the_oldest_are_forgotten_and_a_partition_that_was_another_nodes() {
        let failures = Failures::default();
        let max = FAILURES_MAX as u64;
        for queue in 0..max {
            failures.note(key(queue, 1), failure(queue));
        }
        // The first has failed again, so that the second is the oldest.
        failures.note(key(0, 1), failure(max));
        failures.note(key(max, 2), failure(max + 1));
        assert_eq!(failures.of(QueueId(0), PartitionId(1)), Some(failure(max)));
        assert_eq!(failures.of(QueueId(1), PartitionId(1)), None);
        assert_eq!(failures.of(QueueId(2), PartitionId(1)), Some(failure(2)));
        failures.forget(PartitionId(1));
        let kept = failures.lock();
        assert_eq!((kept.by_part.len(), kept.by_number.len()), (1, 1));
        assert!(kept.by_part.contains_key(&key(max, 2)));
    }
}
