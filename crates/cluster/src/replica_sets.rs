//! Which members should have a copy of which partition, and which of them should lead it: functions of what is
//! given, so that they can be tested with thousands of clusters.
//!
//! In this order: each partition has as many copies as it can; they are in as many zones as they can; no node
//! has more than it must; and as few copies move as that allows. So what is given is what is changed: the sets that
//! there are. A node that is alone in its zone has more copies than the rest, as its zone has no other.

use std::collections::{BTreeMap, BTreeSet};

use levada_types::{NodeId, PartitionId};

/// Copies by partition.
pub(crate) type Sets = BTreeMap<PartitionId, BTreeSet<NodeId>>;

/// A member that may have copies. One that is being taken out is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Nodes of one zone fail together.
    pub(crate) zone: String,
    /// Whether it is given more than it has: one that is drained is not, unless there is no other.
    pub(crate) takes: bool,
}

/// The sets that should be, from those that are.
pub(crate) fn plan(
    candidates: &BTreeMap<NodeId, Candidate>,
    current: &Sets,
    copies: usize,
) -> Sets {
    let mut sets = current.clone();
    let mut counts: BTreeMap<NodeId, usize> = candidates.keys().map(|n| (*n, 0)).collect();
    for set in sets.values_mut() {
        set.retain(|node| candidates.contains_key(node));
        for node in set.iter() {
            *counts.entry(*node).or_default() += 1;
        }
    }
    let crowding = |set: &BTreeSet<NodeId>| crowding(candidates, set);
    for set in sets.values_mut() {
        while set.len() > copies {
            let worst = set.iter().copied().min_by_key(|node| {
                let mut without = set.clone();
                without.remove(node);
                let count = counts.get(node).copied().unwrap_or(0);
                (crowding(&without), std::cmp::Reverse((count, *node)))
            });
            let Some(worst) = worst else { break };
            set.remove(&worst);
            *counts.entry(worst).or_default() -= 1;
        }
        while set.len() < copies {
            let best = candidates
                .iter()
                .filter(|(node, _)| !set.contains(node))
                .min_by_key(|(node, candidate)| {
                    let mut with = set.clone();
                    with.insert(**node);
                    let count = counts.get(node).copied();
                    (!candidate.takes, crowding(&with), count, **node)
                })
                .map(|(node, _)| *node);
            let Some(best) = best else { break };
            set.insert(best);
            *counts.entry(best).or_default() += 1;
        }
        spread(candidates, set, &mut counts);
    }
    let nodes: Vec<NodeId> = takers(candidates).collect();
    even_out(&mut sets, &nodes, |set, from, to| {
        let swapped = swap(set, from, to);
        crowding(&swapped) <= crowding(set)
    });
    sets
}

/// Who should lead each partition, of its set and of those that may; as few change as an even share allows.
pub(crate) fn plan_leaders(
    sets: &Sets,
    current: &BTreeMap<PartitionId, NodeId>,
    may_lead: &BTreeSet<NodeId>,
) -> BTreeMap<PartitionId, NodeId> {
    let mut counts: BTreeMap<NodeId, usize> = may_lead.iter().map(|n| (*n, 0)).collect();
    let allowed = |partition: &PartitionId, node: &NodeId| {
        may_lead.contains(node) && sets.get(partition).is_some_and(|set| set.contains(node))
    };
    let mut leaders: Sets = BTreeMap::new();
    for partition in sets.keys() {
        let kept = current.get(partition).filter(|n| allowed(partition, n));
        if let Some(kept) = kept {
            *counts.entry(*kept).or_default() += 1;
            leaders.insert(*partition, BTreeSet::from([*kept]));
        }
    }
    for (partition, set) in sets {
        if leaders.contains_key(partition) {
            continue;
        }
        let best = set
            .iter()
            .filter(|node| allowed(partition, node))
            .min_by_key(|node| (counts.get(node).copied(), **node))
            .or(set.first());
        if let Some(best) = best {
            *counts.entry(*best).or_default() += 1;
            leaders.insert(*partition, BTreeSet::from([*best]));
        }
    }
    let nodes: Vec<NodeId> = may_lead.iter().copied().collect();
    let mut numbered: Sets = leaders;
    let by_partition = sets;
    even_out_with(&mut numbered, &nodes, |partition, _, _, to| {
        by_partition
            .get(&partition)
            .is_some_and(|set| set.contains(&to))
    });
    numbered
        .into_iter()
        .filter_map(|(partition, leader)| Some((partition, *leader.first()?)))
        .collect()
}

fn takers(candidates: &BTreeMap<NodeId, Candidate>) -> impl Iterator<Item = NodeId> {
    candidates
        .iter()
        .filter(|(_, candidate)| candidate.takes)
        .map(|(node, _)| *node)
}

