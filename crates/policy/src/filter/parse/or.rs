//! `$or`: when it is the operator, and what it holds.
//!
//! Source: "AND/OR logic". It is the operator when an array of at least two objects follows, none of which has a name that is
//! reserved; else a name as any other.

use super::{All, FilterError, Node, Parser};
use crate::json::{JsonError, Reader, Token};

pub(super) const KEYWORD: &str = "$or";

/// Names that an alternative must not have: the operators of the language, and those kept for later ones, of AWS's rules
/// library, by which the guide goes.
const RESERVED: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Whether what follows the name makes it the operator. The reader stays where it is.
pub(super) fn is_operator(reader: &Reader<'_>) -> bool {
    looks_like_one(reader.clone()).unwrap_or(false)
}

fn looks_like_one(mut reader: Reader<'_>) -> Result<bool, JsonError> {
    if reader.next()? != Token::ArrayStart {
        return Ok(false);
    }
    let mut objects = 0;
    loop {
        match reader.next()? {
            Token::ObjectStart => objects += 1,
            Token::ArrayEnd => return Ok(objects >= 2),
            _ => return Ok(false),
        }
        let mut depth = 1;
        while depth > 0 {
            match reader.next()? {
                Token::ObjectStart | Token::ArrayStart => depth += 1,
                Token::ObjectEnd | Token::ArrayEnd => depth -= 1,
                Token::Field(name) if depth == 1 && RESERVED.contains(&&*name) => {
                    return Ok(false);
                }
                Token::End => return Ok(false),
                _ => {}
            }
        }
    }
}

impl Parser<'_> {
    /// The array of the operator, of which nothing is read.
    pub(super) fn alternatives(&mut self, level: u32) -> Result<Vec<Vec<Node>>, FilterError> {
        let mut alternatives = Vec::new();
        self.next()?;
        while self.next()? == Token::ObjectStart {
            let mut all = All::default();
            self.object(&mut all, level)?;
            alternatives.push(all.nodes);
        }
        Ok(alternatives)
    }
}
