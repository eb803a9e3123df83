//! A lease: who reads a shard, and how far. Pure.

use crate::hash::HashRange;
use crate::position::Checkpoint;
use crate::shards::Shard;

/// A row of the lease table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The shard's id.
    pub(crate) key: String,
    /// The worker that reads it.
    pub(crate) owner: Option<String>,
    /// One more with every write. A lease whose counter stands still is nobody's.
    pub(crate) counter: u64,
    pub(crate) checkpoint: Checkpoint,
    /// How often it went to another worker since the last checkpoint.
    pub(crate) owner_switches: u64,
    pub(crate) parents: Vec<String>,
    pub(crate) children: Vec<String>,
    /// Missing in rows of older libraries.
    pub(crate) range: Option<HashRange>,
}

impl Lease {
    /// A lease that nobody has yet.
    pub(crate) fn new(shard: &Shard, checkpoint: Checkpoint) -> Self {
        Self {
            key: shard.id.to_string(),
            owner: None,
            counter: 0,
            checkpoint,
            owner_switches: 0,
            parents: shard.parents.clone(),
            children: Vec::new(),
            range: Some(shard.range),
        }
    }

    /// Whether the shard is processed to its end.
    pub(crate) fn ended(&self) -> bool {
        self.checkpoint == Checkpoint::ShardEnd
    }
}

/// What is written over a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// This worker has it from now on.
    Take,
    /// The worker that has it is alive.
    Renew,
    /// So far is done.
    Checkpoint(Checkpoint),
    /// All is done, and these follow. Nobody needs the lease any more.
    End(Vec<String>),
    /// The worker that has it wants it no more.
    Release,
}

impl Change {
    /// The lease as it is after the change by a worker.
    pub(crate) fn apply(&self, lease: &Lease, worker: &str) -> Lease {
        let mut next = lease.clone();
        next.counter = next.counter.saturating_add(1);
        match self {
            Self::Take => {
                let switches = lease.owner.as_deref() != Some(worker);
                next.owner_switches += u64::from(switches);
                next.owner = Some(worker.to_owned());
            }
            Self::Renew => {}
            Self::Checkpoint(checkpoint) => {
                next.checkpoint = checkpoint.clone();
                next.owner_switches = 0;
            }
            Self::End(children) => {
                next.checkpoint = Checkpoint::ShardEnd;
                next.owner_switches = 0;
                next.children.clone_from(children);
                next.owner = None;
            }
            Self::Release => next.owner = None,
        }
        next
    }
}
