//! The document of `/_levada/status`: what an operator sees of the cluster from one node.
//!
//! Numbers of nodes and clusters are texts: they have 64 bits, which JSON readers cut off.

use std::collections::BTreeMap;

use levada_cluster::{ChangeStatus, ClusterStatus, MemberStatus, PartitionStatus};
use levada_types::NodeId;
use serde_json::{Value, json};

/// The document.
pub(crate) fn document(status: &ClusterStatus, ready: Result<(), String>) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cluster": format!("{:016x}", status.cluster),
        "node": status.node.to_string(),
        "ready": ready.is_ok(),
        "reason": ready.err(),
        "members": status.members.iter().map(member).collect::<Vec<_>>(),
        "members_version": status.members_version,
        "change": status.change.as_ref().map(change),
        "partitions": status.partitions.iter().map(partition).collect::<Vec<_>>(),
    })
}

fn member(member: &MemberStatus) -> Value {
    json!({
        "node": member.node.to_string(),
        "peer_address": member.peer_address,
        "http_address": member.http_address,
        "state": member.state,
        "leads": member.leads,
        "draining": member.draining,
        "leaving": member.leaving,
    })
}

fn change(change: &ChangeStatus) -> Value {
    json!({
        "kind": change.kind,
        "address": change.address,
        "node": change.node.map(|node| node.to_string()),
        "since_ms": change.since_ms,
    })
}

fn partition(partition: &PartitionStatus) -> Value {
    json!({
        "partition": partition.partition.0,
        "leader": partition.leader.map(|node| node.to_string()),
        "preferred": partition.preferred.map(|node| node.to_string()),
        "spread": partition.spread.map(|node| node.to_string()),
        "term": partition.term,
        "last_log_index": partition.last_log_index,
        "applied_index": partition.applied_index,
        "voters": partition.voters.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "lag": lag(&partition.lag),
    })
}

/// Entries that each member lacks, by its number.
pub(crate) fn lag(lag: &BTreeMap<NodeId, u64>) -> Value {
    lag.iter()
        .map(|(node, lag)| (node.to_string(), *lag))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_types::PartitionId;

    #[test]
    fn a_status_is_a_document() {
        let status = ClusterStatus {
            cluster: 255,
            node: NodeId(u64::MAX),
            members: Vec::new(),
            members_version: 4,
            change: None,
            partitions: vec![PartitionStatus {
                partition: PartitionId(3),
                leader: Some(NodeId(7)),
                preferred: None,
                spread: None,
                term: 2,
                last_log_index: 9,
                applied_index: 8,
                voters: vec![NodeId(7)],
                lag: [(NodeId(7), 1)].into(),
            }],
        };
        let document = document(&status, Err("starting".into()));
        assert_eq!(document["cluster"], "00000000000000ff");
        assert_eq!(document["node"], "n18446744073709551615");
        assert_eq!(
            (&document["ready"], &document["reason"]),
            (&json!(false), &json!("starting"))
        );
        assert_eq!(document["partitions"][0]["leader"], "n7");
        assert_eq!(document["partitions"][0]["lag"]["n7"], 1);
    }
}
