//! One partition's replica on this node.

mod events;
mod members;
mod waves;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use levada_engine::Partition;
use levada_engine::proto::Outcome;
use levada_types::{NodeId, PartitionId, Timestamp};
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::metrics::RaftServerMetrics;
use openraft::{Raft, ReadPolicy, ServerState};
use thiserror::Error;

use crate::backup::Frozen;
use crate::config::{Command, TypeConfig};
use crate::detail::GroupDetail;
use crate::host::Host;
use crate::machine::{Applied, Machine};
use members::LEARNING_STALL;
use waves::{JOINING_BYTES_MAX, Waves};

pub use events::{Events, Pending};

/// How a proposal failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// This node does not lead the partition; nothing was written. The leader, as far as is known.
    #[error("this node does not lead the partition")]
    NotLeader(Option<NodeId>),
    /// Leadership was lost while the entry was on its way: it may yet be applied. Ask again with the
    /// same origin and sequence.
    #[error("leadership was lost while the entry was on its way")]
    Unknown,
    /// A newcomer has stopped learning.
    #[error("the newcomer has learned nothing more for {} s", LEARNING_STALL.as_secs())]
    Stalled,
    /// The replica has stopped.
    #[error("the replica has stopped: {0}")]
    Stopped(String),
}

/// What an operator sees of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The partition.
    pub partition: PartitionId,
    /// The leader that this replica knows.
    pub leader: Option<NodeId>,
    /// Its term.
    pub term: u64,
    /// The last entry in its log.
    pub last_log_index: u64,
    /// The last entry that it applied.
    pub applied_index: u64,
    /// Members that vote.
    pub voters: BTreeSet<NodeId>,
    /// Where each member is reached.
    pub addresses: BTreeMap<NodeId, String>,
    /// A change of the voters is half done.
    pub changing: bool,
    /// None is half done, and this replica has applied the last one: a majority has it.
    pub settled: bool,
    /// Members that do not vote yet.
    pub learners: BTreeSet<NodeId>,
    /// If this replica leads: how far each member's log is known to reach.
    pub matched: BTreeMap<NodeId, u64>,
}

impl GroupStatus {
    /// Whether a voter was replaced and still counts: another one has its address. Nobody answers for it, so
    /// the group can spare one less than it seems.
    pub fn has_replaced_voter(&self) -> bool {
        let addresses: BTreeSet<_> = self.voters.iter().map(|n| self.addresses.get(n)).collect();
        addresses.len() < self.voters.len()
    }
}

/// Who leads a partition, as far as one replica knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// The leader, if one is known.
    pub leader: Option<NodeId>,
    /// The last term of which this replica has a vote on its disk.
    pub term: u64,
}

fn lead_of(metrics: &RaftServerMetrics<TypeConfig>) -> Lead {
    Lead {
        leader: leader_of(metrics.id, metrics.current_leader, metrics.state),
        term: metrics.vote.leader_id.term,
    }
}

/// The leader that a replica knows. openraft takes it from the vote, and that may name the replica itself though it
/// leads no more: its process was started anew, or its copy was given away and has come back.
pub(crate) fn leader_of(id: u64, by_vote: Option<u64>, state: ServerState) -> Option<NodeId> {
    by_vote
        .filter(|leader| *leader != id || state.is_leader())
        .map(NodeId)
}

/// One partition's replica.
pub struct Group {
    id: PartitionId,
    raft: Raft<TypeConfig, Machine>,
    applied: Arc<Applied>,
    events: Arc<Events>,
    /// The index of the newest checkpoint, if there is one.
    checkpointed: Mutex<Option<u64>>,
    /// Rises with each part of a snapshot that a member has taken.
    parts_taken: Arc<AtomicU64>,
    waves: Waves,
    commits: AtomicU64,
    commit_us_sum: AtomicU64,
    stopping: AtomicBool,
}

