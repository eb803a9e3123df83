//! AWS's words for what the catalog refused, the cluster did not carry out, and a table did not take.

use levada_cluster::{RouteError, Table};
use levada_engine::proto::{CatalogRefusal, WriteResult, WriteStatus, item_write};
use levada_types::attribute::decode_item;
use levada_types::{Item, attribute};
use levada_wire::AwsError;
use levada_wire::dynamodb::{CancellationReason, DynamoDbError, DynamoDbErrorKind};
use tracing::error;

use crate::front::Failure;

/// The refusal of a change of a table.
pub(super) fn of_table(refusal: CatalogRefusal, table: &str) -> Failure {
    match refusal {
        CatalogRefusal::NoSuchTable => DynamoDbError::table_not_found(table).into(),
        CatalogRefusal::TableExists => DynamoDbError::new(
            DynamoDbErrorKind::ResourceInUse,
            format!("Table already exists: {table}"),
        )
        .into(),
        other => {
            error!(
                table,
                ?other,
                "the catalog refused a change of a table without a reason"
            );
            AwsError::internal_failure().into()
        }
    }
}

/// What DynamoDB has words of its own for.
pub(super) fn of_account(failure: Failure) -> Failure {
    match failure {
        Failure::Route(RouteError::NoSuchTable) => DynamoDbError::no_such_table().into(),
        Failure::Route(RouteError::Overloaded) => DynamoDbError::new(
            DynamoDbErrorKind::ProvisionedThroughputExceeded,
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.",
        )
        .into(),
        other => other,
    }
}

/// What a write's result says it returns; none if that is nothing.
pub(super) fn returned(result: &WriteResult) -> Result<Option<Item>, Failure> {
    if result.item.is_empty() {
        return Ok(None);
    }
    let item = decode_item(&result.item).map_err(|_| unreadable())?;
    Ok(Some(item))
}

/// An item that the engine gave and that cannot be read.
pub(super) fn unreadable() -> RouteError {
    RouteError::Unreadable("an item of a table".to_owned())
}

/// Why a write of one item was not done.
pub(super) fn of_write(
    table: &Table,
    action: Option<&item_write::Action>,
    result: &WriteResult,
) -> Result<(), Failure> {
    if result.status() == WriteStatus::Done {
        return Ok(());
    }
    if result.status() == WriteStatus::ConditionFailed {
        return Err(DynamoDbError::condition_failed(returned(result)?).into());
    }
    if result.status() == WriteStatus::Malformed {
        error!(table = table.row.name, "a table found a write malformed");
        return Err(AwsError::internal_failure().into());
    }
    Err(error_of(table, action, result).into())
}

/// Why one of a transaction's writes was not done.
pub(super) fn reason_of(
    table: &Table,
    action: Option<&item_write::Action>,
    result: &WriteResult,
) -> Result<CancellationReason, Failure> {
    let (code, message) = match result.status() {
        WriteStatus::Done => ("None", None),
        WriteStatus::ConditionFailed => {
            let message = "The conditional request failed".to_owned();
            ("ConditionalCheckFailed", Some(message))
        }
        WriteStatus::TablesFull => (
            "ItemCollectionSizeLimitExceeded",
            Some(error_of(table, action, result).message.into_owned()),
        ),
        _ => (
            "ValidationError",
            Some(error_of(table, action, result).message.into_owned()),
        ),
    };
    let item = match result.status() {
        WriteStatus::ConditionFailed => returned(result)?,
        _ => None,
    };
    Ok(CancellationReason {
        code,
        message,
        item,
    })
}

fn error_of(
    table: &Table,
    action: Option<&item_write::Action>,
    result: &WriteResult,
) -> DynamoDbError {
    let updates = matches!(action, Some(item_write::Action::Update(_)));
    let (index, attribute) = result
        .detail
        .split_once('/')
        .unwrap_or(("", &result.detail));
    let message = match result.status() {
        WriteStatus::TablesFull => {
            return DynamoDbError::new(
                DynamoDbErrorKind::ItemCollectionSizeLimitExceeded,
                "The tables of this account hold as much as the server keeps in memory for them; delete items first.",
            );
        }
        WriteStatus::ItemTooLarge if updates => {
            "Item size to update has exceeded the maximum allowed size".to_owned()
        }
        WriteStatus::ItemTooLarge => "Item size has exceeded the maximum allowed size".to_owned(),
        WriteStatus::NoSuchAttribute => {
            "The provided expression refers to an attribute that does not exist in the item"
                .to_owned()
        }
        WriteStatus::WrongOperandType => {
            "An operand in the update expression has an incorrect data type".to_owned()
        }
        WriteStatus::NoSuchPath => {
            "The document path provided in the update expression is invalid for update".to_owned()
        }
        WriteStatus::NumberTooLarge => {
            "Number overflow. Attempting to store a number with magnitude larger than supported range".to_owned()
        }
        WriteStatus::NumberTooPrecise => {
            "Attempting to store more than 38 significant digits in a Number".to_owned()
        }
        WriteStatus::KeyChanged => {
            return DynamoDbError::invalid(
                "Cannot update attribute. This attribute is part of the key",
            );
        }
        WriteStatus::IndexKeyType => {
            let keys = table.row.indexes.iter().filter_map(|row| row.config.as_ref());
            let keys = keys.filter_map(|config| config.key.as_ref());
            let mut parts = keys.flat_map(|key| key.hash.iter().chain(&key.range));
            let expected = parts
                .find(|part| part.name == attribute)
                .map_or("S", |part| super::keys::type_name(part.r#type()));
            return DynamoDbError::invalid(format_args!(
                "Type mismatch for Index Key {attribute} Expected: {expected} IndexName: {index}"
            ));
        }
        WriteStatus::IndexKeyEmpty => format!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: {index}, IndexKey: {attribute}"
        ),
        WriteStatus::IndexKeyTooLarge => {
            return DynamoDbError::invalid(format_args!(
                "Size of the key {attribute} has exceeded the maximum size limit of index {index}"
            ));
        }
        WriteStatus::TooDeep => too_deep(),
        WriteStatus::Done | WriteStatus::ConditionFailed | WriteStatus::Malformed => {
            "The conditional request failed".to_owned()
        }
    };
    DynamoDbError::validation(message)
}

/// Lists and maps in each other beyond the bound.
pub(super) fn too_deep() -> String {
    format!(
        "Nesting Levels have exceeded supported limits: Attributes can have at most {} levels of nesting",
        attribute::NESTING_MAX
    )
}
