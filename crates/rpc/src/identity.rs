//! Who speaks on a link, and which of the three links between two nodes it is.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use levada_types::ids::NodeId;

/// The link that a call or a stream travels on. Classes don't wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Raft's own messages: small, urgent. Pings travel here too.
    Raft,
    /// Requests of clients that another node must answer.
    Request,
    /// Snapshots and everything else that is large and not urgent.
    Bulk,
}

impl Class {
    /// Every class, in the order of [`Class::index`].
    pub const ALL: [Self; 3] = [Self::Raft, Self::Request, Self::Bulk];

    /// The class's place in [`Class::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Raft => 0,
            Self::Request => 1,
            Self::Bulk => 2,
        }
    }

    /// The class's name in a link's metadata and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raft => "raft",
            Self::Request => "request",
            Self::Bulk => "bulk",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// What a node says of itself when it opens a link.
#[derive(Clone, Debug)]
pub struct Identity {
    /// This node.
    pub node: NodeId,
    /// The cluster that this node belongs to, 0 while it belongs to none. Read at each dial, so a
    /// node may learn it later; links that are open already keep what they said.
    pub cluster: Arc<AtomicU64>,
}
