//! Work that crosses partitions, exactly once: dead letters, moved messages and published ones.
//!
//! The source numbers an item in its outbox for the destination partition, from 1. The leader ships
//! it (`Deliver`), the destination applies it and remembers the highest number that it applied from
//! that source, and the source drops what is acknowledged (`Delivered`). Repeated shipping changes
//! nothing. An item refers to a record in the log of the source queue or topic, which `Log::hold` keeps live. A shipment
//! has the record of a published message once, however many of its items bring it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use levada_types::{PartitionId, QueueId};
use sha2::{Digest, Sha256};

use crate::proto::{Deliver, Record, TransferItem};
use crate::snapshot::{Reader, RestoreError, Rows, Table, Writer, key_part};

/// An item of an outbox: everything that is shipped but the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    /// Its number among those for its destination partition. Numbers rise; some may be missing.
    pub number: u64,
    /// The queue that it goes to.
    pub to_queue: QueueId,
    /// The queue or topic whose log holds the record.
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
    /// It was published.
    Publish {
        /// Follows the payload where it arrives.
        suffix: Bytes,
        /// It is the form that an archive keeps.
        is_original: bool,
    },
}

/// Items that are shipped together.
#[derive(Debug, Default)]
pub struct Shipment {
    deliver: Deliver,
    /// Places among the shared records, by the place in a log.
    shared: BTreeMap<(QueueId, u64), u32>,
    payload_bytes: usize,
    arriving_bytes: usize,
}

impl Shipment {
    /// One of `source`'s.
    pub fn from(source: PartitionId) -> Self {
        Self {
            deliver: Deliver {
                source: source.0,
                ..Deliver::default()
            },
            ..Self::default()
        }
    }

    /// Whether the item brings a record that this already has, so that it need not be read.
    pub fn has(&self, item: &OutboxItem) -> bool {
        self.place(item).is_some()
    }

    fn place(&self, item: &OutboxItem) -> Option<u32> {
        let is_published = matches!(item.kind, OutboxKind::Publish { .. });
        let place = self.shared.get(&(item.from_queue, item.position));
        place.copied().filter(|_| is_published)
    }

    /// Adds the next item. `record` is what the source's log holds at its position; it may be left out if
    /// the shipment has it.
    pub fn add(&mut self, item: OutboxItem, record: Option<Record>) {
        let place = self.place(&item);
        let (from, number, queue) = (item.from_queue, item.number, item.to_queue.0);
        let mut transfer = TransferItem {
            number,
            queue,
            ..TransferItem::default()
        };
        let payload_bytes = record.as_ref().map_or(0, |record| record.payload.len());
        match item.kind {
            OutboxKind::Publish { suffix, .. } => {
                transfer.shared = match (place, record) {
                    (Some(place), _) => place,
                    (None, Some(record)) => self.share((from, item.position), record),
                    (None, None) => 0,
                };
                transfer.suffix = suffix;
            }
            OutboxKind::DeadLetter { received_before } => {
                self.payload_bytes += payload_bytes;
                transfer.record = record.map(|record| Record {
                    dead_letter_source: from.0,
                    received_before,
                    ..record
                });
            }
            OutboxKind::Move { message_id } => {
                self.payload_bytes += payload_bytes;
                transfer.record = record.map(|record| Record {
                    message_id,
                    dead_letter_source: 0,
                    received_before: 0,
                    ..record
                });
            }
        }
        self.arriving_bytes += match transfer.shared.checked_sub(1) {
            Some(place) => {
                let shared = self.deliver.shared.get(place as usize);
                shared.map_or(0, |record| record.payload.len()) + transfer.suffix.len()
            }
            None => payload_bytes,
        };
        self.deliver.items.push(transfer);
    }

    fn share(&mut self, from: (QueueId, u64), record: Record) -> u32 {
        self.payload_bytes += record.payload.len();
        self.deliver.shared.push(record);
        // Far fewer than four billion fit into a command.
        let place = self.deliver.shared.len() as u32;
        self.shared.insert(from, place);
        place
    }

    /// Bytes of payloads that it carries.
    pub fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Bytes of payloads that it makes where it arrives.
    pub fn arriving_bytes(&self) -> usize {
        self.arriving_bytes
    }

    /// The number of its last item; 0 if it is empty.
    pub fn through(&self) -> u64 {
        self.deliver.items.last().map_or(0, |item| item.number)
    }

    /// The command.
    pub fn into_command(self) -> Deliver {
        self.deliver
    }
}

/// What arrives of a published message in a queue.
pub(crate) fn published(record: &Record, queue: u64, suffix: &Bytes) -> Record {
    let payload = if suffix.is_empty() {
        record.payload.clone()
    } else {
        [&record.payload[..], suffix].concat().into()
    };
    Record {
        message_id: id_of_copy(&record.message_id, queue),
        payload,
        group: record.group.clone(),
        deduplication: record.deduplication.clone(),
        ..Record::default()
    }
}

/// The id of a published message's copy in a queue: a UUID of version 4 by its form, the same in each try.
fn id_of_copy(message_id: &[u8], queue: u64) -> Bytes {
    let hash = Sha256::new()
        .chain_update(message_id)
        .chain_update(queue.to_be_bytes())
        .finalize();
    let mut id: [u8; 16] = hash.first_chunk().copied().unwrap_or_default();
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    Bytes::copy_from_slice(&id)
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
    /// By number.
    items: VecDeque<OutboxItem>,
}

