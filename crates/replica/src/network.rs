//! openraft's network over the one link that all groups share between two nodes.
//!
//! AppendEntries travel as a stream for each group and follower; heartbeats, votes and hand-overs as
//! calls. Snapshots are a conversation of calls on the bulk link, so that they delay nothing.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use levada_rpc::{CallError, Class, Peer, Peers};
use levada_storage::blocks::{BlockId, BlockStore};
use levada_types::{PartitionId, QueueId};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::impls::BasicNode;
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError,
    StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, Snapshot};
use prost::Message as _;

use crate::codec::{self, Vote};
use crate::config::TypeConfig;
use crate::group::Events;
use crate::host::Blocking;
use crate::proto;
use crate::session::Session;
use crate::snapshot::PartitionSnapshot;

/// Methods of the peer protocol that belong to Raft.
pub(crate) mod method {
    pub(crate) const APPEND_STREAM: u32 = 1;
    pub(crate) const HEARTBEAT: u32 = 2;
    pub(crate) const VOTE: u32 = 3;
    pub(crate) const PRE_VOTE: u32 = 4;
    pub(crate) const TRANSFER: u32 = 5;
    pub(crate) const SNAPSHOT_BEGIN: u32 = 6;
    pub(crate) const SNAPSHOT_PART: u32 = 7;
    pub(crate) const SNAPSHOT_END: u32 = 8;
    pub(crate) const READ_INDEX: u32 = 9;
    /// Methods from here on belong to other crates.
    pub(crate) const RAFT_END: u32 = 32;
}

/// A part of a snapshot is sent when it has gathered this many bytes.
const SNAPSHOT_PART_BYTES: usize = 1024 * 1024;
/// The receiver writes a part within this time or the transfer is given up, and begun anew later.
const SNAPSHOT_CALL_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) type RpcError = RPCError<TypeConfig>;
type RaftSnapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, PartitionSnapshot>;
type BoxFuture<'a, T> = futures::future::BoxFuture<'a, T>;
type BoxStream<'a, T> = futures::stream::BoxStream<'a, T>;

/// Makes a group's connections to its members.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) partition: PartitionId,
    pub(crate) peers: Peers,
    pub(crate) blocks: Arc<BlockStore>,
    pub(crate) blocking: Blocking,
    /// Hears of blocks that cannot be sent.
    pub(crate) events: Arc<Events>,
    /// Rises with each part of a snapshot that a member has taken.
    pub(crate) parts_taken: Arc<AtomicU64>,
}

/// A group's connection to one member.
pub(crate) struct Connection {
    partition: PartitionId,
    target: u64,
    peer: Peer,
    blocks: Arc<BlockStore>,
    blocking: Blocking,
    events: Arc<Events>,
    parts_taken: Arc<AtomicU64>,
    heartbeat: bool,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        self.connection(target, node, false)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &BasicNode) -> Connection {
        self.connection(target, node, true)
    }
}

impl Network {
    fn connection(&self, target: u64, node: &BasicNode, heartbeat: bool) -> Connection {
        Connection {
            partition: self.partition,
            target,
            peer: self.peers.get(&node.addr),
            blocks: self.blocks.clone(),
            blocking: self.blocking,
            events: self.events.clone(),
            parts_taken: self.parts_taken.clone(),
            heartbeat,
        }
    }
}

fn rpc_error(error: CallError) -> RpcError {
    match error {
        // Asking again at once would only be refused again.
        CallError::Unreachable { .. } | CallError::TimedOut => {
            RPCError::Unreachable(Unreachable::new(&error))
        }
        CallError::Overloaded | CallError::TooLarge { .. } | CallError::Remote(_) => {
            RPCError::Network(NetworkError::new(&error))
        }
    }
}

pub(crate) fn unreadable(error: io::Error) -> RpcError {
    RPCError::Network(NetworkError::new(&error))
}

pub(crate) fn lost() -> RpcError {
    RPCError::Unreachable(Unreachable::from_string("the link to the peer broke"))
}

