//! The ready messages of one lane: ranges of positions never received, and those that came back.
//!
//! Returned messages are served first, then the ranges, each from the lowest position.

use std::collections::BTreeMap;

use levada_types::Timestamp;

use super::lanes::LaneId;

/// What a message has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) receive_count: u32,
    pub(super) first_received_at: Timestamp,
}

impl Past {
    /// After one more receive.
    pub(super) fn received(self, at: Timestamp) -> Self {
        let first = if self.receive_count == 0 {
            at
        } else {
            self.first_received_at
        };
        Self {
            receive_count: self.receive_count.saturating_add(1),
            first_received_at: first,
        }
    }
}

/// A message that `Lanes::pick` took out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picked {
    pub(super) position: u64,
    pub(super) lane: LaneId,
    pub(super) past: Past,
}

/// Positions as disjoint, non-adjacent ranges `[first, end)`.
#[derive(Default)]
pub(crate) struct Ranges {
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl Ranges {
    /// Adds `[first, end)`, of which nothing is in yet.
    pub(crate) fn add(&mut self, mut first: u64, mut end: u64) {
        self.len = self.len.saturating_add(end - first);
        if let Some((before, before_end)) = self.ranges.range_mut(..first).next_back()
            && *before_end == first
        {
            first = *before;
        }
        if let Some(after_end) = self.ranges.remove(&end) {
            end = after_end;
        }
        self.ranges.insert(first, end);
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.ranges.keys().next().copied()
    }

    pub(crate) fn pop_first(&mut self) -> Option<u64> {
        let (first, end) = self.ranges.pop_first()?;
        if first + 1 < end {
            self.ranges.insert(first + 1, end);
        }
        self.len -= 1;
        Some(first)
    }

    fn around(&self, position: u64) -> Option<(u64, u64)> {
        let (first, end) = self.ranges.range(..=position).next_back()?;
        (position < *end).then_some((*first, *end))
    }

    pub(crate) fn contains(&self, position: u64) -> bool {
        self.around(position).is_some()
    }

    pub(crate) fn remove(&mut self, position: u64) -> bool {
        let Some((first, end)) = self.around(position) else {
            return false;
        };
        self.ranges.remove(&first);
        if first < position {
            self.ranges.insert(first, position);
        }
        if position + 1 < end {
            self.ranges.insert(position + 1, end);
        }
        self.len -= 1;
        true
    }

    /// Removes everything up to `through`, adding it to `gone`.
    pub(crate) fn remove_through(&mut self, through: u64, gone: &mut Vec<(u64, u64)>) {
        while let Some((first, end)) = self.ranges.first_key_value().map(|(f, e)| (*f, *e))
            && first <= through
        {
            self.ranges.pop_first();
            let cut = end.min(through.saturating_add(1));
            if cut < end {
                self.ranges.insert(cut, end);
            }
            self.len -= cut - first;
            gone.push((first, cut));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|(first, end)| (*first, *end))
    }

    /// Positions from `from` on.
    pub(crate) fn positions_from(&self, from: u64) -> impl Iterator<Item = u64> + '_ {
        let spanning = self.around(from).map(|(_, end)| (from, end));
        let behind = self.ranges.range(from.saturating_add(1)..);
        let ranges = spanning
            .into_iter()
            .chain(behind.map(|(first, end)| (*first, *end)));
        ranges.flat_map(|(first, end)| first..end)
    }
}

/// The ready messages of one lane.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) untouched: Ranges,
    pub(super) returned: BTreeMap<u64, Past>,
}

impl Ready {
    pub(super) fn len(&self) -> u64 {
        self.untouched
            .len
            .saturating_add(self.returned.len() as u64)
    }

    /// What `pop` would take.
    pub(super) fn head(&self) -> Option<u64> {
        self.returned
            .keys()
            .next()
            .copied()
            .or_else(|| self.untouched.first())
    }

