//! The actions on several items: `BatchGetItem`, `BatchWriteItem`, `TransactGetItems`, `TransactWriteItems`.

use std::collections::BTreeMap;

use levada_types::Item;
use levada_types::limits::{
    BATCH_GET_MAX, BATCH_WRITE_MAX, TRANSACTION_ITEMS_MAX, TRANSACTION_TOKEN_LEN_MAX,
};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};

use super::DynamoDbError;
use super::expression::{ConditionStep, Path, Update, Variables};
use super::items::{ConsumedCapacity, projection};
use super::shape::{ReturnCapacity, ReturnOnFailure, Shape, TABLE, named, one_kind};
use super::value::{self, JsonItem};
use crate::kinesis::Violations;
use crate::kinesis::constraint::Text;
use crate::kinesis::shape::input;

/// Refuses a collection that is empty or too long.
fn count(violations: &mut Violations, path: &str, len: Option<usize>, max: usize) {
    if let Some(len) = len {
        violations.length(path, &format!("[{len} members]"), len, 1..=max);
    }
}

input! {
    /// Which items of a table, and what of them.
    pub struct KeysAndAttributes {
        /// Their keys.
        pub keys: Option<Vec<Item>>,
        /// Legacy: which attributes.
        pub attributes_to_get: Option<Vec<String>>,
        /// Every read is consistent.
        pub consistent_read: Option<bool>,
        /// What of them.
        pub projection_expression: Option<String>,
        /// What `#names` stand for.
        pub expression_attribute_names: Option<BTreeMap<String, String>>,
    }
}

impl KeysAndAttributes {
    /// What of the items is wanted; nothing is everything.
    pub fn projection(&self) -> Result<Vec<Path>, DynamoDbError> {
        projection(
            self.projection_expression.as_deref(),
            self.expression_attribute_names.as_ref(),
            self.attributes_to_get.as_deref(),
        )
    }
}

impl Serialize for KeysAndAttributes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        let keys = self.keys.as_deref().unwrap_or_default();
        let keys: Vec<JsonItem<'_>> = keys.iter().map(JsonItem).collect();
        map.serialize_entry("Keys", &keys)?;
        if let Some(names) = &self.attributes_to_get {
            map.serialize_entry("AttributesToGet", names)?;
        }
        if let Some(consistent) = self.consistent_read {
            map.serialize_entry("ConsistentRead", &consistent)?;
        }
        if let Some(projection) = &self.projection_expression {
            map.serialize_entry("ProjectionExpression", projection)?;
        }
        if let Some(names) = &self.expression_attribute_names {
            map.serialize_entry("ExpressionAttributeNames", names)?;
        }
        map.end()
    }
}

input! {
    /// Reads items of some tables.
    pub struct BatchGetItemRequest {
        /// By table.
        pub request_items: Option<BTreeMap<String, KeysAndAttributes>>,
        /// [`ReturnCapacity`].
        pub return_consumed_capacity: Option<String>,
    }
}

impl Shape for BatchGetItemRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.required("requestItems", &self.request_items);
        count(
            violations,
            "requestItems",
            self.request_items.as_ref().map(BTreeMap::len),
            BATCH_GET_MAX,
        );
        violations
            .one_of::<ReturnCapacity>("returnConsumedCapacity", &self.return_consumed_capacity);
        for (table, keys) in self.request_items.iter().flatten() {
            let path = format!("requestItems.{table}.member.keys");
            violations.required(&path, &keys.keys);
            count(
                violations,
                &path,
                keys.keys.as_ref().map(Vec::len),
                BATCH_GET_MAX,
            );
        }
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        let mut keys = 0;
        for table in self.request_items.iter().flat_map(BTreeMap::values) {
            keys += table.keys.as_ref().map_or(0, Vec::len);
            one_kind(
                &[("AttributesToGet", table.attributes_to_get.is_some())],
                &[(
                    "ProjectionExpression",
                    table.projection_expression.is_some(),
                )],
            )?;
        }
        if keys > BATCH_GET_MAX {
            return Err(DynamoDbError::validation(
                "Too many items requested for the BatchGetItem call",
            ));
        }
        Ok(())
    }
}

