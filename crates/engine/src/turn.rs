//! What a queue gets to work with while one command runs, and what it hands back to its partition.
//!
//! `StandardQueue` and `FifoQueue` have the same methods, all taking a [`Turn`]; the enum in
//! `partition` chooses between them.

use levada_types::{QueueId, Timestamp, limits};

use crate::effects::Effects;
use crate::log::Log;
use crate::proto::QueueConfig;

/// A queue's surroundings during one command.
pub(crate) struct Turn<'a> {
    pub(crate) at: Timestamp,
    pub(crate) queue: QueueId,
    pub(crate) config: &'a QueueConfig,
    pub(crate) log: &'a mut Log,
    pub(crate) effects: &'a mut Effects,
}

impl Turn<'_> {
    /// Says that `count` messages became claimable.
    pub(crate) fn wake(&mut self, count: u32) {
        self.effects.add_wake(self.queue, count);
    }

    /// The message at `position` is gone for good.
    pub(crate) fn mark_dead(&mut self, position: u64) {
        self.log.mark_dead(position, self.effects);
    }

    /// The receive count beyond which a message is a dead letter; `None` without a redrive policy
    /// or without anywhere to send it.
    pub(crate) fn receive_count_max(&self) -> Option<u32> {
        let redrive = self.config.redrive.as_ref()?;
        let usable = redrive.receive_count_max > 0 && !redrive.target_partitions.is_empty();
        usable.then_some(redrive.receive_count_max)
    }
}

/// Longest time from a receive to the end of its claim, in milliseconds.
pub(crate) const CLAIM_MS_MAX: u64 = limits::VISIBILITY_TIMEOUT_SECS_MAX as u64 * 1_000;

/// Whether a claim of `received_at` would last too long if it ended `timeout_ms` from now. What has
/// passed counts in whole seconds, so that all of the twelve hours can be asked for after a receive.
pub(crate) fn beyond_twelve_hours(at: Timestamp, received_at: Timestamp, timeout_ms: u64) -> bool {
    let held_ms = at.millis_since(received_at) / 1_000 * 1_000;
    held_ms.saturating_add(timeout_ms) > CLAIM_MS_MAX
}

/// One claim that a receive made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) position: u64,
    /// With this claim: also the receipt's generation.
    pub(crate) receive_count: u32,
    pub(crate) first_received_at: Timestamp,
}

/// A message that a receive found to have been received too often. The queue has forgotten it; its
/// record stays live in the log until the partition's outbox lets go of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) position: u64,
    /// How often it had been received.
    pub(crate) receive_count: u32,
    /// Chooses one of the target's partitions: `transfer::spread_of_position` or `spread_of_group`.
    pub(crate) spread: u64,
}

/// What a receive did.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) claimed: Vec<Claim>,
    pub(crate) over_limit: bool,
    pub(crate) dead: Vec<DeadLetter>,
}

/// Dead letters that one receive buries at most, so that one command has a bounded cost; the next
/// receive goes on (the queue says that it is claimable, and wakes).
pub(crate) const DEAD_LETTERS_PER_RECEIVE_MAX: usize = 256;
