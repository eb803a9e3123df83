//! A shard of a stream: a log whose readers keep their own places.
//!
//! Reading changes nothing and needs no command. Retention shortens the log from the front, by whole minutes: nothing
//! before `horizon` is to be read, though its block may still be there for what follows in it. A shard that was closed
//! takes nothing any more and goes on expiring.
//!
//! Queues on the stream claim its records where they are; see [`queue`].

pub(crate) mod queue;

use std::collections::{BTreeMap, BTreeSet};

use levada_types::{QueueId, Timestamp};

use crate::effects::Effects;
use crate::log::Log;
use crate::proto::{NewRecord, PutRecordsOutcome, Record, ShardConfig, ShardQueueConfig};
use crate::snapshot::{QueueRows, Reader, RestoreError, Writer};
use crate::view::ShardView;
use queue::{ShardQueue, Side};

/// Records that arrive within this time expire together. A year of it has half a million entries in the index of time.
const EXPIRY_QUANTUM_MS: u64 = 60_000;

/// Parts of a shard's rows in a snapshot, beside its log's.
pub(crate) const PART_SHARD: u8 = 0x01;
pub(crate) const PART_SHARD_STATE: u8 = 0x06;

/// What a shard took in the current second. A record that is larger than the limit is taken when nothing else was, and
/// weighs on the seconds that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken {
    second: u64,
    records: u64,
    bytes: u64,
}

/// One shard.
pub(crate) struct Shard {
    pub(crate) config: ShardConfig,
    pub(crate) log: Log,
    /// Positions before this one have expired.
    horizon: u64,
    taken: Taken,
    /// Bytes that it has ever taken, partition keys included: from one look at it to the next this tells its rate.
    bytes_taken: u64,
    /// Queues that read it, by number.
    pub(crate) queues: BTreeMap<u64, ShardQueue>,
    /// Mirrors the partition's `due`.
    pub(crate) due: Option<Timestamp>,
}

impl Shard {
    pub(crate) fn new(config: ShardConfig) -> Self {
        let queues = config.queues.iter();
        let queues = queues.map(|queue| (queue.queue, ShardQueue::new(*queue)));
        Self {
            log: Log::with_quantum(QueueId(config.log), EXPIRY_QUANTUM_MS),
            queues: queues.collect(),
            config,
            horizon: 1,
            taken: Taken::default(),
            bytes_taken: 0,
            due: None,
        }
    }

    /// Takes a newer configuration. What was closed stays closed.
    pub(crate) fn configure(&mut self, at: Timestamp, config: ShardConfig, effects: &mut Effects) {
        if config.version <= self.config.version {
            return;
        }
        let closed = config.closed || self.config.closed;
        if closed && !self.config.closed {
            // Who waits for records learns that there will be none.
            effects.add_wake(QueueId(config.log), u32::MAX);
        }
        self.configure_queues(&config.queues, effects);
        self.config = ShardConfig { closed, ..config };
        self.advance(at, effects);
    }

    fn configure_queues(&mut self, wanted: &[ShardQueueConfig], effects: &mut Effects) {
        let numbers: BTreeSet<u64> = wanted.iter().map(|queue| queue.queue).collect();
        self.queues.retain(|number, _| {
            let stays = numbers.contains(number);
            if !stays {
                // Who waits learns that it is gone.
                effects.add_wake(Side::Live.id(*number), u32::MAX);
                effects.add_wake(Side::Dead.id(*number), u32::MAX);
            }
            stays
        });
        for config in wanted {
            if let Some(queue) = self.queues.get_mut(&config.queue) {
                queue.configure(*config, effects);
                continue;
            }
            let mut queue = ShardQueue::new(*config);
            queue.arrived(self.horizon, self.log.next_position(), effects);
            self.queues.insert(config.queue, queue);
        }
    }

    /// Appends what the limits allow.
    pub(crate) fn put(
        &mut self,
        at: Timestamp,
        records: Vec<NewRecord>,
        effects: &mut Effects,
    ) -> PutRecordsOutcome {
        if self.config.closed {
            return PutRecordsOutcome {
                positions: Vec::new(),
                closed: true,
            };
        }
        self.begin_second(at);
        let mut positions = Vec::with_capacity(records.len());
        let first = self.log.next_position();
        let mut kept = 0;
        for new in records {
            let bytes = (new.data.len() + new.partition_key.len()) as u64;
            if !self.takes(bytes) {
                positions.push(0);
                continue;
            }
            self.bytes_taken += bytes;
            let record = Record {
                sent_at: at.as_millis(),
                group: new.partition_key,
                payload: new.data,
                ..Record::default()
            };
            positions.push(self.log.append(record, at, effects));
            kept += 1;
        }
        effects.add_wake(QueueId(self.config.log), kept);
        for queue in self.queues.values_mut() {
            queue.arrived(first, self.log.next_position(), effects);
        }
        PutRecordsOutcome {
            positions,
            closed: false,
        }
    }

