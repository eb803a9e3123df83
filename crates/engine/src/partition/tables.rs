//! A partition's tables: commands that change them, and reads on its leader.

use std::collections::BTreeSet;

use levada_types::QueueId;
use levada_types::limits::PARTITION_TABLES_BYTES_MAX;

use super::Partition;
use super::topics::Kind;
use crate::proto::{
    Done, Misconfigured, Misread, QueryTable, ReadItems, ReadItemsReply, TableConfig, TablePage,
    TableSizeReply, TokenResult, WriteItems, WriteItemsOutcome, WriteResult, WriteStatus, outcome,
};
use crate::table::{Change, Known, Table};

impl Partition {
    pub(super) fn configure_table(
        &mut self,
        config: Option<TableConfig>,
    ) -> Result<outcome::Kind, Misconfigured> {
        let Some(config) = config else {
            return Ok(outcome::Kind::Done(Done {}));
        };
        let id = QueueId(config.table);
        if self.is_another_kind(id, Kind::Table) || self.dropped.contains_key(&id) {
            return Err(self.misconfigured(id.0));
        }
        match self.tables.get_mut(&id) {
            Some(table) => table.configure(config),
            None => {
                self.tables.insert(id, Table::new(config));
            }
        }
        Ok(outcome::Kind::Done(Done {}))
    }

    /// Does all writes or none.
    pub(super) fn write_items(&mut self, c: WriteItems) -> Result<outcome::Kind, Misconfigured> {
        let answer = |results: Vec<WriteResult>, token: TokenResult| {
            outcome::Kind::WriteItems(WriteItemsOutcome {
                results,
                token: token as i32,
            })
        };
        if !c.token.is_empty() {
            match self.transactions.look_up(&c.token, &c.fingerprint) {
                Known::Done => return Ok(answer(Vec::new(), TokenResult::DoneBefore)),
                Known::Other => return Ok(answer(Vec::new(), TokenResult::OtherRequest)),
                Known::No => {}
            }
        }
        let mut results = Vec::with_capacity(c.writes.len());
        let mut changes: Vec<(QueueId, Change)> = Vec::with_capacity(c.writes.len());
        let mut growth = 0_i64;
        for write in &c.writes {
            let table = self.table_of(write.table, write.version)?;
            match table.evaluate(write) {
                Ok(change) => {
                    growth = growth.saturating_add(change.growth());
                    results.push(change.result());
                    changes.push((QueueId(write.table), change));
                }
                Err(refused) => results.push(refused),
            }
        }
        if changes.len() < c.writes.len() {
            return Ok(answer(results, TokenResult::New));
        }
        let places: BTreeSet<_> = changes
            .iter()
            .map(|(id, change)| (id, change.place()))
            .collect();
        if places.len() < changes.len() {
            let malformed = WriteResult {
                status: WriteStatus::Malformed as i32,
                ..WriteResult::default()
            };
            return Ok(answer(vec![malformed; c.writes.len()], TokenResult::New));
        }
        let bytes: u64 = self.tables.values().map(Table::bytes).sum();
        if growth > 0 && bytes.saturating_add_signed(growth) > PARTITION_TABLES_BYTES_MAX {
            let full = WriteResult {
                status: WriteStatus::TablesFull as i32,
                ..WriteResult::default()
            };
            return Ok(answer(vec![full; c.writes.len()], TokenResult::New));
        }
        for (id, change) in changes {
            if let Some(table) = self.tables.get_mut(&id) {
                table.apply(change);
            }
        }
        if !c.token.is_empty() {
            self.transactions.remember(self.at, c.token, c.fingerprint);
        }
        Ok(answer(results, TokenResult::New))
    }

    /// A table of at least that version.
    fn table_of(&self, table: u64, version: u64) -> Result<&Table, Misconfigured> {
        match self.tables.get(&QueueId(table)) {
            Some(found) if found.config.version >= version => Ok(found),
            Some(found) => Err(Misconfigured {
                queue: table,
                have_version: found.config.version,
                dropped: false,
            }),
            None => Err(self.misconfigured(table)),
        }
    }

    /// The version of a table's configuration; none if it is not here.
    pub fn table_version(&self, table: QueueId) -> Option<u64> {
        Some(self.tables.get(&table)?.config.version)
    }

    /// Every table that is here, in order.
    pub fn tables(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.tables.keys().copied()
    }

    /// What a table holds.
    pub fn table_size(&self, table: QueueId) -> TableSizeReply {
        let table = self.tables.get(&table);
        TableSizeReply {
            items: table.map_or(0, |table| table.len() as u64),
            bytes: table.map_or(0, Table::bytes),
        }
    }

    /// Items by their keys, of one moment.
    pub fn read_items(&self, read: &ReadItems) -> ReadItemsReply {
        let mut reply = ReadItemsReply::default();
        let mut bytes = 0;
        for one in &read.reads {
            match self.table_of(one.table, one.version) {
                Ok(table) => reply.items.push(table.get(one)),
                Err(why) => {
                    return ReadItemsReply {
                        misread: Some(misread(&why)),
                        ..ReadItemsReply::default()
                    };
                }
            }
            bytes += reply.items.last().map_or(0, |item| item.item_bytes);
            if bytes > read.bytes_max {
                return ReadItemsReply {
                    too_large: true,
                    ..ReadItemsReply::default()
                };
            }
        }
        reply
    }

    /// A page of a query or a scan.
    pub fn query_table(&self, query: &QueryTable) -> TablePage {
        match self.table_of(query.table, query.version) {
            Ok(table) => table.query(query),
            Err(why) => TablePage {
                misread: Some(misread(&why)),
                ..TablePage::default()
            },
        }
    }
}

fn misread(why: &Misconfigured) -> Misread {
    Misread {
        table: why.queue,
        dropped: why.dropped,
    }
}