/// Items of some tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchGetItemResponse {
    /// Those that there are, by table.
    pub responses: BTreeMap<String, Vec<Item>>,
    /// What did not fit.
    pub unprocessed_keys: BTreeMap<String, KeysAndAttributes>,
    /// What it cost, if that was asked.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

impl Serialize for BatchGetItemResponse {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        struct Items<'a>(&'a [Item]);
        impl Serialize for Items<'_> {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                value::items(self.0, s)
            }
        }
        let mut answer = s.serialize_struct("BatchGetItemResponse", 3)?;
        let responses: BTreeMap<&String, Items<'_>> = self
            .responses
            .iter()
            .map(|(table, items)| (table, Items(items)))
            .collect();
        answer.serialize_field("Responses", &responses)?;
        answer.serialize_field("UnprocessedKeys", &self.unprocessed_keys)?;
        if let Some(consumed) = &self.consumed_capacity {
            answer.serialize_field("ConsumedCapacity", consumed)?;
        }
        answer.end()
    }
}

input! {
    /// An item that is put.
    pub struct PutRequest {
        /// It.
        pub item: Option<Item>,
    }
}

input! {
    /// An item that is deleted.
    pub struct DeleteRequest {
        /// Its key.
        pub key: Option<Item>,
    }
}

input! {
    /// One of the two.
    pub struct WriteRequest {
        /// Put.
        pub put_request: Option<PutRequest>,
        /// Delete.
        pub delete_request: Option<DeleteRequest>,
    }
}

input! {
    /// Puts and deletes items of some tables.
    pub struct BatchWriteItemRequest {
        /// By table.
        pub request_items: Option<BTreeMap<String, Vec<WriteRequest>>>,
        /// [`ReturnCapacity`].
        pub return_consumed_capacity: Option<String>,
    }
}

impl Shape for BatchWriteItemRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.required("requestItems", &self.request_items);
        count(
            violations,
            "requestItems",
            self.request_items.as_ref().map(BTreeMap::len),
            BATCH_WRITE_MAX,
        );
        violations
            .one_of::<ReturnCapacity>("returnConsumedCapacity", &self.return_consumed_capacity);
        for (table, writes) in self.request_items.iter().flatten() {
            count(
                violations,
                &format!("requestItems.{table}.member"),
                Some(writes.len()),
                BATCH_WRITE_MAX,
            );
        }
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        let mut writes = self
            .request_items
            .iter()
            .flat_map(BTreeMap::values)
            .flatten();
        if writes.clone().count() > BATCH_WRITE_MAX {
            return Err(DynamoDbError::validation(
                "Too many items requested for the BatchWriteItem call",
            ));
        }
        let has_one = |write: &WriteRequest| {
            let put = write
                .put_request
                .as_ref()
                .is_some_and(|put| put.item.is_some());
            let delete = write
                .delete_request
                .as_ref()
                .is_some_and(|delete| delete.key.is_some());
            put != delete
        };
        if writes.all(has_one) {
            return Ok(());
        }
        Err(DynamoDbError::validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ))
    }
}

/// What was not written: nothing, ever. What is not taken is refused as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchWriteItemResponse {
    /// Always empty.
    pub unprocessed_items: BTreeMap<String, ()>,
    /// What it cost, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// One of a transaction's writes.
