//! The shelf: small things that all nodes share and that a name finds, such as certificates and the endpoints of phones. It is a
//! table that no user's request reaches: its name has a character that names of tables have not.
//!
//! Things are kept by kind and name, and replaced as a whole. What is read is what the leader has.

use std::sync::Arc;

use bytes::Bytes;
use levada_engine::proto::{
    AttributePath, CatalogRefusal, Comparator, Comparison, ConditionStep, ItemRead, ItemWrite,
    KeyPart, KeySchema, KeyType, Operand, PathStep, QueryTable, RangeCondition, RangeTest,
    ReadItems, TableRow, WriteDelete, WriteItems, WriteStatus, condition_step, item_write, operand,
    path_step,
};
use levada_types::attribute::{decode_item, encode_item};
use levada_types::{AccountId, AttributeValue, Item, Region};

use crate::broker::Broker;
use crate::{RouteError, Table};

/// The table.
pub(crate) const NAME: &str = ":shelf";
const REGION: &str = "shelf";
const KIND: &str = "kind";
const THING: &str = "name";
const VALUE: &str = "value";
/// Bytes of one page, and of one thing.
const PAGE_BYTES_MAX: u64 = 1024 * 1024;
/// Tries to make the table, while others do the same.
const ATTEMPTS_MAX: usize = 4;

/// What must be on the shelf, or nothing is put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// It does not matter.
    Anything,
    /// Nothing of that name.
    Nothing,
    /// This.
    Value(Bytes),
}

/// What became of something that was to be put on the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there.
    Done,
    /// Something else was there before.
    Changed,
    /// It is too large, or there is no more room.
    Full,
}

impl Broker {
    /// A thing, if there is one of that name.
    pub async fn shelf_get(&self, kind: &str, name: &str) -> Result<Option<Bytes>, RouteError> {
        let Some(table) = self.shelf().await? else {
            return Ok(None);
        };
        let read = ReadItems {
            reads: vec![ItemRead {
                table: table.row.table,
                version: table.row.config_version,
                key: encode_item(&key(kind, name)),
                projection: Vec::new(),
            }],
            bytes_max: PAGE_BYTES_MAX,
        };
        let reply = self.read_items(&[table], &read).await?;
        let found = reply.items.into_iter().next();
        let found = found.filter(|found| !found.item.is_empty());
        found
            .map(|found| thing(&found.item))
            .transpose()
            .map(|thing| thing.map(|(_, value)| value))
    }

    /// Puts a thing on the shelf in place of what is there.
    pub async fn shelf_put(
        &self,
        kind: &str,
        name: &str,
        value: Bytes,
        before: &Before,
    ) -> Result<Put, RouteError> {
        let mut item = key(kind, name);
        item.insert(VALUE.to_owned(), AttributeValue::B(value));
        let action = item_write::Action::Put(encode_item(&item));
        let table = self.make_shelf().await?;
        self.shelf_write(&table, kind, name, action, condition(before))
            .await
    }

    /// Takes a thing from the shelf. One that is not there is no error.
    pub async fn shelf_remove(&self, kind: &str, name: &str) -> Result<(), RouteError> {
        let Some(table) = self.shelf().await? else {
            return Ok(());
        };
        let action = item_write::Action::Delete(WriteDelete {});
        self.shelf_write(&table, kind, name, action, Vec::new())
            .await?;
        Ok(())
    }

