//! Snapshots on their way in: gathered part by part, then handed to Raft whole.
//!
//! Blocks go to the block store as they come and are found there if the transfer begins anew, so a
//! broken transfer costs only its rows.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use levada_storage::blocks::BlockStore;
use levada_types::{NodeId, PartitionId};
use openraft::Snapshot;
use prost::Message as _;

use crate::codec::{self, Vote};
use crate::config::TypeConfig;
use crate::network::{block_name, block_of};
use crate::proto;
use crate::snapshot::PartitionSnapshot;

type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
type RaftSnapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, PartitionSnapshot>;

/// The transfers under way, at most one for each sender and partition.
pub(crate) struct Incoming {
    blocks: Arc<BlockStore>,
    transfers: Mutex<BTreeMap<(NodeId, PartitionId), Transfer>>,
}

struct Transfer {
    number: u64,
    vote: Vote,
    meta: SnapshotMeta,
    snapshot: PartitionSnapshot,
}

impl Incoming {
    pub(crate) fn new(blocks: Arc<BlockStore>) -> Self {
        Self {
            blocks,
            transfers: Mutex::default(),
        }
    }

    pub(crate) fn begin(
        &self,
        from: NodeId,
        partition: PartitionId,
        begin: proto::SnapshotBegin,
    ) -> io::Result<Bytes> {
        let blocks: Vec<_> = begin
            .blocks
            .iter()
            .map(|name| block_of(partition, name))
            .collect();
        let lacking = blocks
            .iter()
            .filter(|id| !self.blocks.contains(**id))
            .map(block_name)
            .collect();
        let transfer = Transfer {
            number: begin.transfer,
            vote: codec::required_vote(begin.vote)?,
            meta: SnapshotMeta {
                last_log_id: begin.last.as_ref().map(codec::log_id_from),
                last_membership: codec::stored_from(begin.membership)?,
            },
            snapshot: PartitionSnapshot {
                rows: Vec::new(),
                blocks,
                _pin: None,
            },
        };
        self.lock().insert((from, partition), transfer);
        Ok(proto::SnapshotBeginReply { lacking }.encode_to_vec().into())
    }

    pub(crate) fn part(
        &self,
        from: NodeId,
        partition: PartitionId,
        part: proto::SnapshotPart,
    ) -> io::Result<Bytes> {
        for block in part.blocks {
            let name = block
                .name
                .ok_or_else(|| codec::malformed("snapshot part: a block without a name"))?;
            let records = block
                .records
                .into_iter()
                .map(|r| (r.position, r.record))
                .collect();
            self.blocks.put(block_of(partition, &name), records);
        }
        let mut transfers = self.lock();
        let transfer = expect(transfers.get_mut(&(from, partition)), part.transfer)?;
        transfer
            .snapshot
            .rows
            .extend(part.rows.into_iter().map(|row| (row.key, row.value)));
        Ok(Bytes::new())
    }

    pub(crate) fn end(
        &self,
        from: NodeId,
        partition: PartitionId,
        end: proto::SnapshotEnd,
    ) -> io::Result<(Vote, RaftSnapshot)> {
        let mut transfers = self.lock();
        expect(transfers.get_mut(&(from, partition)), end.transfer)?;
        let transfer = transfers.remove(&(from, partition)).ok_or_else(unknown)?;
        drop(transfers);
        if let Some(missing) = transfer
            .snapshot
            .blocks
            .iter()
            .find(|id| !self.blocks.contains(**id))
        {
            return Err(codec::malformed(&format!(
                "snapshot: block {missing:?} did not come"
            )));
        }
        Ok((
            transfer.vote,
            Snapshot {
                meta: transfer.meta,
                snapshot: transfer.snapshot,
            },
        ))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(NodeId, PartitionId), Transfer>> {
        self.transfers.lock().unwrap_or_else(|e| e.into_inner())
    }
}

fn unknown() -> io::Error {
    codec::malformed("snapshot part: its transfer was not begun, or another took its place")
}

fn expect(transfer: Option<&mut Transfer>, number: u64) -> io::Result<&mut Transfer> {
    transfer.filter(|t| t.number == number).ok_or_else(unknown)
}
