//! Whether captures of all partitions, taken one after the other, fit together.
//!
//! A transfer is in its source's outbox until the destination has applied it. So a copy of the destination
//! from before and a copy of the source from after would lack it in both. Then the destination is taken
//! again, which can only put it behind the source.

use std::collections::{BTreeMap, BTreeSet};

/// What a capture says of transfers, by partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// By destination: the number through which transfers have left the outbox.
    pub acknowledged: BTreeMap<u32, u64>,
    /// By source: the number through which transfers were applied.
    pub applied: BTreeMap<u32, u64>,
}

/// The latest capture of each partition.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    /// What had left the outboxes before the first capture: that was applied by then, and is in every copy.
    before: BTreeMap<u32, Seen>,
    /// When each was captured, in turns, and what it says.
    taken: BTreeMap<u32, (u64, Seen)>,
    turn: u64,
}

impl Captures {
    /// Begins with what each partition says before the first capture.
    pub fn new(before: BTreeMap<u32, Seen>) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// A partition was captured, perhaps again.
    pub fn take(&mut self, partition: u32, seen: Seen) {
        self.turn += 1;
        self.taken.insert(partition, (self.turn, seen));
    }

    /// Partitions whose copy may lack a transfer that its source no longer has: take them again.
    pub fn to_take_again(&self) -> BTreeSet<u32> {
        let mut again = BTreeSet::new();
        for (source, (source_turn, seen)) in &self.taken {
            for (destination, acknowledged) in &seen.acknowledged {
                let Some((turn, there)) = self.taken.get(destination) else {
                    continue;
                };
                let before = self
                    .before
                    .get(source)
                    .and_then(|s| s.acknowledged.get(destination));
                let is_new = before.is_none_or(|before| acknowledged > before);
                let is_there = there
                    .applied
                    .get(source)
                    .is_some_and(|at| at >= acknowledged);
                if *acknowledged > 0 && is_new && !is_there && turn < source_turn {
                    again.insert(*destination);
                }
            }
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(acknowledged: &[(u32, u64)], applied: &[(u32, u64)]) -> Seen {
        Seen {
            acknowledged: acknowledged.iter().copied().collect(),
            applied: applied.iter().copied().collect(),
        }
    }

    #[test]
    fn a_transfer_between_two_captures_is_fetched_again() {
        let mut captures = Captures::new(BTreeMap::from([(1, seen(&[(2, 4)], &[]))]));
        captures.take(2, seen(&[], &[(1, 4)]));
        captures.take(1, seen(&[(2, 5)], &[]));
        assert_eq!(captures.to_take_again(), BTreeSet::from([2]));
        captures.take(2, seen(&[], &[(1, 5)]));
        assert!(captures.to_take_again().is_empty());
    }

    #[test]
    fn what_had_left_before_or_is_there_needs_nothing() {
        // Numbers that no destination will ever see, as their queue was deleted.
        let mut captures = Captures::new(BTreeMap::from([(1, seen(&[(2, 9)], &[]))]));
        captures.take(2, seen(&[], &[(1, 4)]));
        captures.take(1, seen(&[(2, 9)], &[]));
        assert!(captures.to_take_again().is_empty());
        // The destination was taken later than the source.
        let mut captures = Captures::default();
        captures.take(1, seen(&[(2, 9)], &[]));
        captures.take(2, seen(&[], &[]));
        assert!(captures.to_take_again().is_empty());
    }
}
