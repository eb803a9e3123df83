//! A table as rows of a snapshot: its configuration, and its items in the order of their keys. Keys and indexes follow
//! from them.

use bytes::Bytes;
use levada_types::attribute::decode_item;

use super::{Row, Table, entry_of, key};
use crate::snapshot::{QueueRows, Reader, RestoreError, Writer};

/// Parts of a table's rows, beside those of queues and shards.
pub(crate) const PART_TABLE: u8 = 0x07;
pub(crate) const PART_TABLE_ROWS: u8 = 0x08;

impl Table {
    pub(crate) fn encode(&self, rows: &mut QueueRows<'_>) {
        rows.put(PART_TABLE, 0, prost::Message::encode_to_vec(&self.config));
        let items = self.rows.values().map(|row| &row.item);
        rows.put_all(PART_TABLE_ROWS, items, |w: &mut Writer, item: &Bytes| {
            w.bytes(item);
        });
    }

    /// Reads a row of items.
    pub(crate) fn load(&mut self, value: &[u8]) -> Result<(), RestoreError> {
        const WHAT: RestoreError = RestoreError::Row("table");
        let mut reader = Reader::new(value, "table");
        while !reader.is_empty() {
            let item = decode_item(reader.bytes()?).map_err(|_| WHAT)?;
            let place = key::of_item(&self.schema(), &item).ok_or(WHAT)?;
            for (index, entries) in self.config.indexes.iter().zip(&mut self.indexes) {
                if let Some(entry) = entry_of(index, &item, &place) {
                    entries.insert(entry.into(), place.clone().into());
                }
            }
            let row = Row::new(&item);
            self.bytes += u64::from(row.size);
            let before = self.rows.insert(place.into(), row);
            if before.is_some() {
                return Err(WHAT);
            }
        }
        Ok(())
    }
}
