//! Everything that one replica's Raft knows of itself, for who has to find out why a group stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use levada_types::NodeId;
use openraft::RaftMetrics;

use crate::config::TypeConfig;
use crate::group::leader_of;

/// One replica's view of its group, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDetail {
    /// Leader, follower, candidate or learner.
    pub role: String,
    /// For whom it voted, in which term, and whether a majority did.
    pub vote: String,
    /// The leader that it knows.
    pub leader: Option<NodeId>,
    /// The last entry in its log.
    pub last_log_index: Option<u64>,
    /// The last entry that it knows to be committed.
    pub committed_index: Option<u64>,
    /// The last entry that it applied.
    pub applied_index: Option<u64>,
    /// The last entry that is not in its log any more.
    pub purged_index: Option<u64>,
    /// The voters by the last change of members in its log, committed or not; two sets in a change that is half
    /// done. An election and a commit need a majority of each.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// Members that don't vote.
    pub learners: BTreeSet<NodeId>,
    /// The entry with that change.
    pub members_index: Option<u64>,
    /// The last such entry that it knows to be committed.
    pub members_committed_index: Option<u64>,
    /// If it leads: how far each member's log is known to reach.
    pub matched: BTreeMap<NodeId, Option<u64>>,
}

impl GroupDetail {
    pub(crate) fn of(metrics: &RaftMetrics<TypeConfig>) -> Self {
        let members = metrics.membership_config.membership();
        let nodes = |set: &BTreeSet<u64>| set.iter().copied().map(NodeId).collect();
        let matched = metrics.replication.iter().flatten();
        Self {
            role: format!("{:?}", metrics.state).to_lowercase(),
            vote: metrics.vote.to_string(),
            leader: leader_of(metrics.id, metrics.current_leader, metrics.state),
            last_log_index: metrics.last_log_index,
            committed_index: metrics.local_committed.map(|id| id.index),
            applied_index: metrics.last_applied.map(|id| id.index),
            purged_index: metrics.purged.map(|id| id.index),
            voters: members.get_joint_config().iter().map(nodes).collect(),
            learners: members.learner_ids().map(NodeId).collect(),
            members_index: metrics.membership_config.log_id().map(|id| id.index),
            members_committed_index: metrics
                .committed_membership_config
                .log_id()
                .map(|id| id.index),
            matched: matched
                .map(|(id, log)| (NodeId(*id), log.map(|log| log.index)))
                .collect(),
        }
    }

    /// The sets of voters of which those that answer are no majority: what the replica waits for.
    pub fn lacks(&self, answers: impl Fn(NodeId) -> bool) -> Vec<&BTreeSet<NodeId>> {
        let has_majority = |set: &&BTreeSet<NodeId>| {
            2 * set.iter().filter(|node| answers(**node)).count() > set.len()
        };
        self.voters
            .iter()
            .filter(|set| !has_majority(set))
            .collect()
    }
}

struct Set<'a>(&'a BTreeSet<NodeId>);

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(NodeId::to_string).collect();
        write!(f, "{{{}}}", names.join(" "))
    }
}

fn index(index: Option<u64>) -> String {
    index.map_or_else(|| "none".to_owned(), |index| index.to_string())
}

impl fmt::Display for GroupDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, vote {}, leader ", self.role, self.vote)?;
        match self.leader {
            Some(leader) => write!(f, "{leader}")?,
            None => f.write_str("none")?,
        }
        write!(
            f,
            ", log {}..{}, committed {}, applied {}, voters",
            index(self.purged_index),
            index(self.last_log_index),
            index(self.committed_index),
            index(self.applied_index),
        )?;
        for set in &self.voters {
            write!(f, " {}", Set(set))?;
        }
        if !self.learners.is_empty() {
            write!(f, ", learners {}", Set(&self.learners))?;
        }
        write!(
            f,
            " by entry {} (committed {})",
            index(self.members_index),
            index(self.members_committed_index),
        )?;
        for (node, at) in &self.matched {
            write!(f, ", {node} at {}", index(*at))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(voters: &[&[u64]]) -> GroupDetail {
        let set = |ids: &&[u64]| ids.iter().copied().map(NodeId).collect();
        GroupDetail {
            role: "follower".into(),
            vote: "T3-N1:uncommitted".into(),
            leader: None,
            last_log_index: Some(12),
            committed_index: Some(9),
            applied_index: Some(9),
            purged_index: None,
            voters: voters.iter().map(set).collect(),
            learners: BTreeSet::from([NodeId(7)]),
            members_index: Some(11),
            members_committed_index: Some(4),
            matched: BTreeMap::new(),
        }
    }

    #[test]
    fn half_a_change_of_members_waits_for_both_majorities() {
        let half = detail(&[&[1, 2, 3], &[2, 3, 4]]);
        assert!(half.lacks(|node| node.0 > 1).is_empty());
        let old = BTreeSet::from([NodeId(1), NodeId(2), NodeId(3)]);
        assert_eq!(half.lacks(|node| node.0 > 2), [&old]);
        assert_eq!(half.lacks(|_| false).len(), 2);
    }

    #[test]
    fn one_line_says_it() {
        assert_eq!(
            detail(&[&[1, 2], &[2, 3]]).to_string(),
            "follower, vote T3-N1:uncommitted, leader none, log none..12, committed 9, applied 9, voters {n1 n2} \
             {n2 n3}, learners {n7} by entry 11 (committed 4)"
        );
    }
}
