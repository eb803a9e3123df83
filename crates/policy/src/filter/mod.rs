//! SNS filter policies: which subscription of a topic gets which message.
//!
//! [`FilterPolicy::parse`] takes what Subscribe and SetSubscriptionAttributes are given, or says what AWS says against it.
//! A policy answers for one message; a [`FilterIndex`] holds those of all subscriptions and finds the ones that match without
//! asking each. docs/filters.md is the page for users, and its tables are run as tests.
//!
//! A policy is kept as alternatives (`$or` multiplied out), each of them conditions on keys that must all hold. Sources:
//! "Amazon SNS subscription filter policies" and its pages in the developer guide; answers of AWS that others recorded, where
//! the guide is silent; both are named where they are used.

mod attribute;
mod condition;
mod error;
mod evaluate;
mod index;
mod message;
mod parse;
mod scalar;
mod wildcard;

use std::str::FromStr;
use std::sync::Arc;

pub use attribute::FilterAttribute;
use condition::Condition;
pub use error::{FilterError, FilterScopeError};
pub use index::FilterIndex;
use message::Message;

/// What of a message a policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FilterScope {
    /// Its attributes; what a subscription has that says nothing.
    #[default]
    MessageAttributes,
    /// Its body, which is JSON then.
    MessageBody,
}

impl FilterScope {
    /// As the attribute `FilterPolicyScope` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageAttributes => "MessageAttributes",
            Self::MessageBody => "MessageBody",
        }
    }
}

impl FromStr for FilterScope {
    type Err = FilterScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "MessageAttributes" => Ok(Self::MessageAttributes),
            "MessageBody" => Ok(Self::MessageBody),
            _ => Err(FilterScopeError(text.to_owned())),
        }
    }
}

/// A filter policy that AWS would take.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterPolicy {
    scope: FilterScope,
    /// One of them must match. A policy without conditions has one that has none.
    alternatives: Box<[Alternative]>,
}

/// Terms that must all hold, at most [`levada_types::limits::FILTER_TERMS_MAX`].
#[derive(Clone, Debug, PartialEq)]
struct Alternative {
    terms: Box<[Term]>,
}

/// Conditions on one key, of which one must hold.
#[derive(Clone, Debug, PartialEq)]
struct Term {
    /// Names from the top, with points between them.
    path: Arc<str>,
    conditions: Box<[Condition]>,
}

impl FilterPolicy {
    /// Reads a policy. Nothing and `{}` are policies that let everything pass, which is how one is taken away.
    ///
    /// # Errors
    /// What AWS says against it, without "Invalid parameter: " before it.
    pub fn parse(text: &str, scope: FilterScope) -> Result<Self, FilterError> {
        parse::parse(text, scope)
    }

    /// The policy that lets everything pass.
    pub fn unfiltered(scope: FilterScope) -> Self {
        let everything = Alternative {
            terms: Box::default(),
        };
        Self {
            scope,
            alternatives: Box::new([everything]),
        }
    }

    /// What it looks at.
    pub fn scope(&self) -> FilterScope {
        self.scope
    }

    /// Whether it lets everything pass.
    pub fn is_unfiltered(&self) -> bool {
        self.alternatives.iter().any(|one| one.terms.is_empty())
    }

    /// Whether a message with these attributes passes. The policy is taken as one on attributes.
    pub fn matches_attributes(&self, attributes: &[FilterAttribute<'_>]) -> bool {
        self.is_unfiltered()
            || self.matches(&Message::of_attributes(attributes, &|path| {
                self.known(path)
            }))
    }

    /// Whether a message with this body passes. What is not a JSON object passes no policy. The policy is taken as one on
    /// bodies.
    pub fn matches_body(&self, body: &str) -> bool {
        self.is_unfiltered()
            || Message::of_body(body, &|path| self.known(path))
                .is_some_and(|message| self.matches(&message))
    }

    /// Whether a message passes by what the policy looks at.
    pub fn matches_message(&self, attributes: &[FilterAttribute<'_>], body: &str) -> bool {
        match self.scope {
            FilterScope::MessageAttributes => self.matches_attributes(attributes),
            FilterScope::MessageBody => self.matches_body(body),
        }
    }

    fn matches(&self, message: &Message<'_>) -> bool {
        self.alternatives
            .iter()
            .any(|alternative| evaluate::matches(alternative, message))
    }

    /// The path, if the policy has a condition on it.
    fn known(&self, path: &str) -> Option<Arc<str>> {
        self.alternatives
            .iter()
            .flat_map(|alternative| &alternative.terms)
            .find(|term| &*term.path == path)
            .map(|term| Arc::clone(&term.path))
    }
}
