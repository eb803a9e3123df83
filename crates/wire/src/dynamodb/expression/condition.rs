//! Conditions: `a = :v AND (attribute_exists(b) OR NOT c IN (:x, :y))`, and those of them that choose keys.

use levada_types::AttributeValue;
use levada_types::limits::IN_OPERANDS_MAX;

use super::lexer::Kind;
use super::parser::Parser;
use super::{Comparator, ConditionStep, Operand, Path};
use crate::dynamodb::DynamoDbError;

type Steps = Vec<ConditionStep>;

/// The names of the ten types, in the order in which AWS tells them.
const TYPES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];

impl Parser<'_, '_> {
    /// A whole condition.
    pub(super) fn condition(&mut self) -> Result<Steps, DynamoDbError> {
        let mut steps = Vec::new();
        self.or(&mut steps)?;
        Ok(steps)
    }

    fn or(&mut self, steps: &mut Steps) -> Result<(), DynamoDbError> {
        self.and(steps)?;
        while self.take_keyword("OR") {
            self.count_operator()?;
            self.and(steps)?;
            steps.push(ConditionStep::Or);
        }
        Ok(())
    }

    fn and(&mut self, steps: &mut Steps) -> Result<(), DynamoDbError> {
        self.not(steps)?;
        while self.take_keyword("AND") {
            self.count_operator()?;
            self.not(steps)?;
            steps.push(ConditionStep::And);
        }
        Ok(())
    }

    fn not(&mut self, steps: &mut Steps) -> Result<(), DynamoDbError> {
        if self.take_keyword("NOT") {
            self.count_operator()?;
            self.nested(|parser| parser.not(steps))?;
            steps.push(ConditionStep::Not);
            return Ok(());
        }
        if self.take_sign("(") {
            self.nested(|parser| parser.or(steps))?;
            return self.expect_sign(")");
        }
        self.count_operator()?;
        let test = self.test()?;
        steps.push(test);
        Ok(())
    }

    fn test(&mut self) -> Result<ConditionStep, DynamoDbError> {
        if self.peek().kind == Kind::Word && self.sign_follows("(") && self.peek().text != "size" {
            return self.function();
        }
        let operand = self.operand()?;
        if self.take_keyword("BETWEEN") {
            let low = self.operand()?;
            if !self.take_keyword("AND") {
                return Err(self.unexpected());
            }
            let high = self.operand()?;
            return self.between(operand, low, high);
        }
        if self.take_keyword("IN") {
            self.expect_sign("(")?;
            let mut list = vec![self.operand()?];
            while self.take_sign(",") {
                list.push(self.operand()?);
            }
            self.expect_sign(")")?;
            if list.len() > IN_OPERANDS_MAX {
                return Err(self.refuse(format_args!(
                    "The IN operator is provided with too many operands; number of operands: {}",
                    list.len()
                )));
            }
            return Ok(ConditionStep::AnyOf(operand, list));
        }
        let sign = self.peek().text;
        let comparator = match sign {
            "=" => Comparator::Eq,
            "<>" => Comparator::Ne,
            "<" => Comparator::Lt,
            "<=" => Comparator::Le,
            ">" => Comparator::Gt,
            ">=" => Comparator::Ge,
            _ => return Err(self.unexpected()),
        };
        self.take();
        let right = self.operand()?;
        if !matches!(comparator, Comparator::Eq | Comparator::Ne) {
            for operand in [&operand, &right] {
                self.must_be(sign, operand, &["S", "N", "B"])?;
            }
        }
        if operand == right && matches!(operand, Operand::Path(_)) {
            return Err(self.refuse(format_args!(
                "The first operand must be distinct from the remaining operands for this operator or function; operator: {sign}, first operand: {}",
                path_of(&operand)
            )));
        }
        Ok(ConditionStep::Compare(comparator, operand, right))
    }

    fn between(
        &self,
        operand: Operand,
        low: Operand,
        high: Operand,
    ) -> Result<ConditionStep, DynamoDbError> {
        for bound in [&low, &high] {
            self.must_be("BETWEEN", bound, &["S", "N", "B"])?;
        }
        if let (Operand::Value(low), Operand::Value(high)) = (&low, &high) {
            self.must_be_in_order(low, high)?;
        }
        Ok(ConditionStep::Between(operand, low, high))
    }

    fn must_be_in_order(
        &self,
        low: &AttributeValue,
        high: &AttributeValue,
    ) -> Result<(), DynamoDbError> {
        let is_in_order = match (low, high) {
            (AttributeValue::S(low), AttributeValue::S(high)) => low <= high,
            (AttributeValue::N(low), AttributeValue::N(high)) => low <= high,
            (AttributeValue::B(low), AttributeValue::B(high)) => low <= high,
            _ => {
                return Err(self.refuse(format_args!(
                    "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {}, upper bound operand: AttributeValue: {}",
                    low.type_name(),
                    high.type_name()
                )));
            }
        };
        if is_in_order {
            return Ok(());
        }
        Err(self.refuse(
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound",
        ))
    }

    /// Refuses a value of a type that the operator does not take.
    fn must_be(
        &self,
        operator: &str,
        operand: &Operand,
        types: &[&str],
    ) -> Result<(), DynamoDbError> {
        match operand {
            Operand::Value(value) if !types.contains(&value.type_name()) => {
                Err(self.refuse(format_args!(
                    "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {}",
                    value.type_name()
                )))
            }
            _ => Ok(()),
        }
    }

