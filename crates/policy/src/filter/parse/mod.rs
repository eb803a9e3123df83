//! From the text of a policy to its alternatives.
//!
//! In this order, as far as AWS's answers show it: JSON, the rules of the language, nesting, keys, complexity.

mod bounds;
mod expression;
mod numeric;
mod or;

use std::collections::BTreeMap;
use std::sync::Arc;

use levada_types::limits::{FILTER_COMBINATIONS_MAX, FILTER_POLICY_BYTES_MAX};

use super::condition::Condition;
use super::scalar::Scalar;
use super::{Alternative, FilterError, FilterPolicy, FilterScope, Term};
use crate::json::{JsonError, Reader, Token, compact, located};

/// Objects in objects that are gone into; a policy of more levels has too many combinations in any case, for each level
/// counts.
const DEPTH_MAX: u32 = FILTER_COMBINATIONS_MAX as u32;

pub(super) fn parse(text: &str, scope: FilterScope) -> Result<FilterPolicy, FilterError> {
    if text.len() > FILTER_POLICY_BYTES_MAX {
        return Err(FilterError::TooLarge);
    }
    if text.trim().is_empty() {
        return Ok(policy(scope, vec![Vec::new()]));
    }
    let text = compact(text).map_err(|error| not_json(&error, text))?;
    if text == "{}" {
        return Ok(policy(scope, vec![Vec::new()]));
    }
    let nodes = Parser::new(&text).policy()?;
    if scope == FilterScope::MessageAttributes && bounds::is_nested(&nodes) {
        return Err(FilterError::Nested);
    }
    bounds::check(&nodes)?;
    Ok(policy(scope, bounds::alternatives(&nodes)?))
}

fn policy(scope: FilterScope, alternatives: Vec<Vec<&Key>>) -> FilterPolicy {
    let term = |key: &Key| Term {
        path: Arc::clone(&key.path),
        conditions: key.conditions.clone().into(),
    };
    let alternatives = alternatives
        .iter()
        .map(|keys| Alternative {
            terms: keys.iter().map(|key| term(key)).collect(),
        })
        .collect();
    FilterPolicy {
        scope,
        alternatives,
    }
}

/// What AWS puts before the parser's own words. Of those, only some were found recorded.
fn not_json(error: &JsonError, text: &str) -> FilterError {
    FilterError::Json(error.described(text))
}

/// A policy as it is written.
#[derive(Debug)]
enum Node {
    Key(Key),
    /// One of them must match, and of that one all.
    Or(Vec<Vec<Node>>),
}

/// What must all hold.
#[derive(Debug, Default)]
struct All {
    nodes: Vec<Node>,
    /// Where in `nodes` a key is.
    keys: BTreeMap<Arc<str>, usize>,
}

impl All {
    /// A key that is written twice has what is written last, as in AWS's parser.
    fn put(&mut self, path: &str, level: u32, conditions: Vec<Condition>) {
        let path: Arc<str> = path.into();
        let key = Node::Key(Key {
            path: Arc::clone(&path),
            level,
            conditions,
        });
        let next = self.nodes.len();
        let place = *self.keys.entry(path).or_insert(next);
        match self.nodes.get_mut(place) {
            Some(known) => *known = key,
            None => self.nodes.push(key),
        }
    }
}

/// A key with conditions.
#[derive(Debug)]
struct Key {
    path: Arc<str>,
    /// 1 at the top.
    level: u32,
    conditions: Vec<Condition>,
}

struct Parser<'a> {
    text: &'a str,
    reader: Reader<'a>,
    path: String,
    /// Objects and alternatives that are gone into.
    depth: u32,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            reader: Reader::new(text),
            path: String::new(),
            depth: 0,
        }
    }

    fn policy(mut self) -> Result<Vec<Node>, FilterError> {
        if self.next()? != Token::ObjectStart {
            return Err(self.broken("Filter is not an object"));
        }
        let mut all = All::default();
        self.object(&mut all, 1)?;
        Ok(all.nodes)
    }

    fn next(&mut self) -> Result<Token<'a>, FilterError> {
        self.reader
            .next()
            .map_err(|error| not_json(&error, self.text))
    }

    /// A rule is broken at the last token.
    fn broken(&self, message: &str) -> FilterError {
        let place = located(self.text, self.reader.location());
        FilterError::Rule(format!("{message}\n at {place}"))
    }

    /// The rest of an object, whose brace is read.
    fn object(&mut self, all: &mut All, level: u32) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(FilterError::TooComplex);
        }
        let length = self.path.len();
        let mut any = false;
        while let Token::Field(name) = self.next()? {
            any = true;
            if name == or::KEYWORD && or::is_operator(&self.reader) {
                let alternatives = self.alternatives(level)?;
                all.nodes.push(Node::Or(alternatives));
                continue;
            }
            if level > 1 {
                self.path.push('.');
            }
            self.path.push_str(&name);
            match self.next()? {
                Token::ObjectStart => self.object(all, level + 1)?,
                Token::ArrayStart => {
                    let conditions = self.conditions()?;
                    all.put(&self.path, level, conditions);
                }
                _ => return Err(self.broken(&format!("\"{name}\" must be an object or an array"))),
            }
            self.path.truncate(length);
        }
        if !any {
            return Err(self.broken("Empty objects are not allowed"));
        }
        self.depth -= 1;
        Ok(())
    }

    /// The rest of an array of conditions, whose bracket is read.
    fn conditions(&mut self) -> Result<Vec<Condition>, FilterError> {
        let mut conditions = Vec::new();
        loop {
            let scalar = match self.next()? {
                Token::ArrayEnd => break,
                Token::ObjectStart => {
                    conditions.push(self.expression()?);
                    continue;
                }
                Token::Text(text) => Scalar::Text((&*text).into()),
                Token::Number(text) => Scalar::number(text),
                Token::True => Scalar::True,
                Token::False => Scalar::False,
                Token::Null => Scalar::Null,
                _ => {
                    let message = "Match value must be String, number, true, false, or null";
                    return Err(self.broken(message));
                }
            };
            conditions.push(Condition::Equals(scalar));
        }
        if conditions.is_empty() {
            return Err(self.broken("Empty arrays are not allowed"));
        }
        Ok(conditions)
    }
}