impl Connection {
    async fn call(
        &self,
        class: Class,
        method: u32,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RpcError> {
        self.peer
            .call(class, method, self.partition.0, body, timeout)
            .await
            .map_err(rpc_error)
    }

    async fn ask_vote(
        &self,
        method: u32,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let body = vote_request_to(&rpc, self.target).encode_to_vec().into();
        let reply = self
            .call(Class::Raft, method, body, option.hard_ttl())
            .await?;
        let reply: proto::VoteReply = codec::decode(reply, "vote reply").map_err(unreadable)?;
        let vote = codec::required_vote(reply.vote).map_err(unreadable)?;
        Ok(VoteResponse::new(
            vote,
            reply.last.as_ref().map(codec::log_id_from),
            reply.granted,
        ))
    }

    async fn heartbeat(
        &self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: &RPCOption,
    ) -> Result<StreamAppendResult<TypeConfig>, RpcError> {
        let body = append_to(rpc, self.target);
        let reply = self
            .call(Class::Raft, method::HEARTBEAT, body, option.hard_ttl())
            .await?;
        append_reply_from(reply).map_err(unreadable)
    }
}

/// A session with a peer that can't be reached. openraft pauses after an error when it is asked for the next request,
/// and nowhere else: without that it would open one session after the other, without an end and without a wait.
fn failed_session<'s, S>(
    mut requests: S,
    error: RpcError,
) -> BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>
where
    S: futures::Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 's,
{
    let failing = async move {
        let _paused = requests.next().await;
        Err(error)
    };
    futures::stream::once(failing).boxed()
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = PartitionSnapshot;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        Ok(self.heartbeat(rpc, &option).await?.into())
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>, RpcError>,
    >
    where
        S: futures::Stream<Item = AppendEntriesRequest<TypeConfig>>
            + OptionalSend
            + Unpin
            + 'static,
    {
        Box::pin(async move {
            if self.heartbeat {
                let this = &*self;
                let replies = input.then(move |rpc| {
                    let option = option.clone();
                    async move { this.heartbeat(rpc, &option).await }
                });
                return Ok(replies.boxed());
            }
            let opened = self
                .peer
                .open(Class::Raft, method::APPEND_STREAM, self.partition.0)
                .await;
            let (tx, rx) = match opened {
                Ok(opened) => opened,
                Err(error) => return Ok(failed_session(input, rpc_error(error))),
            };
            let session = Session::new(input, self.target, tx, rx);
            Ok(session.answers())
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_vote(method::VOTE, rpc, option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_vote(method::PRE_VOTE, rpc, option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            result = self.send_snapshot(vote, snapshot) => result.map_err(|error| match error {
                RPCError::Unreachable(e) => StreamingError::Unreachable(e),
                RPCError::Network(e) => StreamingError::Network(e),
                other => StreamingError::Network(NetworkError::new(&other)),
            }),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let body = proto::TransferRequest {
            from: Some(codec::vote_to(rpc.from_leader())),
            to: *rpc.to_node_id(),
            last: rpc.last_log_id().map(codec::log_id_to),
        };
        let reply = self
            .call(
                Class::Raft,
                method::TRANSFER,
                body.encode_to_vec().into(),
                option.hard_ttl(),
            )
            .await?;
        let reply: proto::TransferReply =
            codec::decode(reply, "transfer reply").map_err(unreadable)?;
        if reply.accepted {
            Ok(Ok(()))
        } else {
            Err(RPCError::Network(NetworkError::from_string(reply.reason)))
        }
    }
}

impl Connection {
    async fn bulk<M: prost::Message + Default>(
        &self,
        method: u32,
        body: impl prost::Message,
    ) -> Result<M, RpcError> {
        let reply = self
            .call(
                Class::Bulk,
                method,
                body.encode_to_vec().into(),
                SNAPSHOT_CALL_TIMEOUT,
            )
            .await?;
        codec::decode(reply, "snapshot reply").map_err(unreadable)
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: RaftSnapshot,
    ) -> Result<SnapshotResponse<TypeConfig>, RpcError> {
        let Snapshot { meta, snapshot } = snapshot;
        // Unique among this sender's transfers to one receiver, as openraft sends one at a time.
        let transfer = meta.last_log_id.map_or(0, |id| id.index);
        let begin = proto::SnapshotBegin {
            transfer,
            vote: Some(codec::vote_to(&vote)),
            last: meta.last_log_id.as_ref().map(codec::log_id_to),
            membership: Some(codec::stored_to(&meta.last_membership)),
            blocks: snapshot.blocks.iter().map(block_name).collect(),
            to: self.target,
        };
        let reply: proto::SnapshotBeginReply = self.bulk(method::SNAPSHOT_BEGIN, begin).await?;
        let mut part = proto::SnapshotPart {
            transfer,
            ..Default::default()
        };
        let mut bytes = 0;
        for (key, value) in snapshot.rows {
            bytes += key.len() + value.len();
            part.rows.push(proto::Row { key, value });
            self.send_if_full(&mut part, &mut bytes).await?;
        }
        for name in reply.lacking {
            let id = self.block_id(&name);
            let blocks = self.blocks.clone();
            let read = self.blocking.run(move || blocks.read_block(id)).await;
            let records = match read {
                Ok(Ok(records)) => records,
                Ok(Err(error)) => {
                    self.events.unreadable(id);
                    return Err(RPCError::Network(NetworkError::new(&error)));
                }
                Err(error) => return Err(RPCError::Network(NetworkError::new(&error))),
            };
            bytes += records.iter().map(|(_, r)| r.len()).sum::<usize>();
            let records = records
                .iter()
                .map(|(position, record)| proto::BlockRecord {
                    position: *position,
                    record: record.clone(),
                })
                .collect();
            part.blocks.push(proto::Block {
                name: Some(name),
                records,
            });
            self.send_if_full(&mut part, &mut bytes).await?;
        }
        bytes = usize::MAX;
        self.send_if_full(&mut part, &mut bytes).await?;
        let reply: proto::SnapshotReply = self
            .bulk(method::SNAPSHOT_END, proto::SnapshotEnd { transfer })
            .await?;
        Ok(SnapshotResponse::new(
            codec::required_vote(reply.vote).map_err(unreadable)?,
        ))
    }

    async fn send_if_full(
        &self,
        part: &mut proto::SnapshotPart,
        bytes: &mut usize,
    ) -> Result<(), RpcError> {
        if *bytes < SNAPSHOT_PART_BYTES {
            return Ok(());
        }
        let transfer = part.transfer;
        let full = std::mem::replace(
            part,
            proto::SnapshotPart {
                transfer,
                ..Default::default()
            },
        );
        *bytes = 0;
        self.bulk::<proto::SnapshotBeginReply>(method::SNAPSHOT_PART, full)
            .await?;
        self.parts_taken.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn block_id(&self, name: &proto::BlockName) -> BlockId {
        block_of(self.partition, name)
    }
}

pub(crate) fn block_of(partition: PartitionId, name: &proto::BlockName) -> BlockId {
    BlockId {
        partition,
        log: QueueId(name.queue).0,
        first: name.first,
    }
}

pub(crate) fn block_name(id: &BlockId) -> proto::BlockName {
    proto::BlockName {
        queue: id.log,
        first: id.first,
    }
}

fn vote_request_to(rpc: &VoteRequest<TypeConfig>, to: u64) -> proto::VoteRequest {
    proto::VoteRequest {
        vote: Some(codec::vote_to(&rpc.vote)),
        last: rpc.last_log_id.as_ref().map(codec::log_id_to),
        leadership_transfer: rpc.leadership_transfer,
        to,
    }
}

pub(crate) fn append_to(rpc: AppendEntriesRequest<TypeConfig>, to: u64) -> Bytes {
    let request = proto::AppendRequest {
        vote: Some(codec::vote_to(&rpc.vote)),
        prev: rpc.prev_log_id.as_ref().map(codec::log_id_to),
        entries: rpc.entries.iter().map(codec::entry_to).collect(),
        commit: rpc.leader_commit.as_ref().map(codec::log_id_to),
        to,
    };
    request.encode_to_vec().into()
}

/// The request, and the node that it is meant for.
pub(crate) fn append_from(body: Bytes) -> io::Result<(AppendEntriesRequest<TypeConfig>, u64)> {
    let request: proto::AppendRequest = codec::decode(body, "append request")?;
    let rpc = AppendEntriesRequest {
        vote: codec::required_vote(request.vote)?,
        prev_log_id: request.prev.as_ref().map(codec::log_id_from),
        entries: request
            .entries
            .into_iter()
            .map(codec::entry_from)
            .collect::<io::Result<_>>()?,
        leader_commit: request.commit.as_ref().map(codec::log_id_from),
    };
    Ok((rpc, request.to))
}

pub(crate) fn append_reply_to(result: StreamAppendResult<TypeConfig>) -> Bytes {
    use proto::append_reply::Kind;
    let kind = match result {
        Ok(matched) => Kind::Matched(proto::Matched {
            log_id: matched.as_ref().map(codec::log_id_to),
        }),
        Err(StreamAppendError::Conflict(at)) => Kind::Conflict(codec::log_id_to(&at)),
        Err(StreamAppendError::HigherVote(vote)) => Kind::HigherVote(codec::vote_to(&vote)),
    };
    proto::AppendReply { kind: Some(kind) }
        .encode_to_vec()
        .into()
}

pub(crate) fn append_reply_from(body: Bytes) -> io::Result<StreamAppendResult<TypeConfig>> {
    use proto::append_reply::Kind;
    let reply: proto::AppendReply = codec::decode(body, "append reply")?;
    Ok(
        match reply
            .kind
            .ok_or_else(|| codec::malformed("append reply: empty"))?
        {
            Kind::Matched(m) => Ok(m.log_id.as_ref().map(codec::log_id_from)),
            Kind::Conflict(at) => Err(StreamAppendError::Conflict(codec::log_id_from(&at))),
            Kind::HigherVote(vote) => Err(StreamAppendError::HigherVote(codec::vote_from(&vote))),
        },
    )
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use openraft::Vote;

    use super::*;

    /// openraft's pause after an error is in the stream of its requests.
    #[test]
    fn a_session_that_fails_waits_for_a_request_first() {
        let request = AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            entries: Vec::new(),
            leader_commit: None,
        };
        let (paused, requests) = futures::channel::mpsc::unbounded();
        let mut session = failed_session(requests, lost());
        assert!(session.next().now_or_never().is_none(), "it pauses");
        paused.unbounded_send(request).expect("it is drawn");
        assert!(matches!(
            session.next().now_or_never(),
            Some(Some(Err(RPCError::Unreachable(_))))
        ));
        assert!(matches!(session.next().now_or_never(), Some(None)));
    }
}
