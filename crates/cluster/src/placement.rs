//! Which member should lead a partition: a function of the members alone, so that all nodes agree.

use std::collections::BTreeSet;

use levada_types::{NodeId, PartitionId};

/// The node that should lead: by an operator's wish, else the members take turns. The turn of one that
/// should lead nothing goes to the rest in turn, and no other partition's leader moves for it.
pub(crate) fn preferred_leader(
    members: &[NodeId],
    passive: &BTreeSet<NodeId>,
    wish: Option<NodeId>,
    partition: PartitionId,
) -> Option<NodeId> {
    let active: Vec<NodeId> = members
        .iter()
        .copied()
        .filter(|node| !passive.contains(node))
        .collect();
    if let Some(wish) = wish.filter(|node| active.contains(node)) {
        return Some(wish);
    }
    let turn = partition.0 as usize;
    let first = *members.get(turn.checked_rem(members.len())?)?;
    if active.is_empty() || active.contains(&first) {
        return Some(first);
    }
    active.get(turn / members.len() % active.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaders(passive: &[u64]) -> Vec<u64> {
        let members = [1, 2, 3].map(NodeId);
        let passive = passive.iter().copied().map(NodeId).collect();
        let leader = |p| preferred_leader(&members, &passive, None, PartitionId(p));
        (0..12).filter_map(leader).map(|node| node.0).collect()
    }

    #[test]
    fn a_drained_nodes_turns_go_to_the_rest_and_nothing_else_moves() {
        assert_eq!(leaders(&[]), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
        assert_eq!(leaders(&[2]), [1, 1, 3, 1, 3, 3, 1, 1, 3, 1, 3, 3]);
        assert_eq!(leaders(&[2, 3]), [1; 12]);
        assert_eq!(leaders(&[1, 2, 3]), leaders(&[]));
    }

    #[test]
    fn a_wish_counts_unless_its_node_is_drained_or_gone() {
        let members = [1, 2, 3].map(NodeId);
        let wish = |node, passive: &[u64]| {
            let passive = passive.iter().copied().map(NodeId).collect();
            preferred_leader(&members, &passive, Some(NodeId(node)), PartitionId(0))
        };
        assert_eq!(wish(3, &[]), Some(NodeId(3)));
        assert_eq!(wish(3, &[3]), Some(NodeId(1)));
        assert_eq!(wish(9, &[]), Some(NodeId(1)));
        assert_eq!(
            preferred_leader(&[], &BTreeSet::new(), None, PartitionId(0)),
            None
        );
    }
}