    fn operand(&mut self) -> Result<Operand, DynamoDbError> {
        if self.peek().kind == Kind::Value {
            return self.value().map(Operand::Value);
        }
        if self.peek().text == "size" && self.sign_follows("(") {
            self.count_operator()?;
            self.take();
            self.expect_sign("(")?;
            let path = self.path()?;
            self.expect_sign(")")?;
            return Ok(Operand::Size(path));
        }
        self.path().map(Operand::Path)
    }

    fn function(&mut self) -> Result<ConditionStep, DynamoDbError> {
        let name = self.take().text;
        self.expect_sign("(")?;
        let step = match name {
            "attribute_exists" => ConditionStep::Exists(self.path()?),
            "attribute_not_exists" => ConditionStep::Absent(self.path()?),
            "attribute_type" => {
                let path = self.path()?;
                self.expect_sign(",")?;
                ConditionStep::HasType(path, self.type_name()?)
            }
            "begins_with" | "contains" => {
                let left = self.operand()?;
                self.expect_sign(",")?;
                let right = self.operand()?;
                if name == "begins_with" {
                    for operand in [&left, &right] {
                        self.must_be(name, operand, &["S", "B"])?;
                    }
                    ConditionStep::BeginsWith(left, right)
                } else {
                    ConditionStep::Contains(left, right)
                }
            }
            "if_not_exists" | "list_append" => {
                return Err(self.refuse(format_args!(
                    "The function is not allowed in a condition expression; function: {name}"
                )));
            }
            _ => {
                return Err(self.refuse(format_args!("Invalid function name; function: {name}")));
            }
        };
        self.expect_sign(")")?;
        Ok(step)
    }

    fn type_name(&mut self) -> Result<String, DynamoDbError> {
        match self.value()? {
            AttributeValue::S(name) if TYPES.contains(&&*name) => Ok(name),
            AttributeValue::S(name) => Err(self.refuse(format_args!(
                "Invalid attribute type name found; type: {name}, valid types: {{{}}}",
                TYPES.join(",")
            ))),
            other => Err(self.refuse(format_args!(
                "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {}",
                other.type_name()
            ))),
        }
    }
}

fn path_of(operand: &Operand) -> String {
    match operand {
        Operand::Path(path) | Operand::Size(path) => path.to_string(),
        Operand::Value(_) => String::new(),
    }
}

/// How a query's range keys are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeTest {
    /// Equal.
    Eq,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Within bounds, both included.
    Between,
    /// Beginning so.
    BeginsWith,
}

/// The keys of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyQuery {
    /// The hash key's value.
    pub hash: AttributeValue,
    /// Which range keys: by what, a value, and of `BETWEEN` a second one.
    pub range: Option<(RangeTest, AttributeValue, Option<AttributeValue>)>,
}

/// What a key condition chooses of a table or an index with these keys.
///
/// # Errors
/// When it says anything else than the value of the hash key, and one thing of the range key.
pub fn key_query(
    steps: &[ConditionStep],
    hash: &str,
    range: Option<&str>,
) -> Result<KeyQuery, DynamoDbError> {
    let not_supported = || DynamoDbError::validation("Query key condition not supported");
    let tests = match steps {
        [test] => vec![test],
        [one, two, ConditionStep::And] => vec![one, two],
        _ => {
            return Err(DynamoDbError::validation(
                "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
            ));
        }
    };
    let (mut of_hash, mut of_range) = (None, None);
    for test in tests {
        let (path, how, value, high) = key_test(test).ok_or_else(not_supported)?;
        let [super::PathStep::Name(name)] = path.0.as_slice() else {
            return Err(not_supported());
        };
        let is_again = if name == hash {
            if how != RangeTest::Eq {
                return Err(not_supported());
            }
            of_hash.replace(value).is_some()
        } else if Some(name.as_str()) == range {
            of_range.replace((how, value, high)).is_some()
        } else {
            let missed = if of_hash.is_some() {
                range.unwrap_or(hash)
            } else {
                hash
            };
            return Err(DynamoDbError::validation(format!(
                "Query condition missed key schema element: {missed}"
            )));
        };
        if is_again {
            return Err(DynamoDbError::validation(
                "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
            ));
        }
    }
    let hash = of_hash.ok_or_else(|| {
        DynamoDbError::validation(format!("Query condition missed key schema element: {hash}"))
    })?;
    Ok(KeyQuery {
        hash,
        range: of_range,
    })
}

type KeyTest<'a> = (&'a Path, RangeTest, AttributeValue, Option<AttributeValue>);

fn key_test(step: &ConditionStep) -> Option<KeyTest<'_>> {
    use Operand::{Path, Value};
    Some(match step {
        ConditionStep::Compare(comparator, Path(path), Value(value)) => {
            let how = match comparator {
                Comparator::Eq => RangeTest::Eq,
                Comparator::Ne => return None,
                Comparator::Lt => RangeTest::Lt,
                Comparator::Le => RangeTest::Le,
                Comparator::Gt => RangeTest::Gt,
                Comparator::Ge => RangeTest::Ge,
            };
            (path, how, value.clone(), None)
        }
        ConditionStep::Compare(comparator, Value(value), Path(path)) => {
            let how = match comparator {
                Comparator::Eq => RangeTest::Eq,
                Comparator::Ne => return None,
                Comparator::Lt => RangeTest::Gt,
                Comparator::Le => RangeTest::Ge,
                Comparator::Gt => RangeTest::Lt,
                Comparator::Ge => RangeTest::Le,
            };
            (path, how, value.clone(), None)
        }
        ConditionStep::Between(Path(path), Value(low), Value(high)) => {
            (path, RangeTest::Between, low.clone(), Some(high.clone()))
        }
        ConditionStep::BeginsWith(Path(path), Value(value)) => {
            (path, RangeTest::BeginsWith, value.clone(), None)
        }
        _ => return None,
    })
}
