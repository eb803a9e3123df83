//! What the log knows without touching the disk: bounds, state values, and the newest entries.
//!
//! Invariants: a partition's cache is a run of entries that ends at its last index; an entry leaves the
//! cache only when the write that carried it is on the disk, so what isn't cached can be read back.
//! All of it is behind one mutex that is never held during I/O. Called by the store and the writer.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use levada_types::PartitionId;

use super::LogEntry;

/// What an entry costs in memory beyond its bytes: its slot and the buffer's header.
const ENTRY_OVERHEAD_BYTES: usize = 64;
/// Appends that are remembered for eviction. A partition that stands still while others are written and
/// purged would otherwise keep every mark behind its own.
const AGING_MARKS_MAX: usize = 65_536;

/// One partition's bounds, state and newest entries.
#[derive(Debug)]
pub(super) struct PartitionLog {
    /// Index of the first entry. The log is empty if it is above `last`.
    first: u64,
    last: u64,
    /// Whether the disk holds the mark of a truncation, which the next append must take away.
    cut: bool,
    /// The newest entries, ending at `last`.
    cache: VecDeque<Cached>,
    pub(super) state: BTreeMap<u8, Bytes>,
}

#[derive(Debug)]
struct Cached {
    bytes: Bytes,
    /// The operation that writes it.
    seq: u64,
}

fn cost(bytes: &Bytes) -> usize {
    bytes.len() + ENTRY_OVERHEAD_BYTES
}

impl PartitionLog {
    pub(super) fn new(first: u64, last: u64, cut: bool, state: BTreeMap<u8, Bytes>) -> Self {
        Self {
            first,
            last,
            cut,
            cache: VecDeque::new(),
            state,
        }
    }

    pub(super) fn bounds(&self) -> Option<(u64, u64)> {
        (self.first <= self.last).then_some((self.first, self.last))
    }

    pub(super) fn floor(&self) -> u64 {
        self.first
    }

    fn cache_first(&self) -> u64 {
        self.last + 1 - self.cache.len() as u64
    }
}

/// The memory of all partitions.
#[derive(Debug, Default)]
pub(super) struct Memory {
    partitions: HashMap<PartitionId, PartitionLog>,
    cache_bytes: usize,
    cache_bytes_max: usize,
    /// Appends in the order in which their entries may leave the cache: partition, last index, operation.
    aging: VecDeque<(PartitionId, u64, u64)>,
    /// The last operation that is on the disk.
    written_seq: u64,
}

/// Where the entries of a read are.
pub(super) struct ReadPlan {
    /// Indexes to read from the disk first.
    pub(super) disk: Range<u64>,
    /// What follows them, from memory.
    pub(super) cached: Vec<LogEntry>,
}

/// What a purge has left.
pub(super) struct Purged {
    /// The first index that counts.
    pub(super) first: u64,
    /// Whether no entry is left.
    pub(super) empties: bool,
}

/// Why an append can't be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misplaced {
    #[error("entries are not in rising order without gaps at index {0}")]
    Gap(u64),
    #[error("entry {index} leaves a hole after {last}")]
    Hole { index: u64, last: u64 },
    #[error("entry {index} is before {first}, the first that is kept")]
    Purged { index: u64, first: u64 },
}

impl Memory {
    pub(super) fn new(cache_bytes_max: usize) -> Self {
        Self {
            cache_bytes_max,
            ..Self::default()
        }
    }

    pub(super) fn insert(&mut self, partition: PartitionId, log: PartitionLog) {
        self.partitions.insert(partition, log);
    }

    pub(super) fn get(&self, partition: PartitionId) -> Option<&PartitionLog> {
        self.partitions.get(&partition)
    }

    pub(super) fn partitions(&self) -> Vec<PartitionId> {
        let mut all: Vec<_> = self.partitions.keys().copied().collect();
        all.sort_unstable();
        all
    }

    pub(super) fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    fn entry(&mut self, partition: PartitionId) -> &mut PartitionLog {
        self.partitions
            .entry(partition)
            .or_insert_with(|| PartitionLog::new(1, 0, false, BTreeMap::new()))
    }

