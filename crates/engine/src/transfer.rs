//! Work that crosses partitions, exactly once: dead letters and moved messages.
//!
//! The source numbers an item in its outbox for the destination partition, from 1. The leader ships
//! it (`Deliver`), the destination applies it and remembers the highest number that it applied from
//! that source, and the source drops what is acknowledged (`Delivered`). Repeated shipping changes
//! nothing. An item refers to a record in the source queue's log, which `Log::hold` keeps live.

use std::collections::BTreeMap;

use bytes::Bytes;
use levada_types::{PartitionId, QueueId};

use crate::proto::{Record, TransferItem};
use crate::snapshot::{Reader, RestoreError, Rows, Table, Writer, key_part};

/// An item of an outbox: everything that is shipped but the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    /// Its number among those for its destination partition. Numbers rise; some may be missing.
    pub number: u64,
    /// The queue that it goes to.
    pub to_queue: QueueId,
    /// The queue whose log holds the record.
    pub from_queue: QueueId,
    /// Where in that log; `Partition::locate` finds the payload.
    pub position: u64,
    /// What it is on its way as.
    pub kind: OutboxKind,
}

/// Why a message is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxKind {
    /// It was received too often.
    DeadLetter {
        /// How often.
        received_before: u32,
    },
    /// A move task moves it, as a new message.
    Move {
        /// The new message's id, 16 bytes.
        message_id: Bytes,
    },
}

impl OutboxItem {
    /// The item as it is shipped; `record` is what the source's log holds at `position`.
    pub fn into_transfer(self, mut record: Record) -> TransferItem {
        match self.kind {
            OutboxKind::DeadLetter { received_before } => {
                record.dead_letter_source = self.from_queue.0;
                record.received_before = received_before;
            }
            OutboxKind::Move { message_id } => {
                record.message_id = message_id;
                record.dead_letter_source = 0;
                record.received_before = 0;
            }
        }
        TransferItem {
            number: self.number,
            queue: self.to_queue.0,
            record: Some(record),
        }
    }
}

