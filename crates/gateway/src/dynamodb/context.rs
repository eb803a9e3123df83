//! What every action has at hand: the caller, the broker, how to find a table and how to change it.

use std::sync::Arc;

use levada_cluster::{Broker, Table};
use levada_engine::proto::{CatalogRefusal, TableRow};
use levada_wire::dynamodb::{DynamoDbError, DynamoDbErrorKind, table_name};

use super::refusal;
use crate::caller::Caller;
use crate::front::Failure;
use crate::limits::CHANGE_ATTEMPTS_MAX;

/// One request's surroundings.
pub(super) struct Context<'a> {
    pub(super) broker: &'a Broker,
    pub(super) caller: &'a Caller,
}

impl Context<'_> {
    /// The table of a request that reads or writes items.
    pub(super) async fn table(&self, given: Option<&str>) -> Result<Arc<Table>, Failure> {
        let found = self.find(given).await?;
        Ok(found.ok_or_else(DynamoDbError::no_such_table)?)
    }

    /// The table as the catalog's leader has it: for what shows or changes it.
    pub(super) async fn current(&self, given: Option<&str>) -> Result<Arc<Table>, Failure> {
        self.broker.catch_up_catalog().await?;
        let found = self.find(given).await?;
        Ok(found.ok_or_else(|| DynamoDbError::table_not_found(table_name(given)))?)
    }

    /// A table of the caller's. One of another account or region is none.
    async fn find(&self, given: Option<&str>) -> Result<Option<Arc<Table>>, Failure> {
        let (account, region) = (self.caller.account, &self.caller.region);
        if let Some(arn) = given.filter(|given| given.starts_with("arn:")) {
            let own = format!(":dynamodb:{region}:{account}:table/");
            if !arn.contains(&own) {
                return Ok(None);
            }
        }
        let name = table_name(given);
        Ok(self.broker.find_table(account, region, name).await?)
    }

    /// Changes a table on the version that was read, and anew when somebody else was faster. Answers the table before
    /// and after.
    pub(super) async fn change(
        &self,
        given: Option<&str>,
        edit: impl Fn(&Table) -> Result<TableRow, DynamoDbError> + Send + Sync,
    ) -> Result<(Arc<Table>, Arc<Table>), Failure> {
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let before = self.current(given).await?;
            let row = edit(&before)?;
            if row == before.row {
                return Ok((before.clone(), before));
            }
            match self.broker.change_table(row).await? {
                Ok(after) => return Ok((before, after)),
                Err(CatalogRefusal::Changed) => {}
                Err(refused) => return Err(refusal::of_table(refused, &before.row.name)),
            }
        }
        // Somebody else changed the table at the same time, again and again.
        Err(too_many_changes().into())
    }
}

/// Changes that come faster than they can be made.
pub(super) fn too_many_changes() -> DynamoDbError {
    DynamoDbError::new(
        DynamoDbErrorKind::LimitExceeded,
        "Subscriber limit exceeded: too many changes of one table at the same time",
    )
}

/// A table's ARN.
pub(super) fn arn_of(table: &Table) -> String {
    let (region, account, name) = (&table.region, table.account, &table.row.name);
    format!("arn:aws:dynamodb:{region}:{account}:table/{name}")
}
