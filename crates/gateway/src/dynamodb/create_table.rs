//! `CreateTable`, and what it has in common with `UpdateTable`.

use std::collections::BTreeMap;

use levada_engine::proto::{
    IndexConfig, IndexRow, KeyPart, KeySchema, KeyType, Projection, TableRow, TableSizeReply,
    Throughput,
};
use levada_types::limits::{INDEX_ATTRIBUTES_MAX, TABLE_TAGS_MAX, TABLES_MAX};
use levada_wire::dynamodb::{
    AttributeDefinitionInput, CreateTableRequest, DynamoDbError, DynamoDbErrorKind, IndexInput,
    KeySchemaElementInput, TableDescriptionResponse, TableStatus, TagInput, ThroughputInput,
};

use super::context::Context;
use super::describe::describe;
use super::refusal;
use crate::front::Failure;
use crate::random::Uuid;

/// The types of attributes, by name.
pub(super) type Definitions = BTreeMap<String, KeyType>;

pub(super) async fn call(
    cx: &Context<'_>,
    request: CreateTableRequest,
) -> Result<TableDescriptionResponse, Failure> {
    let name = request.table_name.clone().unwrap_or_default();
    let row = row_of(cx, &request)?;
    let (account, region) = (cx.caller.account, &cx.caller.region);
    cx.broker.catch_up_catalog().await?;
    if cx.broker.tables(account, region, None, TABLES_MAX).len() >= TABLES_MAX {
        return Err(DynamoDbError::new(
            DynamoDbErrorKind::LimitExceeded,
            format!(
                "Subscriber limit exceeded: There is a limit of {TABLES_MAX} tables per subscriber"
            ),
        )
        .into());
    }
    match cx.broker.create_table(row).await? {
        Ok(table) => Ok(TableDescriptionResponse {
            table_description: describe(
                &table,
                TableStatus::Creating,
                TableSizeReply::default(),
                |_| TableStatus::Creating,
            ),
        }),
        Err(refused) => Err(refusal::of_table(refused, &name)),
    }
}

fn row_of(cx: &Context<'_>, request: &CreateTableRequest) -> Result<TableRow, DynamoDbError> {
    let definitions = definitions_of(request.attribute_definitions.as_deref());
    let key = key_of(request.key_schema.as_deref(), &definitions)?;
    let on_demand = request.billing_mode.as_deref() == Some("PAY_PER_REQUEST");
    let mut indexes: Vec<IndexRow> = Vec::new();
    for input in request.global_secondary_indexes.iter().flatten() {
        let index = index_of(input, &definitions)?;
        refuse_duplicate(&indexes, &index)?;
        indexes.push(index);
    }
    sort(&mut indexes);
    let keys = indexes
        .iter()
        .filter_map(|index| index.config.as_ref()?.key.as_ref());
    let mut used: Vec<&str> = std::iter::once(&key)
        .chain(keys)
        .flat_map(super::keys::parts)
        .map(|part| part.name.as_str())
        .collect();
    used.sort_unstable();
    used.dedup();
    if used.len() != definitions.len() {
        let defined: Vec<&str> = definitions.keys().map(String::as_str).collect();
        return Err(if indexes.is_empty() {
            DynamoDbError::invalid(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
            )
        } else {
            DynamoDbError::invalid(format_args!(
                "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
                defined.join(", "),
                used.join(", ")
            ))
        });
    }
    let mut tags = BTreeMap::new();
    put_tags(&mut tags, request.tags.as_deref())?;
    Ok(TableRow {
        account: cx.caller.account.to_string(),
        region: cx.caller.region.as_str().to_owned(),
        name: request.table_name.clone().unwrap_or_default(),
        key: Some(key),
        indexes,
        on_demand,
        throughput: request.provisioned_throughput.as_ref().map(throughput_of),
        protected: request.deletion_protection_enabled == Some(true),
        tags,
        table_class: request.table_class.clone().unwrap_or_default(),
        id: Uuid::random().text().to_string(),
        ..TableRow::default()
    })
}

/// In the order of their names, as the catalog keeps them.
pub(super) fn sort(indexes: &mut [IndexRow]) {
    indexes.sort_by(|a, b| name_of(a).cmp(name_of(b)));
}

/// An index's name.
pub(super) fn name_of(index: &IndexRow) -> &str {
    index.config.as_ref().map_or("", |config| &config.name)
}