/// Mixes a position, so that neighbours go to different partitions.
pub(crate) fn spread_of_position(position: u64) -> u64 {
    // Finalizer of SplitMix64: every bit of the input moves every bit of the result.
    let mut x = position.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Mixes a message group's name.
pub(crate) fn spread_of_group(group: &str) -> u64 {
    // FNV-1a, then mixed: the same on every platform and in every version.
    let fnv = group
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    spread_of_position(fnv)
}

/// The one of a FIFO queue's partitions that holds this message group. Senders and dead letters
/// both go by it, so that a group is never in two partitions. `None` if there are none.
pub fn partition_of_group(group: &str, partitions: &[u32]) -> Option<PartitionId> {
    pick(spread_of_group(group), partitions)
}

/// The one of `partitions` that `spread` chooses.
pub(crate) fn pick(spread: u64, partitions: &[u32]) -> Option<PartitionId> {
    let count = u64::try_from(partitions.len()).ok().filter(|n| *n > 0)?;
    partitions
        .get(usize::try_from(spread % count).ok()?)
        .copied()
        .map(PartitionId)
}

/// Items for one destination.
#[derive(Default)]
struct Outbox {
    /// The number that was given last.
    last: u64,
    items: BTreeMap<u64, OutboxItem>,
}

/// A partition's outboxes and inbox marks.
#[derive(Default)]
pub(crate) struct Transfers {
    outboxes: BTreeMap<PartitionId, Outbox>,
    /// By source: the highest number applied.
    inbox: BTreeMap<PartitionId, u64>,
}

impl Transfers {
    /// Adds an item; its record must be held in the log.
    pub(crate) fn push(
        &mut self,
        to: PartitionId,
        to_queue: QueueId,
        (from_queue, position): (QueueId, u64),
        kind: OutboxKind,
    ) {
        let outbox = self.outboxes.entry(to).or_default();
        outbox.last = outbox.last.saturating_add(1);
        let number = outbox.last;
        let item = OutboxItem {
            number,
            to_queue,
            from_queue,
            position,
            kind,
        };
        outbox.items.insert(number, item);
    }

    /// Drops what destination `to` has applied; returns the places in logs to let go of.
    pub(crate) fn delivered(&mut self, to: PartitionId, through: u64) -> Vec<(QueueId, u64)> {
        let Some(outbox) = self.outboxes.get_mut(&to) else {
            return Vec::new();
        };
        let Some(after) = through.checked_add(1) else {
            return Vec::new();
        };
        let waiting = outbox.items.split_off(&after);
        let done = std::mem::replace(&mut outbox.items, waiting);
        done.into_values()
            .map(|item| (item.from_queue, item.position))
            .collect()
    }

    /// Drops every item whose record is in the log of `queue`.
    pub(crate) fn drop_source(&mut self, queue: QueueId) {
        for outbox in self.outboxes.values_mut() {
            outbox.items.retain(|_, item| item.from_queue != queue);
        }
    }

    /// Destinations for which there is something.
    pub(crate) fn destinations(&self) -> Vec<PartitionId> {
        self.outboxes
            .iter()
            .filter(|(_, o)| !o.items.is_empty())
            .map(|(to, _)| *to)
            .collect()
    }

    /// The first `max` items for `to`.
    pub(crate) fn items(&self, to: PartitionId, max: usize) -> Vec<OutboxItem> {
        let outbox = self.outboxes.get(&to);
        outbox.map_or_else(Vec::new, |o| o.items.values().take(max).cloned().collect())
    }

    /// How many items there are for `to`.
    pub(crate) fn len(&self, to: PartitionId) -> usize {
        self.outboxes.get(&to).map_or(0, |o| o.items.len())
    }

    /// Every item's record.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (QueueId, u64)> + '_ {
        let items = self.outboxes.values().flat_map(|o| o.items.values());
        items.map(|item| (item.from_queue, item.position))
    }

    /// By destination: everything up to this number has left the outbox.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (PartitionId, u64)> + '_ {
        self.outboxes.iter().map(|(to, outbox)| {
            let first = outbox.items.keys().next();
            (
                *to,
                first.map_or(outbox.last, |first| first.saturating_sub(1)),
            )
        })
    }

    /// By source: the highest number applied.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (PartitionId, u64)> + '_ {
        self.inbox.iter().map(|(source, mark)| (*source, *mark))
    }

    /// The highest number applied from `source`.
    pub(crate) fn applied_from(&self, source: PartitionId) -> u64 {
        self.inbox.get(&source).copied().unwrap_or(0)
    }

    /// `number` from `source` was applied.
    pub(crate) fn set_applied(&mut self, source: PartitionId, number: u64) {
        self.inbox.insert(source, number);
    }

    pub(crate) fn encode(&self, rows: &mut Rows) {
        for (to, outbox) in &self.outboxes {
            let to = to.0.to_be_bytes();
            let mut header = Writer::default();
            header.u64(outbox.last);
            rows.put(Table::Outbox, &to, header.finish());
            for (number, item) in &outbox.items {
                let mut key = [0; 12];
                key[..4].copy_from_slice(&to);
                key[4..].copy_from_slice(&number.to_be_bytes());
                rows.put(Table::OutboxItem, &key, encode_item(item));
            }
        }
        for (source, mark) in &self.inbox {
            let mut w = Writer::default();
            w.u64(*mark);
            rows.put(Table::Inbox, &source.0.to_be_bytes(), w.finish());
        }
    }

    /// Reads one row of one of the three tables; `key` is what follows the table's byte.
    pub(crate) fn load(
        &mut self,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), RestoreError> {
        let peer = PartitionId(u32::from_be_bytes(key_part(key, 0, "transfer")?));
        let mut r = Reader::new(value, "transfer");
        match table {
            Table::Outbox => self.outboxes.entry(peer).or_default().last = r.u64()?,
            Table::OutboxItem => {
                let number = u64::from_be_bytes(key_part(key, 4, "transfer")?);
                let item = decode_item(number, &mut r)?;
                self.outboxes
                    .entry(peer)
                    .or_default()
                    .items
                    .insert(number, item);
            }
            _ => self.set_applied(peer, r.u64()?),
        }
        Ok(())
    }
}

