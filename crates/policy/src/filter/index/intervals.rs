//! Which ranges a number lies in.
//!
//! The numbers are the leaves of a binary tree. A range is kept at the one node whose middle it spans, in two orders: by its
//! low end and by its high end. A number asks the nodes above it, and at each reads the ranges from the outside until one does
//! not reach it; so it costs the height of the tree and what is found, and a range costs two entries.

use std::collections::{BTreeSet, HashMap};

use super::super::scalar::UNITS_MAX;
use super::postings::{Filed, Postings, filed_in, taken_from};

/// Levels of the tree: the numbers have 48 bits when they are counted from the least.
const LEVELS: usize = 49;
const _: () = assert!((2 * UNITS_MAX as u64) < 1 << (LEVELS - 1));

/// Ranges of numbers, each with what is filed under it.
#[derive(Debug)]
pub(super) struct Intervals {
    postings: HashMap<(u64, u64), Postings>,
    nodes: HashMap<(u8, u64), Node>,
    /// How many nodes there are at each level.
    levels: [u32; LEVELS],
}

#[derive(Debug, Default)]
struct Node {
    by_low: BTreeSet<(u64, u64)>,
    by_high: BTreeSet<(u64, u64)>,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            postings: HashMap::new(),
            nodes: HashMap::new(),
            levels: [0; LEVELS],
        }
    }
}

impl Intervals {
    /// Files under a range. An empty one, which no number lies in, is not kept.
    pub(super) fn insert(&mut self, low: i64, high: i64, filed: Filed) {
        let Some((low, high)) = leaves(low, high) else {
            return;
        };
        filed_in!(self.postings, (low, high), filed);
        let (level, place) = node(low, high);
        let levels = &mut self.levels;
        let node = self.nodes.entry((level, place)).or_insert_with(|| {
            levels[usize::from(level)] += 1;
            Node::default()
        });
        node.by_low.insert((low, high));
        node.by_high.insert((high, low));
    }

    pub(super) fn remove(&mut self, low: i64, high: i64, filed: Filed) {
        let Some((low, high)) = leaves(low, high) else {
            return;
        };
        taken_from!(self.postings, &(low, high), filed);
        if self.postings.contains_key(&(low, high)) {
            return;
        }
        let key = node(low, high);
        let Some(node) = self.nodes.get_mut(&key) else {
            return;
        };
        node.by_low.remove(&(low, high));
        node.by_high.remove(&(high, low));
        if node.by_low.is_empty() {
            self.nodes.remove(&key);
            self.levels[usize::from(key.0)] -= 1;
        }
    }

    /// How many are filed under a range.
    pub(super) fn len(&self, low: i64, high: i64) -> usize {
        leaves(low, high)
            .and_then(|range| self.postings.get(&range))
            .map_or(0, Postings::len)
    }

    /// What is filed under ranges that have the number.
    pub(super) fn collect(&self, number: i64, found: &mut Vec<Filed>) {
        let Some((leaf, _)) = leaves(number, number) else {
            return;
        };
        let mut take = |low: u64, high: u64| {
            if let Some(postings) = self.postings.get(&(low, high)) {
                postings.collect(found);
            }
        };
        for (level, count) in (0_u8..).zip(&self.levels) {
            if *count == 0 {
                continue;
            }
            let Some(node) = self.nodes.get(&(level, leaf >> level)) else {
                continue;
            };
            if leaf < middle(level, leaf >> level) {
                for (low, high) in node.by_low.range(..=(leaf, u64::MAX)) {
                    take(*low, *high);
                }
            } else {
                for (high, low) in node.by_high.range((leaf, 0)..) {
                    take(*low, *high);
                }
            }
        }
    }
}

/// A range as leaves, counted from the least number.
fn leaves(low: i64, high: i64) -> Option<(u64, u64)> {
    let leaf = |number: i64| u64::try_from(number.clamp(-UNITS_MAX, UNITS_MAX) + UNITS_MAX).ok();
    (low <= high).then_some((leaf(low)?, leaf(high)?))
}

/// The node whose middle a range spans: its level, and its place there.
fn node(low: u64, high: u64) -> (u8, u64) {
    let level = (u64::BITS - (low ^ high).leading_zeros()) as u8;
    (level, low >> level)
}

/// The first leaf of a node's second half; of a leaf, itself.
fn middle(level: u8, place: u64) -> u64 {
    let first = place << level;
    if level == 0 {
        first
    } else {
        first | (1 << (level - 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Against looking at each range.
        #[test]
        fn a_number_finds_its_ranges(
            ranges in prop::collection::vec((-40_i64..40, -40_i64..40, any::<bool>()), 0..40),
            far in prop::collection::vec((any::<i64>(), any::<i64>()), 0..4),
        ) {
            let mut intervals = Intervals::default();
            let mut kept = Vec::new();
            let far = far.into_iter().map(|(low, high)| (low % UNITS_MAX, high % UNITS_MAX, true));
            for (number, (low, high, stays)) in ranges.into_iter().chain(far).enumerate() {
                let filed = Filed::new(number as u32, 0);
                intervals.insert(low, high, filed);
                if stays {
                    kept.push((low, high, filed));
                } else {
                    intervals.remove(low, high, filed);
                }
            }
            for number in (-42..42).chain([-UNITS_MAX, UNITS_MAX]) {
                let mut found = Vec::new();
                intervals.collect(number, &mut found);
                found.sort_unstable();
                let wanted: Vec<Filed> = kept
                    .iter()
                    .filter(|(low, high, _)| *low <= number && number <= *high)
                    .map(|(_, _, filed)| *filed)
                    .collect();
                prop_assert_eq!(found, wanted);
            }
            for (low, high, filed) in kept {
                intervals.remove(low, high, filed);
            }
            prop_assert!(intervals.nodes.is_empty() && intervals.postings.is_empty());
            prop_assert_eq!(intervals.levels, [0; LEVELS]);
        }
    }
}
