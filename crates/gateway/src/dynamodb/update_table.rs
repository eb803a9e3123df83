//! `UpdateTable`: how it is paid for, its indexes, whether it is protected. It is done when this answers, though the
//! answer says, as AWS's does, that it is under way.

use levada_cluster::Table;
use levada_engine::proto::{TableRow, TableSizeReply};
use levada_types::limits::TABLE_INDEXES_MAX;
use levada_wire::dynamodb::{
    DynamoDbError, DynamoDbErrorKind, IndexUpdateInput, TableDescriptionResponse, TableStatus,
    UpdateTableRequest, too_many_indexes,
};

use super::context::Context;
use super::create_table::{Definitions, definitions_of, index_of, name_of, sort, throughput_of};
use super::describe::describe;
use super::keys;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: UpdateTableRequest,
) -> Result<TableDescriptionResponse, Failure> {
    let edit = |table: &Table| edited(table, &request);
    let (before, after) = cx.change(request.table_name.as_deref(), edit).await?;
    let had = |name: &str| {
        before
            .row
            .indexes
            .iter()
            .any(|index| name_of(index) == name)
    };
    let description = describe(
        &after,
        TableStatus::Updating,
        TableSizeReply::default(),
        |name| {
            if had(name) {
                TableStatus::Active
            } else {
                TableStatus::Creating
            }
        },
    );
    Ok(TableDescriptionResponse {
        table_description: description,
    })
}

fn edited(table: &Table, request: &UpdateTableRequest) -> Result<TableRow, DynamoDbError> {
    let mut row = table.row.clone();
    match request.billing_mode.as_deref() {
        Some("PAY_PER_REQUEST") => {
            row.on_demand = true;
            row.throughput = None;
        }
        Some(_) => row.on_demand = false,
        None => {}
    }
    if let Some(throughput) = &request.provisioned_throughput {
        row.throughput = Some(throughput_of(throughput));
    }
    if !row.on_demand && row.throughput.is_none() {
        return Err(DynamoDbError::invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ));
    }
    if let Some(protected) = request.deletion_protection_enabled {
        row.protected = protected;
    }
    if let Some(class) = &request.table_class {
        row.table_class.clone_from(class);
    }
    let updates = request
        .global_secondary_index_updates
        .as_deref()
        .unwrap_or_default();
    let changes = |update: &&IndexUpdateInput| update.create.is_some() || update.delete.is_some();
    if updates.iter().filter(changes).count() > 1 {
        return Err(DynamoDbError::new(
            DynamoDbErrorKind::LimitExceeded,
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
        ));
    }
    let mut definitions = definitions_of(request.attribute_definitions.as_deref());
    for part in keys::parts(&keys::schema(table)) {
        definitions.insert(part.name.clone(), part.r#type());
    }
    for update in updates {
        change_index(&mut row, update, &definitions)?;
    }
    sort(&mut row.indexes);
    Ok(row)
}

fn change_index(
    row: &mut TableRow,
    update: &IndexUpdateInput,
    definitions: &Definitions,
) -> Result<(), DynamoDbError> {
    match (&update.create, &update.update, &update.delete) {
        (Some(create), None, None) => {
            let index = index_of(create, definitions)?;
            let name = name_of(&index);
            if row.indexes.iter().any(|has| name_of(has) == name) {
                return Err(DynamoDbError::validation(format!(
                    "Attempting to create an index which already exists: {name}"
                )));
            }
            if row.indexes.len() >= TABLE_INDEXES_MAX {
                return Err(too_many_indexes());
            }
            row.indexes.push(index);
        }
        (None, Some(change), None) => {
            let name = change.index_name.as_deref().unwrap_or_default();
            let index = row.indexes.iter_mut().find(|index| name_of(index) == name);
            let index = index.ok_or_else(|| no_such_index(name))?;
            index.throughput = change.provisioned_throughput.as_ref().map(throughput_of);
        }
        (None, None, Some(delete)) => {
            let name = delete.index_name.as_deref().unwrap_or_default();
            let before = row.indexes.len();
            row.indexes.retain(|index| name_of(index) != name);
            if row.indexes.len() == before {
                return Err(no_such_index(name));
            }
        }
        _ => {
            return Err(DynamoDbError::invalid(
                "A GlobalSecondaryIndexUpdate must have exactly one of Create, Update and Delete",
            ));
        }
    }
    Ok(())
}

fn no_such_index(name: &str) -> DynamoDbError {
    DynamoDbError::new(
        DynamoDbErrorKind::ResourceNotFound,
        format!("Requested resource not found: Index: {name} not found"),
    )
}
