//! Whether an alternative matches a message.

use std::collections::BTreeMap;

use super::condition::Condition;
use super::message::{Found, Message, Places, TOP};
use super::{Alternative, Term};

/// Which terms hold, a bit each.
type Mask = u8;

const _: () = assert!(levada_types::limits::FILTER_TERMS_MAX <= Mask::BITS as usize);

/// Whether every term holds for a value, and those values can be taken together: no two of them lie in different elements of
/// one array.
pub(super) fn matches(alternative: &Alternative, message: &Message<'_>) -> bool {
    if message.is_flat() {
        return alternative
            .terms
            .iter()
            .all(|term| holds(term, message.get(&term.path)));
    }
    let mut holding: BTreeMap<u32, Masks> = BTreeMap::new();
    let mut full: Mask = 0;
    for (number, term) in alternative.terms.iter().enumerate() {
        let bit = 1 << number;
        full |= bit;
        let Some(found) = message.get(&term.path) else {
            if !accepts_absence(term) {
                return false;
            }
            holding
                .entry(TOP)
                .or_insert_with(Masks::none)
                .put_in_all(bit);
            continue;
        };
        let mut any = false;
        for one in found.iter().filter(|one| accepts(term, one)) {
            any = true;
            holding
                .entry(one.place)
                .or_insert_with(Masks::none)
                .put_in_all(bit);
        }
        if !any {
            return false;
        }
    }
    together(holding, full, message.places())
}

fn holds(term: &Term, found: Option<&[Found<'_>]>) -> bool {
    match found {
        Some(found) => found.iter().any(|one| accepts(term, one)),
        None => accepts_absence(term),
    }
}

fn accepts(term: &Term, found: &Found<'_>) -> bool {
    term.conditions
        .iter()
        .any(|condition| condition.holds(&found.value))
}

fn accepts_absence(term: &Term) -> bool {
    term.conditions.contains(&Condition::Absent)
}

/// From the innermost places outwards: what an object has is taken together, of an array's elements only one is.
fn together(mut holding: BTreeMap<u32, Masks>, full: Mask, places: &Places) -> bool {
    while let Some((place, masks)) = holding.pop_last() {
        if place == TOP {
            return masks.0.contains(&full);
        }
        let (parent, array) = places.parent(place);
        if array {
            holding
                .entry(parent)
                .or_insert_with(Masks::none)
                .join_each(&masks);
        } else {
            holding
                .entry(parent)
                .or_insert(Masks(Vec::new()))
                .add(&masks);
        }
    }
    full == 0
}

/// Which terms can hold together within a place; none of them is part of another.
#[derive(Debug)]
struct Masks(Vec<Mask>);

impl Masks {
    /// Nothing holds.
    fn none() -> Self {
        Self(vec![0])
    }

    /// What holds beside whatever else does.
    fn put_in_all(&mut self, bit: Mask) {
        for mask in &mut self.0 {
            *mask |= bit;
        }
    }

    fn insert(&mut self, mask: Mask) {
        if self.0.iter().any(|known| known & mask == mask) {
            return;
        }
        self.0.retain(|known| known & mask != *known);
        self.0.push(mask);
    }

    /// One more that can be taken instead.
    fn add(&mut self, other: &Self) {
        for mask in &other.0 {
            self.insert(*mask);
        }
    }

    /// What can be taken beside this.
    fn join_each(&mut self, other: &Self) {
        let before = std::mem::take(&mut self.0);
        for mask in &before {
            for beside in &other.0 {
                self.insert(mask | beside);
            }
        }
    }
}
