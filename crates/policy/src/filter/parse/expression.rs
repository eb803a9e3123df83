//! `{"prefix": "a"}` and its kind.
//!
//! The words against them are those of AWS's rules library, with what AWS was recorded to answer where that differs; tests/
//! refusals.rs has each with where it is from.

use std::sync::Arc;

use super::super::condition::{Condition, Excluded, folded};
use super::super::scalar::Scalar;
use super::super::wildcard::Wildcard;
use super::{FilterError, Parser};
use crate::cidr::Cidr;
use crate::json::Token;

const ONE_KEY: &str = "Only one key allowed in match expression";

impl<'a> Parser<'a> {
    /// The rest of an expression, whose brace is read.
    pub(super) fn expression(&mut self) -> Result<Condition, FilterError> {
        let Token::Field(name) = self.next()? else {
            return Err(self.broken("Match expression name not found"));
        };
        match &*name {
            "numeric" => return self.numeric(),
            "anything-but" => return self.anything_but(),
            _ => {}
        }
        let condition = match &*name {
            "exists" => match self.next()? {
                Token::True => Condition::Exists,
                Token::False => Condition::Absent,
                _ => {
                    return Err(self.broken("exists match pattern must be either true or false."));
                }
            },
            "prefix" => Condition::Prefix(self.text(&name)?),
            "suffix" => Condition::Suffix(self.text(&name)?),
            "equals-ignore-case" => Condition::IgnoreCase(folded(&self.text(&name)?).into()),
            "wildcard" => Condition::Wildcard(Arc::new(self.wildcard()?)),
            "cidr" => {
                let Token::Text(text) = self.next()? else {
                    // The library says so, though it is no prefix.
                    return Err(self.broken("prefix match pattern must be a string"));
                };
                Condition::Cidr(Arc::new(Cidr::parse(&text).map_err(FilterError::Rule)?))
            }
            _ => return Err(self.broken(&format!("Unrecognized match type {name}"))),
        };
        self.close()?;
        Ok(condition)
    }

    fn close(&mut self) -> Result<(), FilterError> {
        match self.next()? {
            Token::ObjectEnd => Ok(()),
            _ => Err(self.broken(ONE_KEY)),
        }
    }

    /// The text that the operator has.
    fn text(&mut self, operator: &str) -> Result<Arc<str>, FilterError> {
        match self.next()? {
            Token::Text(text) => Ok((&*text).into()),
            _ => Err(self.broken(&format!("{operator} match pattern must be a string"))),
        }
    }

    fn wildcard(&mut self) -> Result<Wildcard, FilterError> {
        let text = self.text("wildcard")?;
        Wildcard::parse(&text).map_err(FilterError::Rule)
    }

    fn anything_but(&mut self) -> Result<Condition, FilterError> {
        let excluded = match self.next()? {
            Token::ObjectStart => self.excluded_pattern()?,
            Token::ArrayStart => self.excluded_list()?,
            Token::Text(text) => Excluded::Values([Scalar::Text((&*text).into())].into()),
            Token::Number(text) => Excluded::Values([Scalar::number(text)].into()),
            _ => {
                let message =
                    "Value of anything-but must be an array or single string/number value.";
                return Err(self.broken(message));
            }
        };
        match self.next()? {
            Token::ObjectEnd => Ok(Condition::AnythingBut(Arc::new(excluded))),
            _ => Err(self.broken("Too many elements in numeric expression")),
        }
    }

    /// `{"prefix": "a"}` behind `anything-but`. `suffix` and `equals-ignore-case`, which the library knows there, AWS was
    /// recorded to refuse.
    fn excluded_pattern(&mut self) -> Result<Excluded, FilterError> {
        let Token::Field(name) = self.next()? else {
            return Err(self.broken("Anything-But expression name not found"));
        };
        let excluded = match &*name {
            "prefix" => {
                let prefix = self.text("prefix")?;
                if prefix.is_empty() {
                    return Err(self.broken("Null prefix/suffix not allowed"));
                }
                Excluded::Prefix((&*prefix).into())
            }
            "wildcard" => Excluded::Wildcards(self.excluded_wildcards()?),
            _ => {
                return Err(self.broken(&format!("Unsupported anything-but pattern: {name}")));
            }
        };
        self.close()?;
        Ok(excluded)
    }

    /// A pattern, or an array of them, as in EventBridge.
    fn excluded_wildcards(&mut self) -> Result<Box<[Wildcard]>, FilterError> {
        let must_be = "wildcard match pattern must be a string";
        let parsed = |text: &str| Wildcard::parse(text).map_err(FilterError::Rule);
        match self.next()? {
            Token::Text(text) => return Ok([parsed(&text)?].into()),
            Token::ArrayStart => {}
            _ => return Err(self.broken(must_be)),
        }
        let mut wildcards = Vec::new();
        loop {
            match self.next()? {
                Token::Text(text) => wildcards.push(parsed(&text)?),
                Token::ArrayEnd if !wildcards.is_empty() => return Ok(wildcards.into()),
                _ => return Err(self.broken(must_be)),
            }
        }
    }

    /// The rest of an array behind `anything-but`: texts or numbers.
    fn excluded_list(&mut self) -> Result<Excluded, FilterError> {
        let mut values = Vec::new();
        let mut texts = false;
        let mut numbers = false;
        loop {
            match self.next()? {
                Token::ArrayEnd => break,
                Token::Text(text) => {
                    texts = true;
                    values.push(Scalar::Text((&*text).into()));
                }
                Token::Number(text) => {
                    numbers = true;
                    values.push(Scalar::number(text));
                }
                _ => {
                    let message = "Inside anything but list, start|null|boolean is not supported.";
                    return Err(self.broken(message));
                }
            }
        }
        if texts == numbers {
            let message = "Inside anything but list, either all values are number or string, mixed type is not supported";
            return Err(self.broken(message));
        }
        values.sort();
        values.dedup();
        Ok(Excluded::Values(values.into()))
    }
}