/// How far copies are from being in zones of their own: the sum of the squares of how many each zone has.
fn crowding(candidates: &BTreeMap<NodeId, Candidate>, set: &BTreeSet<NodeId>) -> usize {
    let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
    for candidate in set.iter().filter_map(|node| candidates.get(node)) {
        *zones.entry(&candidate.zone).or_default() += 1;
    }
    zones.values().map(|count| count * count).sum()
}

fn swap(set: &BTreeSet<NodeId>, from: NodeId, to: NodeId) -> BTreeSet<NodeId> {
    let mut swapped = set.clone();
    swapped.remove(&from);
    swapped.insert(to);
    swapped
}

/// Moves copies to other zones, as long as that spreads them further.
fn spread(
    candidates: &BTreeMap<NodeId, Candidate>,
    set: &mut BTreeSet<NodeId>,
    counts: &mut BTreeMap<NodeId, usize>,
) {
    loop {
        let now = crowding(candidates, set);
        let count = |node: &NodeId| counts.get(node).copied().unwrap_or(0);
        let best = set
            .iter()
            .flat_map(|from| {
                takers(candidates)
                    .filter(|to| !set.contains(to))
                    .map(|to| (*from, to))
            })
            .map(|(from, to)| (crowding(candidates, &swap(set, from, to)), from, to))
            .filter(|(then, ..)| *then < now)
            .min_by_key(|(then, from, to)| {
                (*then, count(to), std::cmp::Reverse(count(from)), *from, *to)
            });
        let Some((_, from, to)) = best else { return };
        *set = swap(set, from, to);
        *counts.entry(from).or_default() -= 1;
        *counts.entry(to).or_default() += 1;
    }
}

fn even_out(
    sets: &mut Sets,
    nodes: &[NodeId],
    may: impl Fn(&BTreeSet<NodeId>, NodeId, NodeId) -> bool,
) {
    even_out_with(sets, nodes, |_, set, from, to| may(set, from, to));
}

/// Moves copies from nodes that have more to nodes that have fewer, directly or over others, as long as that
/// makes two of them more alike. `may` says whether a set may have one node in the place of another.
fn even_out_with(
    sets: &mut Sets,
    nodes: &[NodeId],
    may: impl Fn(PartitionId, &BTreeSet<NodeId>, NodeId, NodeId) -> bool,
) {
    // Each turn brings two nodes nearer to each other, so that it ends long before this.
    let turns_max = sets.len() * nodes.len() * 4;
    for _ in 0..turns_max {
        if !even_out_once(sets, nodes, &may) {
            return;
        }
    }
}

fn even_out_once(
    sets: &mut Sets,
    nodes: &[NodeId],
    may: &impl Fn(PartitionId, &BTreeSet<NodeId>, NodeId, NodeId) -> bool,
) -> bool {
    let count = |node: NodeId| sets.values().filter(|set| set.contains(&node)).count();
    let mut by_count: Vec<(usize, NodeId)> = nodes.iter().map(|n| (count(*n), *n)).collect();
    by_count.sort_unstable();
    let mut edges: BTreeMap<NodeId, BTreeMap<NodeId, PartitionId>> = BTreeMap::new();
    for (partition, set) in sets.iter() {
        for from in set.iter().filter(|node| nodes.contains(node)) {
            for to in nodes.iter().filter(|node| !set.contains(node)) {
                let known = edges
                    .get(from)
                    .is_some_and(|to_all| to_all.contains_key(to));
                if !known && may(*partition, set, *from, *to) {
                    edges.entry(*from).or_default().insert(*to, *partition);
                }
            }
        }
    }
    for (high, from) in by_count.iter().rev() {
        for (low, to) in &by_count {
            if high.saturating_sub(*low) < 2 {
                break;
            }
            let Some(way) = shortest_way(&edges, *from, *to) else {
                continue;
            };
            // Where two steps are of one partition the second was found for another set: then only the
            // first is taken, if that alone helps.
            let apart: BTreeSet<PartitionId> = way.iter().map(|(p, ..)| *p).collect();
            if apart.len() != way.len() {
                continue;
            }
            for (partition, from, to) in way {
                if let Some(set) = sets.get_mut(&partition) {
                    *set = swap(set, from, to);
                }
            }
            return true;
        }
    }
    false
}

type Edges = BTreeMap<NodeId, BTreeMap<NodeId, PartitionId>>;

