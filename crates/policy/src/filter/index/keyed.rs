//! What is filed under the conditions on one key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::condition::{Condition, Excluded, folded};
use super::super::message::Found;
use super::super::scalar::{Scalar, Value};
use super::super::wildcard::Wildcard;
use super::intervals::Intervals;
use super::lengths::ByLength;
use super::postings::{Filed, Postings, filed_in, taken_from};
use crate::cidr::{Cidr, Family, address_number, masked};

/// What a condition counts for, beside what is filed under it already, when a term is chosen: a guess at how many messages
/// meet it.
const COST_PART: usize = 16;
const COST_RANGE: usize = 256;
const COST_ANY: usize = 1 << 20;

/// The alternatives by the values of a key with which they may match.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    texts: HashMap<Arc<str>, Postings>,
    numbers: HashMap<i64, Postings>,
    beyond: HashMap<Arc<str>, Postings>,
    words: [Postings; 3],
    exists: Postings,
    absent: Postings,
    prefixes: ByLength<Postings>,
    suffixes: ByLength<Postings>,
    ignoring_case: HashMap<Arc<str>, Postings>,
    /// By what they begin with.
    wildcards: ByLength<BTreeMap<Arc<Wildcard>, Postings>>,
    cidrs: HashMap<Cidr, Postings>,
    /// How many of `cidrs` have these bits.
    cidr_bits: BTreeMap<(Family, u8), usize>,
    ranges: Box<Intervals>,
    /// Each is asked by itself: most values meet it.
    excluded: HashMap<Arc<Excluded>, Postings>,
}

fn word(scalar: &Scalar) -> usize {
    match scalar {
        Scalar::True => 0,
        Scalar::False => 1,
        _ => 2,
    }
}

impl Keyed {
    pub(super) fn insert(&mut self, condition: &Condition, filed: Filed) {
        match condition {
            Condition::Equals(Scalar::Text(text)) => {
                filed_in!(self.texts, Arc::clone(text), filed);
            }
            Condition::Equals(Scalar::Number(number)) => filed_in!(self.numbers, *number, filed),
            Condition::Equals(Scalar::Beyond(text)) => {
                filed_in!(self.beyond, Arc::clone(text), filed);
            }
            Condition::Equals(scalar) => self.words[word(scalar)].insert(filed),
            Condition::Exists => self.exists.insert(filed),
            Condition::Absent => self.absent.insert(filed),
            Condition::Prefix(prefix) => self.prefixes.entry(prefix).insert(filed),
            Condition::Suffix(suffix) => self.suffixes.entry(suffix).insert(filed),
            Condition::IgnoreCase(text) => filed_in!(self.ignoring_case, Arc::clone(text), filed),
            Condition::Wildcard(wildcard) => {
                let wildcards = self.wildcards.entry(&wildcard.beginning().into());
                filed_in!(wildcards, Arc::clone(wildcard), filed);
            }
            Condition::Cidr(range) => {
                if !self.cidrs.contains_key(range) {
                    *self
                        .cidr_bits
                        .entry((range.family, range.bits))
                        .or_default() += 1;
                }
                filed_in!(self.cidrs, **range, filed);
            }
            Condition::Range(low, high) => self.ranges.insert(*low, *high, filed),
            Condition::AnythingBut(excluded) => {
                filed_in!(self.excluded, Arc::clone(excluded), filed);
            }
        }
    }

    pub(super) fn remove(&mut self, condition: &Condition, filed: Filed) {
        match condition {
            Condition::Equals(Scalar::Text(text)) => taken_from!(self.texts, text, filed),
            Condition::Equals(Scalar::Number(number)) => taken_from!(self.numbers, number, filed),
            Condition::Equals(Scalar::Beyond(text)) => taken_from!(self.beyond, text, filed),
            Condition::Equals(scalar) => self.words[word(scalar)].remove(filed),
            Condition::Exists => self.exists.remove(filed),
            Condition::Absent => self.absent.remove(filed),
            Condition::Prefix(prefix) => {
                self.prefixes
                    .change(prefix, |postings| emptied(postings, filed));
            }
            Condition::Suffix(suffix) => {
                self.suffixes
                    .change(suffix, |postings| emptied(postings, filed));
            }
            Condition::IgnoreCase(text) => taken_from!(self.ignoring_case, text, filed),
            Condition::Wildcard(wildcard) => {
                self.wildcards.change(wildcard.beginning(), |wildcards| {
                    taken_from!(wildcards, wildcard, filed);
                    wildcards.is_empty()
                });
            }
            Condition::Cidr(range) => self.remove_cidr(range, filed),
            Condition::Range(low, high) => self.ranges.remove(*low, *high, filed),
            Condition::AnythingBut(excluded) => taken_from!(self.excluded, excluded, filed),
        }
    }