    /// Up to so many things of a kind behind a name, by name.
    pub async fn shelf_page(
        &self,
        kind: &str,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<(String, Bytes)>, RouteError> {
        let Some(table) = self.shelf().await? else {
            return Ok(Vec::new());
        };
        let behind = |after: &str| RangeCondition {
            test: RangeTest::Gt.into(),
            value: AttributeValue::S(after.to_owned()).encode(),
            high: Bytes::new(),
        };
        let query = QueryTable {
            table: table.row.table,
            version: table.row.config_version,
            hash: AttributeValue::S(kind.to_owned()).encode(),
            range: after.map(behind),
            rows_max: max as u64,
            bytes_max: PAGE_BYTES_MAX,
            ..QueryTable::default()
        };
        let page = self.query_table(&table, &query).await?;
        page.items.iter().map(|item| thing(item)).collect()
    }

    async fn shelf_write(
        &self,
        table: &Arc<Table>,
        kind: &str,
        name: &str,
        action: item_write::Action,
        condition: Vec<ConditionStep>,
    ) -> Result<Put, RouteError> {
        let write = ItemWrite {
            table: table.row.table,
            version: table.row.config_version,
            key: encode_item(&key(kind, name)),
            condition,
            action: Some(action),
            ..ItemWrite::default()
        };
        let writes = WriteItems {
            writes: vec![write],
            ..WriteItems::default()
        };
        let done = self
            .write_items(std::slice::from_ref(table), writes)
            .await?;
        match done.results.first().map(|result| result.status()) {
            Some(WriteStatus::Done) => Ok(Put::Done),
            Some(WriteStatus::ConditionFailed) => Ok(Put::Changed),
            Some(WriteStatus::ItemTooLarge | WriteStatus::TablesFull) => Ok(Put::Full),
            _ => Err(RouteError::Unavailable),
        }
    }

    async fn shelf(&self) -> Result<Option<Arc<Table>>, RouteError> {
        let (account, region) = owner()?;
        self.find_any_table(account, &region, NAME).await
    }

    async fn make_shelf(&self) -> Result<Arc<Table>, RouteError> {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(table) = self.shelf().await? {
                return Ok(table);
            }
            match self.create_table(row()?).await? {
                Ok(table) => return Ok(table),
                // Somebody else was faster: theirs is found.
                Err(CatalogRefusal::TableExists) => {}
                Err(_) => break,
            }
        }
        Err(RouteError::Unavailable)
    }
}

/// Who owns the table. It is one for all, and in a region of its own, so that it is in no partition because of other tables.
fn owner() -> Result<(AccountId, Region), RouteError> {
    let region = REGION.parse().map_err(|_| RouteError::Unavailable)?;
    Ok((AccountId::DEFAULT, region))
}

fn row() -> Result<TableRow, RouteError> {
    let (account, region) = owner()?;
    let part = |name: &str| KeyPart {
        name: name.to_owned(),
        r#type: KeyType::String.into(),
    };
    Ok(TableRow {
        account: account.to_string(),
        region: region.to_string(),
        name: NAME.to_owned(),
        key: Some(KeySchema {
            hash: Some(part(KIND)),
            range: Some(part(THING)),
        }),
        on_demand: true,
        protected: true,
        ..TableRow::default()
    })
}

fn key(kind: &str, name: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    Item::from([
        (KIND.to_owned(), text(kind)),
        (THING.to_owned(), text(name)),
    ])
}

fn thing(item: &[u8]) -> Result<(String, Bytes), RouteError> {
    let mut item = decode_item(item).map_err(|error| RouteError::Unreadable(error.to_string()))?;
    match (item.remove(THING), item.remove(VALUE)) {
        (Some(AttributeValue::S(name)), Some(AttributeValue::B(value))) => Ok((name, value)),
        _ => Err(RouteError::Unreadable("a thing on the shelf".to_owned())),
    }
}

fn condition(before: &Before) -> Vec<ConditionStep> {
    let path = AttributePath {
        steps: vec![PathStep {
            kind: Some(path_step::Kind::Name(VALUE.to_owned())),
        }],
    };
    let kind = match before {
        Before::Anything => return Vec::new(),
        Before::Nothing => condition_step::Kind::Absent(path),
        Before::Value(value) => condition_step::Kind::Compare(Comparison {
            comparator: Comparator::Eq.into(),
            left: Some(Operand {
                kind: Some(operand::Kind::Path(path)),
            }),
            right: Some(Operand {
                kind: Some(operand::Kind::Value(
                    AttributeValue::B(value.clone()).encode(),
                )),
            }),
        }),
    };
    vec![ConditionStep { kind: Some(kind) }]
}
