//! `DescribeTable`, `DeleteTable`, `ListTables`.

use levada_engine::proto::{CatalogRefusal, TableSizeReply};
use levada_types::limits::TABLES_LISTED_MAX;
use levada_wire::dynamodb::{
    DeleteTableRequest, DescribeTableRequest, DescribeTableResponse, DynamoDbError,
    ListTablesRequest, ListTablesResponse, TableDescriptionResponse, TableStatus,
};

use super::context::{Context, too_many_changes};
use super::describe::describe;
use super::refusal;
use crate::front::Failure;
use crate::limits::CHANGE_ATTEMPTS_MAX;

pub(super) async fn describe_table(
    cx: &Context<'_>,
    request: DescribeTableRequest,
) -> Result<DescribeTableResponse, Failure> {
    let table = cx.current(request.table_name.as_deref()).await?;
    // Its size is for people; without a leader the rest can be told all the same.
    let size = cx.broker.table_size(&table).await.unwrap_or_default();
    Ok(DescribeTableResponse {
        table: describe(&table, TableStatus::Active, size, |_| TableStatus::Active),
    })
}

pub(super) async fn delete(
    cx: &Context<'_>,
    request: DeleteTableRequest,
) -> Result<TableDescriptionResponse, Failure> {
    for _ in 0..CHANGE_ATTEMPTS_MAX {
        let table = cx.current(request.table_name.as_deref()).await?;
        if table.row.protected {
            return Err(DynamoDbError::validation(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
            )
            .into());
        }
        match cx.broker.drop_table(&table).await? {
            Ok(()) => {
                let status = TableStatus::Deleting;
                let size = TableSizeReply::default();
                return Ok(TableDescriptionResponse {
                    table_description: describe(&table, status, size, |_| status),
                });
            }
            Err(CatalogRefusal::Changed) => {}
            Err(refused) => return Err(refusal::of_table(refused, &table.row.name)),
        }
    }
    Err(too_many_changes().into())
}

pub(super) async fn list(
    cx: &Context<'_>,
    request: ListTablesRequest,
) -> Result<ListTablesResponse, Failure> {
    let max = request.limit.and_then(|limit| usize::try_from(limit).ok());
    let max = max.unwrap_or(TABLES_LISTED_MAX as usize);
    cx.broker.catch_up_catalog().await?;
    let (account, region) = (cx.caller.account, &cx.caller.region);
    let after = request.exclusive_start_table_name.as_deref();
    let mut found = cx.broker.tables(account, region, after, max + 1);
    let has_more = found.len() > max;
    found.truncate(max);
    let table_names: Vec<String> = found.into_iter().map(|table| table.row.name).collect();
    Ok(ListTablesResponse {
        last_evaluated_table_name: table_names.last().filter(|_| has_more).cloned(),
        table_names,
    })
}
