//! What every member says of itself and of the partitions that it leads, gathered by one of them. For
//! operations, which look before they change anything, and for `levada doctor`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use levada_engine::proto::PartitionRow;
use levada_rpc::Class;
use levada_types::{NodeId, PartitionId};
use prost::Message as _;
use tokio::time::Instant;

use crate::core::Core;
use crate::{method, placer, proto};

/// How long a member may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// The cluster, by the word of each member.
#[derive(Clone, Debug, Default)]
pub struct ClusterReport {
    /// All members; why not for one that did not answer.
    pub members: BTreeMap<NodeId, Result<NodeReport, String>>,
    /// The partitions whose leader answered.
    pub partitions: BTreeMap<PartitionId, PartitionReport>,
    /// How many partitions there are.
    pub partition_count: usize,
    /// Who should vote, of the partitions that have sets of their own; of the rest it is every member.
    pub sets: BTreeMap<PartitionId, BTreeSet<NodeId>>,
    /// What is left to do until copies are where they should be, in words.
    pub unplaced: Option<String>,
}

/// One member.
#[derive(Clone, Debug)]
pub struct NodeReport {
    /// Of the program.
    pub version: String,
    /// By how much its clock is ahead of the asking node's, in milliseconds.
    pub clock_ahead_ms: i64,
    /// By how much that may be wrong: half the time that the question took, in milliseconds.
    pub clock_error_ms: u64,
    /// Bytes that can still be written where its data is.
    pub disk_free_bytes: u64,
    /// Bytes of that file system.
    pub disk_total_bytes: u64,
}

/// One partition, as its leader knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionReport {
    /// The leader.
    pub leader: NodeId,
    /// Its term.
    pub term: u64,
    /// Members that vote.
    pub voters: BTreeSet<NodeId>,
    /// Members that learn and do not vote yet.
    pub learners: BTreeSet<NodeId>,
    /// No change of the voters is under way.
    pub settled: bool,
    /// By how many entries each member lags.
    pub lag: BTreeMap<NodeId, u64>,
    /// Bytes of proposals a second, lately.
    pub bytes_per_s: u64,
}

impl ClusterReport {
    /// What keeps the cluster from being whole: every partition led, its voters those that should be and no
    /// others, and none of that changing. In words; None if it is whole.
    pub fn unfinished(&self) -> Option<String> {
        let members: BTreeSet<NodeId> = self.members.keys().copied().collect();
        for number in 0..self.partition_count {
            let partition = PartitionId(u32::try_from(number).unwrap_or(u32::MAX));
            let Some(report) = self.partitions.get(&partition) else {
                return Some(format!("{partition} has no leader that answers"));
            };
            let set = self.sets.get(&partition).unwrap_or(&members);
            // Who does not vote on the catalog learns it.
            let learns: BTreeSet<NodeId> = if partition == PartitionId::CATALOG {
                members.difference(set).copied().collect()
            } else {
                BTreeSet::new()
            };
            let missing = set.difference(&report.voters).next();
            if let Some(missing) = missing.or(learns.difference(&report.learners).next()) {
                return Some(format!("{missing} has yet to get its copy of {partition}"));
            }
            if let Some(gone) = report.voters.difference(set).next() {
                return Some(format!("{gone} still votes in {partition}"));
            }
            if !report.settled || report.learners != learns {
                return Some(format!("the members of {partition} are changing"));
            }
        }
        self.unplaced.clone()
    }

    /// Members that answered.
    pub fn up(&self) -> BTreeSet<NodeId> {
        self.members
            .iter()
            .filter(|(_, report)| report.is_ok())
            .map(|(node, _)| *node)
            .collect()
    }

    /// Partitions in which the node votes or learns.
    pub fn partitions_of(&self, node: NodeId) -> usize {
        self.partitions
            .values()
            .filter(|p| p.voters.contains(&node) || p.learners.contains(&node))
            .count()
    }
}

/// This node's version. It stands in the binary as text, so that a test can make an older one of a copy.
pub(crate) fn own_version() -> &'static str {
    std::hint::black_box(env!("CARGO_PKG_VERSION"))
}

/// What this node says of itself.
pub(crate) fn of_this_node(core: &Core) -> proto::ReportReply {
    let space = (core.space)(&core.data_dir).ok();
    let hosted = core.hosted();
    let led = hosted.iter().filter(|group| group.is_leader());
    let led = led.map(|group| {
        let status = group.status();
        proto::LedPartition {
            partition: status.partition.0,
            term: status.term,
            voters: status.voters.iter().map(|n| n.0).collect(),
            learners: status.learners.iter().map(|n| n.0).collect(),
            settled: status.settled,
            last_log_index: status.last_log_index,
            bytes_per_s: core.loads.of(status.partition),
            matched: status.matched.iter().map(|(n, m)| (n.0, *m)).collect(),
        }
    });
    proto::ReportReply {
        node: core.node.0,
        version: own_version().to_owned(),
        now_ms: core.replicas.wall_clock().as_millis(),
        disk_free_bytes: space.map_or(0, |s| s.free_bytes),
        disk_total_bytes: space.map_or(0, |s| s.total_bytes),
        led: led.collect(),
    }
}

