//! What is asked of a policy.

use std::collections::BTreeMap;

use super::moment;

/// A request, as far as policies look at it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// As `sqs:SendMessage`; case does not matter.
    pub action: &'a str,
    /// The ARN of what it is asked of.
    pub resource: &'a str,
    /// What conditions can look at.
    pub context: &'a Context,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Nobody that is known.
    Anonymous,
    /// A principal of an account.
    Aws {
        /// The twelve digits of the account.
        account: &'a str,
        /// The ARNs, or other names, that it goes by: of a user one; of a role's session that of the session and that of
        /// the role.
        names: &'a [&'a str],
    },
    /// A service, as `sns.amazonaws.com`.
    Service(&'a str),
    /// Who was let in by a provider of identities, by the provider's name or ARN.
    Federated(&'a str),
}

/// What is known of a request, by condition key: `aws:SourceArn` and its like. Case does not matter in keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a value to a key, beside those that it has.
    pub fn insert(&mut self, key: &str, value: impl Into<String>) {
        let values = self.values.entry(key.to_lowercase()).or_default();
        values.push(value.into());
    }

    /// Makes a key known that has no values, as a list that is empty.
    pub fn insert_empty(&mut self, key: &str) {
        self.values.entry(key.to_lowercase()).or_default();
    }

    /// What time it is, in milliseconds since 1970: `aws:CurrentTime` and `aws:EpochTime`.
    pub fn insert_now(&mut self, now_ms: u64) {
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        self.insert("aws:CurrentTime", moment::written(now_ms));
        self.insert("aws:EpochTime", (now_ms / 1_000).to_string());
    }

    /// The values of a key that is in lower case, if the key is known.
    pub(super) fn get(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// The value of a key, if it has one and no more.
    pub(super) fn single(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some([value]) => Some(value),
            _ => None,
        }
    }
}