/// Refuses a second index of one name.
pub(super) fn refuse_duplicate(
    indexes: &[IndexRow],
    index: &IndexRow,
) -> Result<(), DynamoDbError> {
    let name = name_of(index);
    if indexes.iter().any(|has| name_of(has) == name) {
        return Err(DynamoDbError::invalid(format_args!(
            "Duplicate index name: {name}"
        )));
    }
    Ok(())
}

/// Types by name.
pub(super) fn definitions_of(inputs: Option<&[AttributeDefinitionInput]>) -> Definitions {
    let definitions = inputs.into_iter().flatten().map(|input| {
        let of = match input.attribute_type.as_deref() {
            Some("N") => KeyType::Number,
            Some("B") => KeyType::Bytes,
            _ => KeyType::String,
        };
        (input.attribute_name.clone().unwrap_or_default(), of)
    });
    definitions.collect()
}

/// What was ordered.
pub(super) fn throughput_of(input: &ThroughputInput) -> Throughput {
    let units = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    Throughput {
        read: units(input.read_capacity_units),
        write: units(input.write_capacity_units),
    }
}

/// A key, of attributes whose types are told.
fn key_of(
    elements: Option<&[KeySchemaElementInput]>,
    definitions: &Definitions,
) -> Result<KeySchema, DynamoDbError> {
    let mut parts = [None, None];
    let kinds = ["HASH", "RANGE"];
    for (n, element) in elements.into_iter().flatten().enumerate().take(2) {
        let name = element.attribute_name.clone().unwrap_or_default();
        if element.key_type.as_deref() != Some(kinds[n]) {
            let place = ["first", "second"][n];
            return Err(DynamoDbError::validation(format!(
                "Invalid KeySchema: The {place} KeySchemaElement is not a {} key type",
                kinds[n]
            )));
        }
        let Some(of) = definitions.get(&name) else {
            let defined: Vec<&str> = definitions.keys().map(String::as_str).collect();
            return Err(DynamoDbError::invalid(format_args!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{name}], AttributeDefinitions: [{}]",
                defined.join(", ")
            )));
        };
        parts[n] = Some(KeyPart {
            name,
            r#type: (*of).into(),
        });
    }
    let [hash, range] = parts;
    let is_twice = matches!((&hash, &range), (Some(hash), Some(range)) if hash.name == range.name);
    if is_twice {
        return Err(DynamoDbError::validation(
            "Invalid KeySchema: Some index key attribute have no definition",
        ));
    }
    Ok(KeySchema { hash, range })
}

/// An index.
pub(super) fn index_of(
    input: &IndexInput,
    definitions: &Definitions,
) -> Result<IndexRow, DynamoDbError> {
    let projection = input.projection.clone().unwrap_or_default();
    let included = projection.non_key_attributes.unwrap_or_default();
    let kind = match projection.projection_type.as_deref() {
        Some("ALL") => Projection::All,
        Some("KEYS_ONLY") => Projection::KeysOnly,
        Some("INCLUDE") => Projection::Include,
        _ => return Err(DynamoDbError::invalid("Unknown ProjectionType: null")),
    };
    match (kind, included.len()) {
        (Projection::Include, 0) => {
            return Err(DynamoDbError::invalid(
                "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
            ));
        }
        (Projection::Include, count) if count > INDEX_ATTRIBUTES_MAX => {
            return Err(DynamoDbError::invalid(format_args!(
                "NonKeyAttributes has more than {INDEX_ATTRIBUTES_MAX} members"
            )));
        }
        (Projection::All | Projection::KeysOnly, 1..) => {
            return Err(DynamoDbError::invalid(format_args!(
                "ProjectionType is {}, but NonKeyAttributes is specified",
                projection.projection_type.unwrap_or_default()
            )));
        }
        _ => {}
    }
    Ok(IndexRow {
        config: Some(IndexConfig {
            name: input.index_name.clone().unwrap_or_default(),
            key: Some(key_of(input.key_schema.as_deref(), definitions)?),
            projection: kind.into(),
            included,
        }),
        throughput: input.provisioned_throughput.as_ref().map(throughput_of),
    })
}

/// Sets tags.
pub(super) fn put_tags(
    of: &mut BTreeMap<String, String>,
    tags: Option<&[TagInput]>,
) -> Result<(), DynamoDbError> {
    for tag in tags.into_iter().flatten() {
        let (key, value) = (tag.key.clone(), tag.value.clone());
        of.insert(key.unwrap_or_default(), value.unwrap_or_default());
    }
    if of.len() > TABLE_TAGS_MAX {
        return Err(DynamoDbError::validation(format!(
            "Too many tags: a table can have {TABLE_TAGS_MAX} at most"
        )));
    }
    Ok(())
}
