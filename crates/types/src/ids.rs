//! Numeric identities: nodes, partitions, queues, and the receipt that names one claim.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id! {
    /// A node, named by the random number that was made with its data directory. A node whose
    /// directory is lost comes back with another id.
    NodeId(u64), "n"
}
id! {
    /// A partition: one Raft group. Partition 0 is the catalog.
    PartitionId(u32), "p"
}
id! {
    /// A queue, numbered by the catalog in order of creation and never reused.
    QueueId(u64), "q"
}

/// A log: a queue's, or a shard's of a stream. The catalog numbers both, and streams, from one counter.
pub type LogId = QueueId;

impl PartitionId {
    /// The catalog's partition, of which every node has a copy.
    pub const CATALOG: Self = Self(0);
}

/// One claim on one message: what a receipt handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// The partition that holds the message.
    pub partition: PartitionId,
    /// The queue that holds the message.
    pub queue: QueueId,
    /// The message's position in the queue's log within that partition.
    pub position: u64,
    /// How often the message had been received when this claim was made, from 1.
    pub generation: u32,
}
