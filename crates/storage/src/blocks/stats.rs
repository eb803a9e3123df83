//! What the block store counts. Read by the metrics endpoint, at any time, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters and gauges of one block store.
#[derive(Debug, Default)]
pub struct BlockStats {
    /// Blocks that can be read.
    pub blocks: AtomicU64,
    /// Bytes that are in memory only.
    pub unwritten_bytes: AtomicU64,
    /// Bytes of written blocks that are in memory too.
    pub cached_bytes: AtomicU64,
    /// Segment files.
    pub segments: AtomicU64,
    /// Bytes of the segment files.
    pub disk_bytes: AtomicU64,
    /// Bytes of blocks in them that can still be read.
    pub live_bytes: AtomicU64,
    /// Blocks that were written, copies included.
    pub written_blocks: AtomicU64,
    /// Bytes that were written, copies included.
    pub written_bytes: AtomicU64,
    /// Blocks that were copied out of sparse segments.
    pub copied_blocks: AtomicU64,
    /// Blocks that were dropped before they were ever written.
    pub dropped_unwritten: AtomicU64,
    /// Syncs of segment files.
    pub syncs: AtomicU64,
    /// Reads that found the block in memory.
    pub hits: AtomicU64,
    /// Reads that went to the disk.
    pub misses: AtomicU64,
    /// Reads that found the block damaged.
    pub corrupt: AtomicU64,
    /// Places in segment files that opening had to skip: torn tails and damaged headers.
    pub damaged_regions: AtomicU64,
}

impl BlockStats {
    pub(super) fn count_hit(&self) {
        self.hits.fetch_add(1, Relaxed);
    }

    pub(super) fn count_miss(&self) {
        self.misses.fetch_add(1, Relaxed);
    }

    pub(super) fn count_corrupt(&self) {
        self.corrupt.fetch_add(1, Relaxed);
    }

    pub(super) fn count_drop(&self) {
        self.dropped_unwritten.fetch_add(1, Relaxed);
    }
}
