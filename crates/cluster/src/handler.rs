//! What this node answers its peers.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use levada_engine::read_proposal;
use levada_replica::{ProposeError, is_raft_method};
use levada_rpc::{Caller, PeerHandler, RemoteError, StreamReceiver, StreamSender};
use levada_storage::blocks::BlockId;
use levada_types::{PartitionId, QueueId};
use prost::Message as _;

use crate::bootstrap::Bootstrap;
use crate::broker::Broker;
use crate::core::Core;
use crate::messages::counts_here;
use crate::proposer::{NO_REPLICA, NOT_LEADER, Sealed, UNKNOWN, propose_at_leader};
use crate::{backup, far, hearsay, hosting, leaders, method, peek, proto, report, stream, table};

/// Remote refusal: the node is not ready, or of another cluster.
const NOT_A_MEMBER: u32 = 203;
/// Remote refusal: what came is not a message of ours.
const MALFORMED: u32 = 204;

/// Answers peers; before the node belongs to a cluster, only who it is.
pub(crate) struct Handler {
    pub(crate) bootstrap: Arc<Bootstrap>,
    pub(crate) core: OnceLock<Arc<Core>>,
}

impl Handler {
    fn member(&self, from: Caller) -> Result<Arc<Core>, RemoteError> {
        let core = self
            .core
            .get()
            .ok_or_else(|| RemoteError::new(NOT_A_MEMBER, "this node is starting"))?;
        let cluster = core.members.cluster();
        // 0: the caller opened its links before it was adopted; its node id is checked by Raft.
        if from.cluster != 0 && from.cluster != cluster {
            let message = format!(
                "this node is of cluster {cluster:016x}, not {:016x}",
                from.cluster
            );
            return Err(RemoteError::new(NOT_A_MEMBER, message));
        }
        Ok(core.clone())
    }
}

impl PeerHandler for Handler {
    fn call(
        &self,
        from: Caller,
        method: u32,
        partition: u32,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RemoteError>> {
        if matches!(
            method,
            method::HELLO | method::ADOPT | method::JOIN | method::STANDING
        ) {
            let bootstrap = self.bootstrap.clone();
            let core = self.core.get().cloned();
            return async move { bootstrap.answer(method, body, core).await }.boxed();
        }
        let core = match self.member(from) {
            Ok(core) => core,
            Err(refusal) => return futures::future::ready(Err(refusal)).boxed(),
        };
        let partition = PartitionId(partition);
        async move {
            match method {
                method if is_raft_method(method) => {
                    core.replicas.call(from.node, method, partition, body).await
                }
                method::PROPOSE => propose(&core, partition, body).await,
                method::COUNTS => counts(&core, partition, body).await,
                method::SPARE => spare(core).await,
                method::FETCH_BLOCK => fetch_block(&core, partition, body).await,
                method::REPORT => Ok(report::of_this_node(&core).encode_to_vec().into()),
                method::LED => hearsay::answer(&core, body).await,
                method::RELEASE => hosting::answer_release(&core, partition, from.node).await,
                method::AWAIT => far::answer(&core, partition, body).await,
                method::BACKUP => backup::answer(Broker::new(core), partition, body).await,
                method::READ_SHARD | method::SHARD_ENDS => {
                    stream::answer(&core, method, partition, body).await
                }
                method::SUBSCRIBE => stream::answer_subscribe(&core, from.node, body),
                method::READ_ITEMS | method::QUERY_TABLE | method::TABLE_SIZE => {
                    table::answer(&core, method, partition, body).await
                }
                method::LOOK | method::PEEK => peek::answer(&core, method, partition, body).await,
                method::HAND_OVER => leaders::answer_hand_over(&core, partition, body).await,
                other => Err(RemoteError::new(
                    MALFORMED,
                    format!("no such method: {other}"),
                )),
            }
        }
        .boxed()
    }

    fn stream(
        &self,
        from: Caller,
        method: u32,
        partition: u32,
        inbound: StreamReceiver,
        outbound: StreamSender,
    ) -> BoxFuture<'static, ()> {
        match self.member(from) {
            Ok(core) => async move {
                core.replicas
                    .stream(method, PartitionId(partition), inbound, outbound)
                    .await
            }
            .boxed(),
            Err(_) => futures::future::ready(()).boxed(),
        }
    }
}

pub(crate) fn malformed(error: impl std::fmt::Display) -> RemoteError {
    RemoteError::new(MALFORMED, error.to_string())
}

async fn propose(core: &Core, partition: PartitionId, body: Bytes) -> Result<Bytes, RemoteError> {
    let request = proto::ProposeRequest::decode(body).map_err(malformed)?;
    let hosted = core.route(partition).and_then(|route| route.group());
    let group = hosted.ok_or_else(|| {
        RemoteError::new(
            NO_REPLICA,
            format!("this node has no replica of {partition}"),
        )
    })?;
    // Of a newer version: in the log it would end every node of this one.
    read_proposal(request.proposal.clone()).map_err(malformed)?;
    let sealed = Sealed {
        proposal: request.proposal,
        joins: request.claims_from.is_empty(),
        claims_from: request.claims_from,
        count: request.commands as usize,
    };
    let answer = propose_at_leader(&group, &core.reader, &sealed).await;
    match answer {
        Ok((outcomes, applied_index)) => Ok(proto::ProposeReply {
            outcomes,
            applied_index,
        }
        .encode_to_vec()
        .into()),
        Err(error @ ProposeError::NotLeader(_)) => {
            Err(RemoteError::new(NOT_LEADER, error.to_string()))
        }
        Err(error) => Err(RemoteError::new(UNKNOWN, error.to_string())),
    }
}

async fn counts(core: &Core, partition: PartitionId, body: Bytes) -> Result<Bytes, RemoteError> {
    let request = proto::CountsRequest::decode(body).map_err(malformed)?;
    let leads = core.route(partition).and_then(|route| route.led_group());
    if leads.is_none() {
        return Err(RemoteError::new(
            NOT_LEADER,
            "this node does not lead the partition",
        ));
    }
    let counts = counts_here(core, QueueId(request.queue), partition).await;
    let reply = proto::CountsReply {
        ready: counts.ready,
        in_flight: counts.in_flight,
        delayed: counts.delayed,
    };
    Ok(reply.encode_to_vec().into())
}

/// A member whose directory is damaged, and which takes part in nothing, asks whether it is needed.
async fn spare(core: Arc<Core>) -> Result<Bytes, RemoteError> {
    match Broker::new(core).catch_up_catalog().await {
        Ok(()) => Ok(Bytes::new()),
        Err(error) => Err(RemoteError::new(
            NO_REPLICA,
            format!("there is no majority: {error}"),
        )),
    }
}

/// A peer's copy of a block is damaged: blocks are the same on every replica.
async fn fetch_block(
    core: &Core,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = proto::FetchBlockRequest::decode(body).map_err(malformed)?;
    let id = BlockId {
        partition,
        log: request.queue,
        first: request.first,
    };
    let blocks = core.reader.blocks.clone();
    let blocking = core.reader.blocking;
    let read = blocking.run(move || blocks.read_block(id)).await;
    let read = read.map_err(malformed)?;
    let records = read.map_err(|error| RemoteError::new(NO_REPLICA, error.to_string()))?;
    let records = records
        .iter()
        .map(|(position, record)| proto::StoredRecord {
            position: *position,
            record: record.clone(),
        })
        .collect();
    Ok(proto::FetchBlockReply { records }.encode_to_vec().into())
}