    fn begin_second(&mut self, at: Timestamp) {
        let second = at.as_millis() / 1_000;
        let passed = second.saturating_sub(self.taken.second);
        if passed > 0 {
            let worked_off = self.config.bytes_per_s.saturating_mul(passed);
            self.taken = Taken {
                second,
                records: 0,
                bytes: self.taken.bytes.saturating_sub(worked_off),
            };
        }
    }

    fn takes(&mut self, bytes: u64) -> bool {
        let (records_max, bytes_max) = (self.config.records_per_s, self.config.bytes_per_s);
        if records_max == 0 && bytes_max == 0 {
            return true;
        }
        let taken = &mut self.taken;
        let has_room = records_max == 0 || taken.records < records_max;
        let fits = bytes_max == 0 || taken.bytes == 0 || taken.bytes + bytes <= bytes_max;
        if has_room && fits {
            taken.records += 1;
            taken.bytes += bytes;
        }
        has_room && fits
    }

    /// Does what time alone does.
    pub(crate) fn advance(&mut self, at: Timestamp, effects: &mut Effects) {
        if let Some(through) = self.log.expired_through(at, self.config.retention_ms) {
            // Of a block that goes on beyond it the rest is live, and so is the block.
            let _ = self.log.expire_through(through, effects);
            self.horizon = self.horizon.max(through + 1);
        }
        for queue in self.queues.values_mut() {
            queue.advance(at, self.horizon, effects);
        }
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let expiry = self.log.next_expiry(self.config.retention_ms);
        let queues = self.queues.values().filter_map(ShardQueue::next_due);
        queues.chain(expiry).min()
    }

    /// Whether a position is one that may be read.
    pub(crate) fn has(&self, position: u64) -> bool {
        (self.horizon..self.log.next_position()).contains(&position)
    }

    pub(crate) fn view(&self) -> ShardView {
        ShardView {
            config_version: self.config.version,
            horizon: self.horizon,
            next: self.log.next_position(),
            closed: self.config.closed,
            bytes_taken: self.bytes_taken,
        }
    }

    pub(crate) fn encode(&self, rows: &mut QueueRows<'_>) {
        rows.put(PART_SHARD, 0, prost::Message::encode_to_vec(&self.config));
        self.log.encode(rows);
        let mut state = Writer::default();
        state.u64(self.horizon);
        state.u64(self.taken.second);
        state.u64(self.taken.records);
        state.u64(self.taken.bytes);
        state.u64(self.bytes_taken);
        rows.put(PART_SHARD_STATE, 0, state.finish());
        queue::encode(&self.queues, rows);
    }

    pub(crate) fn load_queues(&mut self, part: u8, value: &[u8]) -> Result<(), RestoreError> {
        queue::load(&mut self.queues, part, value)
    }

