//! The actions on one item: `PutItem`, `GetItem`, `UpdateItem`, `DeleteItem`.

use std::collections::BTreeMap;

use levada_types::Item;
use serde::Serialize;

use super::expression::{
    ConditionStep, ExpectedAttributeValue, Path, Update, Variables, expected, projection_of_names,
    updates,
};
use super::shape::{
    ConditionalOperator, ReturnCapacity, ReturnOnFailure, ReturnValues, Shape, TABLE, named,
    one_kind,
};
use super::{AttributeValueUpdate, DynamoDbError, value};
use crate::kinesis::Violations;
use crate::kinesis::shape::input;

/// A request that writes one item: by its members, what they say.
macro_rules! write_input {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$member_doc:meta])* pub $member:ident: $kind:ty,)*
    }) => {
        input! {
            $(#[$doc])*
            pub struct $name {
                $($(#[$member_doc])* pub $member: $kind,)*
                /// The table's name or ARN.
                pub table_name: Option<String>,
                /// Legacy: what attributes are expected to be.
                pub expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
                /// Legacy: a [`ConditionalOperator`].
                pub conditional_operator: Option<String>,
                /// The condition.
                pub condition_expression: Option<String>,
                /// What `#names` stand for.
                pub expression_attribute_names: Option<BTreeMap<String, String>>,
                /// What `:values` stand for.
                pub expression_attribute_values: Option<Item>,
                /// [`ReturnValues`].
                pub return_values: Option<String>,
                /// [`ReturnOnFailure`].
                pub return_values_on_condition_check_failure: Option<String>,
                /// [`ReturnCapacity`].
                pub return_consumed_capacity: Option<String>,
            }
        }

        impl $name {
            /// What is returned of the item.
            pub fn returned(&self) -> ReturnValues {
                named(self.return_values.as_deref())
            }

            /// Whether the item is returned if the condition does not hold.
            pub fn item_on_failure(&self) -> bool {
                named::<ReturnOnFailure>(self.return_values_on_condition_check_failure.as_deref())
                    == ReturnOnFailure::AllOld
            }

            fn common_violations(&self, violations: &mut Violations) {
                violations.text("tableName", &self.table_name, &TABLE.required());
                violations.one_of::<ConditionalOperator>("conditionalOperator", &self.conditional_operator);
                violations.one_of::<ReturnValues>("returnValues", &self.return_values);
                violations.one_of::<ReturnOnFailure>(
                    "returnValuesOnConditionCheckFailure",
                    &self.return_values_on_condition_check_failure,
                );
                violations.one_of::<ReturnCapacity>("returnConsumedCapacity", &self.return_consumed_capacity);
            }

            fn variables(&self) -> Result<Variables<'_>, DynamoDbError> {
                Variables::new(
                    self.expression_attribute_names.as_ref(),
                    self.expression_attribute_values.as_ref(),
                )
            }

            fn conditions(
                &self,
                variables: &mut Variables<'_>,
            ) -> Result<Vec<ConditionStep>, DynamoDbError> {
                let condition = self.condition_expression.as_deref();
                if condition.is_some() {
                    return variables.condition("ConditionExpression", condition);
                }
                expected(self.expected.as_ref(), self.conditional_operator.as_deref())
            }
        }
    };
}

/// Refuses what this action cannot return.
fn only_old(returned: ReturnValues) -> Result<(), DynamoDbError> {
    if matches!(returned, ReturnValues::None | ReturnValues::AllOld) {
        return Ok(());
    }
    Err(DynamoDbError::validation(
        "Return values set to invalid value",
    ))
}

write_input! {
    /// Puts an item in the place of the one before.
    pub struct PutItemRequest {
        /// The whole item.
        pub item: Option<Item>,
    }
}

impl PutItemRequest {
    /// Its condition.
    pub fn condition(&self) -> Result<Vec<ConditionStep>, DynamoDbError> {
        let mut variables = self.variables()?;
        let steps = self.conditions(&mut variables)?;
        variables.finish()?;
        Ok(steps)
    }
}

impl Shape for PutItemRequest {
    fn violations(&self, violations: &mut Violations) {
        self.common_violations(violations);
        violations.required("item", &self.item);
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        one_kind(
            &[("Expected", self.expected.is_some())],
            &[("ConditionExpression", self.condition_expression.is_some())],
        )?;
        only_old(self.returned())
    }
}

write_input! {
    /// Deletes an item.
    pub struct DeleteItemRequest {
        /// Its key.
        pub key: Option<Item>,
    }
}

impl DeleteItemRequest {
    /// Its condition.
    pub fn condition(&self) -> Result<Vec<ConditionStep>, DynamoDbError> {
        let mut variables = self.variables()?;
        let steps = self.conditions(&mut variables)?;
        variables.finish()?;
        Ok(steps)
    }
}

impl Shape for DeleteItemRequest {
    fn violations(&self, violations: &mut Violations) {
        self.common_violations(violations);
        violations.required("key", &self.key);
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        one_kind(
            &[("Expected", self.expected.is_some())],
            &[("ConditionExpression", self.condition_expression.is_some())],
        )?;
        only_old(self.returned())
    }
}

write_input! {
    /// Updates an item, or makes it.
    pub struct UpdateItemRequest {
        /// Its key.
        pub key: Option<Item>,
        /// Legacy: what is done to each attribute.
        pub attribute_updates: Option<BTreeMap<String, AttributeValueUpdate>>,
        /// What is done.
        pub update_expression: Option<String>,
    }
}

impl UpdateItemRequest {
    /// Its condition, and what it does.
    pub fn parts(&self) -> Result<(Vec<ConditionStep>, Update), DynamoDbError> {
        let mut variables = self.variables()?;
        let update = match &self.update_expression {
            Some(text) => variables.update(Some(text))?,
            None => updates(self.attribute_updates.as_ref())?,
        };
        let steps = self.conditions(&mut variables)?;
        variables.finish()?;
        Ok((steps, update))
    }
}

impl Shape for UpdateItemRequest {
    fn violations(&self, violations: &mut Violations) {
        self.common_violations(violations);
        violations.required("key", &self.key);
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        one_kind(
            &[
                ("AttributeUpdates", self.attribute_updates.is_some()),
                ("Expected", self.expected.is_some()),
            ],
            &[
                ("UpdateExpression", self.update_expression.is_some()),
                ("ConditionExpression", self.condition_expression.is_some()),
            ],
        )
    }
}

input! {
    /// Reads an item.
    pub struct GetItemRequest {
        /// The table's name or ARN.
        pub table_name: Option<String>,
        /// Its key.
        pub key: Option<Item>,
        /// Legacy: which attributes.
        pub attributes_to_get: Option<Vec<String>>,
        /// Every read is consistent.
        pub consistent_read: Option<bool>,
        /// [`ReturnCapacity`].
        pub return_consumed_capacity: Option<String>,
        /// What of it.
        pub projection_expression: Option<String>,
        /// What `#names` stand for.
        pub expression_attribute_names: Option<BTreeMap<String, String>>,
    }
}

impl GetItemRequest {
    /// What of the item is wanted; nothing is everything.
    pub fn projection(&self) -> Result<Vec<Path>, DynamoDbError> {
        projection(
            self.projection_expression.as_deref(),
            self.expression_attribute_names.as_ref(),
            self.attributes_to_get.as_deref(),
        )
    }
}

impl Shape for GetItemRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("tableName", &self.table_name, &TABLE.required());
        violations.required("key", &self.key);
        violations
            .one_of::<ReturnCapacity>("returnConsumedCapacity", &self.return_consumed_capacity);
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        one_kind(
            &[("AttributesToGet", self.attributes_to_get.is_some())],
            &[("ProjectionExpression", self.projection_expression.is_some())],
        )
    }
}

/// What of items is wanted, by an expression or by names.
pub(super) fn projection(
    expression: Option<&str>,
    names: Option<&BTreeMap<String, String>>,
    attributes: Option<&[String]>,
) -> Result<Vec<Path>, DynamoDbError> {
    let mut variables = Variables::new(names, None)?;
    let paths = variables.projection(expression)?;
    variables.finish()?;
    if expression.is_some() {
        return Ok(paths);
    }
    Ok(projection_of_names(attributes))
}

/// What a request cost, in units of 1 KiB written or 4 KiB read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConsumedCapacity {
    /// The table.
    pub table_name: String,
    /// Units in all.
    pub capacity_units: f64,
}

/// The answer to a write of one item.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WriteItemResponse {
    /// What was asked to be returned.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "value::opt_item"
    )]
    pub attributes: Option<Item>,
    /// What it cost, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// An item, if there is one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetItemResponse {
    /// It.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "value::opt_item"
    )]
    pub item: Option<Item>,
    /// What it cost, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<ConsumedCapacity>,
}