impl Group {
    pub(crate) fn new(
        id: PartitionId,
        raft: Raft<TypeConfig, Machine>,
        applied: Arc<Applied>,
        events: Arc<Events>,
        parts_taken: Arc<AtomicU64>,
    ) -> Self {
        let loaded = applied.last_index();
        Self {
            id,
            raft,
            applied,
            events,
            checkpointed: Mutex::new(loaded),
            parts_taken,
            waves: Waves::default(),
            commits: AtomicU64::new(0),
            commit_us_sum: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        }
    }

    pub(crate) fn raft(&self) -> &Raft<TypeConfig, Machine> {
        &self.raft
    }

    /// The partition.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// What applying leaves to do. One task listens.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Reads the applied state; `read` must be short, for it holds up applying.
    pub fn read<T>(&self, read: impl FnOnce(&Partition) -> T) -> T {
        self.applied.read(read)
    }

    /// The partition's time now.
    pub fn now(&self) -> Timestamp {
        self.applied.now()
    }

    /// The last applied entry.
    pub fn applied_index(&self) -> u64 {
        self.applied.last_index().unwrap_or(0)
    }

    /// The last entry that it knows to be committed.
    pub fn committed_index(&self) -> u64 {
        let metrics = self.raft.metrics();
        let committed = metrics.borrow_watched().local_committed;
        committed.map_or(0, |id| id.index)
    }

    /// The vote by which this replica leads, if it does as far as it knows: its term and its node. Votes of one term
    /// are ordered by node, and a second one may be won in it; the first one's leader then commits nothing any more.
    pub fn leads_by_vote(&self) -> Option<(u64, NodeId)> {
        let metrics = self.raft.metrics();
        let m = metrics.borrow_watched();
        m.state
            .is_leader()
            .then_some((m.current_term, NodeId(m.id)))
    }

    /// Whether this node leads the partition, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    /// Whether this node leads the partition and has applied all that earlier leaders committed: only
    /// then does its state say what there is.
    pub fn leads_with_all_applied(&self) -> bool {
        let own = self.leads_by_vote();
        // Of its own vote, not only of its term: another may have led in that before.
        own.is_some() && self.applied.last_vote() == own
    }

    /// Whether nothing in the log waits to be applied. A follower may apply an entry before its leader
    /// does, so a leader that has yet to apply some does not know what another node has seen already.
    pub fn has_applied_its_log(&self) -> bool {
        let last = self.raft.metrics().borrow_watched().last_log_index;
        self.applied.last_index() >= last
    }