macro_rules! transact_input {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$member_doc:meta])* pub $member:ident: $kind:ty,)*
    }) => {
        input! {
            $(#[$doc])*
            pub struct $name {
                $($(#[$member_doc])* pub $member: $kind,)*
                /// The table's name or ARN.
                pub table_name: Option<String>,
                /// The condition.
                pub condition_expression: Option<String>,
                /// What `#names` stand for.
                pub expression_attribute_names: Option<BTreeMap<String, String>>,
                /// What `:values` stand for.
                pub expression_attribute_values: Option<Item>,
                /// [`ReturnOnFailure`].
                pub return_values_on_condition_check_failure: Option<String>,
            }
        }

        impl $name {
            fn common_violations(&self, violations: &mut Violations, path: &str) {
                violations.text(&format!("{path}.tableName"), &self.table_name, &TABLE.required());
                violations.one_of::<ReturnOnFailure>(
                    &format!("{path}.returnValuesOnConditionCheckFailure"),
                    &self.return_values_on_condition_check_failure,
                );
            }

            fn variables(&self) -> Result<Variables<'_>, DynamoDbError> {
                Variables::new(
                    self.expression_attribute_names.as_ref(),
                    self.expression_attribute_values.as_ref(),
                )
            }

            fn part<'a>(
                &'a self,
                action: TransactAction<'a>,
                condition: Vec<ConditionStep>,
            ) -> TransactPart<'a> {
                TransactPart {
                    table: super::table_name(self.table_name.as_deref()),
                    action,
                    condition,
                    item_on_failure: named::<ReturnOnFailure>(
                        self.return_values_on_condition_check_failure.as_deref(),
                    ) == ReturnOnFailure::AllOld,
                }
            }
        }
    };
}

transact_input! {
    /// An item that must meet a condition.
    pub struct TransactCheck {
        /// Its key.
        pub key: Option<Item>,
    }
}

transact_input! {
    /// An item that is put.
    pub struct TransactPut {
        /// It.
        pub item: Option<Item>,
    }
}

transact_input! {
    /// An item that is deleted.
    pub struct TransactDelete {
        /// Its key.
        pub key: Option<Item>,
    }
}

transact_input! {
    /// An item that is updated.
    pub struct TransactUpdate {
        /// Its key.
        pub key: Option<Item>,
        /// What is done.
        pub update_expression: Option<String>,
    }
}

input! {
    /// One of the four.
    pub struct TransactWriteItem {
        /// A check.
        pub condition_check: Option<TransactCheck>,
        /// A put.
        pub put: Option<TransactPut>,
        /// A delete.
        pub delete: Option<TransactDelete>,
        /// An update.
        pub update: Option<TransactUpdate>,
    }
}

/// What a transaction does to an item.
#[derive(Clone, Debug, PartialEq)]
pub enum TransactAction<'a> {
    /// Nothing.
    Check(&'a Item),
    /// Puts it.
    Put(&'a Item),
    /// Deletes it.
    Delete(&'a Item),
    /// Updates it.
    Update(&'a Item, Update),
}

/// One of a transaction's writes, read out.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactPart<'a> {
    /// The table's name.
    pub table: &'a str,
    /// What is done.
    pub action: TransactAction<'a>,
    /// On which condition.
    pub condition: Vec<ConditionStep>,
    /// Whether the item is told if that does not hold.
    pub item_on_failure: bool,
}

impl TransactWriteItem {
    /// What it says.
    pub fn part(&self) -> Result<TransactPart<'_>, DynamoDbError> {
        const WHAT: &str = "ConditionExpression";
        static NONE: Item = Item::new();
        fn given(item: &Option<Item>) -> &Item {
            item.as_ref().unwrap_or(&NONE)
        }
        macro_rules! simple {
            ($one:ident, $action:ident, $member:ident) => {{
                let mut variables = $one.variables()?;
                let steps = variables.condition(WHAT, $one.condition_expression.as_deref())?;
                variables.finish()?;
                Ok($one.part(TransactAction::$action(given(&$one.$member)), steps))
            }};
        }
        match (&self.condition_check, &self.put, &self.delete, &self.update) {
            (Some(one), None, None, None) => simple!(one, Check, key),
            (None, Some(one), None, None) => simple!(one, Put, item),
            (None, None, Some(one), None) => simple!(one, Delete, key),
            (None, None, None, Some(one)) => {
                let mut variables = one.variables()?;
                let update = variables.update(one.update_expression.as_deref())?;
                let steps = variables.condition(WHAT, one.condition_expression.as_deref())?;
                variables.finish()?;
                Ok(one.part(TransactAction::Update(given(&one.key), update), steps))
            }
            _ => Err(DynamoDbError::validation(
                "TransactItems can only contain one of Check, Put, Update or Delete",
            )),
        }
    }

    fn violations(&self, violations: &mut Violations, path: &str) {
        if let Some(one) = &self.condition_check {
            let path = format!("{path}.conditionCheck");
            one.common_violations(violations, &path);
            violations.required(&format!("{path}.key"), &one.key);
            violations.required(
                &format!("{path}.conditionExpression"),
                &one.condition_expression,
            );
        }
        if let Some(one) = &self.put {
            let path = format!("{path}.put");
            one.common_violations(violations, &path);
            violations.required(&format!("{path}.item"), &one.item);
        }
        if let Some(one) = &self.delete {
            let path = format!("{path}.delete");
            one.common_violations(violations, &path);
            violations.required(&format!("{path}.key"), &one.key);
        }
        if let Some(one) = &self.update {
            let path = format!("{path}.update");
            one.common_violations(violations, &path);
            violations.required(&format!("{path}.key"), &one.key);
            violations.required(&format!("{path}.updateExpression"), &one.update_expression);
        }
    }
}

input! {
    /// Does all of it or none.
    pub struct TransactWriteItemsRequest {
        /// What.
        pub transact_items: Option<Vec<TransactWriteItem>>,
        /// The same one again within 10 minutes is done once.
        pub client_request_token: Option<String>,
        /// [`ReturnCapacity`].
        pub return_consumed_capacity: Option<String>,
    }
}

impl Shape for TransactWriteItemsRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.required("transactItems", &self.transact_items);
        count(
            violations,
            "transactItems",
            self.transact_items.as_ref().map(Vec::len),
            TRANSACTION_ITEMS_MAX,
        );
        let token = Text::new(None, 1, TRANSACTION_TOKEN_LEN_MAX);
        violations.text("clientRequestToken", &self.client_request_token, &token);
        violations
            .one_of::<ReturnCapacity>("returnConsumedCapacity", &self.return_consumed_capacity);
        for (n, item) in self.transact_items.iter().flatten().enumerate() {
            item.violations(violations, &format!("transactItems.{}.member", n + 1));
        }
    }
}

