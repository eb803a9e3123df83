//! What a leader can ask a partition without changing it.

use levada_types::Timestamp;

use crate::effects::BlockRef;
use crate::proto;

/// How many messages a queue holds in this partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Neither claimed nor delayed (a blocked FIFO group's count too, as AWS has it).
    pub ready: u64,
    /// Claimed.
    pub in_flight: u64,
    /// Not to be seen yet.
    pub delayed: u64,
}

/// A queue's part in this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// The version of the configuration that it runs with.
    pub config_version: u64,
    /// Whether it is a FIFO queue.
    pub fifo: bool,
    /// What it holds.
    pub counts: Counts,
    /// When the oldest ready message was sent, to about a second.
    pub oldest_ready_at: Option<Timestamp>,
    /// Messages that it has ever taken: from one look at it to the next this tells their rate.
    pub taken: u64,
    /// The claims that it may hold at one time are taken: a Receive answers `over_limit`
    /// (standard) or nothing (FIFO).
    pub in_flight_full: bool,
    pub(crate) claimable: bool,
}

impl QueueView {
    /// Whether a Receive would return something, or bury a dead letter.
    pub fn claimable_now(&self) -> bool {
        self.claimable
    }
}

/// A message that waits: neither claimed nor delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Where it is in the queue's log.
    pub position: u64,
    /// How often it was received from this queue.
    pub receive_count: u32,
    /// When that happened first; zero if it did not.
    pub first_received_at: Timestamp,
}

/// Where a message's payload is.
#[derive(Clone, Debug, PartialEq)]
pub enum Location {
    /// In memory: here it is.
    Tail(proto::Record),
    /// In this block, unless it was deleted before the block was sealed.
    Block(BlockRef),
}

/// A shard's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardView {
    /// The version of the configuration that it runs with.
    pub config_version: u64,
    /// The first position that may be read, or `next`.
    pub horizon: u64,
    /// The position that the next record gets.
    pub next: u64,
    /// It takes no more: `next` is its end.
    pub closed: bool,
    /// Bytes that it has ever taken, partition keys included.
    pub bytes_taken: u64,
}

/// Records of a log from a position on.
#[derive(Clone, Debug, PartialEq)]
pub enum LogSlice {
    /// Encoded `proto::Record`s, in memory: here they are. None: the log ends here.
    Tail(Vec<bytes::Bytes>),
    /// They begin in this block.
    Block(BlockRef),
}
