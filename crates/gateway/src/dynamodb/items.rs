//! `PutItem`, `GetItem`, `UpdateItem`, `DeleteItem`.

use std::sync::Arc;

use levada_cluster::Table;
use levada_engine::proto::{
    ItemRead, ItemWrite, ReadItems, Returned, WriteDelete, WriteItems, item_write,
};
use levada_types::Item;
use levada_types::attribute::{decode_item, encode_item};
use levada_wire::dynamodb::{
    ConsumedCapacity, DeleteItemRequest, GetItemRequest, GetItemResponse, PutItemRequest,
    ReturnValues, UpdateItemRequest, WriteItemResponse,
};

use super::context::Context;
use super::{convert, keys, refusal};
use crate::front::Failure;

/// Bytes of a unit of writing.
const WRITE_UNIT_BYTES: u64 = 1_024;
/// Bytes of a unit of reading.
const READ_UNIT_BYTES: u64 = 4_096;

/// Whether a request asks what it cost.
pub(super) fn asks_capacity(asked: Option<&String>) -> bool {
    asked.is_some_and(|asked| asked != "NONE")
}

/// What was written, in units.
pub(super) fn write_units(bytes: u64) -> f64 {
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1) as f64
}

/// What was read, in units: a read that need not be consistent counts half, though here it is all the same.
pub(super) fn read_units(bytes: u64, consistent: Option<bool>) -> f64 {
    let units = bytes.div_ceil(READ_UNIT_BYTES).max(1) as f64;
    if consistent == Some(true) {
        units
    } else {
        units / 2.0
    }
}

/// What it cost, if that was asked.
pub(super) fn capacity(
    asked: Option<&String>,
    table: &Table,
    units: f64,
) -> Option<ConsumedCapacity> {
    asks_capacity(asked).then(|| ConsumedCapacity {
        table_name: table.row.name.clone(),
        capacity_units: units,
    })
}

fn returned(values: ReturnValues) -> i32 {
    match values {
        ReturnValues::None => Returned::None,
        ReturnValues::AllOld => Returned::AllOld,
        ReturnValues::UpdatedOld => Returned::UpdatedOld,
        ReturnValues::AllNew => Returned::AllNew,
        ReturnValues::UpdatedNew => Returned::UpdatedNew,
    }
    .into()
}

/// The attributes of an item that are its key.
pub(super) fn key_of(table: &Table, item: &Item) -> bytes::Bytes {
    let schema = keys::schema(table);
    let parts = keys::parts(&schema);
    let found = parts.filter_map(|part| item.get_key_value(&part.name));
    let key: Item = found
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    encode_item(&key)
}

/// A write of one item, without what it does.
pub(super) fn write_of(table: &Table, key: &Item) -> ItemWrite {
    ItemWrite {
        table: table.row.table,
        version: table.row.config_version,
        key: key_of(table, key),
        ..ItemWrite::default()
    }
}

/// Does one write.
async fn write_one(
    cx: &Context<'_>,
    table: Arc<Table>,
    write: ItemWrite,
    asked: Option<&String>,
) -> Result<WriteItemResponse, Failure> {
    let action = write.action.clone();
    let writes = WriteItems {
        writes: vec![write],
        ..WriteItems::default()
    };
    let done = cx
        .broker
        .write_items(std::slice::from_ref(&table), writes)
        .await?;
    let result = done.results.into_iter().next().unwrap_or_default();
    refusal::of_write(&table, action.as_ref(), &result)?;
    Ok(WriteItemResponse {
        attributes: refusal::returned(&result)?,
        consumed_capacity: capacity(asked, &table, write_units(result.item_bytes)),
    })
}

pub(super) async fn put(
    cx: &Context<'_>,
    request: PutItemRequest,
) -> Result<WriteItemResponse, Failure> {
    let condition = request.condition()?;
    let table = cx.table(request.table_name.as_deref()).await?;
    let item = request.item.as_ref().cloned().unwrap_or_default();
    keys::check_item(&table, &item)?;
    let write = ItemWrite {
        condition: convert::condition(condition),
        action: Some(item_write::Action::Put(encode_item(&item))),
        returned: returned(request.returned()),
        item_on_failure: request.item_on_failure(),
        ..write_of(&table, &item)
    };
    write_one(cx, table, write, request.return_consumed_capacity.as_ref()).await
}

pub(super) async fn delete(
    cx: &Context<'_>,
    request: DeleteItemRequest,
) -> Result<WriteItemResponse, Failure> {
    let condition = request.condition()?;
    let table = cx.table(request.table_name.as_deref()).await?;
    let key = request.key.as_ref().cloned().unwrap_or_default();
    keys::check_key(&table, &key)?;
    let write = ItemWrite {
        condition: convert::condition(condition),
        action: Some(item_write::Action::Delete(WriteDelete {})),
        returned: returned(request.returned()),
        item_on_failure: request.item_on_failure(),
        ..write_of(&table, &key)
    };
    write_one(cx, table, write, request.return_consumed_capacity.as_ref()).await
}

pub(super) async fn update(
    cx: &Context<'_>,
    request: UpdateItemRequest,
) -> Result<WriteItemResponse, Failure> {
    let (condition, update) = request.parts()?;
    let table = cx.table(request.table_name.as_deref()).await?;
    let key = request.key.as_ref().cloned().unwrap_or_default();
    keys::check_key(&table, &key)?;
    keys::check_updated(&table, update.paths().map(|path| path.first()))?;
    let write = ItemWrite {
        condition: convert::condition(condition),
        action: Some(item_write::Action::Update(convert::update(update))),
        returned: returned(request.returned()),
        item_on_failure: request.item_on_failure(),
        ..write_of(&table, &key)
    };
    write_one(cx, table, write, request.return_consumed_capacity.as_ref()).await
}

/// A read of one item.
pub(super) fn read_of(table: &Table, key: &Item) -> ItemRead {
    ItemRead {
        table: table.row.table,
        version: table.row.config_version,
        key: encode_item(key),
        projection: Vec::new(),
    }
}

/// An item that was found; none if there is none.
pub(super) fn found(item: &[u8]) -> Result<Option<Item>, Failure> {
    if item.is_empty() {
        return Ok(None);
    }
    let item = decode_item(item).map_err(|_| refusal::unreadable())?;
    Ok(Some(item))
}

pub(super) async fn get(
    cx: &Context<'_>,
    request: GetItemRequest,
) -> Result<GetItemResponse, Failure> {
    let projection = request.projection()?;
    let table = cx.table(request.table_name.as_deref()).await?;
    let key = request.key.clone().unwrap_or_default();
    keys::check_key(&table, &key)?;
    let read = ItemRead {
        projection: convert::paths(projection),
        ..read_of(&table, &key)
    };
    let read = ReadItems {
        reads: vec![read],
        bytes_max: u64::MAX,
    };
    let reply = cx
        .broker
        .read_items(std::slice::from_ref(&table), &read)
        .await?;
    let item = reply.items.into_iter().next().unwrap_or_default();
    let units = read_units(item.item_bytes, request.consistent_read);
    Ok(GetItemResponse {
        item: found(&item.item)?,
        consumed_capacity: capacity(request.return_consumed_capacity.as_ref(), &table, units),
    })
}
