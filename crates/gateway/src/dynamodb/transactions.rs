//! `TransactWriteItems` and `TransactGetItems`: one command, or one look, at the partition that holds all tables of the
//! account.

use std::collections::BTreeSet;
use std::sync::Arc;

use levada_cluster::Table;
use levada_engine::proto::{
    ItemRead, ItemWrite, ReadItems, TokenResult, WriteCheck, WriteDelete, WriteItems, WriteStatus,
    item_write,
};
use levada_types::attribute::{encode_item, item_size};
use levada_types::limits::TRANSACTION_BYTES_MAX;
use levada_wire::AwsError;
use levada_wire::dynamodb::{
    ConsumedCapacity, DynamoDbError, DynamoDbErrorKind, ItemResponse, TransactAction,
    TransactGetItemsRequest, TransactGetItemsResponse, TransactWriteItem,
    TransactWriteItemsRequest, TransactWriteItemsResponse,
};
use prost::Message as _;
use sha2::{Digest, Sha256};

use super::context::Context;
use super::items::{asks_capacity, found, read_of, read_units, write_of, write_units};
use super::{convert, keys, refusal};
use crate::front::Failure;

/// Refuses tables of which one is elsewhere: those of an account in a region are together.
fn must_be_together(tables: &[Arc<Table>]) -> Result<(), DynamoDbError> {
    let partitions: BTreeSet<u32> = tables.iter().map(|table| table.row.partition).collect();
    if partitions.len() <= 1 {
        return Ok(());
    }
    Err(DynamoDbError::validation(
        "The tables of one transaction must be in one partition",
    ))
}

pub(super) async fn write(
    cx: &Context<'_>,
    request: TransactWriteItemsRequest,
) -> Result<TransactWriteItemsResponse, Failure> {
    let mut tables: Vec<Arc<Table>> = Vec::new();
    let mut writes = Vec::new();
    let mut seen = BTreeSet::new();
    let mut bytes = 0;
    for one in request.transact_items.iter().flatten() {
        let (table, write) = write_of_part(cx, one, &mut bytes).await?;
        if !seen.insert((write.table, write.key.clone())) {
            return Err(DynamoDbError::validation(
                "Transaction request cannot include multiple operations on one item",
            )
            .into());
        }
        tables.push(table);
        writes.push(write);
    }
    if bytes > TRANSACTION_BYTES_MAX {
        return Err(DynamoDbError::validation(
            "Collection size of items in the transaction has exceeded the maximum allowed size",
        )
        .into());
    }
    must_be_together(&tables)?;
    let actions: Vec<_> = writes.iter().map(|write| write.action.clone()).collect();
    let (token, fingerprint) = match &request.client_request_token {
        Some(token) => (token_of(cx, token), fingerprint(&writes)),
        None => Default::default(),
    };
    let writes = WriteItems {
        writes,
        token,
        fingerprint,
    };
    let done = cx.broker.write_items(&tables, writes).await?;
    match done.token() {
        TokenResult::New => {}
        TokenResult::DoneBefore => return Ok(TransactWriteItemsResponse::default()),
        TokenResult::OtherRequest => {
            return Err(DynamoDbError::new(
                DynamoDbErrorKind::IdempotentParameterMismatch,
                "Request parameters do not match the ones of the transaction that had the same client token",
            )
            .into());
        }
    }
    let results = || done.results.iter().zip(&tables).zip(&actions);
    if done
        .results
        .iter()
        .any(|result| result.status() == WriteStatus::Malformed)
    {
        return Err(AwsError::internal_failure().into());
    }
    if done
        .results
        .iter()
        .any(|result| result.status() != WriteStatus::Done)
    {
        let reasons = results()
            .map(|((result, table), action)| refusal::reason_of(table, action.as_ref(), result));
        return Err(DynamoDbError::canceled(reasons.collect::<Result<_, _>>()?).into());
    }
    // AWS counts each twice.
    let units = results().map(|((result, table), _)| (table, 2.0 * write_units(result.item_bytes)));
    let asks = asks_capacity(request.return_consumed_capacity.as_ref());
    Ok(TransactWriteItemsResponse {
        consumed_capacity: asks.then(|| by_table(units)),
    })
}

