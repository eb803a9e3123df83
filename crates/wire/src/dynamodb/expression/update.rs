//! Updates: `SET a = if_not_exists(a, :zero) + :one REMOVE b ADD c :set DELETE d :set`.

use levada_types::AttributeValue;

use super::lexer::Kind;
use super::parser::Parser;
use super::{Path, SetStep, Update};
use crate::dynamodb::DynamoDbError;

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

impl Parser<'_, '_> {
    /// A whole update.
    pub(super) fn update(&mut self) -> Result<Update, DynamoDbError> {
        let mut update = Update::default();
        let mut seen: Vec<&str> = Vec::new();
        while !self.is_at_end() {
            let section = SECTIONS
                .into_iter()
                .find(|name| self.peek().is_keyword(name));
            let Some(section) = section else {
                return Err(self.unexpected());
            };
            if seen.contains(&section) {
                return Err(self.refuse(format_args!(
                    "The \"{section}\" section can only be used once in an update expression;"
                )));
            }
            seen.push(section);
            self.take();
            loop {
                match section {
                    "SET" => {
                        let action = self.set()?;
                        update.set.push(action);
                    }
                    "REMOVE" => update.remove.push(self.path()?),
                    "ADD" => {
                        let action = self.with_value(section, &["N", "SS", "NS", "BS"])?;
                        update.add.push(action);
                    }
                    _ => {
                        let action = self.with_value(section, &["SS", "NS", "BS"])?;
                        update.delete.push(action);
                    }
                }
                self.count_operator()?;
                if !self.take_sign(",") {
                    break;
                }
            }
        }
        self.refuse_overlaps(update.paths())?;
        Ok(update)
    }

    fn with_value(
        &mut self,
        operator: &str,
        types: &[&str],
    ) -> Result<(Path, AttributeValue), DynamoDbError> {
        let path = self.path()?;
        let value = self.value()?;
        if !types.contains(&value.type_name()) {
            return Err(self.refuse(format_args!(
                "Incorrect operand type for operator or function; operator: {operator}, operand type: {}, typeSet: ALLOWED_FOR_{operator}_OPERAND",
                told(&value)
            )));
        }
        Ok((path, value))
    }

    fn set(&mut self) -> Result<(Path, Vec<SetStep>), DynamoDbError> {
        let path = self.path()?;
        self.expect_sign("=")?;
        let mut steps = Vec::new();
        self.set_operand(&mut steps)?;
        let operator = match self.peek().text {
            "+" => Some(SetStep::Plus),
            "-" => Some(SetStep::Minus),
            _ => None,
        };
        if let Some(operator) = operator {
            let sign = self.take().text;
            self.set_operand(&mut steps)?;
            for step in &steps {
                if let SetStep::Value(value) = step
                    && !matches!(value, AttributeValue::N(_))
                {
                    return Err(self.refuse(format_args!(
                        "Incorrect operand type for operator or function; operator or function: {sign}, operand type: {}",
                        value.type_name()
                    )));
                }
            }
            steps.push(operator);
        }
        Ok((path, steps))
    }

    fn set_operand(&mut self, steps: &mut Vec<SetStep>) -> Result<(), DynamoDbError> {
        if self.peek().kind == Kind::Value {
            steps.push(SetStep::Value(self.value()?));
            return Ok(());
        }
        if self.peek().kind != Kind::Word || !self.sign_follows("(") {
            steps.push(SetStep::Path(self.path()?));
            return Ok(());
        }
        self.count_operator()?;
        let name = self.take().text;
        self.expect_sign("(")?;
        match name {
            "if_not_exists" => {
                let path = self.path()?;
                self.expect_sign(",")?;
                self.nested(|parser| parser.set_operand(steps))?;
                steps.push(SetStep::IfNotExists(path));
            }
            "list_append" => {
                for before in ["", ","] {
                    if !before.is_empty() {
                        self.expect_sign(before)?;
                    }
                    self.nested(|parser| parser.set_operand(steps))?;
                    if let Some(SetStep::Value(value)) = steps.last()
                        && !matches!(value, AttributeValue::L(_))
                    {
                        return Err(self.refuse(format_args!(
                            "Incorrect operand type for operator or function; operator or function: list_append, operand type: {}",
                            value.type_name()
                        )));
                    }
                }
                steps.push(SetStep::ListAppend);
            }
            "attribute_exists"
            | "attribute_not_exists"
            | "attribute_type"
            | "begins_with"
            | "contains"
            | "size" => {
                return Err(self.refuse(format_args!(
                    "The function is not allowed in an update expression; function: {name}"
                )));
            }
            _ => {
                return Err(self.refuse(format_args!("Invalid function name; function: {name}")));
            }
        }
        self.expect_sign(")")
    }
}

/// A type as this message has it.
fn told(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "STRING",
        AttributeValue::N(_) => "NUMBER",
        AttributeValue::B(_) => "BINARY",
        AttributeValue::L(_) => "LIST",
        AttributeValue::M(_) => "MAP",
        other => other.type_name(),
    }
}
