//! What is read of a table: items by their keys, and pages of a query or a scan.

use std::ops::Bound;

use bytes::Bytes;
use levada_types::attribute::{decode_item, encode_item, item_size};
use levada_types::{AttributeValue, Item};

use super::condition::Condition;
use super::key::{self, Key};
use super::{Row, Table, path};
use crate::proto::{
    FoundItem, IndexConfig, ItemRead, KeySchema, Projection, QueryTable, RangeCondition, RangeTest,
    TablePage,
};

/// A run of keys: from, and up to before.
type Run = (Vec<u8>, Option<Vec<u8>>);
/// What is left of one.
type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl Table {
    /// An item, or what of it is wanted.
    pub(crate) fn get(&self, read: &ItemRead) -> FoundItem {
        let key = decode_item(&read.key).ok();
        let place = key.and_then(|key| key::of_item(&self.schema(), &key));
        let Some(row) = place.and_then(|place| self.rows.get(&*place)) else {
            return FoundItem::default();
        };
        let item = if read.projection.is_empty() {
            row.item.clone()
        } else {
            encode_item(&path::project(&row.read(), &read.projection))
        };
        FoundItem {
            item,
            item_bytes: u64::from(row.size),
        }
    }

    /// A page of rows. What makes no sense finds none.
    pub(crate) fn query(&self, query: &QueryTable) -> TablePage {
        let index = self.config.indexes.iter().zip(&self.indexes);
        let mut index = index.filter(|(config, _)| config.name == query.index);
        let index = if query.index.is_empty() {
            None
        } else {
            let Some(index) = index.next() else {
                return TablePage::default();
            };
            Some(index)
        };
        let own = self.schema();
        let schema = index.map_or(&own, |(config, _)| config.key.as_ref().unwrap_or(&own));
        let Some(run) = run_of(schema, query) else {
            return TablePage::default();
        };
        let after = decode_item(&query.after)
            .ok()
            .filter(|_| !query.after.is_empty())
            .and_then(|after| {
                let row = key::of_item(&own, &after)?;
                match index {
                    None => Some(row),
                    Some((config, _)) => super::entry_of(config, &after, &row),
                }
            });
        let Some(bounds) = bounds_of(run, after, query.backward) else {
            return TablePage::default();
        };
        let bounds = (
            bounds.0.as_ref().map(Vec::as_slice),
            bounds.1.as_ref().map(Vec::as_slice),
        );
        let mut page = Page::new(query, &own, index.map(|(config, _)| config));
        match index {
            None => {
                let rows = self.rows.range::<[u8], _>(bounds).map(|(_, row)| row);
                page.fill(rows, query.backward);
            }
            Some((_, entries)) => {
                let rows = entries
                    .range::<[u8], _>(bounds)
                    .filter_map(|(_, key)| self.row(key));
                page.fill(rows, query.backward);
            }
        }
        page.page
    }

    fn row(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }
}

/// The keys that a query may find.
fn run_of(schema: &KeySchema, query: &QueryTable) -> Option<Run> {
    if query.hash.is_empty() {
        return Some(key::segment(query.segment, query.segments.max(1)));
    }
    let hash = AttributeValue::decode(&query.hash).ok()?;
    let prefix = key::prefix(schema, &hash)?;
    match &query.range {
        None => {
            let end = key::successor(prefix.clone());
            Some((prefix, end))
        }
        Some(range) => range_run(schema, prefix, range),
    }
}

fn range_run(schema: &KeySchema, prefix: Vec<u8>, range: &RangeCondition) -> Option<Run> {
    let part = schema.range.as_ref()?;
    let bytes = |value: &[u8]| {
        let value = AttributeValue::decode(value).ok()?;
        key::bytes_of(part, &value).map(std::borrow::Cow::into_owned)
    };
    let value = bytes(&range.value)?;
    let at = |value: &[u8]| {
        let mut key = prefix.clone();
        key::push_range(&mut key, value);
        key
    };
    let behind = |value: &[u8]| key::successor(at(value));
    let end = || key::successor(prefix.clone());
    Some(match RangeTest::try_from(range.test).ok()? {
        RangeTest::Eq => (at(&value), behind(&value)),
        RangeTest::Lt => (prefix.clone(), Some(at(&value))),
        RangeTest::Le => (prefix.clone(), behind(&value)),
        RangeTest::Gt => (behind(&value)?, end()),
        RangeTest::Ge => (at(&value), end()),
        RangeTest::Between => (at(&value), behind(&bytes(&range.high)?)),
        RangeTest::BeginsWith => {
            let mut first = prefix;
            key::push_beginning(&mut first, &value);
            let end = key::successor(first.clone());
            (first, end)
        }
    })
}

