//! Partitions of which the node that makes a backup has no copy: their leaders freeze them, and it passes on what
//! they hold.

use std::time::Duration;

use bytes::Bytes;
use levada_replica::Group;
use levada_rpc::{Class, RemoteError};
use levada_types::{NodeId, PartitionId};
use prost::Message as _;

use super::session::{Chunk, Opened, close_session, open_here, read_session, seen_here};
use super::{Seen, session};
use crate::broker::Broker;
use crate::core::{Core, Route};
use crate::handler::malformed;
use crate::method;
use crate::operations::OperationError;
use crate::proto::backup_request::Kind;
use crate::proto::{self, BackupReply, BackupRequest};

/// How long a leader may take: it may have to write much down.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

async fn ask(
    core: &Core,
    node: NodeId,
    partition: PartitionId,
    kind: Kind,
) -> Result<BackupReply, OperationError> {
    let refused = |why: String| {
        OperationError::Refused(format!(
            "{partition} is not here, and {node} was asked for it: {why}; try again, or through another node by --endpoint"
        ))
    };
    let peer = core
        .members
        .peer(node)
        .ok_or_else(|| refused("it is no member".into()))?;
    let body = BackupRequest { kind: Some(kind) }.encode_to_vec().into();
    let reply = peer
        .call(Class::Bulk, method::BACKUP, partition.0, body, ASK_TIMEOUT)
        .await
        .map_err(|e| refused(e.to_string()))?;
    let reply = BackupReply::decode(reply).map_err(|e| refused(e.to_string()))?;
    if reply.refusal.is_empty() {
        Ok(reply)
    } else {
        Err(OperationError::Refused(reply.refusal))
    }
}

fn leader(route: &Route) -> Result<NodeId, OperationError> {
    route.leader().ok_or_else(|| {
        OperationError::Refused(format!(
            "{} has no leader now; try again in a moment",
            route.partition()
        ))
    })
}

pub(super) async fn seen(core: &Core, route: &Route) -> Result<Seen, OperationError> {
    let kind = Kind::Seen(proto::BackupSeen {});
    let reply = ask(core, leader(route)?, route.partition(), kind).await?;
    Ok(seen_of(&reply))
}

pub(super) async fn open(core: &Core, route: &Route) -> Result<(NodeId, Opened), OperationError> {
    let node = leader(route)?;
    let kind = Kind::Open(proto::BackupOpen {});
    let reply = ask(core, node, route.partition(), kind).await?;
    let opened = Opened {
        session: reply.session,
        applied_index: reply.applied_index,
        rows: reply.rows as usize,
        blocks: reply.blocks as usize,
        seen: seen_of(&reply),
    };
    Ok((node, opened))
}

pub(super) async fn read(
    core: &Core,
    node: NodeId,
    partition: PartitionId,
    session: u32,
    (rows_from, blocks_from): (usize, usize),
) -> Result<Chunk, OperationError> {
    let kind = Kind::Read(proto::BackupRead {
        session,
        rows_from: rows_from as u64,
        blocks_from: blocks_from as u64,
    });
    Ok(Chunk(ask(core, node, partition, kind).await?.chunk))
}

pub(super) async fn close(core: &Core, node: NodeId, partition: PartitionId, session: u32) {
    let kind = Kind::Close(proto::BackupClose { session });
    // What is not closed ends by itself.
    let _ = ask(core, node, partition, kind).await;
}

fn seen_of(reply: &BackupReply) -> Seen {
    Seen {
        acknowledged: reply.acknowledged.clone().into_iter().collect(),
        applied: reply.applied.clone().into_iter().collect(),
    }
}

/// A member makes a backup, and has no copy of the partition.
pub(crate) async fn answer(
    broker: Broker,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = BackupRequest::decode(body).map_err(malformed)?;
    let group = broker.core.route(partition).and_then(|route| route.group());
    let reply = match (group, request.kind) {
        (Some(group), Some(kind)) => carry_out(&broker, group, kind).await,
        _ => Err(OperationError::Refused(format!(
            "{} has no copy of {partition} any more; try again",
            broker.core.node
        ))),
    };
    let reply = reply.unwrap_or_else(|error| BackupReply {
        refusal: error.to_string(),
        ..BackupReply::default()
    });
    Ok(reply.encode_to_vec().into())
}

async fn carry_out(
    broker: &Broker,
    group: std::sync::Arc<Group>,
    kind: Kind,
) -> Result<BackupReply, OperationError> {
    let with = |seen: Seen| BackupReply {
        acknowledged: seen.acknowledged.into_iter().collect(),
        applied: seen.applied.into_iter().collect(),
        ..BackupReply::default()
    };
    Ok(match kind {
        Kind::Seen(_) => with(seen_here(broker, &group).await?),
        Kind::Open(_) => {
            let opened: session::Opened = open_here(broker, group).await?;
            BackupReply {
                session: opened.session,
                applied_index: opened.applied_index,
                rows: opened.rows as u64,
                blocks: opened.blocks as u64,
                ..with(opened.seen)
            }
        }
        Kind::Read(read) => {
            let (rows, blocks) = (read.rows_from as usize, read.blocks_from as usize);
            let chunk = read_session(&broker.core, read.session, rows, blocks).await?;
            BackupReply {
                chunk: chunk.0,
                ..BackupReply::default()
            }
        }
        Kind::Close(close) => {
            close_session(&broker.core, close.session).await;
            BackupReply::default()
        }
    })
}
