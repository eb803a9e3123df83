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
        "zone": member.zone,
        "copies": member.copies,
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
    let names =
        |nodes: &[NodeId]| -> Vec<String> { nodes.iter().map(ToString::to_string).collect() };
    let copy = partition.copy.as_ref();
    json!({
        "partition": partition.partition.0,
        "leader": partition.leader.map(|node| node.to_string()),
        "preferred": partition.preferred.map(|node| node.to_string()),
        "spread": partition.spread.map(|node| node.to_string()),
        "set": names(&partition.set),
        "placed": partition.placed,
        "term": copy.map(|copy| copy.term),
        "last_log_index": copy.map(|copy| copy.last_log_index),
        "applied_index": copy.map(|copy| copy.applied_index),
        "voters": copy.map(|copy| names(&copy.voters)),
        "raft": copy.map(|copy| &copy.raft),
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
                set: vec![NodeId(7)],
                placed: true,
                copy: None,
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
        assert_eq!(document["partitions"][0]["set"], json!(["n7"]));
        assert_eq!(document["partitions"][0]["term"], Value::Null);
        assert_eq!(document["partitions"][0]["lag"]["n7"], 1);
    }
}