/// Asks every member.
pub(crate) async fn gather(core: &Core) -> ClusterReport {
    let asked = core.members.all().into_keys().map(|node| async move {
        let reply = if node == core.node {
            Ok((of_this_node(core), 0, 0))
        } else {
            ask(core, node).await
        };
        (node, reply)
    });
    let mut report = ClusterReport {
        partition_count: core.partition_count(),
        sets: core.directory.read(|catalog| {
            let rows = catalog.all_placed();
            let set = |row: &PartitionRow| row.nodes.iter().copied().map(NodeId).collect();
            rows.map(|row| (PartitionId(row.partition), set(row)))
                .collect()
        }),
        unplaced: placer::Picture::of(core).and_then(|picture| picture.unfinished()),
        ..ClusterReport::default()
    };
    for (node, reply) in futures::future::join_all(asked).await {
        let reply =
            reply.map(|(reply, ahead, error)| take(&mut report.partitions, reply, ahead, error));
        report.members.insert(node, reply);
    }
    report
}

async fn ask(core: &Core, node: NodeId) -> Result<(proto::ReportReply, i64, u64), String> {
    let peer = core
        .members
        .peer(node)
        .ok_or("it is not a member any more")?;
    let (before_ms, began) = (core.replicas.wall_clock().as_millis(), Instant::now());
    let body = proto::ReportRequest {}.encode_to_vec().into();
    let reply = peer
        .call(Class::Request, method::REPORT, 0, body, ASK_TIMEOUT)
        .await
        .map_err(|e| e.to_string())?;
    let half_ms = u64::try_from(began.elapsed().as_millis() / 2).unwrap_or(u64::MAX);
    let reply = proto::ReportReply::decode(reply).map_err(|e| e.to_string())?;
    if reply.node != node.0 {
        return Err(format!(
            "another node answers at its address: {}",
            NodeId(reply.node)
        ));
    }
    let ahead = i128::from(reply.now_ms) - i128::from(before_ms.saturating_add(half_ms));
    Ok((reply, i64::try_from(ahead).unwrap_or(i64::MAX), half_ms + 1))
}

fn take(
    partitions: &mut BTreeMap<PartitionId, PartitionReport>,
    reply: proto::ReportReply,
    clock_ahead_ms: i64,
    clock_error_ms: u64,
) -> NodeReport {
    for led in reply.led {
        let lag = led
            .matched
            .iter()
            .map(|(n, m)| (NodeId(*n), led.last_log_index.saturating_sub(*m)));
        let found = PartitionReport {
            leader: NodeId(reply.node),
            term: led.term,
            voters: led.voters.into_iter().map(NodeId).collect(),
            learners: led.learners.into_iter().map(NodeId).collect(),
            settled: led.settled,
            lag: lag.collect(),
            bytes_per_s: led.bytes_per_s,
        };
        // One that was replaced may not know it yet.
        let known = partitions.get(&PartitionId(led.partition));
        if known.is_none_or(|known| known.term < found.term) {
            partitions.insert(PartitionId(led.partition), found);
        }
    }
    NodeReport {
        version: reply.version,
        clock_ahead_ms,
        clock_error_ms,
        disk_free_bytes: reply.disk_free_bytes,
        disk_total_bytes: reply.disk_total_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(voters: &[u64], settled: bool) -> ClusterReport {
        let nodes = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let partition = PartitionReport {
            leader: NodeId(1),
            term: 1,
            voters: nodes(voters),
            learners: BTreeSet::new(),
            settled,
            lag: BTreeMap::new(),
            bytes_per_s: 0,
        };
        ClusterReport {
            members: nodes(&[1, 2])
                .into_iter()
                .map(|n| (n, Err("down".to_owned())))
                .collect(),
            partitions: BTreeMap::from([(PartitionId(0), partition)]),
            partition_count: 1,
            ..ClusterReport::default()
        }
    }

    #[test]
    fn whole_is_when_every_member_votes_and_nothing_changes() {
        assert_eq!(report(&[1, 2], true).unfinished(), None);
        for (report, what) in [
            (report(&[1], true), "n2 has yet to get its copy"),
            (report(&[1, 2, 3], true), "n3 still votes"),
            (report(&[1, 2], false), "are changing"),
            (
                ClusterReport {
                    partition_count: 2,
                    ..report(&[1, 2], true)
                },
                "has no leader",
            ),
        ] {
            let said = report.unfinished().unwrap_or_default();
            assert!(said.contains(what), "{said}");
        }
        assert!(report(&[1], true).up().is_empty());
    }
}
