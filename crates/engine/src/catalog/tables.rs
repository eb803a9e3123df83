//! The catalog's commands on tables: a row is replaced as a whole, on the version that its author read. Numbers and
//! times are given here.
//!
//! Invariants: a name leads to at most one table; all tables of an account in a region are in one partition, so that a
//! transaction over any of them is one command of one partition.

use std::collections::BTreeMap;

use levada_types::{QueueId, Timestamp};

use super::{Catalog, Name, after_name};
use crate::effects::Effects;
use crate::proto::{self, CatalogRefusal as Refusal, TableRow};

/// Tables, by number and by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tables {
    pub(super) rows: BTreeMap<u64, TableRow>,
    by_name: BTreeMap<Name, u64>,
}

impl Tables {
    /// Takes a row in the place of the one before it, if there was one.
    pub(super) fn insert(&mut self, row: TableRow) {
        let name = Name::new(&row.account, &row.region, &row.name);
        self.by_name.insert(name, row.table);
        self.rows.insert(row.table, row);
    }

    fn remove(&mut self, table: u64) -> Option<TableRow> {
        let row = self.rows.remove(&table)?;
        self.by_name
            .remove(&Name::new(&row.account, &row.region, &row.name));
        Some(row)
    }
}

/// Reads, for the gateway and the cluster.
impl Catalog {
    /// A table, by its number.
    pub fn table(&self, table: u64) -> Option<&TableRow> {
        self.tables.rows.get(&table)
    }

    /// The table that has this name now.
    pub fn table_by_name(&self, account: &str, region: &str, name: &str) -> Option<&TableRow> {
        let id = self.tables.by_name.get(&Name::new(account, region, name))?;
        self.table(*id)
    }

    /// Every table, by number.
    pub fn tables(&self) -> impl Iterator<Item = &TableRow> {
        self.tables.rows.values()
    }

    /// Up to `max` tables of an account in a region, in order of name, from the first one behind `after`.
    pub fn tables_after(
        &self,
        account: &str,
        region: &str,
        after: Option<&str>,
        max: usize,
    ) -> Vec<&TableRow> {
        after_name(&self.tables.by_name, account, region, after)
            .filter_map(|id| self.table(id))
            .take(max)
            .collect()
    }
}

impl Catalog {
    /// A new table, or a new version of one.
    pub(super) fn set_table(
        &mut self,
        at: Timestamp,
        command: proto::SetTable,
        effects: &mut Effects,
    ) -> Result<TableRow, Refusal> {
        let mut row = command.row.ok_or(Refusal::Unspecified)?;
        if command.if_version == 0 {
            self.begin_table(at, &mut row)?;
        } else {
            let old = self.table(row.table).ok_or(Refusal::NoSuchTable)?;
            if old.version != command.if_version {
                return Err(Refusal::Changed);
            }
            row.account.clone_from(&old.account);
            row.region.clone_from(&old.region);
            row.name.clone_from(&old.name);
            row.key.clone_from(&old.key);
            row.id.clone_from(&old.id);
            row.partition = old.partition;
            row.created_at = old.created_at;
            row.version = old.version + 1;
            row.config_version = old.config_version + u64::from(old.indexes != row.indexes);
            if old.on_demand != row.on_demand {
                row.billing_changed_at = at.as_millis();
            }
        }
        effects.catalog_queues.push(QueueId(row.table));
        self.tables.insert(row.clone());
        Ok(row)
    }

    fn begin_table(&mut self, at: Timestamp, row: &mut TableRow) -> Result<(), Refusal> {
        Name::check([&row.account, &row.region, &row.name])?;
        if self
            .table_by_name(&row.account, &row.region, &row.name)
            .is_some()
        {
            return Err(Refusal::TableExists);
        }
        let beside = self.tables_after(&row.account, &row.region, None, 1);
        if let Some(other) = beside.first() {
            row.partition = other.partition;
        }
        row.table = self.next_queue;
        self.next_queue += 1;
        row.version = 1;
        row.config_version = 1;
        row.created_at = at.as_millis();
        row.billing_changed_at = if row.on_demand { at.as_millis() } else { 0 };
        self.count_in(&[row.partition], true);
        Ok(())
    }

    /// Counts a table that is read from a snapshot.
    pub(super) fn load_table(&mut self, row: TableRow) {
        self.count_in(&[row.partition], true);
        self.tables.insert(row);
    }

    /// Removes a table; what it holds is its partition's to drop.
    pub(super) fn drop_table(
        &mut self,
        command: &proto::DropTable,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let row = self.table(command.table).ok_or(Refusal::NoSuchTable)?;
        if command.if_version != 0 && row.version != command.if_version {
            return Err(Refusal::Changed);
        }
        let partition = row.partition;
        self.tables.remove(command.table);
        self.count_in(&[partition], false);
        effects.catalog_queues.push(QueueId(command.table));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_types::PartitionId;

    fn set(catalog: &mut Catalog, row: TableRow, if_version: u64) -> Result<TableRow, Refusal> {
        let command = proto::SetTable {
            row: Some(row),
            if_version,
        };
        catalog.set_table(Timestamp::from_millis(7), command, &mut Effects::default())
    }

    fn row(account: &str, name: &str, partition: u32) -> TableRow {
        TableRow {
            account: account.into(),
            region: "eu-west-3".into(),
            name: name.into(),
            partition,
            ..TableRow::default()
        }
    }

    #[test]
    fn tables_of_an_account_are_in_one_partition() {
        let mut catalog = Catalog::default();
        let leases = set(&mut catalog, row("1", "leases", 3), 0).unwrap();
        assert_eq!((leases.table, leases.version, leases.partition), (1, 1, 3));
        let state = set(&mut catalog, row("1", "state", 5), 0).unwrap();
        assert_eq!((state.table, state.partition), (2, 3));
        let other = set(&mut catalog, row("2", "leases", 5), 0).unwrap();
        assert_eq!(other.partition, 5);
        assert_eq!(catalog.parts_in(PartitionId(3)), 2);
        let again = set(&mut catalog, row("1", "leases", 3), 0);
        assert_eq!(again, Err(Refusal::TableExists));
        let names: Vec<_> = catalog.tables_after("1", "eu-west-3", None, 9);
        assert_eq!(names.len(), 2);
        let drop = proto::DropTable {
            table: 1,
            if_version: 9,
        };
        let mut effects = Effects::default();
        assert_eq!(
            catalog.drop_table(&drop, &mut effects),
            Err(Refusal::Changed)
        );
        let drop = proto::DropTable {
            if_version: 0,
            ..drop
        };
        assert_eq!(catalog.drop_table(&drop, &mut effects), Ok(()));
        assert_eq!(
            catalog.drop_table(&drop, &mut effects),
            Err(Refusal::NoSuchTable)
        );
        assert_eq!(catalog.parts_in(PartitionId(3)), 1);
    }

    #[test]
    fn only_indexes_concern_the_partition() {
        let mut catalog = Catalog::default();
        let mut table = set(&mut catalog, row("1", "leases", 3), 0).unwrap();
        table.on_demand = true;
        let mut table = set(&mut catalog, table, 1).unwrap();
        assert_eq!((table.version, table.config_version), (2, 1));
        assert_eq!(table.billing_changed_at, 7);
        table.indexes.push(proto::IndexRow::default());
        table.partition = 9;
        let table = set(&mut catalog, table, 2).unwrap();
        assert_eq!((table.config_version, table.partition), (2, 3));
        assert_eq!(set(&mut catalog, table, 2), Err(Refusal::Changed));
    }
}