    /// Takes entries that operation `seq` will write. Entries at or below the last index replace the
    /// log's end; true if there may be any on the disk.
    pub(super) fn append(
        &mut self,
        partition: PartitionId,
        entries: &[LogEntry],
        seq: u64,
    ) -> Result<bool, Misplaced> {
        let Some(start) = entries.first().map(|e| e.index) else {
            return Ok(false);
        };
        if let Some((n, _)) = entries
            .iter()
            .enumerate()
            .find(|(n, e)| e.index != start + *n as u64)
        {
            return Err(Misplaced::Gap(start + n as u64));
        }
        let log = self.entry(partition);
        if start < log.first {
            return Err(Misplaced::Purged {
                index: start,
                first: log.first,
            });
        }
        let overlaps = match log.bounds() {
            Some((_, last)) if start > last + 1 => {
                return Err(Misplaced::Hole { index: start, last });
            }
            Some((_, last)) if start <= last => {
                self.cut_after(partition, start - 1);
                true
            }
            Some(_) => false,
            // An empty log begins wherever its first entry says.
            None => {
                (log.first, log.last) = (start, start - 1);
                false
            }
        };
        let log = self.entry(partition);
        let overwrites = std::mem::take(&mut log.cut) || overlaps;
        log.last += entries.len() as u64;
        let last = log.last;
        log.cache.extend(entries.iter().map(|e| Cached {
            bytes: e.bytes.clone(),
            seq,
        }));
        self.cache_bytes += entries.iter().map(|e| cost(&e.bytes)).sum::<usize>();
        self.aging.push_back((partition, last, seq));
        Ok(overwrites)
    }

    /// Forgets the entries after `index`. True if there were any.
    pub(super) fn truncate_after(&mut self, partition: PartitionId, index: u64) -> bool {
        let log = self.entry(partition);
        let cuts = log.bounds().is_some_and(|(_, last)| index < last);
        if cuts {
            self.cut_after(partition, index);
            self.entry(partition).cut = true;
        }
        cuts
    }

    fn cut_after(&mut self, partition: PartitionId, index: u64) {
        let log = self.entry(partition);
        let index = index.max(log.first.saturating_sub(1));
        let mut freed = 0;
        while log.last > index {
            freed += log.cache.pop_back().map_or(0, |c| cost(&c.bytes));
            log.last -= 1;
        }
        self.cache_bytes -= freed;
    }

    /// Forgets the entries up to and including `index`. What has become of the log, if anything has.
    pub(super) fn purge_through(&mut self, partition: PartitionId, index: u64) -> Option<Purged> {
        let log = self.entry(partition);
        let first = index.saturating_add(1);
        if first <= log.first {
            return None;
        }
        let mut freed = 0;
        while !log.cache.is_empty() && log.cache_first() <= index {
            freed += log.cache.pop_front().map_or(0, |c| cost(&c.bytes));
        }
        log.first = first;
        log.last = log.last.max(index);
        let empties = log.first > log.last;
        log.cut |= empties;
        self.cache_bytes -= freed;
        Some(Purged { first, empties })
    }

    pub(super) fn put_state(&mut self, partition: PartitionId, key: u8, value: Bytes) {
        self.entry(partition).state.insert(key, value);
    }

    pub(super) fn remove(&mut self, partition: PartitionId) {
        if let Some(log) = self.partitions.remove(&partition) {
            self.cache_bytes -= log.cache.iter().map(|c| cost(&c.bytes)).sum::<usize>();
        }
    }

    /// Marks operations up to `seq` as on the disk, and lets go what is beyond the budget.
    pub(super) fn written(&mut self, seq: u64) {
        self.written_seq = seq;
        while let Some(&(partition, last, seq)) = self.aging.front() {
            let over =
                self.cache_bytes > self.cache_bytes_max || self.aging.len() > AGING_MARKS_MAX;
            // Marks whose entries are gone are dropped too, or they would pile up under the budget.
            let stale = self
                .partitions
                .get(&partition)
                .is_none_or(|log| log.cache.is_empty() || log.cache_first() > last);
            if seq > self.written_seq || !(over || stale) {
                break;
            }
            self.aging.pop_front();
            self.evict(partition, last);
        }
    }

    fn evict(&mut self, partition: PartitionId, last: u64) {
        let written = self.written_seq;
        let Some(log) = self.partitions.get_mut(&partition) else {
            return;
        };
        let mut freed = 0;
        while log.cache_first() <= last && log.cache.front().is_some_and(|c| c.seq <= written) {
            freed += log.cache.pop_front().map_or(0, |c| cost(&c.bytes));
        }
        self.cache_bytes -= freed;
    }

    /// Says where the entries of `range` are, up to `max_bytes` of those in memory, but at least one.
    pub(super) fn plan_read(
        &self,
        partition: PartitionId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> ReadPlan {
        let none = ReadPlan {
            disk: 0..0,
            cached: Vec::new(),
        };
        let Some((log, (first, last))) = self
            .get(partition)
            .and_then(|log| Some((log, log.bounds()?)))
        else {
            return none;
        };
        let (start, end) = (range.start.max(first), range.end.min(last + 1));
        if start >= end {
            return none;
        }
        let cache_first = log.cache_first();
        let disk = start..end.min(cache_first).max(start);
        let mut cached = Vec::new();
        let mut bytes = 0;
        for index in start.max(cache_first)..end {
            let entry = &log.cache[(index - cache_first) as usize];
            bytes += entry.bytes.len();
            if bytes > max_bytes && !cached.is_empty() {
                break;
            }
            cached.push(LogEntry {
                index,
                bytes: entry.bytes.clone(),
            });
        }
        ReadPlan { disk, cached }
    }
}
