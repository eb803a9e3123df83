//! Access policies of queues and topics: who may do what.
//!
//! [`Policy::parse`] takes the document that `Policy` of a queue or a topic holds; [`Policy::evaluate`] says of one request
//! whether the policy allows it, denies it or says nothing to it, and why. The caller knows who asks and fills in what is
//! known of the request; nothing here looks anything up.
//!
//! Sources: the IAM user guide, "IAM JSON policy elements reference" and its pages on conditions, variables and evaluation.
//! What the language has for identities, sessions and organizations is not here: such policies there are none.

mod condition;
mod decision;
mod error;
mod moment;
mod parse;
mod pattern;
mod principal;
mod request;

use condition::Condition;
pub use decision::{Considered, Decision, Mismatch, Outcome};
pub use error::PolicyError;
use pattern::Pattern;
use principal::Principals;
pub use request::{Caller, Context, Request};

/// A policy that is attached to a queue or a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    id: Option<String>,
    statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
struct Statement {
    sid: Option<String>,
    denies: bool,
    principals: Listed<Principals>,
    actions: Listed<Vec<Pattern>>,
    /// None, if the statement is for whatever the policy is attached to.
    resources: Option<Listed<Vec<Pattern>>>,
    /// All must hold.
    conditions: Vec<Condition>,
}

/// What an element lists, or, as `NotAction` does, what it excepts.
#[derive(Clone, Debug, PartialEq)]
enum Listed<T> {
    These(T),
    AllBut(T),
}

impl<T> Listed<T> {
    fn has(&self, listed: impl FnOnce(&T) -> bool) -> bool {
        match self {
            Self::These(these) => listed(these),
            Self::AllBut(these) => !listed(these),
        }
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong, and in which statement. AWS's services have their own words for that, which are the caller's to choose.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        parse::parse(text)
    }

    /// Its `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether it allows or denies a request. A statement that denies wins over any that allow.
    pub fn evaluate(&self, request: &Request<'_>) -> Decision {
        let mut considered = Vec::with_capacity(self.statements.len());
        let mut outcome = Outcome::NoMatch;
        for statement in &self.statements {
            let mismatch = statement.mismatch(request);
            if mismatch.is_none() {
                outcome = match (statement.denies, outcome) {
                    (true, _) | (_, Outcome::Deny) => Outcome::Deny,
                    (false, _) => Outcome::Allow,
                };
            }
            considered.push(Considered {
                sid: statement.sid.clone(),
                denies: statement.denies,
                mismatch,
            });
        }
        Decision {
            outcome,
            considered,
        }
    }

    /// Whether what it says may depend on a key, which is in lower case.
    pub fn looks_at(&self, key: &str) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.looks_at(key))
    }

    /// How many statements it has.
    pub fn statement_count(&self) -> usize {
        self.statements.len()
    }
}

impl Statement {
    fn looks_at(&self, key: &str) -> bool {
        let named = |listed: &Listed<Vec<Pattern>>| match listed {
            Listed::These(patterns) | Listed::AllBut(patterns) => {
                patterns.iter().any(|pattern| pattern.looks_at(key))
            }
        };
        named(&self.actions)
            || self.resources.as_ref().is_some_and(named)
            || self.conditions.iter().any(|one| one.looks_at(key))
    }

    /// Why it does not apply to a request, if it doesn't.
    ///
    /// A pattern whose variable is not known matches nothing. Where the statement is for all but the pattern, that would make
    /// it apply: there one that allows doesn't, and one that denies does.
    fn mismatch(&self, request: &Request<'_>) -> Option<Mismatch> {
        let context = request.context;
        if !self
            .principals
            .has(|principals| principals.have(&request.caller))
        {
            return Some(Mismatch::Principal);
        }
        let action = |pattern: &Pattern| pattern.matches_ignoring_case(request.action, context);
        if !self.actions.has(|patterns| patterns.iter().any(action)) {
            return Some(Mismatch::Action);
        }
        let resource = |pattern: &Pattern| pattern.matches_resource(request.resource, context);
        if let Some(resources) = &self.resources {
            let fits = match resources {
                Listed::AllBut(patterns) if !self.denies && !filled(patterns, context) => false,
                _ => resources.has(|patterns| patterns.iter().any(resource)),
            };
            if !fits {
                return Some(Mismatch::Resource);
            }
        }
        let failing = self
            .conditions
            .iter()
            .find(|condition| !condition.holds(context, self.denies))?;
        Some(Mismatch::Condition {
            operator: failing.operator().to_owned(),
            key: failing.key().to_owned(),
        })
    }
}

/// Whether all variables are known.
fn filled(patterns: &[Pattern], context: &Context) -> bool {
    patterns.iter().all(|pattern| pattern.is_filled(context))
}
