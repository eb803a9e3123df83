//! Who belongs to a group: its beginning, newcomers, votes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use levada_types::NodeId;
use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::impls::BasicNode;

use super::{Group, ProposeError, leader_of};
use crate::config::TypeConfig;

/// A newcomer that has learned nothing more of a partition for this long is taken out, and tried again.
pub(super) const LEARNING_STALL: Duration = Duration::from_secs(10);

impl Group {
    /// Makes this group: once, on one node, with all its first members.
    pub async fn initialize(&self, members: &BTreeMap<NodeId, String>) -> Result<(), ProposeError> {
        let stopped = |e: String| ProposeError::Stopped(e);
        if self
            .raft
            .is_initialized()
            .await
            .map_err(|e| stopped(e.to_string()))?
        {
            return Ok(());
        }
        let nodes: BTreeMap<u64, BasicNode> = members
            .iter()
            .map(|(id, addr)| (id.0, BasicNode { addr: addr.clone() }))
            .collect();
        self.raft
            .initialize(nodes)
            .await
            .map_err(|e| stopped(e.to_string()))
    }

    /// Whether this replica has ever been part of a group.
    pub async fn is_initialized(&self) -> bool {
        self.raft.is_initialized().await.unwrap_or(false)
    }

    /// Has a newcomer learn the partition, without a vote; answers when it has all that was in the log at
    /// the call. At the leader.
    pub async fn learn(&self, new: NodeId, address: &str) -> Result<(), ProposeError> {
        let node = BasicNode {
            addr: address.into(),
        };
        self.raft
            .add_learner(new.0, node, false)
            .await
            .map_err(change_refused)?;
        let target = self.status().last_log_index;
        let matched = |m: &openraft::RaftMetrics<TypeConfig>| {
            let log = m.replication.as_ref().and_then(|r| r.get(&new.0));
            log.and_then(|log| log.as_ref()).map(|log| log.index)
        };
        let settled = |m: &openraft::RaftMetrics<TypeConfig>| {
            !m.state.is_leader() || matched(m).is_some_and(|index| index >= target)
        };
        let learned = || {
            let index = matched(&self.raft.metrics().borrow_watched());
            (index, self.parts_taken.load(Ordering::Relaxed))
        };
        let metrics = loop {
            let before = learned();
            let waited = self
                .raft
                .wait(Some(LEARNING_STALL))
                .metrics(settled, "a newcomer learns")
                .await;
            match waited {
                Ok(metrics) => break metrics,
                Err(_) if learned() != before => {}
                Err(_) => {
                    // Sending to it may have stopped for good: without the newcomer, and with it again, it begins
                    // anew. What it has learned it keeps.
                    let nodes = BTreeSet::from([new.0]);
                    self.raft
                        .change_membership(ChangeMembers::RemoveNodes(nodes), false)
                        .await
                        .map_err(change_refused)?;
                    return Err(ProposeError::Stalled);
                }
            }
        };
        if metrics.state.is_leader() {
            return Ok(());
        }
        let leader = leader_of(metrics.id, metrics.current_leader, metrics.state);
        Err(ProposeError::NotLeader(leader))
    }

    /// Makes exactly these the members that vote; they have learned before. Who votes no more goes on learning
    /// if it should. At the leader.
    pub async fn set_voters(
        &self,
        voters: BTreeSet<NodeId>,
        others_learn: bool,
    ) -> Result<(), ProposeError> {
        let voters = voters.into_iter().map(|node| node.0).collect();
        self.raft
            .change_membership(ChangeMembers::ReplaceAllVoters(voters), others_learn)
            .await
            .map_err(change_refused)?;
        Ok(())
    }

    /// Lets a member go that learns and does not vote. At the leader.
    pub async fn forget_learner(&self, node: NodeId) -> Result<(), ProposeError> {
        let nodes = BTreeSet::from([node.0]);
        self.raft
            .change_membership(ChangeMembers::RemoveNodes(nodes), false)
            .await
            .map_err(change_refused)?;
        Ok(())
    }
}

fn change_refused(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> ProposeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => {
            ProposeError::NotLeader(to.leader_id.map(NodeId))
        }
        RaftError::APIError(_) => ProposeError::Unknown,
        RaftError::Fatal(fatal) => ProposeError::Stopped(fatal.to_string()),
    }
}