    fn remove_cidr(&mut self, range: &Cidr, filed: Filed) {
        taken_from!(self.cidrs, range, filed);
        let key = (range.family, range.bits);
        if !self.cidrs.contains_key(range)
            && let Some(count) = self.cidr_bits.get_mut(&key)
        {
            *count -= 1;
            if *count == 0 {
                self.cidr_bits.remove(&key);
            }
        }
    }

    /// What it counts for to file one more under a condition.
    pub(super) fn cost(&self, condition: &Condition) -> usize {
        let filed = |postings: Option<&Postings>| postings.map_or(0, Postings::len);
        match condition {
            Condition::Equals(Scalar::Text(text)) => filed(self.texts.get(text)),
            Condition::Equals(Scalar::Number(number)) => filed(self.numbers.get(number)),
            Condition::Equals(Scalar::Beyond(text)) => filed(self.beyond.get(text)),
            Condition::Equals(scalar) => COST_PART + self.words[word(scalar)].len(),
            Condition::IgnoreCase(text) => 1 + filed(self.ignoring_case.get(text)),
            Condition::Prefix(prefix) => COST_PART + filed(self.prefixes.get(prefix)),
            Condition::Suffix(suffix) => COST_PART + filed(self.suffixes.get(suffix)),
            Condition::Wildcard(wildcard) => {
                let same = self.wildcards.get(wildcard.beginning());
                COST_PART + same.map_or(0, BTreeMap::len)
            }
            Condition::Cidr(range) => COST_PART + filed(self.cidrs.get(range)),
            Condition::Range(low, high) => COST_RANGE + self.ranges.len(*low, *high),
            Condition::Exists => COST_ANY + self.exists.len(),
            Condition::Absent => COST_ANY + self.absent.len(),
            Condition::AnythingBut(excluded) => COST_ANY + filed(self.excluded.get(excluded)),
        }
    }

    /// What may match as the key has no value.
    pub(super) fn collect_absent(&self, found: &mut Vec<Filed>) {
        self.absent.collect(found);
    }

    /// Whether something may match as the key has no value.
    pub(super) fn has_absent(&self) -> bool {
        !self.absent.is_empty()
    }

    /// What may match as the key has these values.
    pub(super) fn collect(&self, values: &[Found<'_>], found: &mut Vec<Filed>) {
        self.exists.collect(found);
        for (excluded, postings) in &self.excluded {
            if values.iter().any(|one| !excluded.excludes(&one.value)) {
                postings.collect(found);
            }
        }
        for one in values {
            match &one.value {
                Value::Text(text) => self.collect_text(text, found),
                Value::Number(number) => {
                    collect_from(self.numbers.get(number), found);
                    self.ranges.collect(*number, found);
                }
                Value::Beyond(text) => collect_from(self.beyond.get(&**text), found),
                Value::True => self.words[0].collect(found),
                Value::False => self.words[1].collect(found),
                Value::Null => self.words[2].collect(found),
            }
        }
    }

    fn collect_text(&self, text: &str, found: &mut Vec<Filed>) {
        collect_from(self.texts.get(text), found);
        for postings in self.prefixes.beginnings(text) {
            postings.collect(found);
        }
        for postings in self.suffixes.endings(text) {
            postings.collect(found);
        }
        if !self.ignoring_case.is_empty() {
            collect_from(self.ignoring_case.get(&*folded(text)), found);
        }
        for wildcards in self.wildcards.beginnings(text) {
            for (wildcard, postings) in wildcards {
                if wildcard.matches(text) {
                    postings.collect(found);
                }
            }
        }
        if !self.cidrs.is_empty()
            && let Some((family, number)) = address_number(text)
        {
            for (of, bits) in self.cidr_bits.keys() {
                if *of == family {
                    let network = masked(number, family, *bits);
                    let range = Cidr {
                        family,
                        bits: *bits,
                        network,
                    };
                    collect_from(self.cidrs.get(&range), found);
                }
            }
        }
    }
}

fn collect_from(postings: Option<&Postings>, found: &mut Vec<Filed>) {
    if let Some(postings) = postings {
        postings.collect(found);
    }
}

fn emptied(postings: &mut Postings, filed: Filed) -> bool {
    postings.remove(filed);
    postings.is_empty()
}