/// The bounds of what is left of a run behind a key; none if nothing can be.
fn bounds_of((from, to): Run, after: Option<Vec<u8>>, backward: bool) -> Option<Bounds> {
    let (mut from, mut to) = (
        Bound::Included(from),
        to.map_or(Bound::Unbounded, Bound::Excluded),
    );
    if let Some(after) = after {
        if backward {
            let narrower = match &to {
                Bound::Excluded(to) => after < *to,
                _ => true,
            };
            if narrower {
                to = Bound::Excluded(after);
            }
        } else if !matches!(&from, Bound::Included(from) if after < *from) {
            from = Bound::Excluded(after);
        }
    }
    let is_empty = match (&from, &to) {
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        _ => false,
    };
    (!is_empty).then_some((from, to))
}

/// A page as it is filled.
struct Page<'a> {
    query: &'a QueryTable,
    table: &'a KeySchema,
    index: Option<&'a IndexConfig>,
    page: TablePage,
}

impl<'a> Page<'a> {
    fn new(query: &'a QueryTable, table: &'a KeySchema, index: Option<&'a IndexConfig>) -> Self {
        Self {
            query,
            table,
            index,
            page: TablePage::default(),
        }
    }

    fn fill<'r>(&mut self, rows: impl DoubleEndedIterator<Item = &'r Row>, backward: bool) {
        let Ok(filter) = Condition::read(&self.query.filter) else {
            return;
        };
        if backward {
            self.look_at(rows.rev(), &filter);
        } else {
            self.look_at(rows, &filter);
        }
    }

    /// Ends with the row that reaches a bound, whether or not there are more: AWS does not look either.
    fn look_at<'r>(&mut self, rows: impl Iterator<Item = &'r Row>, filter: &Condition<'_>) {
        for row in rows {
            let item = row.read();
            let seen = self.projected(&item);
            let seen = seen.as_ref().unwrap_or(&item);
            self.page.looked_at += 1;
            self.page.bytes += match self.index {
                None => u64::from(row.size),
                Some(_) => item_size(seen) as u64,
            };
            if filter.holds(seen) {
                self.page.found += 1;
                if !self.query.count_only {
                    self.page.items.push(self.wanted(row, seen));
                }
            }
            let is_full = self.page.looked_at >= self.query.rows_max
                || self.page.bytes >= self.query.bytes_max;
            if is_full {
                let schemas = std::iter::once(self.table);
                let schemas = schemas.chain(self.index.and_then(|index| index.key.as_ref()));
                self.page.last = encode_item(&key::attributes(&item, schemas));
                return;
            }
        }
    }

    /// What an index holds of an item; none where that is all of it.
    fn projected(&self, item: &Item) -> Option<Item> {
        let index = self.index?;
        if index.projection() == Projection::All {
            return None;
        }
        let schemas = std::iter::once(self.table).chain(&index.key);
        let mut held = key::attributes(item, schemas);
        for name in &index.included {
            if let Some((name, value)) = item.get_key_value(name) {
                held.insert(name.clone(), value.clone());
            }
        }
        Some(held)
    }

    fn wanted(&self, row: &Row, seen: &Item) -> Bytes {
        let all = self
            .index
            .is_none_or(|index| index.projection() == Projection::All);
        if !self.query.projection.is_empty() {
            encode_item(&path::project(seen, &self.query.projection))
        } else if all {
            row.item.clone()
        } else {
            encode_item(seen)
        }
    }
}
