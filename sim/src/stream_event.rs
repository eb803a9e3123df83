//! What was seen of the stream, as the invariants are told of it.

use levada_engine::proto::ShardRow;

use crate::net::MachineId;

/// One thing that was seen. Moments are simulated milliseconds.
#[derive(Clone, Debug)]
pub(crate) enum StreamEvent {
    /// Records leave their producer, for the first time or again.
    PutBegun {
        /// In the order of the call.
        records: Vec<Sent>,
    },
    /// A record was acknowledged.
    PutAcknowledged {
        /// The record.
        number: u64,
        /// Its partition key.
        key: u64,
        /// Where it is, as the answer says.
        sequence: Sequence,
        /// When the answer came.
        at_ms: u64,
    },
    /// A node told what the stream consists of.
    Described {
        /// Which node's machine.
        machine: MachineId,
        /// The version of the stream's row.
        version: u64,
        /// Those that users can see, by number.
        shards: Vec<ShardRow>,
    },
    /// A shard was read.
    Read {
        /// By whom.
        reader: Reader,
        /// At which machine.
        machine: MachineId,
        /// The shard's number.
        shard: u32,
        /// The position that was asked for; 0 for the first there is.
        from: u64,
        /// In the order of the answer.
        records: Vec<Seen>,
        /// The position to go on from, as the answer says.
        next: u64,
        /// The shard is closed and was read to its end, as the answer says.
        at_end: bool,
        /// When the answer came.
        at_ms: u64,
    },
    /// It was asked where a shard begins and ends, and where what came since a time begins.
    Searched {
        /// The shard's number.
        shard: u32,
        /// When the question had left.
        begun_ms: u64,
        /// Since when, on the cluster's clock.
        since_ms: Option<u64>,
        /// The first position that may be read.
        horizon: u64,
        /// The position that the next record gets.
        next: u64,
        /// The first position of what came at that time or later.
        since: u64,
    },
    /// All is healed, and every shard was read from its beginning to its end at one machine.
    Swept {
        /// Which.
        machine: MachineId,
    },
}

/// A record as its producer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The record.
    pub(crate) number: u64,
    /// Its partition key.
    pub(crate) key: u64,
    /// Of all of its bytes.
    pub(crate) digest: u64,
}

/// A record as a reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Where in its shard.
    pub(crate) position: u64,
    /// When it arrived, on the cluster's clock.
    pub(crate) arrived_ms: u64,
    /// What it is.
    pub(crate) sent: Sent,
}

/// A sequence number: they compare as the gateway's digits do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence {
    /// When the shard was opened, in seconds since the epoch.
    pub(crate) opened_secs: u64,
    /// The position in the shard.
    pub(crate) position: u64,
    /// The shard's number.
    pub(crate) shard: u32,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reader {
    /// One that follows the stream while faults happen.
    Follower(u64),
    /// The one that reads everything at one machine when all is healed.
    Sweeper,
}
