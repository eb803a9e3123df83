//! Expressions: conditions, filters, updates, projections, as DynamoDB's grammar has them, and as steps for the engine.
//!
//! Names and values that an expression refers to are put in their places here. Reserved words are taken as names: who
//! was refused by AWS is not refused here. Source: "Using expressions in DynamoDB" in the developer guide.

mod condition;
mod legacy;
mod lexer;
mod parser;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use levada_types::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_VARIABLES_BYTES_MAX};
use levada_types::{AttributeValue, Item};

use super::DynamoDbError;
pub use condition::{KeyQuery, RangeTest, key_query};
pub use legacy::{
    AttributeValueUpdate, Condition, ExpectedAttributeValue, expected, filter, key_conditions,
    projection_of_names, updates,
};
use parser::Parser;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// Into a map.
    Name(String),
    /// Into a list.
    Index(u32),
}

/// Where a value is in an item; it begins with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(pub Vec<PathStep>);

impl Path {
    /// An attribute of the item.
    pub fn attribute(name: impl Into<String>) -> Self {
        Self(vec![PathStep::Name(name.into())])
    }

    /// The attribute that it is in.
    pub fn first(&self) -> &str {
        match self.0.first() {
            Some(PathStep::Name(name)) => name,
            _ => "",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self
            .0
            .iter()
            .map(|step| match step {
                PathStep::Name(name) => name.clone(),
                PathStep::Index(index) => format!("[{index}]"),
            })
            .collect();
        write!(f, "[{}]", steps.join(", "))
    }
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// What an item has there.
    Path(Path),
    /// A value of the request.
    Value(AttributeValue),
    /// The size of what an item has there.
    Size(Path),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A step of a condition, for a machine with a stack: tests push, the last three take.
#[derive(Clone, Debug, PartialEq)]
pub enum ConditionStep {
    /// Two values compared.
    Compare(Comparator, Operand, Operand),
    /// Within bounds, both included.
    Between(Operand, Operand, Operand),
    /// Equal to one of some.
    AnyOf(Operand, Vec<Operand>),
    /// It is there.
    Exists(Path),
    /// It is not.
    Absent(Path),
    /// Of the type of that name.
    HasType(Path, String),
    /// A string or bytes that begin so.
    BeginsWith(Operand, Operand),
    /// A string that contains it, or a set or list that has it.
    Contains(Operand, Operand),
    /// Both of the last two.
    And,
    /// One of the last two.
    Or,
    /// Not the last one.
    Not,
}

/// A step of what an attribute is set to, for a machine with a stack.
#[derive(Clone, Debug, PartialEq)]
pub enum SetStep {
    /// Pushes what the item has there.
    Path(Path),
    /// Pushes a value of the request.
    Value(AttributeValue),
    /// Replaces the last one by what the item has there, if it has.
    IfNotExists(Path),
    /// Adds the last two.
    Plus,
    /// Takes the last one from the one before.
    Minus,
    /// Puts the last list behind the one before.
    ListAppend,
}

/// An update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// What is set, and to what.
    pub set: Vec<(Path, Vec<SetStep>)>,
    /// What is taken away.
    pub remove: Vec<Path>,
    /// Numbers and sets that are added to.
    pub add: Vec<(Path, AttributeValue)>,
    /// Sets that elements are taken from.
    pub delete: Vec<(Path, AttributeValue)>,
}

impl Update {
    /// Everything that it touches.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let set = self.set.iter().map(|(path, _)| path);
        let others = self.add.iter().chain(&self.delete).map(|(path, _)| path);
        set.chain(&self.remove).chain(others)
    }
}

/// The names and values that a request's expressions may refer to, and those that they did.
#[derive(Debug)]
pub struct Variables<'a> {
    names: Option<&'a BTreeMap<String, String>>,
    values: Option<&'a Item>,
    used: BTreeSet<String>,
    seen_expression: bool,
}

impl<'a> Variables<'a> {
    /// Those of a request.
    pub fn new(
        names: Option<&'a BTreeMap<String, String>>,
        values: Option<&'a Item>,
    ) -> Result<Self, DynamoDbError> {
        let of_names = names.into_iter().flatten();
        let bytes: usize = of_names.map(|(key, name)| key.len() + name.len()).sum();
        let of_values = values.into_iter().flatten();
        let bytes = bytes
            + of_values
                .map(|(key, v)| key.len() + v.size())
                .sum::<usize>();
        if bytes > EXPRESSION_VARIABLES_BYTES_MAX {
            // From memory.
            return Err(DynamoDbError::validation(
                "The total size of ExpressionAttributeNames and ExpressionAttributeValues has exceeded the maximum allowed size",
            ));
        }
        Ok(Self {
            names,
            values,
            used: BTreeSet::new(),
            seen_expression: false,
        })
    }

    /// A condition of the request's member `what`; no steps if there is none.
    pub fn condition(
        &mut self,
        what: &'static str,
        text: Option<&str>,
    ) -> Result<Vec<ConditionStep>, DynamoDbError> {
        self.parse(what, text, |parser| parser.condition())
    }

    /// An update.
    pub fn update(&mut self, text: Option<&str>) -> Result<Update, DynamoDbError> {
        self.parse("UpdateExpression", text, |parser| parser.update())
    }

    /// A projection; no paths if there is none.
    pub fn projection(&mut self, text: Option<&str>) -> Result<Vec<Path>, DynamoDbError> {
        self.parse("ProjectionExpression", text, |parser| parser.projection())
    }

    fn parse<T: Default>(
        &mut self,
        what: &'static str,
        text: Option<&str>,
        parse: impl FnOnce(&mut Parser<'_, 'a>) -> Result<T, DynamoDbError>,
    ) -> Result<T, DynamoDbError> {
        let Some(text) = text else {
            return Ok(T::default());
        };
        self.seen_expression = true;
        if text.trim().is_empty() {
            let message = format!("Invalid {what}: The expression can not be empty;");
            return Err(DynamoDbError::validation(message));
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            let message = format!(
                "Invalid {what}: Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            );
            return Err(DynamoDbError::validation(message));
        }
        let mut parser = Parser::new(what, text, self)?;
        let parsed = parse(&mut parser)?;
        parser.end()?;
        Ok(parsed)
    }

    /// All expressions were read: refuses what none of them refers to.
    pub fn finish(self) -> Result<(), DynamoDbError> {
        let given = [
            (
                "ExpressionAttributeNames",
                self.names.map(|names| names.keys().collect::<Vec<_>>()),
            ),
            (
                "ExpressionAttributeValues",
                self.values.map(|v| v.keys().collect()),
            ),
        ];
        for (member, keys) in given {
            let Some(keys) = keys else { continue };
            if !self.seen_expression {
                let message = format!("{member} can only be specified when using expressions");
                return Err(DynamoDbError::validation(message));
            }
            if keys.is_empty() {
                let message = format!("{member} must not be empty");
                return Err(DynamoDbError::validation(message));
            }
            let unused: Vec<&str> = keys
                .into_iter()
                .filter(|key| !self.used.contains(*key))
                .map(String::as_str)
                .collect();
            if !unused.is_empty() {
                let message = format!(
                    "Value provided in {member} unused in expressions: keys: {{{}}}",
                    unused.join(", ")
                );
                return Err(DynamoDbError::validation(message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
