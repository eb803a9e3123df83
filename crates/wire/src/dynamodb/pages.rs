//! `Query` and `Scan`.

use std::collections::BTreeMap;

use levada_types::Item;
use levada_types::limits::SCAN_SEGMENTS_MAX;
use serde::Serialize;

use super::expression::{
    Condition, ConditionStep, KeyQuery, Path, Variables, filter, key_conditions, key_query,
    projection_of_names,
};
use super::items::ConsumedCapacity;
use super::shape::{
    ConditionalOperator, INDEX_NAME, ReturnCapacity, Select, Shape, TABLE, named, one_kind,
};
use super::{DynamoDbError, value};
use crate::kinesis::Violations;
use crate::kinesis::shape::input;

/// A request for a page of items.
macro_rules! page_input {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$member_doc:meta])* pub $member:ident: $kind:ty,)*
    }) => {
        input! {
            $(#[$doc])*
            pub struct $name {
                $($(#[$member_doc])* pub $member: $kind,)*
                /// The table's name or ARN.
                pub table_name: Option<String>,
                /// An index, instead of the table itself.
                pub index_name: Option<String>,
                /// [`Select`].
                pub select: Option<String>,
                /// Legacy: which attributes.
                pub attributes_to_get: Option<Vec<String>>,
                /// Items that are looked at.
                pub limit: Option<i64>,
                /// Every read is consistent; of an index AWS has none that are.
                pub consistent_read: Option<bool>,
                /// Legacy: a [`ConditionalOperator`].
                pub conditional_operator: Option<String>,
                /// The last key of the page before.
                pub exclusive_start_key: Option<Item>,
                /// [`ReturnCapacity`].
                pub return_consumed_capacity: Option<String>,
                /// What of the items.
                pub projection_expression: Option<String>,
                /// Which of the items that are looked at.
                pub filter_expression: Option<String>,
                /// What `#names` stand for.
                pub expression_attribute_names: Option<BTreeMap<String, String>>,
                /// What `:values` stand for.
                pub expression_attribute_values: Option<Item>,
            }
        }

        impl $name {
            /// Whether only the number of items is wanted.
            pub fn counts_only(&self) -> bool {
                named::<Select>(self.select.as_deref()) == Select::Count
            }

            fn common_violations(&self, violations: &mut Violations) {
                violations.text("tableName", &self.table_name, &TABLE.required());
                violations.text("indexName", &self.index_name, &INDEX_NAME);
                violations.one_of::<Select>("select", &self.select);
                violations.int("limit", self.limit, 1..=u32::MAX);
                violations.one_of::<ConditionalOperator>("conditionalOperator", &self.conditional_operator);
                violations.one_of::<ReturnCapacity>("returnConsumedCapacity", &self.return_consumed_capacity);
            }

            fn common_refusal(&self) -> Result<(), DynamoDbError> {
                let select = self.select.as_deref();
                let projects = self.projection_expression.is_some() || self.attributes_to_get.is_some();
                if select.is_some_and(|select| select != "SPECIFIC_ATTRIBUTES") && projects {
                    return Err(DynamoDbError::validation(format!(
                        "Cannot specify the {} when choosing to get {}",
                        if self.attributes_to_get.is_some() { "AttributesToGet" } else { "ProjectionExpression" },
                        select.unwrap_or_default()
                    )));
                }
                if select == Some("SPECIFIC_ATTRIBUTES") && !projects {
                    return Err(DynamoDbError::validation(
                        "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
                    ));
                }
                if select == Some("ALL_PROJECTED_ATTRIBUTES") && self.index_name.is_none() {
                    return Err(DynamoDbError::validation(
                        "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
                    ));
                }
                if self.index_name.is_some() && self.consistent_read == Some(true) {
                    return Err(DynamoDbError::validation(
                        "Consistent reads are not supported on global secondary indexes",
                    ));
                }
                Ok(())
            }

            fn variables(&self) -> Result<Variables<'_>, DynamoDbError> {
                Variables::new(
                    self.expression_attribute_names.as_ref(),
                    self.expression_attribute_values.as_ref(),
                )
            }

            fn projection(&self, variables: &mut Variables<'_>) -> Result<Vec<Path>, DynamoDbError> {
                let paths = variables.projection(self.projection_expression.as_deref())?;
                if self.projection_expression.is_some() {
                    return Ok(paths);
                }
                Ok(projection_of_names(self.attributes_to_get.as_deref()))
            }
        }
    };
}

/// What a page is asked for, read out of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct PageParts {
    /// Which keys; of a scan, all.
    pub keys: Option<KeyQuery>,
    /// Which items.
    pub filter: Vec<ConditionStep>,
    /// What of them.
    pub projection: Vec<Path>,
}

page_input! {
    /// Asks for items of one hash key.
    pub struct QueryRequest {
        /// Legacy: which keys.
        pub key_conditions: Option<BTreeMap<String, Condition>>,
        /// Legacy: which items.
        pub query_filter: Option<BTreeMap<String, Condition>>,
        /// False: from behind.
        pub scan_index_forward: Option<bool>,
        /// Which keys.
        pub key_condition_expression: Option<String>,
    }
}