    pub(crate) fn load_state(&mut self, value: &[u8]) -> Result<(), RestoreError> {
        let mut r = Reader::new(value, "shard");
        self.horizon = r.u64()?;
        self.taken = Taken {
            second: r.u64()?,
            records: r.u64()?,
            bytes: r.u64()?,
        };
        // Earlier versions did not count them.
        self.bytes_taken = if r.is_empty() { 0 } else { r.u64()? };
        let is_there = (1..=self.log.next_position()).contains(&self.horizon);
        is_there.then_some(()).ok_or(RestoreError::Row("shard"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::BlockRef;

    const DAY_MS: u64 = 86_400_000;

    fn t(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn shard(records_per_s: u64, bytes_per_s: u64) -> Shard {
        Shard::new(ShardConfig {
            log: 3,
            version: 1,
            retention_ms: DAY_MS,
            closed: false,
            records_per_s,
            bytes_per_s,
            queues: Vec::new(),
        })
    }

    fn put(shard: &mut Shard, at_ms: u64, sizes: &[usize], fx: &mut Effects) -> Vec<u64> {
        let records = sizes.iter().map(|bytes| NewRecord {
            partition_key: "k".into(),
            data: vec![7; bytes - 1].into(),
        });
        shard.put(t(at_ms), records.collect(), fx).positions
    }

    #[test]
    fn positions_rise_and_a_closed_shard_takes_nothing() {
        let (mut shard, mut fx) = (shard(0, 0), Effects::default());
        assert_eq!(put(&mut shard, 5, &[10, 10], &mut fx), [1, 2]);
        assert_eq!(fx.wake, [(QueueId(3), 2)]);
        assert_eq!(shard.view().bytes_taken, 20);
        let closing = ShardConfig {
            version: 2,
            closed: true,
            ..shard.config.clone()
        };
        shard.configure(t(6), closing.clone(), &mut fx);
        let refused = shard.put(t(7), vec![NewRecord::default()], &mut fx);
        assert!(refused.closed && refused.positions.is_empty());
        let opening = ShardConfig {
            version: 3,
            closed: false,
            ..closing
        };
        shard.configure(t(8), opening, &mut fx);
        assert!(shard.view().closed, "what was closed stays closed");
        assert_eq!(shard.view().next, 3);
    }

    #[test]
    fn a_second_takes_what_the_limits_say() {
        let (mut shard, mut fx) = (shard(3, 100), Effects::default());
        assert_eq!(put(&mut shard, 0, &[10; 4], &mut fx), [1, 2, 3, 0]);
        assert_eq!(put(&mut shard, 999, &[10], &mut fx), [0]);
        assert_eq!(
            put(&mut shard, 1_000, &[60, 50, 40], &mut fx),
            [4, 0, 5],
            "what does not fit is left out, what follows may fit"
        );
        // One larger than a second's share is taken alone, and paid for by the seconds after.
        assert_eq!(put(&mut shard, 2_000, &[250, 1], &mut fx), [6, 0]);
        assert_eq!(put(&mut shard, 3_000, &[1], &mut fx), [0]);
        assert_eq!(put(&mut shard, 4_000, &[50, 1], &mut fx), [7, 0]);
    }

    #[test]
    fn what_is_old_is_behind_the_horizon() {
        let (mut shard, mut fx) = (shard(0, 0), Effects::default());
        // Two in one minute and one in the next; the second ends a block.
        put(&mut shard, 1_000, &[200_000, 100_000], &mut fx);
        put(&mut shard, 61_000, &[10], &mut fx);
        assert_eq!(fx.sealed.len(), 1);
        shard.advance(t(60_000 + DAY_MS - 1), &mut fx);
        assert_eq!(shard.view().horizon, 1);
        assert_eq!(shard.next_due(), Some(t(60_000 + DAY_MS)));
        shard.advance(t(60_000 + DAY_MS), &mut fx);
        assert_eq!((shard.view().horizon, shard.view().next), (3, 4));
        let block = BlockRef {
            queue: QueueId(3),
            first: 1,
        };
        assert_eq!(fx.dropped, [block]);
        shard.advance(t(120_000 + DAY_MS), &mut fx);
        assert_eq!((shard.view().horizon, shard.next_due()), (4, None));
    }

    #[test]
    fn a_time_is_found_to_the_minute() {
        let (mut shard, mut fx) = (shard(0, 0), Effects::default());
        put(&mut shard, 1_000, &[10, 10], &mut fx);
        put(&mut shard, 130_000, &[10], &mut fx);
        assert_eq!(shard.log.first_since(t(0)), (1, 3));
        assert_eq!(shard.log.first_since(t(59_999)), (1, 3));
        assert_eq!(shard.log.first_since(t(60_000)), (3, 3));
        assert_eq!(shard.log.first_since(t(125_000)), (3, 4));
        assert_eq!(shard.log.first_since(t(200_000)), (4, 4));
    }

    #[test]
    fn the_tail_is_read_by_count_and_by_bytes() {
        let (mut shard, mut fx) = (shard(0, 0), Effects::default());
        put(&mut shard, 1_000, &[100; 5], &mut fx);
        let read = |from, max, bytes| shard.log.tail_from(from, max, bytes).len();
        assert_eq!(read(1, 10, 10_000), 5);
        assert_eq!(read(4, 10, 10_000), 2);
        assert_eq!(read(1, 3, 10_000), 3);
        assert_eq!(read(1, 10, 1), 1, "one is always read");
        assert_eq!(read(6, 10, 10_000), 0);
    }
}