    /// The leader that this replica knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.lead().leader
    }

    /// Who leads, and in which term, as far as this replica knows.
    pub fn lead(&self) -> Lead {
        // The same watch as `lead_changed` has, so that who was told of a change sees it.
        lead_of(&self.raft.server_metrics().borrow_watched())
    }

    /// Resolves when the leader that this replica knows is another than `than`, and says which.
    pub async fn leader_changed(&self, than: Option<NodeId>) -> Option<NodeId> {
        self.lead_until(|lead| lead.leader != than).await.leader
    }

    /// Resolves when somebody else leads than in `than`, or in another term, and says who.
    pub async fn lead_changed(&self, than: Lead) -> Lead {
        self.lead_until(|lead| lead != than).await
    }

    async fn lead_until(&self, is_other: impl Fn(Lead) -> bool) -> Lead {
        let mut metrics = self.raft.server_metrics();
        loop {
            let now = lead_of(&metrics.borrow_watched());
            if is_other(now) {
                return now;
            }
            if metrics.changed().await.is_err() {
                // The replica has stopped: nothing changes any more. `end_with_replica` sees to the rest.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stamps and proposes an encoded `Proposal`; answers its outcomes when it was applied here, which
    /// is after a majority has it on disk. One that `joins` may wait a moment for others, to share their entry.
    pub async fn propose(
        self: &Arc<Self>,
        proposal: Bytes,
        joins: bool,
    ) -> Result<Vec<Outcome>, ProposeError> {
        let started = std::time::Instant::now();
        let outcomes = if joins && proposal.len() <= JOINING_BYTES_MAX {
            self.join(proposal).await?
        } else {
            let mut outcomes = self.write(vec![proposal]).await?;
            outcomes.pop().unwrap_or_default()
        };
        let us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_us_sum.fetch_add(us, Ordering::Relaxed);
        Ok(outcomes)
    }

    async fn join(self: &Arc<Self>, proposal: Bytes) -> Result<Vec<Outcome>, ProposeError> {
        let (outcomes, must_run) = self.waves.join(proposal)?;
        if must_run {
            // A task of its own: who proposes may go away.
            let group = self.clone();
            tokio::spawn(async move {
                group.waves.run(|proposals| group.write(proposals)).await;
            });
        }
        // Gone without an answer only with the process.
        outcomes.await.unwrap_or(Err(ProposeError::Unknown))
    }

    /// Writes one entry; the outcomes of each proposal.
    async fn write(&self, proposals: Vec<Bytes>) -> Result<Vec<Vec<Outcome>>, ProposeError> {
        let command = Command {
            at: self.applied.now(),
            proposals,
        };
        match self.raft.client_write(command).await {
            Ok(response) => Ok(response.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Err(ProposeError::NotLeader(to.leader_id.map(NodeId)))
            }
            Err(RaftError::APIError(_)) => Err(ProposeError::Unknown),
            Err(RaftError::Fatal(fatal)) => Err(ProposeError::Stopped(fatal.to_string())),
        }
    }

    /// Proposals that were committed through this replica since the start, and the sum of their latencies
    /// in microseconds.
    pub fn commits(&self) -> (u64, u64) {
        (
            self.commits.load(Ordering::Relaxed),
            self.commit_us_sum.load(Ordering::Relaxed),
        )
    }

    /// At the leader: the entry through which a reader must have applied to see all that was
    /// acknowledged before this call. Asks a majority unless the lease holds.
    pub async fn read_index(&self) -> Result<u64, ProposeError> {
        match self.raft.get_read_log_id(ReadPolicy::LeaseRead).await {
            Ok((read, _)) => return Ok(read.index()),
            Err(RaftError::Fatal(fatal)) => return Err(ProposeError::Stopped(fatal.to_string())),
            // A lease that has run out since the last write is renewed by asking.
            Err(RaftError::APIError(_)) => {}
        }
        match self.raft.get_read_log_id(ReadPolicy::ReadIndex).await {
            Ok((read, _)) => Ok(read.index()),
            Err(RaftError::APIError(_)) => Err(ProposeError::NotLeader(self.leader())),
            Err(RaftError::Fatal(fatal)) => Err(ProposeError::Stopped(fatal.to_string())),
        }
    }

    /// Waits until the entry is applied here; false at the time-out.
    pub async fn wait_applied(&self, index: u64, timeout: Duration) -> bool {
        if self.applied_index() >= index {
            return true;
        }
        self.raft
            .wait(Some(timeout))
            .applied_index_at_least(Some(index), "catch up")
            .await
            .is_ok()
    }

    /// The state at this moment, for a backup; None before anything was applied.
    pub fn freeze(&self) -> Option<Frozen> {
        Frozen::of(self.applied.capture())
    }

    /// Writes a checkpoint and forgets the log before the previous one.
    pub async fn checkpoint(&self) -> io::Result<()> {
        let target = self.applied.last_index();
        let Some(target) = target else { return Ok(()) };
        self.raft
            .trigger()
            .snapshot()
            .await
            .map_err(io::Error::other)?;
        let reached = self
            .raft
            .wait(Some(Duration::from_secs(60)))
            .metrics(
                |m| m.snapshot.is_some_and(|s| s.index >= target),
                "checkpoint",
            )
            .await
            .map_err(io::Error::other)?;
        let now = reached.snapshot.map(|s| s.index);
        let before = {
            let mut newest = self.checkpointed.lock().unwrap_or_else(|e| e.into_inner());
            if *newest == now {
                // Nothing was applied since: this is still the one checkpoint behind which the log must stay.
                return Ok(());
            }
            std::mem::replace(&mut *newest, now)
        };
        if let Some(before) = before {
            self.raft
                .trigger()
                .purge_log(before)
                .await
                .map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Stands for election now.
    pub async fn elect(&self) {
        self.stand(false).await;
    }

    /// Stands for election if a majority would vote for this replica: a leader that is only slow, and
    /// whose leases hold, is not disturbed by a term that nobody wanted.
    pub async fn elect_if_wanted(&self) {
        self.stand(true).await;
    }

    async fn stand(&self, ask_first: bool) {
        if let Err(error) = self.raft.trigger().elect(ask_first).await {
            tracing::debug!(partition = %self.id, %error, "the replica has stopped");
        }
    }

    /// Sends a heartbeat to every member.
    pub(crate) async fn show_life(&self) {
        if let Err(error) = self.raft.trigger().heartbeat().await {
            tracing::debug!(partition = %self.id, %error, "the replica has stopped");
        }
    }

    /// Ends a pause in sending to a member.
    pub(crate) async fn catch_up_peer(&self, node: NodeId) {
        if let Err(error) = self.raft.trigger().reset_backoff([node.0]).await {
            tracing::debug!(partition = %self.id, %error, "the replica has stopped");
        }
    }

    /// Hands leadership to a member, if this node has it.
    pub async fn transfer_leader(&self, to: NodeId) {
        if let Err(error) = self.raft.trigger().transfer_leader(to.0).await {
            tracing::debug!(partition = %self.id, %error, "the replica has stopped");
        }
    }

    /// Bytes of proposals that were applied here since the start.
    pub fn applied_bytes(&self) -> u64 {
        self.applied.applied_bytes()
    }

    /// Bytes of proposals applied since the last checkpoint: what a restart would have to replay.
    pub fn bytes_since_checkpoint(&self) -> u64 {
        self.applied.bytes_since_checkpoint()
    }

    /// What an operator sees.
    pub fn status(&self) -> GroupStatus {
        let metrics = self.raft.metrics();
        let m = metrics.borrow_watched();
        let membership = m.membership_config.membership();
        GroupStatus {
            partition: self.id,
            leader: leader_of(m.id, m.current_leader, m.state),
            term: m.current_term,
            last_log_index: m.last_log_index.unwrap_or(0),
            applied_index: m.last_applied.map_or(0, |id| id.index),
            voters: membership.voter_ids().map(NodeId).collect(),
            addresses: membership
                .nodes()
                .map(|(id, node)| (NodeId(*id), node.addr.clone()))
                .collect(),
            changing: membership.get_joint_config().len() > 1,
            settled: membership.get_joint_config().len() == 1
                && m.membership_config.log_id().map(|id| id.index)
                    <= m.last_applied.map(|id| id.index),
            learners: membership.learner_ids().map(NodeId).collect(),
            matched: m
                .replication
                .iter()
                .flatten()
                .map(|(id, log)| (NodeId(*id), log.as_ref().map_or(0, |l| l.index)))
                .collect(),
        }
    }

    /// All that its Raft knows of itself, for who has to find out why it stands still.
    pub fn detail(&self) -> GroupDetail {
        GroupDetail::of(&self.raft.metrics().borrow_watched())
    }

    /// Ends the process when the replica ends by itself. A partition that only this node believes to be
    /// served would answer nothing and vote for nobody; a process that is gone is replaced at once.
    pub(crate) async fn end_with_replica(group: Arc<Self>, host: Host) {
        let mut metrics = group.raft.server_metrics();
        // The sender ends with Raft's task, whatever ended that.
        while metrics.changed().await.is_ok() {}
        if group.stopping.load(Ordering::Acquire) {
            return;
        }
        let state = group.raft.metrics().borrow_watched().running_state.clone();
        let why = state
            .err()
            .map_or_else(|| "its task ended".to_owned(), |e| e.to_string());
        tracing::error!(partition = %group.id, why, "a replica stopped, the process ends");
        (host.end_process)();
    }

    /// Stops the replica. What was acknowledged is on disk already.
    pub async fn shutdown(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(partition = %self.id, %error, "the replica did not stop cleanly");
        }
    }
}

#[cfg(test)]
mod tests;