    pub(super) fn pop(&mut self) -> Option<(u64, Past)> {
        let returned = self.returned.pop_first();
        returned.or_else(|| Some((self.untouched.pop_first()?, Past::default())))
    }

    pub(super) fn lowest(&self) -> Option<u64> {
        let returned = self.returned.keys().next().copied();
        [returned, self.untouched.first()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn contains(&self, position: u64) -> bool {
        self.returned.contains_key(&position) || self.untouched.contains(position)
    }

    pub(super) fn remove(&mut self, position: u64) -> bool {
        self.returned.remove(&position).is_some() || self.untouched.remove(position)
    }

    /// Every position, returned first.
    pub(super) fn positions(&self) -> impl Iterator<Item = u64> + '_ {
        let untouched = self.untouched.iter().flat_map(|(first, end)| first..end);
        self.returned.keys().copied().chain(untouched)
    }

    /// Adds the messages from `from` on to `found`, of which the `max` lowest stay.
    pub(super) fn gather_from(&self, from: u64, max: usize, found: &mut BTreeMap<u64, Past>) {
        let returned = self.returned.range(from..).map(|(p, past)| (*p, *past));
        let untouched = self.untouched.positions_from(from);
        let untouched = untouched.map(|position| (position, Past::default()));
        keep_lowest(returned, max, found);
        keep_lowest(untouched, max, found);
    }
}

/// Adds messages, which come by rising position, to those found; the `max` lowest stay.
fn keep_lowest(
    messages: impl Iterator<Item = (u64, Past)>,
    max: usize,
    found: &mut BTreeMap<u64, Past>,
) {
    for (position, past) in messages.take(max) {
        if found.len() >= max {
            if found
                .last_key_value()
                .is_none_or(|(last, _)| *last < position)
            {
                return;
            }
            found.pop_last();
        }
        found.insert(position, past);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_and_split() {
        let mut r = Ranges::default();
        r.add(1, 4);
        r.add(6, 8);
        r.add(4, 6);
        assert_eq!(r.iter().collect::<Vec<_>>(), [(1, 8)]);
        assert!(r.remove(3));
        assert!(!r.remove(3));
        assert_eq!(r.iter().collect::<Vec<_>>(), [(1, 3), (4, 8)]);
        let mut gone = Vec::new();
        r.remove_through(5, &mut gone);
        assert_eq!(gone, [(1, 3), (4, 6)]);
        assert_eq!(r.iter().collect::<Vec<_>>(), [(6, 8)]);
        assert_eq!(r.len, 2);
        assert_eq!(
            (r.pop_first(), r.pop_first(), r.pop_first()),
            (Some(6), Some(7), None)
        );
        assert_eq!(r.len, 0);
    }

    #[test]
    fn positions_are_read_from_the_middle_of_a_range() {
        let mut r = Ranges::default();
        r.add(1, 4);
        r.add(6, 8);
        let from = |position| r.positions_from(position).collect::<Vec<_>>();
        assert_eq!(from(0), [1, 2, 3, 6, 7]);
        assert_eq!(from(1), [1, 2, 3, 6, 7]);
        assert_eq!(from(3), [3, 6, 7]);
        assert_eq!(from(4), [6, 7]);
        assert_eq!(from(7), [7]);
        assert!(from(8).is_empty() && from(u64::MAX).is_empty());
    }

    #[test]
    fn of_what_is_gathered_the_lowest_stay() {
        let past = Past {
            receive_count: 2,
            first_received_at: Timestamp::from_millis(5),
        };
        let mut ready = Ready::default();
        ready.untouched.add(10, 20);
        ready.returned.insert(12_000, past);
        ready.returned.insert(3, past);
        let mut found = BTreeMap::from([(11_000, past)]);
        ready.gather_from(1, 3, &mut found);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [3, 10, 11]);
        assert_eq!((found[&3], found[&10]), (past, Past::default()));
        found.clear();
        ready.gather_from(19, 3, &mut found);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [19, 12_000]);
        ready.gather_from(1, 0, &mut BTreeMap::new());
    }
}
