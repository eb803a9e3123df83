//! What a lagging replica is sent: the rows of a partition's state and the names of its blocks.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use levada_storage::blocks::{BlockId, PinGuard};

use crate::codec::{LogId, Stored};

/// The state of a partition at one applied entry.
#[derive(Clone)]
pub(crate) struct PartitionSnapshot {
    pub(crate) rows: Vec<(Bytes, Bytes)>,
    pub(crate) blocks: Vec<BlockId>,
    /// Keeps the blocks readable while the snapshot lives. None on the receiving side.
    pub(crate) _pin: Option<Arc<PinGuard>>,
}

impl fmt::Debug for PartitionSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PartitionSnapshot({} rows, {} blocks)",
            self.rows.len(),
            self.blocks.len()
        )
    }
}

/// A captured state with what Raft must know of it.
pub(crate) struct Captured {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: Stored,
    pub(crate) snapshot: PartitionSnapshot,
}
