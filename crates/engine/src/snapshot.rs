//! The rows of a snapshot: keys, values, and how they are written and read.
//!
//! Key: one byte of [`Table`], then numbers in big-endian, so that rows sort as numbers do. A
//! queue's rows are `Queue, queue id (8), part (1), suffix (8)`: parts below 0x40 belong to the
//! partition and the log, 0x40-0x7f to `StandardQueue`, 0x80-0xbf to `FifoQueue`, those above to queues on a shard. Values are LEB128
//! varints and length-prefixed bytes, or one encoded protobuf message. A row is at most
//! [`ROW_BYTES`] plus one entry long. Rows are a function of the state alone.

use bytes::{BufMut, Bytes, BytesMut};
use levada_types::{QueueId, Timestamp};
use prost::Message;
use thiserror::Error;

use crate::known;

/// A row of many small entries is closed when it is longer than this.
pub(crate) const ROW_BYTES: usize = 32 * 1024;

/// The first byte of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    /// One row: format version, partition, last stamp.
    Header = 0x01,
    /// By origin: what the partition remembers of a proposer's lane.
    Lane = 0x02,
    /// By origin, sequence: remembered outcomes.
    Answer = 0x03,
    /// By queue: when it was dropped.
    Dropped = 0x04,
    /// By destination: the next number of its outbox.
    Outbox = 0x05,
    /// By destination, number: an outbox item.
    OutboxItem = 0x06,
    /// By source: the highest number that was applied.
    Inbox = 0x07,
    /// By token: a transaction that was done lately.
    Transaction = 0x08,
    /// By queue, part, suffix.
    Queue = 0x10,
    /// By topic, part, suffix.
    Topic = 0x11,
    /// The catalog's own; what follows the byte is up to it.
    Catalog = 0x20,
}

/// The rows are not a snapshot of this partition that this version can read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// No header row, or one of another format.
    #[error("not a snapshot of a format that this version reads")]
    Format,
    /// The rows are another partition's.
    #[error("the snapshot is of partition {0}")]
    OtherPartition(u32),
    /// A row does not read as what its key says.
    #[error("the snapshot's {0} cannot be read")]
    Row(&'static str),
    /// A row has fields that this version does not know.
    #[error(
        "the snapshot's {0} is of a newer version; start this node with the version that the other nodes run, or a newer one"
    )]
    Newer(&'static str),
}

/// Rows as they are gathered.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<(Bytes, Bytes)>,
}

impl Rows {
    /// Adds one row; `key` goes after the table's byte.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], value: impl Into<Bytes>) {
        let mut k = BytesMut::with_capacity(1 + key.len());
        k.put_u8(table as u8);
        k.put_slice(key);
        self.rows.push((k.freeze(), value.into()));
    }

    /// A writer of one queue's rows.
    pub(crate) fn queue(&mut self, queue: QueueId) -> QueueRows<'_> {
        QueueRows {
            rows: self,
            table: Table::Queue,
            queue,
        }
    }

    /// A writer of one topic's rows.
    pub(crate) fn topic(&mut self, topic: QueueId) -> QueueRows<'_> {
        QueueRows {
            rows: self,
            table: Table::Topic,
            queue: topic,
        }
    }

    /// The rows in order of key.
    pub(crate) fn finish(mut self) -> Vec<(Bytes, Bytes)> {
        self.rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.rows
    }
}

/// Writes the rows of one queue, or of whatever has a log.
pub(crate) struct QueueRows<'a> {
    rows: &'a mut Rows,
    table: Table,
    queue: QueueId,
}

impl QueueRows<'_> {
    /// Adds the row (`part`, `suffix`).
    pub(crate) fn put(&mut self, part: u8, suffix: u64, value: impl Into<Bytes>) {
        let mut key = [0; 17];
        key[..8].copy_from_slice(&self.queue.0.to_be_bytes());
        key[8] = part;
        key[9..].copy_from_slice(&suffix.to_be_bytes());
        self.rows.put(self.table, &key, value);
    }

    /// Adds as many rows of `part`, with suffixes from 0, as the entries need. Each row is whole
    /// entries one after the other; none if there is no entry.
    pub(crate) fn put_all<T>(
        &mut self,
        part: u8,
        entries: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Writer, T),
    ) {
        let mut row = Writer::default();
        let mut suffix = 0;
        for entry in entries {
            write(&mut row, entry);
            if row.0.len() >= ROW_BYTES {
                self.put(part, suffix, std::mem::take(&mut row).finish());
                suffix += 1;
            }
        }
        if !row.0.is_empty() {
            self.put(part, suffix, row.finish());
        }
    }
}

/// Writes a value.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn u64(&mut self, n: u64) {
        prost::encoding::encode_varint(n, &mut self.0);
    }

    pub(crate) fn time(&mut self, t: Timestamp) {
        self.u64(t.as_millis());
    }

    pub(crate) fn bytes(&mut self, b: &[u8]) {
        self.u64(b.len() as u64);
        self.0.put_slice(b);
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Reads a value; every method fails on a value that ends too early.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// `what` names the row in errors.
    pub(crate) fn new(value: &'a [u8], what: &'static str) -> Self {
        Self { rest: value, what }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn u64(&mut self) -> Result<u64, RestoreError> {
        prost::encoding::decode_varint(&mut self.rest).map_err(|_| RestoreError::Row(self.what))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RestoreError> {
        u32::try_from(self.u64()?).map_err(|_| RestoreError::Row(self.what))
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, RestoreError> {
        self.u64().map(Timestamp::from_millis)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], RestoreError> {
        let len = usize::try_from(self.u64()?).map_err(|_| RestoreError::Row(self.what))?;
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(RestoreError::Row(self.what))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, RestoreError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| RestoreError::Row(self.what))
    }
}

/// The protobuf message that a row's value is.
pub(crate) fn decode<M: Message + Default>(
    value: &[u8],
    what: &'static str,
) -> Result<M, RestoreError> {
    let message = M::decode(value).map_err(|_| RestoreError::Row(what))?;
    if !known::is_whole(&message, value.len()) {
        return Err(RestoreError::Newer(what));
    }
    Ok(message)
}

/// The `N` bytes of a big-endian number within a key, from `at`.
pub(crate) fn key_part<const N: usize>(
    key: &[u8],
    at: usize,
    what: &'static str,
) -> Result<[u8; N], RestoreError> {
    key.get(at..at + N)
        .and_then(|s| s.try_into().ok())
        .ok_or(RestoreError::Row(what))
}
