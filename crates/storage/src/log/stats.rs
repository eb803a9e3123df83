//! What the log counts. Read by the metrics endpoint, at any time, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the sync histogram's buckets, in microseconds; one more bucket holds the rest.
pub const SYNC_BUCKETS_US: [u64; 12] = [
    50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 51_200, 204_800, 819_200,
];

/// Counters and gauges of one log.
#[derive(Debug, Default)]
pub struct LogStats {
    /// Calls of `append` that are on the disk.
    pub appends: AtomicU64,
    /// Entries that are on the disk.
    pub entries: AtomicU64,
    /// Batches that were written and synced.
    pub syncs: AtomicU64,
    /// Bytes that were written to the log's files, framing included.
    pub bytes_written: AtomicU64,
    /// Time spent in writing and syncing, in microseconds.
    pub sync_us_sum: AtomicU64,
    /// How many writes took how long; see [`SYNC_BUCKETS_US`]. Not cumulative.
    pub sync_us_buckets: [AtomicU64; SYNC_BUCKETS_US.len() + 1],
    /// Bytes that the log's files take.
    pub disk_bytes: AtomicU64,
    /// Bytes of entries that are kept in memory.
    pub cache_bytes: AtomicU64,
    /// Bytes of entries that wait for the writer.
    pub queue_bytes: AtomicU64,
    /// Entries that had to be read back from the disk.
    pub disk_reads: AtomicU64,
}

impl LogStats {
    pub(super) fn count_write(&self, took: Duration, bytes: usize) {
        self.bytes_written.fetch_add(bytes as u64, Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Relaxed);
        self.sync_us_sum.fetch_add(us, Relaxed);
        let bucket = SYNC_BUCKETS_US.partition_point(|&bound| bound < us);
        self.sync_us_buckets[bucket].fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_falls_into_the_bucket_that_bounds_it() {
        let stats = LogStats::default();
        stats.count_write(Duration::from_micros(50), 10);
        stats.count_write(Duration::from_micros(51), 10);
        stats.count_write(Duration::from_secs(10), 10);
        let buckets: Vec<u64> = stats
            .sync_us_buckets
            .iter()
            .map(|b| b.load(Relaxed))
            .collect();
        assert_eq!((buckets[0], buckets[1], buckets[12]), (1, 1, 1));
        assert_eq!(stats.syncs.load(Relaxed), 3);
        assert_eq!(stats.bytes_written.load(Relaxed), 30);
    }
}
