//! The alternatives that are filed under one value.

use std::collections::BTreeSet;

/// An alternative of the policy in a slot: the slot's number, then the alternative's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Filed(u64);

impl Filed {
    /// A policy has at most 150 alternatives, so a byte is enough.
    pub(super) fn new(number: u32, alternative: usize) -> Self {
        Self((u64::from(number) << 8) | (alternative as u64 & 0xff))
    }

    pub(super) fn number(self) -> u32 {
        (self.0 >> 8) as u32
    }

    pub(super) fn alternative(self) -> usize {
        (self.0 & 0xff) as usize
    }
}

/// None, one or many: most values of most keys have one.
#[derive(Debug, Default)]
pub(super) enum Postings {
    #[default]
    None,
    One(Filed),
    #[expect(
        clippy::box_collection,
        reason = "so that one, of which there are most, takes half the room"
    )]
    Many(Box<BTreeSet<Filed>>),
}

impl Postings {
    pub(super) fn insert(&mut self, filed: Filed) {
        match self {
            Self::None => *self = Self::One(filed),
            Self::One(known) if *known == filed => {}
            Self::One(known) => *self = Self::Many(Box::new(BTreeSet::from([*known, filed]))),
            Self::Many(all) => {
                all.insert(filed);
            }
        }
    }

    pub(super) fn remove(&mut self, filed: Filed) {
        match self {
            Self::One(known) if *known == filed => *self = Self::None,
            Self::Many(all) => {
                all.remove(&filed);
                if all.is_empty() {
                    *self = Self::None;
                }
            }
            _ => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(all) => all.len(),
        }
    }

    pub(super) fn collect(&self, found: &mut Vec<Filed>) {
        match self {
            Self::None => {}
            Self::One(filed) => found.push(*filed),
            Self::Many(all) => found.extend(all.iter()),
        }
    }
}

/// Files under a key of a map, and takes away again, so that no map keeps keys of nothing. Generic over the map by two
/// closures would be longer than this.
macro_rules! filed_in {
    ($map:expr, $key:expr, $filed:expr) => {
        $map.entry($key).or_default().insert($filed)
    };
}

macro_rules! taken_from {
    ($map:expr, $key:expr, $filed:expr) => {
        if let Some(postings) = $map.get_mut($key) {
            postings.remove($filed);
            if postings.is_empty() {
                $map.remove($key);
            }
        }
    };
}

pub(super) use {filed_in, taken_from};
