//! `Query` and `Scan`.

use std::sync::Arc;

use levada_cluster::Table;
use levada_engine::proto::{IndexConfig, QueryTable};
use levada_types::Item;
use levada_types::attribute::encode_item;
use levada_types::limits::TABLE_PAGE_BYTES_MAX;
use levada_wire::dynamodb::expression::{KeyQuery, RangeTest};
use levada_wire::dynamodb::{DynamoDbError, PageParts, PageResponse, QueryRequest, ScanRequest};

use super::context::Context;
use super::items::{capacity, found, read_units};
use super::{convert, keys, refusal};
use crate::front::Failure;

/// What the two have in common.
struct Asked<'a> {
    index: Option<&'a str>,
    start: Option<&'a Item>,
    limit: Option<i64>,
    counts_only: bool,
    consistent: Option<bool>,
    capacity: Option<&'a String>,
}

pub(super) async fn query(
    cx: &Context<'_>,
    request: QueryRequest,
) -> Result<PageResponse, Failure> {
    let table = table_of(
        cx,
        request.table_name.as_deref(),
        request.index_name.as_deref(),
    )
    .await?;
    let own = keys::schema(&table);
    let index = match &request.index_name {
        Some(name) => Some(keys::index(&table, name)?),
        None => None,
    };
    let schema = index.and_then(|index| index.key.as_ref()).unwrap_or(&own);
    let hash = schema.hash.as_ref().map_or("", |part| &part.name);
    let range = schema.range.as_ref().map(|part| part.name.as_str());
    let parts = request.parts(hash, range)?;
    if let Some(chosen) = &parts.keys {
        check_types(schema, chosen)?;
    }
    let asked = Asked {
        index: request.index_name.as_deref(),
        start: request.exclusive_start_key.as_ref(),
        limit: request.limit,
        counts_only: request.counts_only(),
        consistent: request.consistent_read,
        capacity: request.return_consumed_capacity.as_ref(),
    };
    let backward = request.scan_index_forward == Some(false);
    page(cx, &table, index, parts, asked, |query| {
        query.backward = backward
    })
    .await
}

pub(super) async fn scan(cx: &Context<'_>, request: ScanRequest) -> Result<PageResponse, Failure> {
    let parts = request.parts()?;
    let table = table_of(
        cx,
        request.table_name.as_deref(),
        request.index_name.as_deref(),
    )
    .await?;
    let index = match &request.index_name {
        Some(name) => Some(keys::index(&table, name)?),
        None => None,
    };
    let asked = Asked {
        index: request.index_name.as_deref(),
        start: request.exclusive_start_key.as_ref(),
        limit: request.limit,
        counts_only: request.counts_only(),
        consistent: request.consistent_read,
        capacity: request.return_consumed_capacity.as_ref(),
    };
    let number = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    let (segment, segments) = (number(request.segment), number(request.total_segments));
    page(cx, &table, index, parts, asked, |query| {
        query.segment = segment;
        query.segments = segments;
    })
    .await
}

/// The table; as the catalog's leader has it, if this node has not heard of the index.
async fn table_of(
    cx: &Context<'_>,
    given: Option<&str>,
    index: Option<&str>,
) -> Result<Arc<Table>, Failure> {
    let table = cx.table(given).await?;
    match index {
        Some(name) if keys::index(&table, name).is_err() => cx.current(given).await,
        _ => Ok(table),
    }
}

async fn page(
    cx: &Context<'_>,
    table: &Arc<Table>,
    index: Option<&IndexConfig>,
    parts: PageParts,
    asked: Asked<'_>,
    more: impl FnOnce(&mut QueryTable) + Send,
) -> Result<PageResponse, Failure> {
    if let Some(start) = asked.start {
        keys::check_start(table, index, start)?;
    }
    let limit = asked.limit.and_then(|limit| u64::try_from(limit).ok());
    let mut query = QueryTable {
        table: table.row.table,
        version: table.row.config_version,
        index: asked.index.unwrap_or_default().to_owned(),
        after: asked.start.map(encode_item).unwrap_or_default(),
        filter: convert::condition(parts.filter),
        projection: convert::paths(parts.projection),
        rows_max: limit.unwrap_or(u64::MAX),
        bytes_max: TABLE_PAGE_BYTES_MAX as u64,
        count_only: asked.counts_only,
        ..QueryTable::default()
    };
    if let Some(chosen) = parts.keys {
        (query.hash, query.range) = convert::keys(chosen);
    }
    more(&mut query);
    let read = cx.broker.query_table(table, &query).await?;
    let items = read.items.iter().map(|item| {
        let item = found(item)?;
        item.ok_or_else(|| Failure::from(refusal::unreadable()))
    });
    let items = items.collect::<Result<Vec<Item>, Failure>>()?;
    let units = read_units(read.bytes, asked.consistent);
    Ok(PageResponse {
        items: (!asked.counts_only).then_some(items),
        count: read.found,
        scanned_count: read.looked_at,
        last_evaluated_key: found(&read.last)?,
        consumed_capacity: capacity(asked.capacity, table, units),
    })
}

/// Refuses values of other types than the keys'.
fn check_types(
    schema: &levada_engine::proto::KeySchema,
    chosen: &KeyQuery,
) -> Result<(), DynamoDbError> {
    let mismatch = || DynamoDbError::invalid("Condition parameter type does not match schema type");
    let hash = schema
        .hash
        .as_ref()
        .map(|part| keys::type_name(part.r#type()));
    if hash != Some(chosen.hash.type_name()) {
        return Err(mismatch());
    }
    let Some((test, value, high)) = &chosen.range else {
        return Ok(());
    };
    let range = schema
        .range
        .as_ref()
        .map(|part| keys::type_name(part.r#type()));
    let fits = |name: &str| range == Some(name);
    if !fits(value.type_name()) || !high.as_ref().is_none_or(|high| fits(high.type_name())) {
        return Err(mismatch());
    }
    if *test == RangeTest::BeginsWith && fits("N") {
        return Err(DynamoDbError::validation(
            "Query key condition not supported",
        ));
    }
    Ok(())
}
