//! `{"numeric": [">", 0, "<=", 5]}`.

use super::super::condition::Condition;
use super::super::scalar::{Scalar, UNITS_MAX, units};
use super::{FilterError, Parser};
use crate::json::Token;

impl Parser<'_> {
    /// The rest of the expression, whose name is read.
    pub(super) fn numeric(&mut self) -> Result<Condition, FilterError> {
        if self.next()? != Token::ArrayStart {
            return Err(self.broken("Value of numeric must be an array."));
        }
        let condition = match self.operator()?.as_str() {
            "=" => {
                let number = self.number("equals")?;
                self.end_of_list("Too many elements in numeric expression")?;
                Condition::Equals(Scalar::Number(number))
            }
            "<" => self.at_most("<", 1)?,
            "<=" => self.at_most("<=", 0)?,
            ">" => self.at_least(">", 1)?,
            ">=" => self.at_least(">=", 0)?,
            other => {
                // AWS reads one token more before it looks at the operator.
                self.next()?;
                return Err(self.broken(&format!("Unrecognized numeric range operator: {other}")));
            }
        };
        match self.next()? {
            Token::ObjectEnd => Ok(condition),
            _ => Err(self.broken("Too many elements in numeric expression")),
        }
    }

    fn operator(&mut self) -> Result<String, FilterError> {
        match self.next()? {
            Token::Text(operator) => Ok(operator.into_owned()),
            token => {
                let message = format!("Invalid member in numeric match: {}", token.text());
                Err(self.broken(&message))
            }
        }
    }

    /// A number in the smallest unit.
    fn number(&mut self, operator: &str) -> Result<i64, FilterError> {
        let Token::Number(text) = self.next()? else {
            return Err(self.broken(&format!("Value of {operator} must be numeric")));
        };
        units(text).ok_or_else(|| self.broken("Value must be between -1.0E9 and 1.0E9, inclusive"))
    }

    fn end_of_list(&mut self, else_message: &str) -> Result<(), FilterError> {
        match self.next()? {
            Token::ArrayEnd => Ok(()),
            _ => Err(self.broken(else_message)),
        }
    }

    fn at_most(&mut self, operator: &str, less: i64) -> Result<Condition, FilterError> {
        let top = self.number(operator)? - less;
        self.end_of_list("Too many elements in numeric expression")?;
        Ok(Condition::Range(-UNITS_MAX, top))
    }

    fn at_least(&mut self, operator: &str, more: i64) -> Result<Condition, FilterError> {
        let bottom = self.number(operator)?;
        let upper = match self.next()? {
            Token::ArrayEnd => return Ok(Condition::Range(bottom + more, UNITS_MAX)),
            Token::Text(upper) => upper,
            token => {
                let message = format!("Bad value in numeric range: {}", token.text());
                return Err(self.broken(&message));
            }
        };
        let less = match &*upper {
            "<" => 1,
            "<=" => 0,
            other => {
                self.reader.read_text();
                return Err(self.broken(&format!("Bad numeric range operator: {other}")));
            }
        };
        let top = self.number(&upper)?;
        self.end_of_list("Too many terms in numeric range expression")?;
        if bottom >= top {
            return Err(self.broken("Bottom must be less than top"));
        }
        Ok(Condition::Range(bottom + more, top - less))
    }
}
