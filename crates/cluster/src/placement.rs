//! Which member should lead a partition, and which partitions a new queue should use: functions of what is given,
//! so that all nodes agree on the first.

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

/// The same where the catalog names a partition's nodes, and the first among them.
pub(crate) fn leader_of_set(
    nodes: &[NodeId],
    first: NodeId,
    passive: &BTreeSet<NodeId>,
    wish: Option<NodeId>,
    partition: PartitionId,
) -> Option<NodeId> {
    let is_active = |node: &NodeId| nodes.contains(node) && !passive.contains(node);
    if let Some(chosen) = wish.filter(is_active).or(Some(first)).filter(is_active) {
        return Some(chosen);
    }
    let active: Vec<NodeId> = nodes.iter().copied().filter(is_active).collect();
    let turn = (partition.0 as usize).checked_rem(active.len());
    turn.map(|turn| active[turn])
        .or_else(|| nodes.first().copied())
}

/// A partition that a new queue may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// Its number.
    pub(crate) partition: u32,
    /// Who should lead it.
    pub(crate) leader: Option<NodeId>,
    /// How much it is written to.
    pub(crate) bytes_per_s: u64,
    /// How many queues have a part in it.
    pub(crate) queues: usize,
}

/// Below this a partition has nothing to do, in bytes a second; above, twice as much is more and less is the same.
const LOAD_BYTES_MIN: u64 = 64 * 1024;

impl Spot {
    fn load(&self) -> u32 {
        (self.bytes_per_s / LOAD_BYTES_MIN)
            .checked_ilog2()
            .map_or(0, |log| log + 1)
    }
}

/// The partitions of a new queue: led by different nodes, with the least to do, used by the fewest queues, and
/// of those that are alike the next ones from where the queue's name falls.
pub(crate) fn choose_parts(spots: &[Spot], parts: usize, name: &str) -> Vec<u32> {
    let fall = name.bytes().fold(0usize, |h, b| {
        h.wrapping_mul(31).wrapping_add(usize::from(b))
    });
    let mut left: Vec<(usize, Spot)> = spots.iter().copied().enumerate().collect();
    let mut leaders: BTreeSet<Option<NodeId>> = BTreeSet::new();
    let mut chosen = Vec::new();
    while chosen.len() < parts {
        let count = spots.len();
        let Some(best) = (0..left.len()).min_by_key(|n| {
            let (place, spot) = left[*n];
            let distance = (place + count - fall % count) % count;
            (
                leaders.contains(&spot.leader),
                spot.load(),
                spot.queues,
                distance,
            )
        }) else {
            break;
        };
        let (_, spot) = left.remove(best);
        leaders.insert(spot.leader);
        chosen.push(spot.partition);
    }
    chosen
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

    fn spots(given: &[(u64, u64, usize)]) -> Vec<Spot> {
        let spot = |(n, (leader, bytes_per_s, queues)): (usize, &(u64, u64, usize))| Spot {
            partition: n as u32 + 1,
            leader: Some(NodeId(*leader)),
            bytes_per_s: *bytes_per_s,
            queues: *queues,
        };
        given.iter().enumerate().map(spot).collect()
    }

    #[test]
    fn a_new_queue_goes_where_there_is_least_to_do() {
        let fresh = spots(&[
            (1, 0, 0),
            (2, 0, 0),
            (3, 0, 0),
            (1, 0, 0),
            (2, 0, 0),
            (3, 0, 0),
        ]);
        let chosen = choose_parts(&fresh, 3, "orders");
        let follows = |a: u32, b: u32| a % 6 + 1 == b;
        assert!(follows(chosen[0], chosen[1]) && follows(chosen[1], chosen[2]));
        assert_ne!(
            chosen,
            choose_parts(&fresh, 3, "invoices"),
            "by their names"
        );
        // One that is busy, one that others use, and a leader that has a part already.
        let used = spots(&[
            (1, 9_000_000, 0),
            (1, 0, 1),
            (2, 0, 5),
            (2, 0, 5),
            (1, 0, 0),
        ]);
        let mut chosen = choose_parts(&used, 2, "orders");
        assert_eq!(chosen[0], 5);
        assert!([3, 4].contains(&chosen[1]), "another leader comes first");
        chosen = choose_parts(&used, 9, "orders");
        assert_eq!((chosen.len(), chosen[4]), (5, 1), "what is busy comes last");
        // A little more or less makes no difference.
        let alike = spots(&[(1, 70_000, 3), (2, 120_000, 2)]);
        assert_eq!(choose_parts(&alike, 1, "orders"), [2]);
        assert!(choose_parts(&[], 3, "orders").is_empty());
    }

    #[test]
    fn of_a_set_its_first_leads_unless_it_should_not() {
        let nodes = [1, 2, 3].map(NodeId);
        let leader = |passive: &[u64], wish: Option<u64>| {
            let passive = passive.iter().copied().map(NodeId).collect();
            let leader = leader_of_set(
                &nodes,
                NodeId(2),
                &passive,
                wish.map(NodeId),
                PartitionId(5),
            );
            leader.map(|node| node.0)
        };
        assert_eq!(leader(&[], None), Some(2));
        assert_eq!(leader(&[], Some(3)), Some(3));
        assert_eq!(leader(&[3], Some(3)), Some(2));
        assert_eq!(leader(&[2], Some(9)), Some(3), "the rest take turns");
        assert_eq!(leader(&[1, 2, 3], None), Some(1));
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
