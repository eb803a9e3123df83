//! What a policy says to a request, and why.

use std::fmt;

/// What a policy says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A statement allows it and none denies it.
    Allow,
    /// A statement denies it.
    Deny,
    /// No statement applies: whoever asks needs to be allowed elsewhere.
    NoMatch,
}

/// What a policy says to a request, with what it made of each statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What it says.
    pub outcome: Outcome,
    /// Each statement, in the policy's order.
    pub considered: Vec<Considered>,
}

/// A statement that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Its `Sid`.
    pub sid: Option<String>,
    /// Whether it denies.
    pub denies: bool,
    /// Why it does not apply, if it doesn't.
    pub mismatch: Option<Mismatch>,
}

/// Why a statement does not apply: the first of its elements that doesn't fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is for others.
    Principal,
    /// It is for other actions.
    Action,
    /// It is for other resources.
    Resource,
    /// A condition does not hold.
    Condition {
        /// As it is written in the policy.
        operator: String,
        /// In lower case.
        key: String,
    },
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, denies) = match self.outcome {
            Outcome::Allow => ("allowed", false),
            Outcome::Deny => ("denied", true),
            Outcome::NoMatch => return self.no_match(f),
        };
        write!(f, "{word} by")?;
        let applying = (1..)
            .zip(&self.considered)
            .filter(|(_, one)| one.denies == denies && one.mismatch.is_none());
        for (place, (number, one)) in applying.enumerate() {
            let and = if place > 0 { " and" } else { "" };
            write!(f, "{and} statement {number}{}", Sid(one))?;
        }
        Ok(())
    }
}

impl Decision {
    fn no_match(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no statement applies")?;
        for (number, one) in (1..).zip(&self.considered) {
            let before = if number == 1 { ":" } else { ";" };
            write!(f, "{before} statement {number}{} ", Sid(one))?;
            match &one.mismatch {
                None => f.write_str("applies")?,
                Some(Mismatch::Principal) => f.write_str("is for other principals")?,
                Some(Mismatch::Action) => f.write_str("is for other actions")?,
                Some(Mismatch::Resource) => f.write_str("is for other resources")?,
                Some(Mismatch::Condition { operator, key }) => {
                    write!(f, "has a condition that does not hold: {operator} on {key}")?;
                }
            }
        }
        Ok(())
    }
}

/// A statement's name in brackets, if it has one.
struct Sid<'a>(&'a Considered);

impl fmt::Display for Sid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.sid {
            Some(sid) => write!(f, " ({sid})"),
            None => Ok(()),
        }
    }
}
