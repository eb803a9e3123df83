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
}