fn shortest_way(
    edges: &Edges,
    from: NodeId,
    to: NodeId,
) -> Option<Vec<(PartitionId, NodeId, NodeId)>> {
    let mut came_from: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut front = vec![from];
    while !front.is_empty() && !came_from.contains_key(&to) {
        let mut next = Vec::new();
        for node in front {
            for neighbour in edges.get(&node).into_iter().flat_map(BTreeMap::keys) {
                if *neighbour != from && !came_from.contains_key(neighbour) {
                    came_from.insert(*neighbour, node);
                    next.push(*neighbour);
                }
            }
        }
        front = next;
    }
    let mut way = Vec::new();
    let mut at = to;
    while at != from {
        let before = *came_from.get(&at)?;
        way.push((*edges.get(&before)?.get(&at)?, before, at));
        at = before;
    }
    way.reverse();
    Some(way)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Members 1, 2, ... in these zones.
    fn members(zones: &[u8]) -> BTreeMap<NodeId, Candidate> {
        let member = |zone: &u8| Candidate {
            zone: format!("z{zone}"),
            takes: true,
        };
        (1..).map(NodeId).zip(zones.iter().map(member)).collect()
    }

    fn empty(partitions: u32) -> Sets {
        (1..=partitions)
            .map(|p| (PartitionId(p), BTreeSet::new()))
            .collect()
    }

    fn counts(sets: &Sets, nodes: impl Iterator<Item = NodeId>) -> Vec<usize> {
        nodes
            .map(|node| sets.values().filter(|set| set.contains(&node)).count())
            .collect()
    }

    fn is_even(counts: &[usize]) -> bool {
        counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0) <= 1
    }

    /// The least crowding that a set of these members can have.
    fn least_crowding(members: &BTreeMap<NodeId, Candidate>, copies: usize) -> usize {
        let mut free: BTreeMap<&str, usize> = BTreeMap::new();
        for member in members.values().filter(|member| member.takes) {
            *free.entry(&member.zone).or_default() += 1;
        }
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for _ in 0..copies {
            let next = free
                .iter()
                .filter(|(zone, size)| taken.get(*zone).unwrap_or(&0) < size)
                .min_by_key(|(zone, _)| taken.get(*zone).copied().unwrap_or(0));
            if let Some((zone, _)) = next {
                *taken.entry(zone).or_default() += 1;
            }
        }
        taken.values().map(|count| count * count).sum()
    }

    fn moved(before: &Sets, after: &Sets) -> usize {
        let came = |(partition, set): (&PartitionId, &BTreeSet<NodeId>)| {
            set.difference(&before[partition]).count()
        };
        after.iter().map(came).sum()
    }

    fn check(members: &BTreeMap<NodeId, Candidate>, sets: &Sets) {
        let copies = members.len().min(3);
        let least = least_crowding(members, copies);
        for (partition, set) in sets {
            assert_eq!(set.len(), copies, "{partition}: {set:?}");
            assert!(set.iter().all(|node| members.contains_key(node)));
            assert_eq!(
                crowding(members, set),
                least,
                "{partition}: {set:?} of {members:?}"
            );
        }
        // Nodes of one zone are alike: whatever its share is, they have it evenly.
        let zones: BTreeSet<&String> = members.values().map(|m| &m.zone).collect();
        for zone in zones {
            let nodes = members.iter().filter(|(_, m)| m.zone == *zone);
            let counts = counts(sets, nodes.map(|(node, _)| *node));
            assert!(is_even(&counts), "{zone}: {counts:?}");
        }
        assert_eq!(plan(members, sets, 3), *sets, "what is done is done");
    }

    #[test]
    fn a_drained_node_takes_a_copy_that_no_other_can() {
        let mut members = members(&[1, 1, 1, 1]);
        let drained = NodeId(4);
        members.get_mut(&drained).unwrap().takes = false;
        let now = Sets::from([(PartitionId(1), [1, 2, 3].map(NodeId).into())]);
        assert_eq!(plan(&members, &now, 3), now);
        // Node 1 is taken out.
        members.remove(&NodeId(1));
        let then = plan(&members, &now, 3);
        assert_eq!(then[&PartitionId(1)], [2, 3, 4].map(NodeId).into());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn copies_are_as_many_as_far_apart_and_as_even_as_can_be(
            zones in vec(0u8..4, 1..10), partitions in 1u32..40, left in 0usize..10, came in 0u8..4,
        ) {
            let mut members = members(&zones);
            let mut sets = plan(&members, &empty(partitions), 3);
            check(&members, &sets);
            let new = Candidate { zone: format!("z{came}"), takes: true };
            members.insert(NodeId(99), new);
            sets = plan(&members, &sets, 3);
            check(&members, &sets);
            let gone = *members.keys().nth(left % members.len()).unwrap();
            members.remove(&gone);
            sets = plan(&members, &sets, 3);
            if !members.is_empty() {
                check(&members, &sets);
            }
        }

        #[test]
        fn without_zones_no_node_has_more_than_another_and_nothing_moves_for_nothing(
            count in 3usize..10, partitions in 1u32..60, left in 0usize..10,
        ) {
            let mut members = members(&vec![0; count]);
            let before = plan(&members, &empty(partitions), 3);
            prop_assert!(is_even(&counts(&before, members.keys().copied())));
            members.insert(NodeId(99), Candidate { zone: "z0".into(), takes: true });
            let joined = plan(&members, &before, 3);
            prop_assert!(is_even(&counts(&joined, members.keys().copied())));
            let newcomers = counts(&joined, std::iter::once(NodeId(99)))[0];
            prop_assert_eq!(moved(&before, &joined), newcomers, "only what the newcomer gets");
            let gone = NodeId(left as u64 % count as u64 + 1);
            members.remove(&gone);
            let lost = counts(&joined, std::iter::once(gone))[0];
            let after = plan(&members, &joined, 3);
            prop_assert!(is_even(&counts(&after, members.keys().copied())));
            if members.len() > 3 {
                // What it had moves, and rarely one more to make the rest even.
                prop_assert!(moved(&joined, &after) <= lost + count, "{} of {}", moved(&joined, &after), lost);
            }
        }

        #[test]
        fn equal_zones_share_evenly(zones in 3u8..5, each in 1usize..4, partitions in 1u32..50) {
            let labels: Vec<u8> = (0..zones).flat_map(|zone| vec![zone; each]).collect();
            let members = members(&labels);
            let sets = plan(&members, &empty(partitions), 3);
            check(&members, &sets);
            prop_assert!(is_even(&counts(&sets, members.keys().copied())));
        }

        #[test]
        fn leaders_are_of_their_sets_even_and_stay_where_they_can(
            count in 3usize..9, partitions in 1u32..60,
        ) {
            let mut members = members(&vec![0; count]);
            let sets = plan(&members, &empty(partitions), 3);
            let all: BTreeSet<NodeId> = members.keys().copied().collect();
            let leaders = plan_leaders(&sets, &BTreeMap::new(), &all);
            let led = |leaders: &BTreeMap<PartitionId, NodeId>, node: NodeId| {
                leaders.values().filter(|leader| **leader == node).count()
            };
            let led_by: Vec<usize> = all.iter().map(|node| led(&leaders, *node)).collect();
            prop_assert!(is_even(&led_by), "{:?}", led_by);
            prop_assert!(leaders.iter().all(|(p, leader)| sets[p].contains(leader)));
            prop_assert_eq!(&plan_leaders(&sets, &leaders, &all), &leaders);
            members.insert(NodeId(99), Candidate { zone: "z0".into(), takes: true });
            let joined = plan(&members, &sets, 3);
            let all: BTreeSet<NodeId> = members.keys().copied().collect();
            let then = plan_leaders(&joined, &leaders, &all);
            let changed = then.iter().filter(|(p, leader)| leaders[p] != **leader).count();
            let lost = leaders.iter().filter(|(p, leader)| !joined[p].contains(leader)).count();
            prop_assert!(changed <= lost + led(&then, NodeId(99)) + count, "{changed} of {lost}");
        }
    }

    #[test]
    fn a_drained_node_keeps_its_copies_and_gets_no_more_while_others_can() {
        let mut members = members(&[0; 5]);
        let before = plan(&members, &empty(15), 3);
        if let Some(drained) = members.get_mut(&NodeId(5)) {
            drained.takes = false;
        }
        assert_eq!(plan(&members, &before, 3), before);
        members.remove(&NodeId(1));
        let after = plan(&members, &before, 3);
        let had = counts(&before, std::iter::once(NodeId(5)));
        assert_eq!(counts(&after, std::iter::once(NodeId(5))), had);
        // Of three that are left each must have everything.
        members.remove(&NodeId(2));
        let last = plan(&members, &after, 3);
        assert_eq!(
            counts(&last, [3, 4, 5].map(NodeId).into_iter()),
            [15, 15, 15]
        );
    }

    #[test]
    fn five_copies_become_three_and_nothing_moves() {
        let members = members(&[0, 1, 2, 0, 1]);
        let all: BTreeSet<NodeId> = members.keys().copied().collect();
        let before: Sets = (1..=24).map(|p| (PartitionId(p), all.clone())).collect();
        let after = plan(&members, &before, 3);
        check(&members, &after);
        assert_eq!(moved(&before, &after), 0);
        assert_eq!(
            counts(&after, members.keys().copied()),
            [12, 12, 24, 12, 12]
        );
    }
}
