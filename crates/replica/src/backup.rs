//! A partition's state outside of any node: frozen for a backup, and laid down in a fresh directory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use levada_storage::blocks::{BlockId, PinGuard};
use levada_storage::checkpoint::{CheckpointMeta, CheckpointStore};
use levada_storage::log::{LogStore, StateKey};
use levada_types::{NodeId, PartitionId};
use prost::Message as _;

use crate::proto;
use crate::snapshot::Captured;

/// The term of what is laid down. The first election there begins a higher one.
const FIRST_TERM: u64 = 1;

/// The state of a partition at one applied entry. Its blocks stay readable while it lives.
pub struct Frozen {
    /// The entry.
    pub applied_index: u64,
    /// The state's rows, in order of their keys.
    pub rows: Vec<(Bytes, Bytes)>,
    /// The blocks that the rows name.
    pub blocks: Vec<BlockId>,
    _pin: Option<Arc<PinGuard>>,
}

impl Frozen {
    pub(crate) fn of(captured: Captured) -> Option<Self> {
        Some(Self {
            applied_index: captured.last?.index,
            rows: captured.snapshot.rows,
            blocks: captured.snapshot.blocks,
            _pin: captured.snapshot._pin,
        })
    }
}

/// Makes a partition's state that of a group whose only member is `node`, at `address`. The blocks that the
/// rows name must be on disk already. Blocks the thread.
pub fn lay_down(
    (node, address): (NodeId, &str),
    partition: PartitionId,
    applied_index: u64,
    rows: Vec<(Bytes, Bytes)>,
    log: &LogStore,
    checkpoints: &CheckpointStore,
) -> io::Result<()> {
    let last = proto::LogId {
        term: FIRST_TERM,
        node: node.0,
        index: applied_index,
    };
    let membership = proto::StoredMembership {
        log_id: Some(last),
        membership: Some(proto::Membership {
            configs: vec![proto::Voters {
                nodes: vec![node.0],
            }],
            addresses: BTreeMap::from([(node.0, address.to_owned())]),
        }),
    };
    let meta = proto::CheckpointMeta {
        last: Some(last),
        membership: Some(membership),
    };
    let meta = CheckpointMeta {
        // As the log counts.
        applied_index: applied_index + 1,
        opaque: meta.encode_to_vec().into(),
    };
    checkpoints
        .save(partition, meta, &rows)
        .map_err(io::Error::other)?;
    let vote = proto::Vote {
        term: FIRST_TERM,
        node: node.0,
        committed: true,
    };
    put(log, partition, StateKey::VOTE, vote.encode_to_vec())?;
    put(log, partition, StateKey::PURGED, last.encode_to_vec())?;
    log.purge_through(partition, applied_index + 1);
    Ok(())
}

fn put(log: &LogStore, partition: PartitionId, key: StateKey, value: Vec<u8>) -> io::Result<()> {
    let (tx, rx) = sync_channel(1);
    let done = move |result| {
        // The receiver waits right below.
        let _ = tx.send(result);
    };
    log.put_state(partition, key, value.into(), Box::new(done));
    rx.recv()
        .unwrap_or_else(|_| Err(io::Error::other("the log's writer has stopped")))
}
