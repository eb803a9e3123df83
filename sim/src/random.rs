//! Where the simulator's own choices come from: one stream for each purpose, so that a new choice in one does not
//! change the others.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// One stream of choices.
pub(crate) struct Random(StdRng);

impl Random {
    /// The stream of a seed for a purpose.
    pub(crate) fn of(seed: u64, purpose: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, purpose).hash(&mut hasher);
        Self(StdRng::seed_from_u64(hasher.finish()))
    }

    /// A number of the range, all alike.
    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// A place in something of that length, which is not zero.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.0.random_range(0..length)
    }

    /// True that many times of a thousand.
    pub(crate) fn per_mille(&mut self, times: u64) -> bool {
        self.0.random_range(0..1_000) < times
    }
}
