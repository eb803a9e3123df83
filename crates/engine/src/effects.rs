//! What a leader should do after a command was applied. Followers drop all of it but the blocks.
//!
//! Filled by every part of the engine, read by the replica.

use bytes::Bytes;
use levada_types::{PartitionId, QueueId};

/// One sealed block: the run of a queue's log that begins at `first`. Unique within a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef {
    /// The queue whose log it is a part of.
    pub queue: QueueId,
    /// The first position in it.
    pub first: u64,
}

/// A block that has just left memory.
#[derive(Clone, Debug)]
pub struct SealedBlock {
    /// Its name.
    pub block: BlockRef,
    /// Position and encoded `proto::Record` of each message in it that was live, in order.
    pub records: Vec<(u64, Bytes)>,
}

/// What should happen outside because of what was applied.
#[derive(Debug, Default)]
pub struct Effects {
    /// Queues, and how many of their messages became claimable. A queue may stand here more than
    /// once: the counts add up.
    pub wake: Vec<(QueueId, u32)>,
    /// Blocks that left memory. Every replica keeps them until they are dropped. One may be in
    /// `dropped` as well: sealed first, then dropped.
    pub sealed: Vec<SealedBlock>,
    /// Blocks in which nothing is live any more.
    pub dropped: Vec<BlockRef>,
    /// Partitions for which the outbox got something, each once.
    pub outbox: Vec<PartitionId>,
    /// Queues whose catalog row changed (or went), each once.
    pub catalog_queues: Vec<QueueId>,
    /// Partitions whose catalog row changed, each once.
    pub catalog_partitions: Vec<PartitionId>,
    /// Something else in the catalog changed: a member or a move task.
    pub catalog_other: bool,
}

impl Effects {
    /// Notes that `count` messages of `queue` became claimable.
    pub(crate) fn add_wake(&mut self, queue: QueueId, count: u32) {
        match self.wake.last_mut() {
            _ if count == 0 => {}
            Some((q, n)) if *q == queue => *n = n.saturating_add(count),
            _ => self.wake.push((queue, count)),
        }
    }

    /// Notes that the row of a partition changed.
    pub(crate) fn add_partition(&mut self, partition: PartitionId) {
        if !self.catalog_partitions.contains(&partition) {
            self.catalog_partitions.push(partition);
        }
    }

    /// Notes that there is something to hand on to partition `to`.
    pub(crate) fn add_outbox(&mut self, to: PartitionId) {
        if !self.outbox.contains(&to) {
            self.outbox.push(to);
        }
    }
}
