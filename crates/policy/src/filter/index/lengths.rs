//! Texts by what they begin or end with: the parts in a map, looked up by each length that one of them has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Parts of texts, each with what it stands for.
#[derive(Debug)]
pub(super) struct ByLength<T> {
    parts: HashMap<Arc<str>, T>,
    /// How many parts have a length, in bytes.
    lengths: BTreeMap<usize, usize>,
}

impl<T> Default for ByLength<T> {
    fn default() -> Self {
        Self {
            parts: HashMap::new(),
            lengths: BTreeMap::new(),
        }
    }
}

impl<T: Default> ByLength<T> {
    pub(super) fn entry(&mut self, part: &Arc<str>) -> &mut T {
        if !self.parts.contains_key(part) {
            *self.lengths.entry(part.len()).or_default() += 1;
        }
        self.parts.entry(Arc::clone(part)).or_default()
    }

    pub(super) fn get(&self, part: &str) -> Option<&T> {
        self.parts.get(part)
    }

    /// Changes a part, and takes it out if there is nothing left of it.
    pub(super) fn change(&mut self, part: &str, change: impl FnOnce(&mut T) -> bool) {
        let Some(known) = self.parts.get_mut(part) else {
            return;
        };
        if !change(known) {
            return;
        }
        self.parts.remove(part);
        if let Some(count) = self.lengths.get_mut(&part.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&part.len());
            }
        }
    }

    /// Those that the text begins with.
    pub(super) fn beginnings<'s>(&'s self, text: &'s str) -> impl Iterator<Item = &'s T> {
        self.lengths
            .range(..=text.len())
            .filter_map(|(length, _)| self.parts.get(text.get(..*length)?))
    }

    /// Those that the text ends with.
    pub(super) fn endings<'s>(&'s self, text: &'s str) -> impl Iterator<Item = &'s T> {
        self.lengths
            .range(..=text.len())
            .filter_map(|(length, _)| self.parts.get(text.get(text.len() - length..)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_begins_and_ends_with_is_found() {
        let mut parts: ByLength<u32> = ByLength::default();
        for (number, part) in ["", "a", "ab", "b", "é", "abc"].into_iter().enumerate() {
            *parts.entry(&part.into()) = number as u32;
        }
        let begins = |text| parts.beginnings(text).copied().collect::<Vec<_>>();
        let ends = |text| parts.endings(text).copied().collect::<Vec<_>>();
        assert_eq!(begins("abd"), [0, 1, 2]);
        assert_eq!(begins("éa"), [0, 4]);
        assert_eq!(begins(""), [0]);
        assert_eq!(ends("aab"), [0, 3, 2]);
        assert_eq!(ends("aé"), [0, 4]);
        parts.change("ab", |_| true);
        parts.change("a", |_| false);
        assert_eq!(parts.beginnings("abd").copied().collect::<Vec<_>>(), [0, 1]);
        assert!(!parts.lengths.contains_key(&3) || parts.get("abc").is_some());
    }
}
