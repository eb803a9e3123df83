//! `BatchGetItem` and `BatchWriteItem`: what they save is calls, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use levada_cluster::Table;
use levada_engine::proto::{ItemRead, ItemWrite, ReadItems, WriteDelete, WriteItems, item_write};
use levada_types::Item;
use levada_types::attribute::encode_item;
use levada_types::limits::BATCH_GET_BYTES_MAX;
use levada_wire::dynamodb::{
    BatchGetItemRequest, BatchGetItemResponse, BatchWriteItemRequest, BatchWriteItemResponse,
    ConsumedCapacity, DynamoDbError, KeysAndAttributes,
};

use super::context::Context;
use super::items::{asks_capacity, found, key_of, read_of, read_units, write_of, write_units};
use super::{convert, keys, refusal};
use crate::front::Failure;

/// What goes to one partition: tables, writes, and of each write its table's place.
type Part = (Vec<Arc<Table>>, Vec<ItemWrite>, Vec<usize>);

/// Items of one question to a partition: 25 of the longest fit into an answer between nodes.
const ITEMS_AT_ONCE: usize = 25;

fn duplicates() -> DynamoDbError {
    DynamoDbError::validation("Provided list of item keys contains duplicates")
}

pub(super) async fn get(
    cx: &Context<'_>,
    request: BatchGetItemRequest,
) -> Result<BatchGetItemResponse, Failure> {
    let mut wanted = Vec::new();
    for (name, asked) in request.request_items.unwrap_or_default() {
        let table = cx.table(Some(&name)).await?;
        let projection = convert::paths(asked.projection()?);
        let mut seen = BTreeSet::new();
        for key in asked.keys.iter().flatten() {
            keys::check_key(&table, key)?;
            if !seen.insert(encode_item(key)) {
                return Err(duplicates().into());
            }
        }
        wanted.push((name, table, asked, projection));
    }
    let mut answer = BatchGetItemResponse::default();
    let mut consumed: Vec<ConsumedCapacity> = Vec::new();
    let mut bytes = 0;
    for (name, table, asked, projection) in wanted {
        let all = asked.keys.as_deref().unwrap_or_default();
        let (mut items, mut units, mut done) = (Vec::new(), 0.0, 0);
        while done < all.len() && bytes < BATCH_GET_BYTES_MAX as u64 {
            let keys = &all[done..all.len().min(done + ITEMS_AT_ONCE)];
            let reads = keys.iter().map(|key| ItemRead {
                projection: projection.clone(),
                ..read_of(&table, key)
            });
            let read = ReadItems {
                reads: reads.collect(),
                bytes_max: u64::MAX,
            };
            let reply = cx
                .broker
                .read_items(std::slice::from_ref(&table), &read)
                .await?;
            for item in &reply.items {
                // What begins within the bound is answered whole.
                if bytes >= BATCH_GET_BYTES_MAX as u64 {
                    break;
                }
                bytes += item.item_bytes;
                units += read_units(item.item_bytes, asked.consistent_read);
                items.extend(found(&item.item)?);
                done += 1;
            }
        }
        if done < all.len() {
            let left = KeysAndAttributes {
                keys: Some(all[done..].to_vec()),
                ..asked.clone()
            };
            answer.unprocessed_keys.insert(name.clone(), left);
        }
        consumed.push(ConsumedCapacity {
            table_name: table.row.name.clone(),
            capacity_units: units,
        });
        answer.responses.insert(name, items);
    }
    answer.consumed_capacity =
        asks_capacity(request.return_consumed_capacity.as_ref()).then_some(consumed);
    Ok(answer)
}

pub(super) async fn write(
    cx: &Context<'_>,
    request: BatchWriteItemRequest,
) -> Result<BatchWriteItemResponse, Failure> {
    let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
    for (name, writes) in request.request_items.unwrap_or_default() {
        let table = cx.table(Some(&name)).await?;
        let mut seen = BTreeSet::new();
        let (tables, all, of_table) = parts.entry(table.row.partition).or_default();
        for write in writes {
            let write = match (write.put_request, write.delete_request) {
                (Some(put), _) => put_of(&table, &put.item.unwrap_or_default())?,
                (None, delete) => {
                    let key = delete.and_then(|delete| delete.key).unwrap_or_default();
                    keys::check_key(&table, &key)?;
                    ItemWrite {
                        action: Some(item_write::Action::Delete(WriteDelete {})),
                        ..write_of(&table, &key)
                    }
                }
            };
            if !seen.insert(write.key.clone()) {
                return Err(duplicates().into());
            }
            all.push(write);
            of_table.push(tables.len());
        }
        tables.push(table);
    }
    let mut units: BTreeMap<String, f64> = BTreeMap::new();
    for (tables, writes, of_table) in parts.into_values() {
        let actions: Vec<_> = writes.iter().map(|write| write.action.clone()).collect();
        let writes = WriteItems {
            writes,
            ..WriteItems::default()
        };
        let done = cx.broker.write_items(&tables, writes).await?;
        for ((result, action), place) in done.results.iter().zip(&actions).zip(of_table) {
            let Some(table) = tables.get(place) else {
                continue;
            };
            refusal::of_write(table, action.as_ref(), result)?;
            *units.entry(table.row.name.clone()).or_default() += write_units(result.item_bytes);
        }
    }
    let consumed = units
        .into_iter()
        .map(|(table_name, capacity_units)| ConsumedCapacity {
            table_name,
            capacity_units,
        });
    Ok(BatchWriteItemResponse {
        consumed_capacity: asks_capacity(request.return_consumed_capacity.as_ref())
            .then(|| consumed.collect()),
        ..BatchWriteItemResponse::default()
    })
}

fn put_of(table: &Table, item: &Item) -> Result<ItemWrite, DynamoDbError> {
    keys::check_item(table, item)?;
    Ok(ItemWrite {
        key: key_of(table, item),
        action: Some(item_write::Action::Put(encode_item(item))),
        ..write_of(table, item)
    })
}
