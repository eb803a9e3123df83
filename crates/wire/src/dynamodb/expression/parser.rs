//! What all expressions share: words taken one after the other, names and values put in their places, paths.

use levada_types::AttributeValue;
use levada_types::limits::EXPRESSION_OPERATORS_MAX;

use super::lexer::{Kind, Token, near, words};
use super::{Path, PathStep, Variables};
use crate::dynamodb::DynamoDbError;

/// How deep an expression's parentheses and functions may be nested.
const DEPTH_MAX: usize = 128;

/// Reads one expression.
pub(super) struct Parser<'v, 'a> {
    what: &'static str,
    text: &'v str,
    tokens: Vec<Token<'v>>,
    place: usize,
    depth: usize,
    operators: usize,
    variables: &'v mut Variables<'a>,
}

impl<'v, 'a> Parser<'v, 'a> {
    pub(super) fn new(
        what: &'static str,
        text: &'v str,
        variables: &'v mut Variables<'a>,
    ) -> Result<Self, DynamoDbError> {
        let tokens = words(text).map_err(|(at, token)| {
            let from = text[..at].char_indices().rev().nth(3).map_or(0, |(i, _)| i);
            let to = text[at..]
                .char_indices()
                .nth(4)
                .map_or(text.len(), |(i, _)| at + i);
            let near = text.get(from..to).unwrap_or(text);
            DynamoDbError::validation(format!(
                "Invalid {what}: Syntax error; token: \"{token}\", near: \"{near}\""
            ))
        })?;
        Ok(Self {
            what,
            text,
            tokens,
            place: 0,
            depth: 0,
            operators: 0,
            variables,
        })
    }

    /// A refusal that names the member.
    pub(super) fn refuse(&self, message: impl std::fmt::Display) -> DynamoDbError {
        DynamoDbError::validation(format!("Invalid {}: {message}", self.what))
    }

    /// The word that comes next does not belong there.
    pub(super) fn unexpected(&self) -> DynamoDbError {
        let near = near(self.text, &self.tokens, self.place);
        self.refuse(format_args!(
            "Syntax error; token: \"{}\", near: \"{near}\"",
            self.peek().text
        ))
    }

    pub(super) fn peek(&self) -> &Token<'v> {
        // The last one is the end, and is never taken.
        &self.tokens[self.place.min(self.tokens.len() - 1)]
    }

    /// Whether a sign follows the word that comes next.
    pub(super) fn sign_follows(&self, sign: &str) -> bool {
        self.tokens
            .get(self.place + 1)
            .is_some_and(|t| t.is_sign(sign))
    }

    pub(super) fn take(&mut self) -> Token<'v> {
        let token = self.peek().clone();
        self.place = (self.place + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let is_next = self.peek().is_sign(sign);
        if is_next {
            self.take();
        }
        is_next
    }

    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_next = self.peek().is_keyword(keyword);
        if is_next {
            self.take();
        }
        is_next
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<(), DynamoDbError> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self.unexpected())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.peek().kind == Kind::End
    }

    pub(super) fn end(&self) -> Result<(), DynamoDbError> {
        if self.is_at_end() {
            return Ok(());
        }
        Err(self.unexpected())
    }

    /// Counts one operator or function.
    pub(super) fn count_operator(&mut self) -> Result<(), DynamoDbError> {
        self.operators += 1;
        if self.operators > EXPRESSION_OPERATORS_MAX {
            return Err(self.refuse(format_args!(
                "The expression contains too many operators; maximum operator count: {EXPRESSION_OPERATORS_MAX}"
            )));
        }
        Ok(())
    }

    /// Reads what is within parentheses, or behind a `NOT`.
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DynamoDbError>,
    ) -> Result<T, DynamoDbError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            // From memory.
            return Err(self.refuse("The expression is nested too deeply"));
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// The name that a word stands for.
    fn name(&mut self, token: &Token<'_>) -> Result<String, DynamoDbError> {
        if token.kind == Kind::Word {
            return Ok(token.text.to_owned());
        }
        let name = self.variables.names.and_then(|names| names.get(token.text));
        let Some(name) = name else {
            return Err(self.refuse(format_args!(
                "An expression attribute name used in the document path is not defined; attribute name: {}",
                token.text
            )));
        };
        self.variables.used.insert(token.text.to_owned());
        Ok(name.clone())
    }

    /// The value that comes next.
    pub(super) fn value(&mut self) -> Result<AttributeValue, DynamoDbError> {
        if self.peek().kind != Kind::Value {
            return Err(self.unexpected());
        }
        let token = self.take();
        let value = self
            .variables
            .values
            .and_then(|values| values.get(token.text));
        let Some(value) = value else {
            return Err(self.refuse(format_args!(
                "An expression attribute value used in expression is not defined; attribute value: {}",
                token.text
            )));
        };
        self.variables.used.insert(token.text.to_owned());
        Ok(value.clone())
    }

    /// The path that comes next.
    pub(super) fn path(&mut self) -> Result<Path, DynamoDbError> {
        let mut steps = Vec::new();
        loop {
            if !matches!(self.peek().kind, Kind::Word | Kind::Name) {
                return Err(self.unexpected());
            }
            let token = self.take();
            steps.push(PathStep::Name(self.name(&token)?));
            while self.take_sign("[") {
                if self.peek().kind != Kind::Number {
                    return Err(self.unexpected());
                }
                let Ok(index) = self.peek().text.parse() else {
                    return Err(self.refuse("List index is not within the allowable range"));
                };
                self.take();
                self.expect_sign("]")?;
                steps.push(PathStep::Index(index));
            }
            if !self.take_sign(".") {
                return Ok(Path(steps));
            }
        }
    }

    /// A list of paths.
    pub(super) fn projection(&mut self) -> Result<Vec<Path>, DynamoDbError> {
        let mut paths = vec![self.path()?];
        while self.take_sign(",") {
            paths.push(self.path()?);
        }
        self.refuse_overlaps(paths.iter())?;
        Ok(paths)
    }

    /// Refuses paths of which one is in another, or goes through what another says is of another type.
    pub(super) fn refuse_overlaps<'p>(
        &self,
        paths: impl Iterator<Item = &'p Path>,
    ) -> Result<(), DynamoDbError> {
        let mut paths: Vec<&Path> = paths.collect();
        // Where one is in another, they are neighbours in this order; or what is between is in it as well.
        paths.sort_by_key(|path| order_of(path));
        for pair in paths.windows(2) {
            let (one, two) = (pair[0], pair[1]);
            if two.0.starts_with(&one.0) {
                return Err(self.refuse(format_args!(
                    "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
                )));
            }
            let apart = one.0.iter().zip(&two.0).find(|(a, b)| a != b);
            if let Some((PathStep::Index(_), PathStep::Name(_))) = apart {
                return Err(self.refuse(format_args!(
                    "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
                )));
            }
        }
        Ok(())
    }
}

/// Sorts places in lists before names.
fn order_of(path: &Path) -> Vec<(u8, String, u32)> {
    let steps = path.0.iter().map(|step| match step {
        PathStep::Index(index) => (0, String::new(), *index),
        PathStep::Name(name) => (1, name.clone(), 0),
    });
    steps.collect()
}
