//! What requests said before there were expressions: `Expected`, `AttributeUpdates`, `KeyConditions` and filters, as the
//! steps that expressions become.
//!
//! Source: "Legacy conditional parameters" in the DynamoDB developer guide.

use std::collections::BTreeMap;

use levada_types::AttributeValue;

use super::{Comparator, ConditionStep, KeyQuery, Operand, Path, SetStep, Update, key_query};
use crate::dynamodb::DynamoDbError;
use crate::kinesis::shape::input;

input! {
    /// What an attribute is expected to be.
    pub struct ExpectedAttributeValue {
        /// Equal to this.
        pub value: Option<AttributeValue>,
        /// Whether it is there; true without a value makes no sense.
        pub exists: Option<bool>,
        /// How it compares to the list.
        pub comparison_operator: Option<String>,
        /// What it is compared to.
        pub attribute_value_list: Option<Vec<AttributeValue>>,
    }
}

input! {
    /// What is done to an attribute.
    pub struct AttributeValueUpdate {
        /// With what.
        pub value: Option<AttributeValue>,
        /// `PUT`, `ADD` or `DELETE`; `PUT` if it is not said.
        pub action: Option<String>,
    }
}

input! {
    /// A condition on an attribute.
    pub struct Condition {
        /// What it is compared to.
        pub attribute_value_list: Option<Vec<AttributeValue>>,
        /// How.
        pub comparison_operator: Option<String>,
    }
}

type Steps = Vec<ConditionStep>;

/// `Expected`.
pub fn expected(
    expected: Option<&BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<&str>,
) -> Result<Steps, DynamoDbError> {
    let mut tests = Vec::new();
    for (name, expected) in expected.into_iter().flatten() {
        let path = Path::attribute(name);
        if let Some(comparison) = &expected.comparison_operator {
            if expected.exists.is_some() || expected.value.is_some() {
                return Err(DynamoDbError::invalid(format_args!(
                    "Exists and Value cannot be used with ComparisonOperator for Attribute: {name}"
                )));
            }
            let list = expected.attribute_value_list.as_deref().unwrap_or_default();
            tests.push(compared(path, comparison, list)?);
            continue;
        }
        tests.push(match (&expected.value, expected.exists) {
            (Some(_), Some(false)) => {
                return Err(DynamoDbError::invalid(format_args!(
                    "Value cannot be used when Exists is false for Attribute: {name}"
                )));
            }
            (Some(value), _) => vec![ConditionStep::Compare(
                Comparator::Eq,
                Operand::Path(path),
                Operand::Value(value.clone()),
            )],
            (None, Some(false)) => vec![ConditionStep::Absent(path)],
            (None, _) => {
                return Err(DynamoDbError::invalid(format_args!(
                    "Value must be provided when Exists is {} for Attribute: {name}",
                    if expected.exists.is_some() {
                        "true"
                    } else {
                        "null"
                    }
                )));
            }
        });
    }
    Ok(joined(tests, operator))
}

/// `QueryFilter` and `ScanFilter`.
pub fn filter(
    conditions: Option<&BTreeMap<String, Condition>>,
    operator: Option<&str>,
) -> Result<Steps, DynamoDbError> {
    let tests = conditions.into_iter().flatten().map(|(name, condition)| {
        let list = condition
            .attribute_value_list
            .as_deref()
            .unwrap_or_default();
        let comparison = condition.comparison_operator.as_deref().unwrap_or("EQ");
        compared(Path::attribute(name), comparison, list)
    });
    Ok(joined(tests.collect::<Result<_, _>>()?, operator))
}

/// `KeyConditions`.
pub fn key_conditions(
    conditions: &BTreeMap<String, Condition>,
    hash: &str,
    range: Option<&str>,
) -> Result<KeyQuery, DynamoDbError> {
    // The hash key's first: what is said of others is told of as of the range key.
    let mut named: Vec<(&String, &Condition)> = conditions.iter().collect();
    named.sort_by_key(|(name, _)| *name != hash);
    let mut steps = Vec::new();
    for (name, condition) in named {
        let list = condition
            .attribute_value_list
            .as_deref()
            .unwrap_or_default();
        let comparison = condition.comparison_operator.as_deref().unwrap_or("EQ");
        let and = !steps.is_empty();
        steps.extend(compared(Path::attribute(name), comparison, list)?);
        if and {
            steps.push(ConditionStep::And);
        }
    }
    key_query(&steps, hash, range)
}

