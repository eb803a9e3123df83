//! The policies of one scope, by key.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::super::message::Message;
use super::super::{Alternative, FilterPolicy, Term};
use super::keyed::Keyed;
use super::postings::Filed;

/// The keys that policies have conditions on.
#[derive(Debug, Default)]
pub(super) struct ScopeIndex {
    keys: HashMap<Arc<str>, Key>,
    /// Those under whose absence something is filed: a message does not name them.
    absent: BTreeSet<Arc<str>>,
}

#[derive(Debug, Default)]
struct Key {
    /// Terms that are on it, filed here or not.
    terms: usize,
    /// What is filed here; many keys are never chosen.
    filed: Option<Box<Keyed>>,
}

impl ScopeIndex {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key as it is kept, if there is a condition on it.
    pub(super) fn known(&self, path: &str) -> Option<Arc<str>> {
        self.keys
            .get_key_value(path)
            .map(|(path, _)| Arc::clone(path))
    }

    /// Files a policy's alternatives. Its keys become those that are kept. The answer is the term of each.
    pub(super) fn insert(&mut self, number: u32, policy: &mut FilterPolicy) -> Box<[u8]> {
        for term in policy
            .alternatives
            .iter_mut()
            .flat_map(|alternative| &mut alternative.terms)
        {
            self.hold(term);
        }
        let filed_by: Box<[u8]> = policy
            .alternatives
            .iter()
            .map(|alternative| self.choose(alternative))
            .collect();
        for (alternative, filed, term) in filing(number, policy, &filed_by) {
            let Some(term) = alternative.terms.get(term) else {
                continue;
            };
            let Some(key) = self.keys.get_mut(&term.path) else {
                continue;
            };
            let keyed = key.filed.get_or_insert_default();
            for condition in &term.conditions {
                keyed.insert(condition, filed);
            }
            if keyed.has_absent() {
                self.absent.insert(Arc::clone(&term.path));
            }
        }
        filed_by
    }

    pub(super) fn remove(&mut self, number: u32, policy: &FilterPolicy, filed_by: &[u8]) {
        for (alternative, filed, term) in filing(number, policy, filed_by) {
            let Some(term) = alternative.terms.get(term) else {
                continue;
            };
            let Some(keyed) = self
                .keys
                .get_mut(&term.path)
                .and_then(|key| key.filed.as_mut())
            else {
                continue;
            };
            for condition in &term.conditions {
                keyed.remove(condition, filed);
            }
            if !keyed.has_absent() {
                self.absent.remove(&term.path);
            }
        }
        for term in policy
            .alternatives
            .iter()
            .flat_map(|alternative| &alternative.terms)
        {
            self.release(term);
        }
    }

    fn hold(&mut self, term: &mut Term) {
        if let Some(path) = self.known(&term.path) {
            term.path = path;
        }
        self.keys.entry(Arc::clone(&term.path)).or_default().terms += 1;
    }

    fn release(&mut self, term: &Term) {
        if let Some(key) = self.keys.get_mut(&term.path) {
            key.terms -= 1;
            if key.terms == 0 {
                self.keys.remove(&term.path);
            }
        }
    }

    /// The term that fewest messages should meet.
    fn choose(&self, alternative: &Alternative) -> u8 {
        let empty = Keyed::default();
        let cost = |term: &Term| -> usize {
            let keyed = self
                .keys
                .get(&term.path)
                .and_then(|key| key.filed.as_deref());
            let keyed = keyed.unwrap_or(&empty);
            term.conditions
                .iter()
                .map(|condition| keyed.cost(condition))
                .sum()
        };
        let least = (0_u8..)
            .zip(&alternative.terms)
            .min_by_key(|(_, term)| cost(term));
        least.map_or(0, |(number, _)| number)
    }

    /// The alternatives that may match, some of them perhaps twice.
    pub(super) fn found(&self, message: &Message<'_>) -> Vec<Filed> {
        let mut found = Vec::new();
        for (path, values) in message.entries() {
            if let Some(keyed) = self.keyed(path) {
                keyed.collect(values, &mut found);
            }
        }
        for path in &self.absent {
            if message.get(path).is_none()
                && let Some(keyed) = self.keyed(path)
            {
                keyed.collect_absent(&mut found);
            }
        }
        found
    }

    fn keyed(&self, path: &str) -> Option<&Keyed> {
        self.keys.get(path)?.filed.as_deref()
    }
}

/// Each alternative, how it is filed, and the number of the term under which.
fn filing<'p>(
    number: u32,
    policy: &'p FilterPolicy,
    filed_by: &'p [u8],
) -> impl Iterator<Item = (&'p Alternative, Filed, usize)> {
    policy
        .alternatives
        .iter()
        .zip(filed_by)
        .enumerate()
        .map(move |(place, (alternative, term))| {
            (alternative, Filed::new(number, place), usize::from(*term))
        })
}