/// A partition's outboxes and inbox marks.
#[derive(Default)]
pub(crate) struct Transfers {
    outboxes: BTreeMap<PartitionId, Outbox>,
    /// Items in all of them.
    waiting: usize,
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
        outbox.items.push_back(item);
        self.waiting += 1;
    }

    /// Drops what destination `to` has applied; returns the items, whose places in logs are to be let go of.
    pub(crate) fn delivered(&mut self, to: PartitionId, through: u64) -> Vec<OutboxItem> {
        let Some(outbox) = self.outboxes.get_mut(&to) else {
            return Vec::new();
        };
        let done = outbox.items.partition_point(|item| item.number <= through);
        self.waiting -= done;
        outbox.items.drain(..done).collect()
    }

    /// Drops every item whose record is in the log of `queue`.
    pub(crate) fn drop_source(&mut self, queue: QueueId) {
        for outbox in self.outboxes.values_mut() {
            let before = outbox.items.len();
            outbox.items.retain(|item| item.from_queue != queue);
            self.waiting -= before - outbox.items.len();
        }
    }

    /// How many items wait, for whatever destination.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Destinations for which there is something.
    pub(crate) fn destinations(&self) -> Vec<PartitionId> {
        self.outboxes
            .iter()
            .filter(|(_, o)| !o.items.is_empty())
            .map(|(to, _)| *to)
            .collect()
    }

    /// The first `max` items for `to` behind a number.
    pub(crate) fn items(&self, to: PartitionId, after: u64, max: usize) -> Vec<OutboxItem> {
        let outbox = self.outboxes.get(&to);
        outbox.map_or_else(Vec::new, |outbox| {
            let first = outbox.items.partition_point(|item| item.number <= after);
            outbox.items.range(first..).take(max).cloned().collect()
        })
    }

    /// How many items there are for `to`.
    pub(crate) fn len(&self, to: PartitionId) -> usize {
        self.outboxes.get(&to).map_or(0, |o| o.items.len())
    }

    /// Every item's record.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (QueueId, u64)> + '_ {
        let items = self.outboxes.values().flat_map(|o| &o.items);
        items.map(|item| (item.from_queue, item.position))
    }

    /// By destination: everything up to this number has left the outbox.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (PartitionId, u64)> + '_ {
        self.outboxes.iter().map(|(to, outbox)| {
            let first = outbox.items.front();
            (
                *to,
                first.map_or(outbox.last, |first| first.number.saturating_sub(1)),
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
            for item in &outbox.items {
                let mut key = [0; 12];
                key[..4].copy_from_slice(&to);
                key[4..].copy_from_slice(&item.number.to_be_bytes());
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
                let items = &mut self.outboxes.entry(peer).or_default().items;
                if items.back().is_some_and(|last| last.number >= number) {
                    return Err(RestoreError::Row("transfer"));
                }
                items.push_back(item);
                self.waiting += 1;
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
        OutboxKind::Publish {
            suffix,
            is_original,
        } => {
            w.u64(2);
            w.u64(u64::from(*is_original));
            w.bytes(suffix);
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
        2 => OutboxKind::Publish {
            is_original: r.u64()? != 0,
            suffix: Bytes::copy_from_slice(r.bytes()?),
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
        let positions = |items: Vec<OutboxItem>| -> Vec<u64> {
            items.iter().map(|item| item.position).collect()
        };
        assert_eq!(positions(transfers.delivered(to, 1)), [10]);
        assert!(transfers.delivered(to, 1).is_empty());
        assert_eq!(transfers.waiting(), 1);
        assert_eq!(positions(transfers.delivered(to, 2)), [11]);
        assert!(transfers.destinations().is_empty());
        transfers.push(to, q, (q, 12), dead(1));
        assert_eq!(transfers.items(to, 0, 9)[0].number, 3);
        assert!(transfers.items(to, 3, 9).is_empty());
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
        let published = OutboxKind::Publish {
            suffix: Bytes::from_static(b"for this one"),
            is_original: true,
        };
        transfers.push(PartitionId(1), QueueId(5), (QueueId(6), 79), published);
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
            back.items(PartitionId(1), 0, 9),
            transfers.items(PartitionId(1), 0, 9)
        );
        assert_eq!(back.waiting(), 3);
        assert_eq!(back.applied_from(PartitionId(2)), 12);
        assert_eq!(back.outboxes[&PartitionId(1)].last, 3);
    }

    #[test]
    fn a_shipment_carries_what_is_published_once() {
        let mut shipment = Shipment::from(PartitionId(4));
        for (number, queue) in [(1, 7), (2, 8), (3, 7)] {
            let item = OutboxItem {
                number,
                to_queue: QueueId(queue),
                from_queue: QueueId(9),
                position: 5 + number / 3,
                kind: OutboxKind::Publish {
                    suffix: Bytes::from_static(b"!"),
                    is_original: true,
                },
            };
            let record = Record {
                message_id: vec![number as u8; 16].into(),
                payload: "hello".into(),
                ..Record::default()
            };
            let record = Some(record).filter(|_| !shipment.has(&item));
            shipment.add(item, record);
        }
        assert_eq!(
            (shipment.payload_bytes(), shipment.arriving_bytes()),
            (10, 18)
        );
        assert_eq!(shipment.through(), 3);
        let deliver = shipment.into_command();
        let shared: Vec<u32> = deliver.items.iter().map(|item| item.shared).collect();
        assert_eq!((shared, deliver.shared.len()), (vec![1, 1, 2], 2));
        let of = |item: usize| {
            let item = &deliver.items[item];
            let record = &deliver.shared[item.shared as usize - 1];
            published(record, item.queue, &item.suffix)
        };
        assert_eq!(of(0).payload, "hello!");
        assert_eq!(of(0).message_id, of(0).message_id);
        assert_ne!(of(0).message_id, of(1).message_id, "each queue has its own");
        assert_ne!(of(0).message_id, of(2).message_id);
    }
}
