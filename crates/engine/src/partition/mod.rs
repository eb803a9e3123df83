//! A partition: its queues, shards, tables, topics, transfers and remembered outcomes; partition 0's catalog too.
//!
//! `apply` is deterministic and never fails: bad commands get an outcome that says so. The replica
//! calls it for each committed entry, and the reads in `reads.rs` on the leader.

mod commands;
mod queue;
mod reads;
mod rows;
mod stream_queue;
mod tables;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use levada_types::{LogId, PartitionId, QueueId, Timestamp};

use crate::catalog::Catalog;
use crate::effects::Effects;
use crate::proto::{Outcome, Proposal, command, outcome};
use crate::remembered::{Remembered, Seen};
use crate::shard::Shard;
use crate::table::{Table, Transactions};
use crate::topic::Topic;
use crate::transfer::Transfers;
use queue::Queue;

/// For how long a partition remembers that a queue was dropped, so that a late configuration does
/// not bring it back: longer than any message of that kind is under way.
const DROPPED_REMEMBERED_MS: u64 = 24 * 3_600 * 1_000;
/// Dropped queues remembered at most; beyond it the one dropped first is forgotten.
const DROPPED_MAX: usize = 65_536;

/// Everything that one partition holds.
pub struct Partition {
    id: PartitionId,
    /// The stamp of the last command; never runs back.
    at: Timestamp,
    queues: BTreeMap<QueueId, Queue>,
    /// Shards of streams; no queue has the number of one.
    shards: BTreeMap<LogId, Shard>,
    /// Tables; no queue or shard has the number of one.
    tables: BTreeMap<QueueId, Table>,
    /// Parts of topics; nothing else has the number of one.
    topics: BTreeMap<LogId, Topic>,
    transactions: Transactions,
    /// Queues on streams, by number: the shards here that they read. `Shard::queues` mirrors it.
    stream_queues: BTreeMap<u64, BTreeSet<LogId>>,
    /// Logs by the time at which `advance` has something to do for them; `Queue::due` and its like
    /// mirror it.
    due: BTreeSet<(Timestamp, LogId)>,
    dropped: BTreeMap<QueueId, Timestamp>,
    /// `dropped` by time.
    dropped_order: BTreeSet<(Timestamp, QueueId)>,
    transfers: Transfers,
    remembered: Remembered,
    /// In partition 0.
    catalog: Option<Catalog>,
}

impl Partition {
    /// An empty partition. Partition 0 also holds the catalog.
    pub fn new(id: PartitionId) -> Self {
        Self {
            id,
            at: Timestamp::ZERO,
            queues: BTreeMap::new(),
            shards: BTreeMap::new(),
            tables: BTreeMap::new(),
            topics: BTreeMap::new(),
            transactions: Transactions::default(),
            stream_queues: BTreeMap::new(),
            due: BTreeSet::new(),
            dropped: BTreeMap::new(),
            dropped_order: BTreeSet::new(),
            transfers: Transfers::default(),
            remembered: Remembered::default(),
            catalog: (id == PartitionId::CATALOG).then(Catalog::default),
        }
    }

    /// Applies one entry of the log at `at` (or at the last stamp, if that is later): first what
    /// time alone does, then each command in order. Answers one outcome for each command; none if
    /// the proposal's lane has said before that it has them.
    pub fn apply(
        &mut self,
        at: Timestamp,
        proposal: Proposal,
        effects: &mut Effects,
    ) -> Vec<Outcome> {
        self.at = self.at.max(at);
        self.advance(effects);
        let Proposal {
            origin,
            sequence,
            answered_through,
            commands,
        } = proposal;
        let remembered = origin != 0 && sequence != 0;
        if remembered {
            let seen = self
                .remembered
                .look_up(self.at, origin, sequence, answered_through);
            if let Seen::Before(mut outcomes) = seen {
                for (command, outcome) in commands.iter().zip(&mut outcomes) {
                    self.reattach(command.kind.as_ref(), outcome);
                }
                return outcomes;
            }
        }
        let outcomes: Vec<Outcome> = commands
            .into_iter()
            .map(|c| Outcome {
                kind: c.kind.map(|kind| self.run(kind, effects)),
            })
            .collect();
        if remembered {
            self.remembered.remember(origin, sequence, &outcomes);
        }
        outcomes
    }

    /// Puts the records that are still in memory back into a remembered receive.
    fn reattach(&self, command: Option<&command::Kind>, outcome: &mut Outcome) {
        let Some(command::Kind::Receive(receive)) = command else {
            return;
        };
        let Some(outcome::Kind::Receive(received)) = &mut outcome.kind else {
            return;
        };
        for claimed in &mut received.claimed {
            let log = match claimed.log {
                0 => self.queues.get(&QueueId(receive.queue)).map(|q| &q.log),
                shard => self.shards.get(&QueueId(shard)).map(|s| &s.log),
            };
            claimed.record = log.and_then(|log| log.record(claimed.position));
        }
    }

    /// Does what time alone does.
    fn advance(&mut self, effects: &mut Effects) {
        self.remembered.advance(self.at);
        self.transactions.advance(self.at);
        while let Some((at, queue)) = self.dropped_order.first().copied() {
            let old = at.plus_millis(DROPPED_REMEMBERED_MS) <= self.at;
            if !old && self.dropped.len() <= DROPPED_MAX {
                break;
            }
            self.dropped_order.pop_first();
            self.dropped.remove(&queue);
        }
        if self.due.first().is_none_or(|(at, _)| *at > self.at) {
            return;
        }
        // Each due log once, however soon it is due again.
        let due: Vec<LogId> = self
            .due
            .iter()
            .take_while(|(at, _)| *at <= self.at)
            .map(|(_, q)| *q)
            .collect();
        for log in due {
            if let Some(queue) = self.queues.get_mut(&log) {
                queue.advance(self.at, effects);
            } else if let Some(shard) = self.shards.get_mut(&log) {
                shard.advance(self.at, effects);
            } else if let Some(topic) = self.topics.get_mut(&log) {
                topic.advance(self.at, effects);
            }
            self.reschedule(log);
        }
    }

    /// Brings `due` up to date after a log changed.
    fn reschedule(&mut self, log: LogId) {
        let (after, before) = if let Some(queue) = self.queues.get_mut(&log) {
            (queue.next_due(), &mut queue.due)
        } else if let Some(shard) = self.shards.get_mut(&log) {
            (shard.next_due(), &mut shard.due)
        } else if let Some(topic) = self.topics.get_mut(&log) {
            (topic.next_due(), &mut topic.due)
        } else {
            return;
        };
        if after == *before {
            return;
        }
        if let Some(before) = std::mem::replace(before, after) {
            self.due.remove(&(before, log));
        }
        if let Some(after) = after {
            self.due.insert((after, log));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! A way in for tests of the parts.

    use super::queue::Index;
    use super::{Partition, QueueId};
    use crate::log::Log;
    use crate::standard::StandardQueue;

    /// The index and the log of a standard queue.
    pub(crate) fn standard_queue(partition: &Partition, queue: QueueId) -> (&StandardQueue, &Log) {
        match &partition.queues[&queue] {
            super::Queue {
                index: Index::Standard(index),
                log,
                ..
            } => (index, log),
            _ => panic!("{queue} is not a standard queue"),
        }
    }
}
