//! A table: an ordered map of items, and an ordered map beside it for each index, which follows from the items.
//!
//! A write is first evaluated, which changes nothing, then applied: so that of several all or none are done. The
//! partition calls both, see `partition/tables.rs`.
//!
//! Invariants: a row's bytes are its item's; an index has an entry for each item that has all its keys, and no other.

mod condition;
mod key;
mod path;
mod read;
mod rows;
mod transactions;
mod update;

use std::collections::BTreeMap;

use bytes::Bytes;
use levada_types::Item;
use levada_types::attribute::{decode_item, encode_item, item_size};
use levada_types::limits::{HASH_KEY_BYTES_MAX, ITEM_BYTES_MAX, RANGE_KEY_BYTES_MAX};

use crate::proto::{
    IndexConfig, ItemWrite, KeySchema, Returned, TableConfig, WriteResult, WriteStatus, item_write,
};
use condition::Condition;
use key::Key;

pub(crate) use rows::{PART_TABLE, PART_TABLE_ROWS};
pub(crate) use transactions::{Known, Transactions};

/// One table.
pub(crate) struct Table {
    pub(crate) config: TableConfig,
    rows: BTreeMap<Key, Row>,
    /// In the order of the configuration's indexes: an entry's key leads to a row's.
    indexes: Vec<BTreeMap<Key, Key>>,
    /// Of all items, as DynamoDB counts them.
    bytes: u64,
}

struct Row {
    /// Encoded.
    item: Bytes,
    /// Its size, as DynamoDB counts it.
    size: u32,
}

impl Row {
    fn new(item: &Item) -> Self {
        Self {
            item: encode_item(item),
            size: u32::try_from(item_size(item)).unwrap_or(u32::MAX),
        }
    }

    /// What was encoded here, or by this version's author, can be read.
    fn read(&self) -> Item {
        decode_item(&self.item).unwrap_or_default()
    }
}

/// What a write makes of a row, evaluated and not yet applied.
pub(crate) struct Change {
    key: Vec<u8>,
    before: Option<Item>,
    /// None: there is no row afterwards.
    after: Option<Item>,
    checks_only: bool,
    returned: Bytes,
}

impl Change {
    /// The row's place in its table.
    pub(crate) fn place(&self) -> &[u8] {
        &self.key
    }

    /// By how much the table's items grow, in bytes.
    pub(crate) fn growth(&self) -> i64 {
        if self.checks_only {
            return 0;
        }
        let size = |item: &Option<Item>| item.as_ref().map_or(0, item_size) as i64;
        size(&self.after) - size(&self.before)
    }

    /// What the caller is told.
    pub(crate) fn result(&self) -> WriteResult {
        let size = |item: &Option<Item>| item.as_ref().map_or(0, item_size) as u64;
        WriteResult {
            status: WriteStatus::Done as i32,
            detail: String::new(),
            item: self.returned.clone(),
            item_bytes: size(&self.after).max(size(&self.before)),
        }
    }
}

/// Why a write is not done.
type Refused = WriteResult;

fn refused(status: WriteStatus, detail: &str) -> Refused {
    WriteResult {
        status: status as i32,
        detail: detail.to_owned(),
        ..WriteResult::default()
    }
}

impl From<WriteStatus> for Refused {
    fn from(status: WriteStatus) -> Self {
        refused(status, "")
    }
}

impl Table {
    pub(crate) fn new(config: TableConfig) -> Self {
        let mut table = Self {
            config: TableConfig {
                version: 0,
                indexes: Vec::new(),
                ..config.clone()
            },
            rows: BTreeMap::new(),
            indexes: Vec::new(),
            bytes: 0,
        };
        table.take(config);
        table
    }

    /// Takes a newer configuration: indexes that are new are filled. The key never changes.
    pub(crate) fn configure(&mut self, config: TableConfig) {
        if config.version > self.config.version {
            self.take(config);
        }
    }

    fn take(&mut self, config: TableConfig) {
        let mut had: BTreeMap<String, (IndexConfig, BTreeMap<Key, Key>)> = BTreeMap::new();
        let before = std::mem::take(&mut self.config.indexes);
        for (config, entries) in before.into_iter().zip(std::mem::take(&mut self.indexes)) {
            had.insert(config.name.clone(), (config, entries));
        }
        for index in &config.indexes {
            let entries = match had.remove(&index.name) {
                Some((before, entries)) if before.key == index.key => entries,
                _ => self.entries_of(index),
            };
            self.indexes.push(entries);
        }
        self.config = TableConfig {
            key: self.config.key.take(),
            ..config
        };
    }

    /// The entries of an index, from all rows.
    fn entries_of(&self, index: &IndexConfig) -> BTreeMap<Key, Key> {
        let entries = self.rows.iter().filter_map(|(key, row)| {
            let entry = entry_of(index, &row.read(), key)?;
            Some((entry.into(), key.clone()))
        });
        entries.collect()
    }

    fn schema(&self) -> KeySchema {
        self.config.key.clone().unwrap_or_default()
    }

