//! When leaders move by load: two nodes exchange a busy partition for a quieter one, so that each still leads as
//! many as before.
//!
//! Only if one node has clearly more to do than the rest, for a minute on end, and the exchange makes a clear
//! difference; then not again for five. So leaders do not flap: what one exchange mends, no other undoes.

use std::collections::{BTreeMap, BTreeSet};

use levada_types::{NodeId, PartitionId};

use crate::replica_sets::Sets;

/// A node with less than this to do is never busy, in bytes a second.
const BUSY_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// How many times the mean a busy node has to do.
const BUSY_TIMES_MEAN: u64 = 2;
/// Looks at which the same node must be the busy one: a minute, at one in ten seconds.
const LOOKS_MIN: u32 = 6;
/// Looks after an exchange at which nothing is done: five minutes.
const LOOKS_AFTER: u32 = 30;

/// Who should lead, of which sets, and how much there is to do.
pub(crate) struct Work<'a> {
    pub(crate) leaders: &'a BTreeMap<PartitionId, NodeId>,
    pub(crate) sets: &'a Sets,
    /// Bytes a second.
    pub(crate) loads: &'a BTreeMap<PartitionId, u64>,
    pub(crate) may_lead: &'a BTreeSet<NodeId>,
}

/// The partitions change leaders with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) busy: PartitionId,
    pub(crate) quiet: PartitionId,
}

/// What was seen at the looks before.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    busiest: Option<NodeId>,
    looks: u32,
    pause: u32,
}

impl Watch {
    /// One look; an exchange if it is time for one.
    pub(crate) fn look(&mut self, work: &Work<'_>) -> Option<Exchange> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let busiest = work.busiest();
        if busiest.is_none() || busiest != self.busiest {
            self.busiest = busiest;
            self.looks = 0;
        }
        self.looks += 1;
        let exchange = self
            .busiest
            .filter(|_| self.looks >= LOOKS_MIN)
            .and_then(|node| work.exchange(node))?;
        *self = Self {
            pause: LOOKS_AFTER,
            ..Self::default()
        };
        Some(exchange)
    }
}

impl Work<'_> {
    fn load(&self, partition: PartitionId) -> u64 {
        self.loads.get(&partition).copied().unwrap_or(0)
    }

    fn load_of(&self, node: NodeId) -> u64 {
        let led = self.leaders.iter().filter(|(_, leader)| **leader == node);
        led.map(|(partition, _)| self.load(*partition)).sum()
    }

    /// The node that has clearly more to do than the rest.
    fn busiest(&self) -> Option<NodeId> {
        let loads = self
            .may_lead
            .iter()
            .map(|node| (self.load_of(*node), *node));
        let (load, node) = loads.max()?;
        let sum: u64 = self.may_lead.iter().map(|node| self.load_of(*node)).sum();
        let mean = sum.checked_div(self.may_lead.len() as u64)?;
        (load >= BUSY_BYTES_MIN && load > BUSY_TIMES_MEAN * mean).then_some(node)
    }

    /// The exchange that leaves the busier of the two with least, if that is a quarter less at least.
    fn exchange(&self, node: NodeId) -> Option<Exchange> {
        let before = self.load_of(node);
        let can_lead = |partition: PartitionId, node: NodeId| {
            self.sets
                .get(&partition)
                .is_some_and(|set| set.contains(&node))
        };
        let mine = self.leaders.iter().filter(|(_, leader)| **leader == node);
        let all = mine.flat_map(|(busy, _)| {
            let others = self.leaders.iter().filter(move |(quiet, other)| {
                **other != node
                    && self.may_lead.contains(other)
                    && can_lead(*busy, **other)
                    && can_lead(**quiet, node)
            });
            others.map(move |(quiet, other)| {
                let exchange = Exchange {
                    busy: *busy,
                    quiet: *quiet,
                };
                let (gives, gets) = (self.load(*busy), self.load(*quiet));
                let mine = (before + gets).saturating_sub(gives);
                let theirs = (self.load_of(*other) + gives).saturating_sub(gets);
                (mine.max(theirs), exchange)
            })
        });
        let (after, exchange) = all.min_by_key(|(after, e)| (*after, e.busy, e.quiet))?;
        (after <= before / 4 * 3).then_some(exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// Six partitions on all of three nodes, led in turn.
    fn look(watch: &mut Watch, loads: [u64; 6], may_lead: &[u64]) -> Option<Exchange> {
        let nodes: BTreeSet<NodeId> = [1, 2, 3].map(NodeId).into();
        let partitions = || (1..=6).map(PartitionId);
        let work = Work {
            leaders: &partitions()
                .map(|p| (p, NodeId(u64::from(p.0 - 1) % 3 + 1)))
                .collect(),
            sets: &partitions().map(|p| (p, nodes.clone())).collect(),
            loads: &partitions().zip(loads.map(|mib| mib * MIB)).collect(),
            may_lead: &may_lead.iter().copied().map(NodeId).collect(),
        };
        watch.look(&work)
    }

    #[test]
    fn a_node_that_is_clearly_busier_for_long_gives_one_for_one() {
        let mut watch = Watch::default();
        // Node 1 leads both busy ones, 1 and 4.
        let busy = [9, 1, 0, 9, 1, 0];
        for _ in 1..LOOKS_MIN {
            assert_eq!(look(&mut watch, busy, &[1, 2, 3]), None);
        }
        let found = look(&mut watch, busy, &[1, 2, 3]);
        let expected = Exchange {
            busy: PartitionId(1),
            quiet: PartitionId(3),
        };
        assert_eq!(found, Some(expected));
        for _ in 0..LOOKS_AFTER + LOOKS_MIN - 1 {
            assert_eq!(look(&mut watch, busy, &[1, 2, 3]), None, "and rests");
        }
        assert!(look(&mut watch, busy, &[1, 2, 3]).is_some());
    }

    #[test]
    fn nothing_moves_for_little_for_a_moment_or_in_vain() {
        let never = |loads: [u64; 6]| {
            let mut watch = Watch::default();
            (0..50).all(|_| look(&mut watch, loads, &[1, 2, 3]).is_none())
        };
        assert!(never([0; 6]) && never([1, 0, 0, 1, 0, 0]), "little");
        assert!(
            never([9, 9, 9, 9, 9, 9]) && never([9, 6, 6, 9, 6, 6]),
            "alike"
        );
        assert!(
            never([18, 0, 0, 0, 0, 0]),
            "one partition is as hot elsewhere"
        );
        let mut watch = Watch::default();
        for turn in 0..50 {
            let loads = if turn % 5 == 4 {
                [0; 6]
            } else {
                [9, 0, 0, 9, 0, 0]
            };
            assert_eq!(look(&mut watch, loads, &[1, 2, 3]), None, "a moment");
        }
    }

    #[test]
    fn a_node_that_should_lead_nothing_gets_nothing() {
        let mut watch = Watch::default();
        let found = (0..LOOKS_MIN).find_map(|_| look(&mut watch, [9, 0, 0, 9, 0, 0], &[1, 2]));
        assert_eq!(found, None, "twice the mean is not reached by two");
        let found = (0..60).find_map(|_| look(&mut watch, [9, 0, 0, 9, 0, 0], &[1, 3, 4]));
        assert_eq!(found.map(|e| e.quiet), Some(PartitionId(3)));
    }
}
