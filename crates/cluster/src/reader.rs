//! Reads stored messages: from memory, from this node's disk, or, where the disk gives back something
//! else than was written, from a peer. Blocks are the same on every replica, so a damaged one is put
//! back as it was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_engine::Location;
use levada_engine::proto::Record;
use levada_replica::{Blocking, Group, Started, block_id};
use levada_rpc::Class;
use levada_storage::blocks::{BlockError, BlockId, BlockRecords, BlockStore};
use levada_types::{NodeId, QueueId};
use prost::Message as _;

use crate::members::Members;
use crate::{method, proto};

/// For how long a peer may look for a block.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Reader {
    pub(crate) node: NodeId,
    pub(crate) blocks: Arc<BlockStore>,
    pub(crate) members: Arc<Members>,
    pub(crate) blocking: Blocking,
}

/// A block that is being read.
pub(crate) struct Coming {
    pub(crate) id: BlockId,
    read: Started<Result<BlockRecords, BlockError>>,
}

impl Reader {
    /// One message's record; None if it is gone, or can be read nowhere now.
    pub(crate) async fn record(
        &self,
        group: &Group,
        queue: QueueId,
        position: u64,
    ) -> Option<Record> {
        let block = match group.read(|partition| partition.locate(queue, position))? {
            Location::Tail(record) => return Some(record),
            Location::Block(block) => block,
        };
        let id = block_id(group.id(), block);
        let bytes = match self.blocks.try_resident(id, position) {
            Some(bytes) => bytes,
            None => self.read_or_fetch(group, id, position).await?,
        };
        Record::decode(bytes).ok()
    }

    async fn read_or_fetch(&self, group: &Group, id: BlockId, position: u64) -> Option<Bytes> {
        let store = self.blocks.clone();
        let read = self.blocking.run(move || store.read(id, position)).await;
        match read.ok()? {
            Ok(bytes) => Some(bytes),
            Err(error @ BlockError::NoRecord { .. }) => {
                tracing::error!(%error, "a block lacks a message that the queue holds");
                None
            }
            Err(error) => {
                let records = self.put_back(group, id, &error).await?;
                let found = records.into_iter().find(|(at, _)| *at == position);
                found.map(|(_, record)| record)
            }
        }
    }

    /// Begins to read a block.
    pub(crate) fn begin(&self, id: BlockId) -> Coming {
        let read = match self.blocks.resident_block(id) {
            Some(records) => Started::Done(Ok(records)),
            None => {
                let store = self.blocks.clone();
                self.blocking.start(move || store.read_block(id))
            }
        };
        Coming { id, read }
    }

    /// The records of a block from a position on; None if it can be read nowhere now.
    pub(crate) async fn block_from(
        &self,
        group: &Group,
        block: Coming,
        position: u64,
    ) -> Option<Vec<Bytes>> {
        let records = match block.read.result().await.ok()? {
            Ok(records) => records,
            Err(error) => self.put_back(group, block.id, &error).await?.into(),
        };
        let begin = records.partition_point(|(at, _)| *at < position);
        let records = records[begin..].iter();
        Some(records.map(|(_, record)| record.clone()).collect())
    }

    /// Puts blocks back that could not be read, as peers have them. One that can be read by now is left as it is.
    pub(crate) async fn mend(&self, group: &Group, blocks: BTreeSet<BlockId>) {
        for id in blocks {
            self.block_from(group, self.begin(id), 0).await;
        }
    }

    /// Puts a block that cannot be read back as a peer has it.
    async fn put_back(
        &self,
        group: &Group,
        id: BlockId,
        error: &BlockError,
    ) -> Option<Vec<(u64, Bytes)>> {
        for node in group
            .status()
            .voters
            .into_iter()
            .filter(|node| *node != self.node)
        {
            let Some(records) = self.fetch(node, id).await else {
                continue;
            };
            tracing::warn!(%error, from = %node, "a block was put back from a peer");
            self.blocks.put(id, records.clone());
            return Some(records);
        }
        tracing::error!(%error, "a stored message cannot be read, and no peer has it");
        None
    }

    async fn fetch(&self, node: NodeId, id: BlockId) -> Option<Vec<(u64, Bytes)>> {
        let peer = self.members.peer(node)?;
        let request = proto::FetchBlockRequest {
            queue: id.log,
            first: id.first,
        };
        let body = request.encode_to_vec().into();
        let reply = peer
            .call(
                Class::Bulk,
                method::FETCH_BLOCK,
                id.partition.0,
                body,
                FETCH_TIMEOUT,
            )
            .await;
        let reply = proto::FetchBlockReply::decode(reply.ok()?).ok()?;
        Some(
            reply
                .records
                .into_iter()
                .map(|r| (r.position, r.record))
                .collect(),
        )
    }
}
