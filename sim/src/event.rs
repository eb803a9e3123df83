//! What the clients and the watcher of the replicas saw, as the invariants are told of it.

use levada_types::{NodeId, PartitionId, Receipt};

use crate::lease_event::LeaseEvent;
use crate::net::MachineId;
use crate::stream_event::StreamEvent;
use crate::topic_event::TopicEvent;

/// One thing that was seen. Moments are simulated milliseconds.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A send leaves its producer, for the first time or again.
    SendBegun {
        /// The queue's name.
        queue: &'static str,
        /// The message.
        number: u64,
    },
    /// A send was acknowledged.
    SendAcknowledged {
        /// The queue's name.
        queue: &'static str,
        /// The message.
        number: u64,
        /// FIFO: its group.
        group: Option<u64>,
        /// Where it is, as the answer says.
        position: u64,
        /// When the answer came.
        at_ms: u64,
    },
    /// A receive was answered with messages.
    Received {
        /// The queue's name.
        queue: &'static str,
        /// When it had left.
        begun_ms: u64,
        /// When the answer came.
        at_ms: u64,
        /// For how long the messages are hidden, from some moment between those.
        visibility_ms: u64,
        /// In the order of the answer.
        copies: Vec<Copy>,
    },
    /// A delete leaves its consumer.
    DeleteBegun {
        /// The queue's name.
        queue: &'static str,
        /// The copy.
        copy: Copy,
    },
    /// A delete was acknowledged.
    DeleteAcknowledged {
        /// The copy.
        copy: Copy,
        /// Until when the claim held for certain, if clocks are right.
        claimed_until_ms: u64,
        /// When the answer came.
        at_ms: u64,
    },
    /// A change of visibility leaves its consumer: the claim may end at any time from now on.
    PutBack {
        /// The copy.
        copy: Copy,
    },
    /// A change of visibility was answered: it has had its effect, and has none on later claims.
    PutBackAnswered {
        /// The copy.
        copy: Copy,
    },
    /// Something of the stream.
    Stream(StreamEvent),
    /// Something of the leases.
    Lease(LeaseEvent),
    /// Something of the topics.
    Topic(TopicEvent),
    /// A machine is no member of the cluster any more, and its disk is empty.
    Left {
        /// Which.
        machine: MachineId,
    },
    /// A machine has no copy of a partition any more.
    CopyGone {
        /// The machine.
        machine: MachineId,
        /// The partition.
        partition: PartitionId,
    },
    /// The state of a replica was looked at.
    Replica {
        /// On which machine.
        machine: MachineId,
        /// In which of its lives.
        boot: u64,
        /// Of which partition.
        partition: PartitionId,
        /// Which of the machine's copies of it: one that was given away may come back as another.
        copy: u64,
        /// The last entry that it applied.
        applied_index: u64,
        /// The last that it knows to be committed.
        committed_index: u64,
        /// The vote by which it leads, if it does: a term and a node.
        leads_by_vote: Option<(u64, NodeId)>,
        /// The hash of its whole state; none if only the index was looked at.
        state: Option<u64>,
    },
}

/// One copy of a message, as a receive gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// The message.
    pub(crate) number: u64,
    /// FIFO: its group.
    pub(crate) group: Option<u64>,
    /// The claim.
    pub(crate) receipt: Receipt,
}
