//! What can be asked of a partition without changing it; cheap, for its leader.

use std::collections::BTreeMap;

use levada_types::{LogId, PartitionId, QueueId, Timestamp};

use super::Partition;
use crate::catalog::Catalog;
use crate::effects::BlockRef;
use crate::log::Log;
use crate::transfer::OutboxItem;
use crate::view::{Location, LogSlice, QueueView, ShardView, Waiting};

impl Partition {
    /// Which partition this is.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The stamp of what was applied last.
    pub fn last_applied_at(&self) -> Timestamp {
        self.at
    }

    /// A queue's part in this partition; `None` if it has none.
    pub fn queue(&self, queue: QueueId) -> Option<QueueView> {
        self.queues.get(&queue).map(|q| q.view())
    }

    /// The same, of a queue on a stream and of its dead letters too, by their numbers.
    pub fn claims_of(&self, queue: QueueId) -> Option<QueueView> {
        let of = self.stream_queue(queue.0);
        of.map(|of| self.view_stream_queue(of))
            .or_else(|| self.queue(queue))
    }

    /// Whether the partition had this queue and was told to drop it, within the last day.
    pub fn was_dropped(&self, queue: QueueId) -> bool {
        self.dropped.contains_key(&queue)
    }

    /// A shard's log; `None` if it is not here.
    pub fn shard(&self, log: LogId) -> Option<ShardView> {
        self.shards.get(&log).map(|shard| shard.view())
    }

    /// Every shard that is here, in order.
    pub fn shards(&self) -> impl Iterator<Item = LogId> + '_ {
        self.shards.keys().copied()
    }

    /// Of each queue on a stream that reads a shard here, by its number: how many of the shard's records expired before
    /// they were acknowledged.
    pub fn expired_in_stream_queues(&self) -> impl Iterator<Item = (QueueId, u64)> + '_ {
        let queues = self.shards.values().flat_map(|shard| &shard.queues);
        queues.map(|(number, queue)| (QueueId(*number), queue.expired()))
    }

    /// The archive of a topic, as a shard's log is; `None` if the topic has no part here.
    pub fn archive(&self, topic: LogId) -> Option<ShardView> {
        self.topics.get(&topic).map(|topic| topic.view())
    }

    /// A shard's log, or a topic's archive: what is read by position.
    pub fn readable(&self, log: LogId) -> Option<ShardView> {
        self.shard(log).or_else(|| self.archive(log))
    }

    fn log_to_read(&self, log: LogId) -> Option<&Log> {
        let shard = self.shards.get(&log).map(|shard| &shard.log);
        shard.or_else(|| Some(&self.topics.get(&log)?.log))
    }

    /// Records of a shard or an archive from `position` on, which is not before its horizon: as many as are in memory, up to `max`
    /// and `bytes_max` (but one), or the block in which they begin.
    pub fn shard_slice(
        &self,
        log: LogId,
        position: u64,
        max: usize,
        bytes_max: usize,
    ) -> Option<LogSlice> {
        Some(self.log_to_read(log)?.slice(position, max, bytes_max))
    }

    /// The block behind this one in its shard or archive.
    pub fn block_behind(&self, block: BlockRef) -> Option<BlockRef> {
        self.log_to_read(block.queue)?.block_behind(block.first)
    }

    /// Between which two positions the first record of a shard or an archive is that arrived at `at` or later; see
    /// `Log::first_since`.
    pub fn shard_since(&self, log: LogId, at: Timestamp) -> Option<(u64, u64)> {
        Some(self.log_to_read(log)?.first_since(at))
    }

    /// Every queue that has a part here, in order.
    pub fn queues(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.queues.keys().copied()
    }

    /// When time alone changes something next: a claim, a delay or a retention ends. An apply at
    /// that time (a `Tick` will do) makes it so. It may turn out that nothing visible changed.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Where a message's payload is; `None` if it is certainly gone.
    pub fn locate(&self, queue: QueueId, position: u64) -> Option<Location> {
        match self.queues.get(&queue) {
            Some(queue) => queue.log.locate(position),
            None => self.log_to_read(queue)?.locate(position),
        }
    }

    /// Positions of up to `max` ready messages, in the order in which they should be moved.
    pub fn peek_ready(&self, queue: QueueId, max: usize) -> Vec<u64> {
        self.queues
            .get(&queue)
            .map_or_else(Vec::new, |q| q.peek_ready(max))
    }

    /// Up to `max` messages of a queue that wait, from a position on, the lowest position first, which is about the order
    /// of sending and not that of service. None if the queue has no part here. Reads the index only; see `locate`.
    pub fn waiting(&self, queue: QueueId, from: u64, max: usize) -> Vec<Waiting> {
        self.queues
            .get(&queue)
            .map_or_else(Vec::new, |queue| queue.waiting(from, max))
    }

    /// Every sealed block that holds something live, in order.
    pub fn blocks(&self) -> Vec<BlockRef> {
        let mut blocks: Vec<BlockRef> = self
            .queues
            .values()
            .map(|queue| &queue.log)
            .chain(self.shards.values().map(|shard| &shard.log))
            .chain(self.topics.values().map(|topic| &topic.log))
            .flat_map(|log| log.blocks())
            .collect();
        blocks.sort_unstable();
        blocks
    }

    /// Partitions for which something waits in an outbox.
    pub fn outbox_destinations(&self) -> Vec<PartitionId> {
        self.transfers.destinations()
    }

    /// The first `max` items for a partition, by number.
    pub fn outbox(&self, to: PartitionId, max: usize) -> Vec<OutboxItem> {
        self.transfers.items(to, 0, max)
    }

    /// The same behind a number.
    pub fn outbox_after(&self, to: PartitionId, after: u64, max: usize) -> Vec<OutboxItem> {
        self.transfers.items(to, after, max)
    }

    /// How many items wait for whatever partition.
    pub fn outbox_waiting(&self) -> usize {
        self.transfers.waiting()
    }

    /// How many items wait for a partition.
    pub fn outbox_len(&self, to: PartitionId) -> usize {
        self.transfers.len(to)
    }

    /// By destination: the number through which items have left the outbox for good.
    pub fn outbox_acknowledged(&self) -> BTreeMap<PartitionId, u64> {
        self.transfers.acknowledged().collect()
    }

    /// By source: the highest number of an item that was applied.
    pub fn inbox_applied(&self) -> BTreeMap<PartitionId, u64> {
        self.transfers.marks().collect()
    }

    /// The catalog, in partition 0.
    pub fn catalog(&self) -> Option<&Catalog> {
        self.catalog.as_ref()
    }
}
