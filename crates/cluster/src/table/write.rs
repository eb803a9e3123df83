//! Items to tables. Answered when they are on the disks of a majority.

use std::sync::Arc;

use levada_engine::proto::{WriteItems, WriteItemsOutcome, command, item_write, outcome};

use super::Table;
use crate::RouteError;
use crate::broker::Broker;

/// Tries of one write, of which each brings one more table up to the catalog.
const ATTEMPTS_MAX: usize = 8;

impl Broker {
    /// Does all writes or none. Every table that they name is among the given ones, which are of one partition.
    pub async fn write_items(
        &self,
        tables: &[Arc<Table>],
        writes: WriteItems,
    ) -> Result<WriteItemsOutcome, RouteError> {
        let partition = tables.first().ok_or(RouteError::NoSuchTable)?.partition();
        let puts = |action: &Option<item_write::Action>| {
            matches!(action, Some(item_write::Action::Put(_)))
        };
        // Leases are renewed by updates: they go on while there is any room.
        if writes.writes.iter().any(|write| puts(&write.action)) {
            self.refuse_when_full()?;
        }
        for _ in 0..ATTEMPTS_MAX {
            let kind = command::Kind::WriteItems(writes.clone());
            let (answer, _) = self.write(partition, kind).await?;
            match answer.kind {
                Some(outcome::Kind::WriteItems(done)) => return Ok(done),
                Some(outcome::Kind::Misconfigured(m)) => {
                    self.bring_up_table(tables, m.queue, m.dropped).await?;
                }
                _ => break,
            }
        }
        Err(RouteError::Unavailable)
    }

    /// A partition did not know a table, or an older version of it.
    pub(super) async fn bring_up_table(
        &self,
        tables: &[Arc<Table>],
        table: u64,
        is_dropped: bool,
    ) -> Result<(), RouteError> {
        let table = tables.iter().find(|one| one.row.table == table);
        match table {
            Some(table) if !is_dropped => self.configure_table(table).await,
            _ => Err(RouteError::NoSuchTable),
        }
    }
}
