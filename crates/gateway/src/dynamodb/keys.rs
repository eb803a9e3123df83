//! What a table's keys demand of items and keys that a request brings.

use levada_cluster::Table;
use levada_engine::proto::{IndexConfig, KeyPart, KeySchema, KeyType};
use levada_types::attribute::item_size;
use levada_types::limits::{HASH_KEY_BYTES_MAX, ITEM_BYTES_MAX, RANGE_KEY_BYTES_MAX};
use levada_types::{AttributeValue, Item};
use levada_wire::dynamodb::DynamoDbError;

use super::refusal;

/// The parts of a key.
pub(super) fn parts(key: &KeySchema) -> impl Iterator<Item = &KeyPart> {
    key.hash.iter().chain(&key.range)
}

/// The key of a table.
pub(super) fn schema(table: &Table) -> KeySchema {
    table.row.key.clone().unwrap_or_default()
}

/// The index of that name.
pub(super) fn index<'a>(table: &'a Table, name: &str) -> Result<&'a IndexConfig, DynamoDbError> {
    let indexes = table
        .row
        .indexes
        .iter()
        .filter_map(|row| row.config.as_ref());
    let mut indexes = indexes.filter(|config| config.name == name);
    indexes.next().ok_or_else(|| {
        DynamoDbError::validation(format!(
            "The table does not have the specified index: {name}"
        ))
    })
}

/// The name of a key's type on the wire.
pub(super) const fn type_name(of: KeyType) -> &'static str {
    match of {
        KeyType::String => "S",
        KeyType::Number => "N",
        KeyType::Bytes => "B",
    }
}

/// Refuses a whole item that cannot be in the table.
pub(super) fn check_item(table: &Table, item: &Item) -> Result<(), DynamoDbError> {
    let schema = schema(table);
    for part in parts(&schema) {
        let Some(value) = item.get(&part.name) else {
            return Err(DynamoDbError::invalid(format_args!(
                "Missing the key {} in the item",
                part.name
            )));
        };
        let expected = type_name(part.r#type());
        if value.type_name() != expected {
            return Err(DynamoDbError::invalid(format_args!(
                "Type mismatch for key {} expected: {expected} actual: {}",
                part.name,
                value.type_name()
            )));
        }
    }
    check_sizes(&schema, item)?;
    if item.values().any(|value| !value.is_shallow()) {
        return Err(DynamoDbError::validation(refusal::too_deep()));
    }
    if item_size(item) > ITEM_BYTES_MAX {
        return Err(DynamoDbError::validation(
            "Item size has exceeded the maximum allowed size",
        ));
    }
    Ok(())
}

/// Refuses what is not just a key of the table.
pub(super) fn check_key(table: &Table, key: &Item) -> Result<(), DynamoDbError> {
    let schema = schema(table);
    if !is_of(key, parts(&schema)) {
        return Err(DynamoDbError::validation(
            "The provided key element does not match the schema",
        ));
    }
    check_sizes(&schema, key)
}

/// Refuses what is not just the keys of a row, by which a page begins.
pub(super) fn check_start(
    table: &Table,
    index: Option<&IndexConfig>,
    start: &Item,
) -> Result<(), DynamoDbError> {
    let schema = schema(table);
    let mut all: Vec<&KeyPart> = parts(&schema).collect();
    for part in index
        .iter()
        .filter_map(|index| index.key.as_ref())
        .flat_map(parts)
    {
        if !all.iter().any(|has| has.name == part.name) {
            all.push(part);
        }
    }
    if is_of(start, all.into_iter()) {
        return Ok(());
    }
    Err(DynamoDbError::validation(
        "The provided starting key is invalid",
    ))
}

fn is_of<'a>(key: &Item, parts: impl Iterator<Item = &'a KeyPart>) -> bool {
    let mut count = 0;
    for part in parts {
        let fits = key
            .get(&part.name)
            .is_some_and(|value| value.type_name() == type_name(part.r#type()));
        if !fits {
            return false;
        }
        count += 1;
    }
    key.len() == count
}

fn check_sizes(schema: &KeySchema, item: &Item) -> Result<(), DynamoDbError> {
    let bounds = [
        ("hashkey", HASH_KEY_BYTES_MAX),
        ("rangekey", RANGE_KEY_BYTES_MAX),
    ];
    for (part, (kind, bytes_max)) in parts(schema).zip(bounds) {
        let (length, empty) = match item.get(&part.name) {
            Some(AttributeValue::S(text)) => (text.len(), "string"),
            Some(AttributeValue::B(bytes)) => (bytes.len(), "binary"),
            _ => continue,
        };
        if length == 0 {
            return Err(DynamoDbError::validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {empty} value. Key: {}",
                part.name
            )));
        }
        if length > bytes_max {
            return Err(DynamoDbError::invalid(format_args!(
                "Size of {kind} has exceeded the maximum size limit of{bytes_max} bytes"
            )));
        }
    }
    Ok(())
}

/// Refuses an update of an attribute that is part of the key.
pub(super) fn check_updated<'a>(
    table: &Table,
    mut updated: impl Iterator<Item = &'a str>,
) -> Result<(), DynamoDbError> {
    let schema = schema(table);
    let of_key = updated.find(|name| parts(&schema).any(|part| part.name == *name));
    match of_key {
        Some(name) => Err(DynamoDbError::invalid(format_args!(
            "Cannot update attribute {name}. This attribute is part of the key"
        ))),
        None => Ok(()),
    }
}