/// What a transaction cost, if that was asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TransactWriteItemsResponse {
    /// By table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

input! {
    /// An item that is read.
    pub struct TransactGet {
        /// Its key.
        pub key: Option<Item>,
        /// The table's name or ARN.
        pub table_name: Option<String>,
        /// What of it.
        pub projection_expression: Option<String>,
        /// What `#names` stand for.
        pub expression_attribute_names: Option<BTreeMap<String, String>>,
    }
}

impl TransactGet {
    /// What of the item is wanted; nothing is everything.
    pub fn projection(&self) -> Result<Vec<Path>, DynamoDbError> {
        projection(
            self.projection_expression.as_deref(),
            self.expression_attribute_names.as_ref(),
            None,
        )
    }
}

input! {
    /// An item that is read.
    pub struct TransactGetItem {
        /// It.
        pub get: Option<TransactGet>,
    }
}

input! {
    /// Reads items as they were at one moment.
    pub struct TransactGetItemsRequest {
        /// Which.
        pub transact_items: Option<Vec<TransactGetItem>>,
        /// [`ReturnCapacity`].
        pub return_consumed_capacity: Option<String>,
    }
}

impl Shape for TransactGetItemsRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.required("transactItems", &self.transact_items);
        count(
            violations,
            "transactItems",
            self.transact_items.as_ref().map(Vec::len),
            TRANSACTION_ITEMS_MAX,
        );
        violations
            .one_of::<ReturnCapacity>("returnConsumedCapacity", &self.return_consumed_capacity);
        for (n, item) in self.transact_items.iter().flatten().enumerate() {
            let path = format!("transactItems.{}.member.get", n + 1);
            violations.required(&path, &item.get);
            if let Some(get) = &item.get {
                violations.required(&format!("{path}.key"), &get.key);
                violations.text(
                    &format!("{path}.tableName"),
                    &get.table_name,
                    &TABLE.required(),
                );
            }
        }
    }
}

/// An item, if there is one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ItemResponse {
    /// It.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "value::opt_item"
    )]
    pub item: Option<Item>,
}

/// Items as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TransactGetItemsResponse {
    /// In the order of the request.
    pub responses: Vec<ItemResponse>,
    /// What it cost, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}