fn encode_item(item: &OutboxItem) -> Bytes {
    let mut w = Writer::default();
    w.u64(item.to_queue.0);
    w.u64(item.from_queue.0);
    w.u64(item.position);
    match &item.kind {
        OutboxKind::DeadLetter { received_before } => {
            w.u64(0);
            w.u64(u64::from(*received_before));
        }
        OutboxKind::Move { message_id } => {
            w.u64(1);
            w.bytes(message_id);
        }
    }
    w.finish()
}

fn decode_item(number: u64, r: &mut Reader<'_>) -> Result<OutboxItem, RestoreError> {
    let (to_queue, from_queue, position) = (QueueId(r.u64()?), QueueId(r.u64()?), r.u64()?);
    let kind = match r.u64()? {
        0 => OutboxKind::DeadLetter {
            received_before: r.u32()?,
        },
        1 => OutboxKind::Move {
            message_id: Bytes::copy_from_slice(r.bytes()?),
        },
        _ => return Err(RestoreError::Row("transfer")),
    };
    Ok(OutboxItem {
        number,
        to_queue,
        from_queue,
        position,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(received_before: u32) -> OutboxKind {
        OutboxKind::DeadLetter { received_before }
    }

    #[test]
    fn numbers_go_on_after_everything_was_delivered() {
        let (to, q) = (PartitionId(3), QueueId(7));
        let mut transfers = Transfers::default();
        transfers.push(to, q, (q, 10), dead(1));
        transfers.push(to, q, (q, 11), dead(1));
        assert_eq!(transfers.delivered(to, 1), [(q, 10)]);
        assert_eq!(transfers.delivered(to, 1), []);
        assert_eq!(transfers.delivered(to, 2), [(q, 11)]);
        assert!(transfers.destinations().is_empty());
        transfers.push(to, q, (q, 12), dead(1));
        assert_eq!(transfers.items(to, 9)[0].number, 3);
    }

    #[test]
    fn a_group_has_one_partition() {
        let partitions = [4, 9, 2];
        let of = |g: &str| partition_of_group(g, &partitions);
        assert_eq!(of("a"), of("a"));
        assert!(
            (0..50).any(|i| of(&format!("g{i}")) != of("a")),
            "groups spread"
        );
        assert_eq!(partition_of_group("a", &[]), None);
    }

    #[test]
    fn items_come_back_from_their_rows() {
        let mut transfers = Transfers::default();
        transfers.push(PartitionId(1), QueueId(5), (QueueId(6), 77), dead(4));
        let message_id = Bytes::from_static(b"0123456789abcdef");
        let moved = OutboxKind::Move { message_id };
        transfers.push(PartitionId(1), QueueId(5), (QueueId(6), 78), moved);
        transfers.set_applied(PartitionId(2), 12);
        let mut rows = Rows::default();
        transfers.encode(&mut rows);
        let mut back = Transfers::default();
        for (key, value) in rows.finish() {
            let table = match key[0] {
                k if k == Table::Outbox as u8 => Table::Outbox,
                k if k == Table::OutboxItem as u8 => Table::OutboxItem,
                _ => Table::Inbox,
            };
            back.load(table, &key[1..], &value).unwrap();
        }
        assert_eq!(
            back.items(PartitionId(1), 9),
            transfers.items(PartitionId(1), 9)
        );
        assert_eq!(back.applied_from(PartitionId(2)), 12);
        assert_eq!(back.outboxes[&PartitionId(1)].last, 2);
    }
}
