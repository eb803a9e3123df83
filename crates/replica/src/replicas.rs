//! All groups of a node, and the answering side of what replicas say to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use levada_rpc::{Peers, RemoteError, StreamReceiver, StreamSender};
use levada_storage::blocks::BlockStore;
use levada_storage::checkpoint::CheckpointStore;
use levada_storage::log::LogStore;
use levada_types::{NodeId, PartitionId, Timestamp};
use openraft::Raft;
use openraft::raft::{TransferLeaderRequest, VoteRequest};
use prost::Message as _;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::codec::{self, LogId};
use crate::config::{ReplicaOptions, TypeConfig};
use crate::group::{Events, Group, ProposeError};
use crate::incoming::Incoming;
use crate::log_store::GroupLog;
use crate::machine::{Applied, Machine};
use crate::network::{self, Network, method};
use crate::pace::Pace;
use crate::{proto, retired};

/// Bytes of snapshots that a node takes in a second. Without a bound a refill takes the processors from those who
/// send and receive meanwhile. At this rate 100 GB take 12 minutes.
const REFILL_BYTES_PER_S: u64 = 140 * 1024 * 1024;
/// For how long a vote waits for this node's own notice of a leader's death, once another asks for it.
const DEATH_NOTICE: Duration = Duration::from_millis(60);

/// Errors that a replica answers a peer with.
mod refusal {
    pub(super) const NO_SUCH_PARTITION: u32 = 100;
    pub(super) const NOT_FOR_THIS_NODE: u32 = 101;
    pub(super) const MALFORMED: u32 = 102;
    pub(super) const STOPPED: u32 = 103;
    pub(super) const NOT_LEADER: u32 = 104;
}

/// Whether a method of the peer protocol is answered by [`Replicas`].
pub fn is_raft_method(method: u32) -> bool {
    method < method::RAFT_END
}

/// Everything that the groups of a node share.
pub struct Replicas {
    node: NodeId,
    peers: Peers,
    log: Arc<LogStore>,
    blocks: Arc<BlockStore>,
    checkpoints: Arc<CheckpointStore>,
    options: ReplicaOptions,
    groups: RwLock<BTreeMap<PartitionId, Arc<Group>>>,
    /// Copies that were given away and came back: each votes when its log has reached the entry.
    come_back: RwLock<BTreeMap<PartitionId, LogId>>,
    /// Nodes whose process is known to be gone; see [`Replicas::peer_died`].
    dead: watch::Sender<BTreeSet<NodeId>>,
    /// Nodes that should lead nothing.
    passive: RwLock<BTreeSet<NodeId>>,
    incoming: Incoming,
    refill: Pace,
}

impl Replicas {
    /// Over an open data directory; no group runs yet.
    pub fn new(
        node: NodeId,
        peers: Peers,
        log: Arc<LogStore>,
        blocks: Arc<BlockStore>,
        checkpoints: Arc<CheckpointStore>,
        options: ReplicaOptions,
    ) -> Self {
        let incoming = Incoming::new(blocks.clone());
        Self {
            node,
            peers,
            log,
            blocks,
            checkpoints,
            options,
            groups: RwLock::default(),
            come_back: RwLock::default(),
            dead: watch::Sender::new(BTreeSet::new()),
            passive: RwLock::default(),
            incoming,
            refill: Pace::new(REFILL_BYTES_PER_S),
        }
    }

    /// Starts this node's replica of a partition from what its disk holds.
    pub async fn open(&self, partition: PartitionId) -> io::Result<Arc<Group>> {
        let must_reach = retired::come_back(partition, &self.log, &self.checkpoints).await?;
        if let Some(must_reach) = must_reach {
            self.come_back().insert(partition, must_reach);
        }
        let events = Arc::new(Events::default());
        let (blocks, checkpoints) = (self.blocks.clone(), self.checkpoints.clone());
        let (loading, floor) = (events.clone(), self.log.floor(partition));
        let host = self.options.host.clone();
        let blocking = host.blocking;
        let applied = blocking
            .run(move || Applied::load(partition, loading, blocks, checkpoints, floor, host))
            .await??;
        let applied = Arc::new(applied);
        let config = self
            .options
            .raft_config()
            .validate()
            .map_err(io::Error::other)?;
        let parts_taken = Arc::new(AtomicU64::new(0));
        let network = Network {
            partition,
            peers: self.peers.clone(),
            blocks: self.blocks.clone(),
            blocking,
            events: events.clone(),
            parts_taken: parts_taken.clone(),
        };
        let log = GroupLog::new(partition, self.log.clone());
        let raft = Raft::<TypeConfig, Machine>::new(
            self.node.0,
            Arc::new(config),
            network,
            log,
            Machine::new(applied.clone()),
        )
        .await
        .map_err(io::Error::other)?;
        if let Some(must_reach) = must_reach {
            // Nor does it stand, by what it reads in the past that it gets again.
            raft.runtime_config().elect(false);
            let (raft, log) = (raft.clone(), self.log.clone());
            tokio::spawn(async move {
                if retired::has_reached(partition, must_reach, &raft, log).await {
                    raft.runtime_config().elect(true);
                }
            });
        }
        let group = Arc::new(Group::new(partition, raft, applied, events, parts_taken));
        tokio::spawn(Group::end_with_replica(
            group.clone(),
            self.options.host.clone(),
        ));
        self.groups
            .write()
            .unwrap_or_else(|e| e.into_inner())
            .insert(partition, group.clone());
        Ok(group)
    }

