//! Tables: their rows in the catalog, and writes and reads on their way to the partition that holds them.
//!
//! All tables of an account in a region are in one partition, chosen with the first of them: a transaction over any of
//! them is one command. Reads are the leader's, who makes sure that it still leads: every read is consistent.

mod read;
mod write;

use std::sync::Arc;

use levada_engine::proto::{
    self, DropTable, SetTable, TableRow, TableSizeReply, catalog, catalog_outcome, command,
};
use levada_engine::table_config_of;
use levada_types::{AccountId, PartitionId, Region};

use crate::broker::{Broker, Change, unexpected};
use crate::{RouteError, shelf};

pub(crate) use read::answer;

/// One version of one table; replaced as a whole when the catalog changes.
#[derive(Clone, Debug)]
pub struct Table {
    /// The catalog's row.
    pub row: TableRow,
    /// The account that owns it.
    pub account: AccountId,
    /// The region it was made in.
    pub region: Region,
}

impl Table {
    /// From the catalog's row; `None` if its names are not valid, which its author prevents.
    pub fn from_row(row: TableRow) -> Option<Self> {
        Some(Self {
            account: row.account.parse().ok()?,
            region: row.region.parse().ok()?,
            row,
        })
    }

    /// Where its items are.
    pub fn partition(&self) -> PartitionId {
        PartitionId(self.row.partition)
    }
}

impl Broker {
    /// The table of that name; asks the catalog's leader before it says that there is none.
    pub async fn find_table(
        &self,
        account: AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Option<Arc<Table>>, RouteError> {
        if name == shelf::NAME {
            return Ok(None);
        }
        self.find_any_table(account, region, name).await
    }

    /// The same of the shelf, too.
    pub(crate) async fn find_any_table(
        &self,
        account: AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Option<Arc<Table>>, RouteError> {
        self.find_in_catalog(|directory| directory.table_by_name(account, region, name))
            .await
    }

    /// Up to `max` tables of an account in a region behind a name, by name; without the shelf, which no user sees.
    pub fn tables(
        &self,
        account: AccountId,
        region: &Region,
        after: Option<&str>,
        max: usize,
    ) -> Vec<Table> {
        let rows: Vec<TableRow> = self.core.directory.read(|catalog| {
            let found = catalog.tables_after(&account.to_string(), region.as_str(), after, max);
            found.into_iter().cloned().collect()
        });
        let seen = rows.into_iter().filter(|row| row.name != shelf::NAME);
        seen.filter_map(Table::from_row).collect()
    }

    /// A new table. It can be used when this answers.
    pub async fn create_table(&self, mut row: TableRow) -> Change<Arc<Table>> {
        row.partition = self.place_shards(1).first().copied().unwrap_or_default();
        self.set_table(row, 0).await
    }

    /// Replaces a table's row, on the version that it was read in.
    pub async fn change_table(&self, row: TableRow) -> Change<Arc<Table>> {
        let version = row.version;
        self.set_table(row, version).await
    }

    async fn set_table(&self, row: TableRow, if_version: u64) -> Change<Arc<Table>> {
        let set = SetTable {
            row: Some(row),
            if_version,
        };
        let table = match self.change(catalog::Kind::SetTable(set)).await? {
            Ok(catalog_outcome::Kind::Table(row)) => {
                Arc::new(Table::from_row(row).ok_or(RouteError::Unavailable)?)
            }
            other => return unexpected(other),
        };
        // A partition whose leader cannot be reached now is configured by it when it sees the catalog, or by the first
        // request that finds it behind.
        let _ = self.configure_table(&table).await;
        Ok(Ok(table))
    }

    /// Removes a table on the version that it was read in, and what it holds.
    pub async fn drop_table(&self, table: &Table) -> Change<()> {
        let drop = DropTable {
            table: table.row.table,
            if_version: table.row.version,
        };
        let dropped = self.plain_change(catalog::Kind::DropTable(drop)).await?;
        if dropped.is_ok() {
            // So that no node that has yet to hear of it writes or reads any more. Without an answer the partition's
            // leader does it when it sees the catalog.
            let kind = command::Kind::DropQueue(proto::DropQueue {
                queue: table.row.table,
            });
            let _ = self.write(table.partition(), kind).await;
        }
        Ok(dropped)
    }

    /// Brings a table's partition up to its row.
    async fn configure_table(&self, table: &Table) -> Result<(), RouteError> {
        let configure = proto::ConfigureTable {
            config: Some(table_config_of(&table.row)),
        };
        let kind = command::Kind::ConfigureTable(configure);
        let (answer, _) = self.write(table.partition(), kind).await?;
        match answer.kind {
            Some(proto::outcome::Kind::Done(_)) => Ok(()),
            Some(proto::outcome::Kind::Misconfigured(_)) => Err(RouteError::NoSuchTable),
            _ => Err(RouteError::Unavailable),
        }
    }

    /// What a table holds.
    pub async fn table_size(&self, table: &Table) -> Result<TableSizeReply, RouteError> {
        read::size(self, table).await
    }
}