impl QueryRequest {
    /// What it asks for of a table or an index with these keys.
    pub fn parts(&self, hash: &str, range: Option<&str>) -> Result<PageParts, DynamoDbError> {
        let mut variables = self.variables()?;
        let keys = match (&self.key_condition_expression, &self.key_conditions) {
            (Some(text), _) => {
                let steps = variables.condition("KeyConditionExpression", Some(text))?;
                key_query(&steps, hash, range)?
            }
            (None, Some(conditions)) => key_conditions(conditions, hash, range)?,
            (None, None) => {
                return Err(DynamoDbError::validation(
                    "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
                ));
            }
        };
        let filter = match &self.filter_expression {
            Some(text) => variables.condition("FilterExpression", Some(text))?,
            None => filter(
                self.query_filter.as_ref(),
                self.conditional_operator.as_deref(),
            )?,
        };
        let projection = self.projection(&mut variables)?;
        variables.finish()?;
        for step in &filter {
            let of_key = touched(step)
                .into_iter()
                .find(|name| *name == hash || Some(*name) == range);
            if let Some(name) = of_key {
                return Err(DynamoDbError::validation(format!(
                    "Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
                )));
            }
        }
        Ok(PageParts {
            keys: Some(keys),
            filter,
            projection,
        })
    }
}

/// The attributes that a test looks at.
fn touched(step: &ConditionStep) -> Vec<&str> {
    use super::expression::Operand;
    fn path(operand: &Operand) -> Option<&str> {
        match operand {
            Operand::Path(path) | Operand::Size(path) => Some(path.first()),
            Operand::Value(_) => None,
        }
    }
    match step {
        ConditionStep::Compare(_, left, right)
        | ConditionStep::BeginsWith(left, right)
        | ConditionStep::Contains(left, right) => {
            [left, right].into_iter().filter_map(path).collect()
        }
        ConditionStep::Between(one, low, high) => {
            [one, low, high].into_iter().filter_map(path).collect()
        }
        ConditionStep::AnyOf(one, list) => {
            std::iter::once(one).chain(list).filter_map(path).collect()
        }
        ConditionStep::Exists(path)
        | ConditionStep::Absent(path)
        | ConditionStep::HasType(path, _) => vec![path.first()],
        ConditionStep::And | ConditionStep::Or | ConditionStep::Not => Vec::new(),
    }
}

impl Shape for QueryRequest {
    fn violations(&self, violations: &mut Violations) {
        self.common_violations(violations);
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        one_kind(
            &[
                ("KeyConditions", self.key_conditions.is_some()),
                ("QueryFilter", self.query_filter.is_some()),
                ("AttributesToGet", self.attributes_to_get.is_some()),
                ("ConditionalOperator", self.conditional_operator.is_some()),
            ],
            &[
                (
                    "KeyConditionExpression",
                    self.key_condition_expression.is_some(),
                ),
                ("FilterExpression", self.filter_expression.is_some()),
                ("ProjectionExpression", self.projection_expression.is_some()),
            ],
        )?;
        self.common_refusal()
    }
}

page_input! {
    /// Asks for all items, or a segment of them.
    pub struct ScanRequest {
        /// Legacy: which items.
        pub scan_filter: Option<BTreeMap<String, Condition>>,
        /// How many segments there are.
        pub total_segments: Option<i64>,
        /// Which one, from 0.
        pub segment: Option<i64>,
    }
}

impl ScanRequest {
    /// What it asks for.
    pub fn parts(&self) -> Result<PageParts, DynamoDbError> {
        let mut variables = self.variables()?;
        let filter = match &self.filter_expression {
            Some(text) => variables.condition("FilterExpression", Some(text))?,
            None => filter(
                self.scan_filter.as_ref(),
                self.conditional_operator.as_deref(),
            )?,
        };
        let projection = self.projection(&mut variables)?;
        variables.finish()?;
        Ok(PageParts {
            keys: None,
            filter,
            projection,
        })
    }
}

impl Shape for ScanRequest {
    fn violations(&self, violations: &mut Violations) {
        self.common_violations(violations);
        violations.int("totalSegments", self.total_segments, 1..=SCAN_SEGMENTS_MAX);
        violations.int("segment", self.segment, 0..=SCAN_SEGMENTS_MAX - 1);
    }

    fn refusal(&self) -> Result<(), DynamoDbError> {
        one_kind(
            &[
                ("ScanFilter", self.scan_filter.is_some()),
                ("AttributesToGet", self.attributes_to_get.is_some()),
                ("ConditionalOperator", self.conditional_operator.is_some()),
            ],
            &[
                ("FilterExpression", self.filter_expression.is_some()),
                ("ProjectionExpression", self.projection_expression.is_some()),
            ],
        )?;
        self.common_refusal()?;
        match (self.segment, self.total_segments) {
            (None, None) => Ok(()),
            (Some(segment), Some(total)) if segment < total => Ok(()),
            (Some(segment), Some(total)) => Err(DynamoDbError::validation(format!(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not less than TotalSegments: {total}"
            ))),
            (Some(_), None) => Err(DynamoDbError::validation(
                "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            )),
            (None, Some(_)) => Err(DynamoDbError::validation(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            )),
        }
    }
}

/// A page of items.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PageResponse {
    /// They, unless only their number was wanted.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "value::opt_items"
    )]
    pub items: Option<Vec<Item>>,
    /// How many.
    pub count: u64,
    /// How many were looked at.
    pub scanned_count: u64,
    /// The last key that was looked at, if there may be more.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "value::opt_item"
    )]
    pub last_evaluated_key: Option<Item>,
    /// What it cost, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed_capacity: Option<ConsumedCapacity>,
}
