//! Where a reader goes on in each shard. They are in its memory; readers that keep them in the cluster, in a lease
//! table's checkpoints, will have them here.

use std::collections::BTreeMap;

/// The places of one reader, by shard.
#[derive(Default)]
pub(super) struct Places {
    next: BTreeMap<u32, Place>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    next: u64,
    at_end: bool,
}

impl Places {
    /// From where a shard is read next; 0 for its beginning.
    pub(super) fn of(&self, shard: u32) -> u64 {
        self.next.get(&shard).map_or(0, |place| place.next)
    }

    /// Whether a shard was read to its end.
    pub(super) fn has_ended(&self, shard: u32) -> bool {
        self.next.get(&shard).is_some_and(|place| place.at_end)
    }

    /// Moves on, or back.
    pub(super) fn put(&mut self, shard: u32, next: u64, at_end: bool) {
        self.next.insert(shard, Place { next, at_end });
    }
}
