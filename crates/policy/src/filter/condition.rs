//! One condition on the value of a key.

use std::sync::Arc;

use super::scalar::{Scalar, Value};
use super::wildcard::Wildcard;
use crate::cidr::Cidr;

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// The value itself; also `{"numeric": ["=", n]}`.
    Equals(Scalar),
    Prefix(Arc<str>),
    Suffix(Arc<str>),
    /// In lower case, as [`folded`] makes it.
    IgnoreCase(Arc<str>),
    Wildcard(Arc<Wildcard>),
    Cidr(Arc<Cidr>),
    /// Numbers from the first to the second, both within, in the smallest unit.
    Range(i64, i64),
    /// There is a value.
    Exists,
    /// There is none.
    Absent,
    AnythingBut(Arc<Excluded>),
}

/// What a value must not be. A key with several values passes if one of them is something else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Excluded {
    Values(Box<[Scalar]>),
    Prefix(Box<str>),
    Wildcards(Box<[Wildcard]>),
}

impl Condition {
    /// Whether a value of the key meets it.
    pub(super) fn holds(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Equals(scalar) => scalar.equals(value),
            Self::Exists => true,
            Self::Absent => false,
            Self::Range(low, high) => match value {
                Value::Number(number) => low <= number && number <= high,
                _ => false,
            },
            Self::AnythingBut(excluded) => !excluded.excludes(value),
            _ => value.text().is_some_and(|text| self.holds_text(text)),
        }
    }

    fn holds_text(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Suffix(suffix) => text.ends_with(&**suffix),
            Self::IgnoreCase(wanted) => *folded(text) == **wanted,
            Self::Wildcard(wildcard) => wildcard.matches(text),
            Self::Cidr(range) => range.contains(text),
            _ => false,
        }
    }
}

impl Excluded {
    pub(super) fn excludes(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Values(values) => values.iter().any(|scalar| scalar.equals(value)),
            Self::Prefix(prefix) => value.text().is_some_and(|text| text.starts_with(&**prefix)),
            Self::Wildcards(wildcards) => value
                .text()
                .is_some_and(|text| wildcards.iter().any(|wildcard| wildcard.matches(text))),
        }
    }
}

/// A text without the difference of upper and lower case.
pub(super) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}