fn by_table<'a>(units: impl Iterator<Item = (&'a Arc<Table>, f64)>) -> Vec<ConsumedCapacity> {
    let mut sums: Vec<ConsumedCapacity> = Vec::new();
    for (table, units) in units {
        match sums.iter_mut().find(|sum| sum.table_name == table.row.name) {
            Some(sum) => sum.capacity_units += units,
            None => sums.push(ConsumedCapacity {
                table_name: table.row.name.clone(),
                capacity_units: units,
            }),
        }
    }
    sums
}

async fn write_of_part(
    cx: &Context<'_>,
    one: &TransactWriteItem,
    bytes: &mut usize,
) -> Result<(Arc<Table>, ItemWrite), Failure> {
    let part = one.part()?;
    let table = cx.table(Some(part.table)).await?;
    let (item, action) = match part.action {
        TransactAction::Put(item) => {
            keys::check_item(&table, item)?;
            (item, item_write::Action::Put(encode_item(item)))
        }
        TransactAction::Check(key) => (key, item_write::Action::Check(WriteCheck {})),
        TransactAction::Delete(key) => (key, item_write::Action::Delete(WriteDelete {})),
        TransactAction::Update(key, update) => {
            keys::check_updated(&table, update.paths().map(|path| path.first()))?;
            (key, item_write::Action::Update(convert::update(update)))
        }
    };
    if !matches!(action, item_write::Action::Put(_)) {
        keys::check_key(&table, item)?;
    }
    *bytes += item_size(item);
    let write = ItemWrite {
        condition: convert::condition(part.condition),
        action: Some(action),
        item_on_failure: part.item_on_failure,
        ..write_of(&table, item)
    };
    Ok((table, write))
}

/// 16 bytes that stand for a caller's token.
fn token_of(cx: &Context<'_>, token: &str) -> bytes::Bytes {
    let mut hash = Sha256::new();
    hash.update(cx.caller.account.to_string());
    hash.update([0]);
    hash.update(cx.caller.region.as_str());
    hash.update([0]);
    hash.update(token);
    bytes::Bytes::copy_from_slice(&hash.finalize()[..16])
}

/// 16 bytes that stand for what is asked, whatever the version of the tables.
fn fingerprint(writes: &[ItemWrite]) -> bytes::Bytes {
    let mut hash = Sha256::new();
    for write in writes {
        let plain = ItemWrite {
            version: 0,
            ..write.clone()
        };
        hash.update(plain.encode_length_delimited_to_vec());
    }
    bytes::Bytes::copy_from_slice(&hash.finalize()[..16])
}

pub(super) async fn get(
    cx: &Context<'_>,
    request: TransactGetItemsRequest,
) -> Result<TransactGetItemsResponse, Failure> {
    let mut tables = Vec::new();
    let mut reads = Vec::new();
    for one in request.transact_items.iter().flatten() {
        let Some(get) = &one.get else { continue };
        let table = cx.table(get.table_name.as_deref()).await?;
        let key = get.key.clone().unwrap_or_default();
        keys::check_key(&table, &key)?;
        reads.push(ItemRead {
            projection: convert::paths(get.projection()?),
            ..read_of(&table, &key)
        });
        tables.push(table);
    }
    must_be_together(&tables)?;
    let read = ReadItems {
        reads,
        bytes_max: TRANSACTION_BYTES_MAX as u64,
    };
    let reply = cx.broker.read_items(&tables, &read).await?;
    if reply.too_large {
        return Err(DynamoDbError::validation(
            "Collection size of items in the transaction has exceeded the maximum allowed size",
        )
        .into());
    }
    let responses = reply.items.iter().map(|item| {
        Ok::<_, Failure>(ItemResponse {
            item: found(&item.item)?,
        })
    });
    let responses = responses.collect::<Result<_, _>>()?;
    let asks = asks_capacity(request.return_consumed_capacity.as_ref());
    let units = tables.iter().zip(&reply.items);
    let units = units.map(|(table, item)| (table, 2.0 * read_units(item.item_bytes, Some(true))));
    Ok(TransactGetItemsResponse {
        responses,
        consumed_capacity: asks.then(|| by_table(units)),
    })
}
