//! Records that are sent together, and how far they reach in their files.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::config::BufferBounds;

/// A file that is followed, for as long as the agent runs. What is in a file that was emptied is another one.
pub(crate) type SourceKey = u64;

/// A record as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) data: Vec<u8>,
    /// The partition key, or the message group.
    pub(crate) key: Option<String>,
    /// The same each time that this record of this file is sent; for queues that drop what is repeated.
    pub(crate) deduplication_id: Option<String>,
}

/// Records, in their order.
#[derive(Debug)]
pub(crate) struct Batch {
    bounds: BufferBounds,
    records: Vec<Record>,
    bytes: usize,
    /// When the first one came.
    since: Option<Instant>,
    is_full: bool,
    ends: BTreeMap<SourceKey, u64>,
}

impl Batch {
    /// An empty one.
    pub(crate) fn new(bounds: BufferBounds) -> Self {
        Self {
            bounds,
            records: Vec::new(),
            bytes: 0,
            since: None,
            is_full: false,
            ends: BTreeMap::new(),
        }
    }

    /// Adds a record if there is room for it. An empty batch has room for any.
    pub(crate) fn add(&mut self, record: Record, now: Instant) -> Result<(), Record> {
        let bytes = record.data.len();
        let has_room = self.records.len() < self.bounds.records
            && self.bytes.saturating_add(bytes) <= self.bounds.bytes;
        if !has_room && !self.records.is_empty() {
            self.is_full = true;
            return Err(record);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.records.push(record);
        self.since.get_or_insert(now);
        self.is_full = self.records.len() >= self.bounds.records || self.bytes >= self.bounds.bytes;
        Ok(())
    }

    /// What stands before `end` in that file is in here, or yields nothing.
    pub(crate) fn reaches(&mut self, source: SourceKey, end: u64) {
        self.ends.insert(source, end);
    }

    /// The records.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// How far it reaches in each file.
    pub(crate) fn ends(&self) -> &BTreeMap<SourceKey, u64> {
        &self.ends
    }

    /// Whether no further record is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// When it is to be sent at the latest.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + self.bounds.age)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(bytes: usize) -> Record {
        Record {
            data: vec![0; bytes],
            key: None,
            deduplication_id: None,
        }
    }

    #[test]
    fn bounds_hold_and_an_empty_batch_takes_any() {
        let bounds = BufferBounds {
            records: 3,
            bytes: 10,
            age: Duration::from_secs(1),
        };
        let now = Instant::now();
        let mut batch = Batch::new(bounds);
        batch.add(record(4), now).unwrap();
        batch.add(record(5), now + Duration::from_secs(1)).unwrap();
        assert!(!batch.is_full());
        batch.add(record(2), now).unwrap_err();
        assert!(batch.is_full() && batch.records().len() == 2);
        assert_eq!(batch.due(), Some(now + Duration::from_secs(1)));
        let mut batch = Batch::new(bounds);
        batch.add(record(11), now).unwrap();
        assert!(batch.is_full());
    }
}