    /// Bytes of all items.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What a write would make of its row.
    pub(crate) fn evaluate(&self, write: &ItemWrite) -> Result<Change, Refused> {
        let malformed = |_| Refused::from(WriteStatus::Malformed);
        let key = decode_item(&write.key).map_err(|_| malformed(()))?;
        let place = key::of_item(&self.schema(), &key).ok_or(malformed(()))?;
        let before = self.rows.get(&*place).map(Row::read);
        let empty = Item::new();
        let seen = before.as_ref().unwrap_or(&empty);
        let condition = Condition::read(&write.condition).map_err(|_| malformed(()))?;
        if !condition.holds(seen) {
            let item = before.as_ref().filter(|_| write.item_on_failure);
            return Err(WriteResult {
                item: item.map(encode_item).unwrap_or_default(),
                ..Refused::from(WriteStatus::ConditionFailed)
            });
        }
        let after = match write.action.as_ref().ok_or(malformed(()))? {
            item_write::Action::Check(_) => before.clone(),
            item_write::Action::Delete(_) => None,
            item_write::Action::Put(item) => Some(decode_item(item).map_err(|_| malformed(()))?),
            item_write::Action::Update(update) => {
                let from = before.clone().unwrap_or_else(|| key.clone());
                let after = update::apply(update, &from)?;
                (before.is_some() || !update::only_takes(update)).then_some(after)
            }
        };
        if let Some(after) = &after {
            self.check(&place, after)?;
        }
        let checks_only = matches!(write.action, Some(item_write::Action::Check(_)));
        let returned = returned(write, before.as_ref(), after.as_ref());
        Ok(Change {
            key: place,
            before,
            after,
            checks_only,
            returned: returned.as_ref().map(encode_item).unwrap_or_default(),
        })
    }

    /// Whether an item may stand in a place.
    fn check(&self, place: &[u8], item: &Item) -> Result<(), Refused> {
        if key::of_item(&self.schema(), item).as_deref() != Some(place) {
            return Err(WriteStatus::KeyChanged.into());
        }
        if item_size(item) > ITEM_BYTES_MAX {
            return Err(WriteStatus::ItemTooLarge.into());
        }
        if let Some((name, _)) = item.iter().find(|(_, value)| !value.is_shallow()) {
            return Err(refused(WriteStatus::TooDeep, name));
        }
        for index in &self.config.indexes {
            let Some(schema) = &index.key else { continue };
            let limits = [HASH_KEY_BYTES_MAX, RANGE_KEY_BYTES_MAX];
            for (part, bytes_max) in key::parts(schema).zip(limits) {
                let Some(value) = item.get(&part.name) else {
                    continue;
                };
                let bytes = key::bytes_of(part, value).ok_or_else(|| {
                    refused(WriteStatus::IndexKeyType, &index_detail(index, &part.name))
                })?;
                if bytes.is_empty() {
                    let detail = index_detail(index, &part.name);
                    return Err(refused(WriteStatus::IndexKeyEmpty, &detail));
                }
                if bytes.len() > bytes_max {
                    let detail = index_detail(index, &part.name);
                    return Err(refused(WriteStatus::IndexKeyTooLarge, &detail));
                }
            }
        }
        Ok(())
    }

    /// Does what was evaluated, on the state that it was evaluated on.
    pub(crate) fn apply(&mut self, change: Change) {
        if change.checks_only {
            return;
        }
        let place: Key = change.key.into();
        if let Some(before) = &change.before {
            for (index, entries) in self.config.indexes.iter().zip(&mut self.indexes) {
                if let Some(entry) = entry_of(index, before, &place) {
                    entries.remove(&*entry);
                }
            }
        }
        let row = change.after.as_ref().map(Row::new);
        self.bytes += row.as_ref().map_or(0, |row| u64::from(row.size));
        if let Some(after) = &change.after {
            for (index, entries) in self.config.indexes.iter().zip(&mut self.indexes) {
                if let Some(entry) = entry_of(index, after, &place) {
                    entries.insert(entry.into(), place.clone());
                }
            }
        }
        let replaced = match row {
            Some(row) => self.rows.insert(place, row),
            None => self.rows.remove(&*place),
        };
        self.bytes -= replaced.map_or(0, |row| u64::from(row.size));
    }
}

fn index_detail(index: &IndexConfig, attribute: &str) -> String {
    format!("{}/{attribute}", index.name)
}

/// The entry of an item in an index; none if it lacks a key.
fn entry_of(index: &IndexConfig, item: &Item, row: &[u8]) -> Option<Vec<u8>> {
    let mut entry = key::of_item(index.key.as_ref()?, item)?;
    entry.extend(row);
    Some(entry)
}

/// What the write's author wants to see of the item.
fn returned(write: &ItemWrite, before: Option<&Item>, after: Option<&Item>) -> Option<Item> {
    let touched = |item: Option<&Item>| match &write.action {
        Some(item_write::Action::Update(update)) => {
            Some(path::project(item?, update::paths(update)))
        }
        _ => None,
    };
    match write.returned() {
        Returned::None => None,
        Returned::AllOld => before.cloned(),
        Returned::AllNew => after.cloned(),
        Returned::UpdatedOld => touched(before).filter(|item| !item.is_empty()),
        Returned::UpdatedNew => touched(after).filter(|item| !item.is_empty()),
    }
}
