//! What is told of a group.

use super::*;

#[test]
fn a_voter_that_was_replaced_is_seen_by_its_address() {
    let address = |(node, at): (u64, &str)| (NodeId(node), at.to_owned());
    let status = |voters: &[u64]| GroupStatus {
        partition: PartitionId(1),
        leader: None,
        term: 1,
        last_log_index: 1,
        applied_index: 1,
        voters: voters.iter().copied().map(NodeId).collect(),
        addresses: [(1, "a"), (2, "b"), (3, "c"), (4, "c")].map(address).into(),
        changing: false,
        settled: true,
        learners: BTreeSet::new(),
        matched: BTreeMap::new(),
    };
    assert!(!status(&[1, 2, 3]).has_replaced_voter());
    assert!(!status(&[1, 2, 4]).has_replaced_voter());
    assert!(status(&[1, 2, 3, 4]).has_replaced_voter());
}
