//! The policies of many subscriptions, asked together.
//!
//! Each alternative of a policy is filed under one of its terms, the one that fewest messages should meet as far as can be
//! told when it is put in: under each value of that term, in the map for its operator. A message looks its values up in those
//! maps and finds the alternatives that may match; those are evaluated, and no others. So a message costs its values, and
//! what is found, but not the subscriptions that there are.
//!
//! What is found is in the order of the ids. Memory: what a policy holds, about as much again for where it is filed.

mod intervals;
mod keyed;
mod lengths;
mod postings;
mod scope;

use std::collections::{BTreeMap, BTreeSet};

use super::message::Message;
use super::{FilterAttribute, FilterPolicy, FilterScope, evaluate};
use postings::Filed;
use scope::ScopeIndex;

/// The filter policies of subscriptions, by their ids.
#[derive(Debug)]
pub struct FilterIndex<Id> {
    numbers: BTreeMap<Id, u32>,
    slots: Vec<Option<Slot<Id>>>,
    /// Places of `slots` that are free.
    free: Vec<u32>,
    /// Those whose policy lets everything pass.
    unfiltered: BTreeSet<Id>,
    attributes: ScopeIndex,
    body: ScopeIndex,
}

#[derive(Debug)]
struct Slot<Id> {
    id: Id,
    policy: FilterPolicy,
    /// Of each alternative, the term under which it is filed.
    filed_by: Box<[u8]>,
}

impl<Id> Default for FilterIndex<Id> {
    fn default() -> Self {
        Self {
            numbers: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            unfiltered: BTreeSet::new(),
            attributes: ScopeIndex::default(),
            body: ScopeIndex::default(),
        }
    }
}

impl<Id: Ord + Clone> FilterIndex<Id> {
    /// An index without subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many subscriptions it has.
    pub fn len(&self) -> usize {
        self.numbers.len() + self.unfiltered.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it lets everything pass to every subscription.
    pub fn is_unfiltered(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Puts a subscription in, in place of what it had.
    pub fn insert(&mut self, id: Id, mut policy: FilterPolicy) {
        self.remove(&id);
        if policy.is_unfiltered() {
            self.unfiltered.insert(id);
            return;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let scope = self.scope_mut(policy.scope);
        let filed_by = scope.insert(number, &mut policy);
        self.numbers.insert(id.clone(), number);
        if let Some(slot) = self.slots.get_mut(number as usize) {
            *slot = Some(Slot {
                id,
                policy,
                filed_by,
            });
        }
    }

    /// Takes a subscription out. Whether it was there.
    pub fn remove(&mut self, id: &Id) -> bool {
        if self.unfiltered.remove(id) {
            return true;
        }
        let Some(number) = self.numbers.remove(id) else {
            return false;
        };
        if let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::take) {
            self.scope_mut(slot.policy.scope)
                .remove(number, &slot.policy, &slot.filed_by);
            self.free.push(number);
        }
        true
    }

    fn scope_mut(&mut self, scope: FilterScope) -> &mut ScopeIndex {
        match scope {
            FilterScope::MessageAttributes => &mut self.attributes,
            FilterScope::MessageBody => &mut self.body,
        }
    }

    /// The subscriptions that every message goes to, in order.
    pub fn unfiltered(&self) -> impl Iterator<Item = &Id> {
        self.unfiltered.iter()
    }

    /// Those subscriptions with a policy on attributes that these attributes match, in order.
    pub fn matching_attributes(&self, attributes: &[FilterAttribute<'_>]) -> Vec<&Id> {
        if self.attributes.is_empty() {
            return Vec::new();
        }
        let message = Message::of_attributes(attributes, &|path| self.attributes.known(path));
        self.matching(&self.attributes, &message)
    }

    /// Those subscriptions with a policy on bodies that this body matches, in order.
    pub fn matching_body(&self, body: &str) -> Vec<&Id> {
        if self.body.is_empty() {
            return Vec::new();
        }
        match Message::of_body(body, &|path| self.body.known(path)) {
            Some(message) => self.matching(&self.body, &message),
            None => Vec::new(),
        }
    }

    /// All subscriptions that get this message, in order.
    pub fn matching_message(&self, attributes: &[FilterAttribute<'_>], body: &str) -> Vec<&Id> {
        let mut ids = self.matching_attributes(attributes);
        ids.extend(self.matching_body(body));
        ids.extend(&self.unfiltered);
        ids.sort_unstable();
        ids
    }

    fn matching(&self, scope: &ScopeIndex, message: &Message<'_>) -> Vec<&Id> {
        let mut found = scope.found(message);
        found.sort_unstable();
        found.dedup();
        let mut ids: Vec<&Id> = Vec::new();
        let mut matched = None;
        for filed in found {
            if matched != Some(filed.number())
                && let Some(id) = self.evaluated(filed, message)
            {
                matched = Some(filed.number());
                ids.push(id);
            }
        }
        ids.sort_unstable();
        ids
    }

    /// The subscription, if the alternative that was found matches.
    fn evaluated(&self, filed: Filed, message: &Message<'_>) -> Option<&Id> {
        let slot = self.slots.get(filed.number() as usize)?.as_ref()?;
        let alternative = slot.policy.alternatives.get(filed.alternative())?;
        evaluate::matches(alternative, message).then_some(&slot.id)
    }
}