    /// Whether the disk holds a copy of the partition that has taken part in its group.
    pub fn has_copy(&self, partition: PartitionId) -> bool {
        retired::has_copy(partition, &self.log)
    }

    /// Whether this node had a copy of the partition before, and gave it away.
    pub fn was_given_away(&self, partition: PartitionId) -> bool {
        retired::has_mark(partition, &self.log)
    }

    /// Ends this node's replica of a partition and deletes its copy. Only for one that its group has agreed to
    /// do without.
    pub async fn give_away(&self, partition: PartitionId) -> io::Result<()> {
        let group = self
            .groups
            .write()
            .unwrap_or_else(|e| e.into_inner())
            .remove(&partition);
        if let Some(group) = group {
            group.shutdown().await;
        }
        let before = self.come_back().remove(&partition);
        retired::give_away(
            partition,
            before,
            &self.log,
            &self.blocks,
            &self.checkpoints,
        )
        .await
    }

    fn come_back(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<PartitionId, LogId>> {
        self.come_back.write().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether the replica is one that came back and does not hold yet what it held before.
    fn must_not_vote(&self, partition: PartitionId) -> io::Result<bool> {
        let must_reach = self.come_back().get(&partition).copied();
        let Some(must_reach) = must_reach else {
            return Ok(false);
        };
        let reached = retired::reaches(partition, must_reach, &self.log)?;
        if reached {
            self.come_back().remove(&partition);
        }
        Ok(!reached)
    }

    /// This node's replica of a partition, if it has one.
    pub fn group(&self, partition: PartitionId) -> Option<Arc<Group>> {
        self.groups
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .get(&partition)
            .cloned()
    }

    /// The groups whose old entries keep log files from being used again, since the last call: a checkpoint of each
    /// makes room. They may be idle, as every start of a node adds an entry to each.
    pub fn take_checkpoint_wishes(&self) -> Vec<Arc<Group>> {
        let wishes = self.log.take_purge_wishes();
        wishes.into_iter().filter_map(|p| self.group(p)).collect()
    }

    /// What the machine's wall clock says. It may be wrong, and it may jump.
    pub fn wall_clock(&self) -> Timestamp {
        (self.options.host.wall)()
    }

    /// All groups, by partition.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        self.groups
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .values()
            .cloned()
            .collect()
    }

    /// The node's connection to a peer broke and its port refuses: its process is gone. Its leases
    /// are void now, and one of the rest stands for each partition that it led, without waiting for
    /// an election time-out. Which one is fixed by the partition's number and by how often
    /// this was pressed for, so that they do not compete; the ordinary time-outs go on as ever.
    pub async fn peer_died(&self, dead: NodeId, presses: usize) {
        self.dead.send_modify(|gone| {
            gone.insert(dead);
        });
        for group in self.groups() {
            let status = group.status();
            if status.leader == Some(dead)
                && self.stands_now(&status.voters, dead, group.id(), presses)
            {
                group.elect().await;
            }
        }
    }

    /// The node does not answer, but its connection stands: it may only be slow, and its leases hold.
    /// By now they have run out at the other members, which are heard in a vote as ever.
    pub async fn peer_fell_silent(&self, silent: NodeId, presses: usize) {
        for group in self.groups() {
            let status = group.status();
            if status.leader == Some(silent)
                && self.stands_now(&status.voters, silent, group.id(), presses)
            {
                group.elect_if_wanted().await;
            }
        }
    }

    /// The peer answers again: what it lacks is sent now, not after the pause of the last failure.
    pub async fn peer_lives(&self, node: NodeId) {
        self.dead.send_modify(|gone| {
            gone.remove(&node);
        });
        for group in self.groups().iter().filter(|group| group.is_leader()) {
            group.catch_up_peer(node).await;
        }
    }

    /// These nodes do not stand when a leader is gone, as long as another one can.
    pub fn set_passive(&self, nodes: BTreeSet<NodeId>) {
        *self.passive.write().unwrap_or_else(|e| e.into_inner()) = nodes;
    }

    fn stands_now(
        &self,
        voters: &BTreeSet<NodeId>,
        dead: NodeId,
        partition: PartitionId,
        presses: usize,
    ) -> bool {
        if self.come_back().contains_key(&partition) {
            return false;
        }
        let gone = self.dead.borrow();
        let mut alive: Vec<NodeId> = voters
            .iter()
            .copied()
            .filter(|n| *n != dead && !gone.contains(n))
            .collect();
        let passive = self.passive.read().unwrap_or_else(|e| e.into_inner());
        if alive.iter().any(|n| !passive.contains(n)) {
            alive.retain(|n| !passive.contains(n));
        }
        if alive.is_empty() {
            return false;
        }
        alive[(partition.0 as usize + presses) % alive.len()] == self.node
    }

    /// Whether the node's process is known to be gone. Who asks was told so by another; what this node
    /// sees of its own connection may be some milliseconds behind.
    async fn is_dead(&self, node: NodeId) -> bool {
        let mut dead = self.dead.subscribe();
        let seen = dead.wait_for(|gone| gone.contains(&node));
        tokio::time::timeout(DEATH_NOTICE, seen).await.is_ok()
    }

    fn expect_group(&self, partition: PartitionId) -> Result<Arc<Group>, RemoteError> {
        self.group(partition).ok_or_else(|| {
            RemoteError::new(
                refusal::NO_SUCH_PARTITION,
                format!("this node has no replica of {partition} yet"),
            )
        })
    }

    fn expect_me(&self, to: u64) -> Result<(), RemoteError> {
        if to == self.node.0 {
            return Ok(());
        }
        let message = format!(
            "this is node {}, not {to}, which had this address before",
            self.node.0
        );
        Err(RemoteError::new(refusal::NOT_FOR_THIS_NODE, message))
    }

    /// Answers one call of a peer.
    pub async fn call(
        &self,
        from: NodeId,
        method: u32,
        partition: PartitionId,
        body: Bytes,
    ) -> Result<Bytes, RemoteError> {
        let group = self.expect_group(partition)?;
        match method {
            method::HEARTBEAT => {
                let (rpc, to) = network::append_from(body).map_err(malformed)?;
                self.expect_me(to)?;
                let (prev, last) = (
                    rpc.prev_log_id,
                    rpc.entries.last().map(|e| e.log_id).or(rpc.prev_log_id),
                );
                let reply = group.raft().append_entries(rpc).await.map_err(stopped)?;
                Ok(network::append_reply_to(
                    reply.into_stream_result(prev, last),
                ))
            }
            method::VOTE | method::PRE_VOTE => self.vote(&group, method, body).await,
            method::TRANSFER => transfer(&group, body).await,
            method::READ_INDEX => match group.read_index().await {
                Ok(index) => {
                    let log_id = proto::LogId {
                        index,
                        ..Default::default()
                    };
                    Ok(proto::ReadIndexReply {
                        log_id: Some(log_id),
                    }
                    .encode_to_vec()
                    .into())
                }
                Err(ProposeError::Stopped(why)) => Err(RemoteError::new(refusal::STOPPED, why)),
                Err(other) => Err(RemoteError::new(refusal::NOT_LEADER, other.to_string())),
            },
            method::SNAPSHOT_BEGIN => {
                let begin: proto::SnapshotBegin =
                    codec::decode(body, "snapshot").map_err(malformed)?;
                self.expect_me(begin.to)?;
                self.incoming
                    .begin(from, partition, begin)
                    .map_err(malformed)
            }
            method::SNAPSHOT_PART => {
                let bytes = body.len();
                let part = codec::decode(body, "snapshot part").map_err(malformed)?;
                let reply = self
                    .incoming
                    .part(from, partition, part)
                    .map_err(malformed)?;
                self.refill.keep(bytes).await;
                Ok(reply)
            }
            method::SNAPSHOT_END => {
                let end = codec::decode(body, "snapshot end").map_err(malformed)?;
                let (vote, snapshot) =
                    self.incoming.end(from, partition, end).map_err(malformed)?;
                let reply = group
                    .raft()
                    .install_full_snapshot(vote, snapshot)
                    .await
                    .map_err(stopped)?;
                let vote = Some(codec::vote_to(&reply.vote));
                Ok(proto::SnapshotReply { vote }.encode_to_vec().into())
            }
            other => Err(RemoteError::new(
                refusal::MALFORMED,
                format!("no such method: {other}"),
            )),
        }
    }

    async fn vote(&self, group: &Group, method: u32, body: Bytes) -> Result<Bytes, RemoteError> {
        let request: proto::VoteRequest = codec::decode(body, "vote request").map_err(malformed)?;
        self.expect_me(request.to)?;
        if self.must_not_vote(group.id()).map_err(malformed)? {
            let message = format!("{} has yet to get its copy back", group.id());
            return Err(RemoteError::new(refusal::NO_SUCH_PARTITION, message));
        }
        let mut rpc = VoteRequest::<TypeConfig>::new(
            codec::required_vote(request.vote).map_err(malformed)?,
            request.last.as_ref().map(codec::log_id_from),
        );
        // The lease of a process that is gone protects nobody: this node saw its connection break and
        // its port refuse, and does not take the candidate's word for it.
        let leader_is_gone = match group.leader() {
            Some(leader)
                if leader != self.node
                    && method == method::VOTE
                    && !request.leadership_transfer =>
            {
                self.is_dead(leader).await
            }
            _ => false,
        };
        rpc.leadership_transfer = request.leadership_transfer || leader_is_gone;
        let reply = if method == method::VOTE {
            group.raft().vote(rpc).await.map_err(stopped)?
        } else {
            group.raft().pre_vote(rpc).await.map_err(stopped)?
        };
        let reply = proto::VoteReply {
            vote: Some(codec::vote_to(&reply.vote)),
            granted: reply.vote_granted,
            last: reply.last_log_id.as_ref().map(codec::log_id_to),
        };
        Ok(reply.encode_to_vec().into())
    }

    /// Answers a peer's stream of AppendEntries, in order, until one side ends it.
    pub async fn stream(
        &self,
        method: u32,
        partition: PartitionId,
        inbound: StreamReceiver,
        outbound: StreamSender,
    ) {
        let Some(group) = self
            .group(partition)
            .filter(|_| method == method::APPEND_STREAM)
        else {
            return;
        };
        let node = self.node;
        let requests = inbound
            .map(network::append_from)
            .take_while(move |request| {
                let meant = match request {
                    Ok((_, to)) => *to == node.0,
                    Err(error) => {
                        tracing::warn!(%partition, %error, "ended a peer's stream");
                        false
                    }
                };
                futures::future::ready(meant)
            })
            .filter_map(|request| futures::future::ready(request.ok().map(|(rpc, _)| rpc)));
        let mut replies = std::pin::pin!(group.raft().stream_append(requests));
        while let Some(Ok(reply)) = replies.next().await {
            if outbound
                .send(network::append_reply_to(reply))
                .await
                .is_err()
            {
                return;
            }
        }
    }

    /// Asks a partition's leader for the entry that a current reader must have applied.
    pub async fn remote_read_index(
        &self,
        address: &str,
        partition: PartitionId,
        timeout: Duration,
    ) -> Result<u64, levada_rpc::CallError> {
        let peer = self.peers.get(address);
        let reply = peer
            .call(
                levada_rpc::Class::Request,
                method::READ_INDEX,
                partition.0,
                Bytes::new(),
                timeout,
            )
            .await?;
        let reply = proto::ReadIndexReply::decode(reply).unwrap_or_default();
        // A reply without an index would let a reader go on too early: wait for ever instead.
        Ok(reply.log_id.map_or(u64::MAX, |id| id.index))
    }

    /// Shows the followers of every group that is led here that its leader lives, for as long as it is polled. All at
    /// once, so that what goes to one peer goes in one packet: an idle node of 24 groups is woken a few times a
    /// second and not hundreds of times.
    pub async fn beat(&self) {
        let mut beat = tokio::time::interval(Duration::from_millis(self.options.heartbeat_ms));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            for group in self.groups().iter().filter(|g| g.is_leader()) {
                group.show_life().await;
            }
        }
    }

    /// Stops every group.
    pub async fn shutdown(&self) {
        futures::future::join_all(self.groups().iter().map(|g| g.shutdown())).await;
    }
}

async fn transfer(group: &Group, body: Bytes) -> Result<Bytes, RemoteError> {
    let request: proto::TransferRequest =
        codec::decode(body, "transfer request").map_err(malformed)?;
    let from = codec::required_vote(request.from).map_err(malformed)?;
    let rpc = TransferLeaderRequest::<TypeConfig>::new(
        from,
        request.to,
        request.last.as_ref().map(codec::log_id_from),
    );
    let reply = match group
        .raft()
        .handle_transfer_leader(rpc)
        .await
        .map_err(stopped)?
    {
        Ok(()) => proto::TransferReply {
            accepted: true,
            reason: String::new(),
        },
        Err(refused) => proto::TransferReply {
            accepted: false,
            reason: refused.to_string(),
        },
    };
    Ok(reply.encode_to_vec().into())
}

fn malformed(error: io::Error) -> RemoteError {
    RemoteError::new(refusal::MALFORMED, error.to_string())
}

fn stopped(error: impl std::fmt::Display) -> RemoteError {
    RemoteError::new(refusal::STOPPED, error.to_string())
}