/// `AttributesToGet`.
pub fn projection_of_names(names: Option<&[String]>) -> Vec<Path> {
    names.into_iter().flatten().map(Path::attribute).collect()
}

/// Tests that all, or some, must hold.
fn joined(tests: Vec<Steps>, operator: Option<&str>) -> Steps {
    let mut steps = Vec::new();
    for test in tests {
        let is_first = steps.is_empty();
        steps.extend(test);
        if !is_first {
            steps.push(if operator == Some("OR") {
                ConditionStep::Or
            } else {
                ConditionStep::And
            });
        }
    }
    steps
}

fn compared(path: Path, how: &str, list: &[AttributeValue]) -> Result<Steps, DynamoDbError> {
    let count_fits = match how {
        "NULL" | "NOT_NULL" => list.is_empty(),
        "BETWEEN" => list.len() == 2,
        "IN" => !list.is_empty(),
        _ => list.len() == 1,
    };
    if !count_fits {
        return Err(DynamoDbError::invalid(format_args!(
            "Invalid number of argument(s) for the {how} ComparisonOperator"
        )));
    }
    let value = |n: usize| Operand::Value(list.get(n).cloned().unwrap_or(AttributeValue::Null));
    let compare =
        |comparator| ConditionStep::Compare(comparator, Operand::Path(path.clone()), value(0));
    Ok(vec![match how {
        "EQ" => compare(Comparator::Eq),
        "NE" => compare(Comparator::Ne),
        "LT" => compare(Comparator::Lt),
        "LE" => compare(Comparator::Le),
        "GT" => compare(Comparator::Gt),
        "GE" => compare(Comparator::Ge),
        "NULL" => ConditionStep::Absent(path),
        "NOT_NULL" => ConditionStep::Exists(path),
        "BEGINS_WITH" => ConditionStep::BeginsWith(Operand::Path(path), value(0)),
        "CONTAINS" => ConditionStep::Contains(Operand::Path(path), value(0)),
        "NOT_CONTAINS" => {
            let contains = ConditionStep::Contains(Operand::Path(path), value(0));
            return Ok(vec![contains, ConditionStep::Not]);
        }
        "BETWEEN" => ConditionStep::Between(Operand::Path(path), value(0), value(1)),
        "IN" => {
            let list = list.iter().cloned().map(Operand::Value);
            ConditionStep::AnyOf(Operand::Path(path), list.collect())
        }
        other => {
            return Err(DynamoDbError::validation(format!(
                "1 validation error detected: Value '{other}' at 'comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: [EQ, NE, IN, LE, LT, GE, GT, BETWEEN, NOT_NULL, NULL, CONTAINS, NOT_CONTAINS, BEGINS_WITH]"
            )));
        }
    }])
}

/// `AttributeUpdates`.
pub fn updates(
    updates: Option<&BTreeMap<String, AttributeValueUpdate>>,
) -> Result<Update, DynamoDbError> {
    let mut update = Update::default();
    for (name, one) in updates.into_iter().flatten() {
        let path = Path::attribute(name);
        let action = one.action.as_deref().unwrap_or("PUT");
        match (action, &one.value) {
            ("PUT", Some(value)) => {
                update.set.push((path, vec![SetStep::Value(value.clone())]));
            }
            ("ADD", Some(value)) => update.add.push((path, value.clone())),
            ("DELETE", Some(value)) => update.delete.push((path, value.clone())),
            ("DELETE", None) => update.remove.push(path),
            ("PUT" | "ADD", None) => {
                return Err(DynamoDbError::invalid(format_args!(
                    "Only DELETE action is allowed when no attribute value is specified"
                )));
            }
            (other, _) => {
                return Err(DynamoDbError::validation(format!(
                    "1 validation error detected: Value '{other}' at 'attributeUpdates.{name}.member.action' failed to satisfy constraint: Member must satisfy enum value set: [ADD, PUT, DELETE]"
                )));
            }
        }
    }
    Ok(update)
}
