//! What was sent to a FIFO queue, or published to a FIFO topic, in the last five minutes, by deduplication id.
//!
//! The window runs from the first send and is not prolonged by a duplicate; it outlives the message,
//! its deletion and a purge. A duplicate is answered with the first message's own id and position.
//!
//! A busy queue has millions of entries, so they stand in one list in order of time, and a hash table
//! of places in that list finds them. The table's own order shows nowhere.

use std::collections::VecDeque;

use hashbrown::HashTable;
use levada_types::{Timestamp, limits};
use sha2::{Digest, Sha256};

use crate::snapshot::{Reader, RestoreError, Writer};
use crate::transfer::spread_of_position;

/// A hash of a deduplication id, and of the group if the scope is the group.
pub(crate) type Key = [u8; 16];

/// The key of a send; `None` if it has no deduplication id, which only a transfer leaves out.
pub(crate) fn key_of(deduplication: &[u8], group: Option<&str>) -> Option<Key> {
    let id: Key = deduplication.try_into().ok()?;
    let Some(group) = group else { return Some(id) };
    let hash = Sha256::new()
        .chain_update(id)
        .chain_update(group)
        .finalize();
    hash.first_chunk().copied()
}

/// The message that was sent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) position: u64,
    pub(crate) message_id: [u8; 16],
}

#[derive(Debug)]
struct Entry {
    key: Key,
    first: First,
}

/// Sends at one time.
#[derive(Debug)]
struct Moment {
    at: Timestamp,
    sends: usize,
}

/// The table of one queue's part in one partition.
#[derive(Debug, Default)]
pub(crate) struct Deduplication {
    /// In order of their sends.
    entries: VecDeque<Entry>,
    /// When the entries were sent, run by run.
    moments: VecDeque<Moment>,
    /// Numbers of entries, counted from the first one ever; the lowest 32 bits are enough to find one.
    numbers: HashTable<u32>,
    /// The number of `entries[0]`.
    first_number: u32,
}

/// Keys are hashes already; their halves are mixed for the sake of those that are not.
fn hash_of(key: &Key) -> u64 {
    let number = u128::from_le_bytes(*key);
    // The halves, on purpose.
    spread_of_position((number >> 64) as u64 ^ number as u64)
}

impl Deduplication {
    /// The message with this key, if it was sent less than five minutes ago.
    pub(crate) fn first(&self, key: &Key) -> Option<First> {
        let same = |number: &u32| self.entry(*number).is_some_and(|entry| entry.key == *key);
        let number = self.numbers.find(hash_of(key), same)?;
        Some(self.entry(*number)?.first)
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries
            .get(number.wrapping_sub(self.first_number) as usize)
    }

    /// Notes a first send. `at` never runs back, and there is no entry of this key.
    pub(crate) fn insert(&mut self, at: Timestamp, key: Key, first: First) {
        let Ok(place) = u32::try_from(self.entries.len()) else {
            return; // four billion sends in five minutes are beyond any machine
        };
        let number = self.first_number.wrapping_add(place);
        self.entries.push_back(Entry { key, first });
        match self.moments.back_mut() {
            Some(moment) if moment.at == at => moment.sends += 1,
            _ => self.moments.push_back(Moment { at, sends: 1 }),
        }
        let (entries, first_number) = (&self.entries, self.first_number);
        self.numbers.insert_unique(hash_of(&key), number, |number| {
            let entry = entries.get(number.wrapping_sub(first_number) as usize);
            entry.map_or(0, |entry| hash_of(&entry.key))
        });
    }

    /// Forgets what was sent five minutes ago or earlier.
    pub(crate) fn forget(&mut self, at: Timestamp) {
        let old = |moment: &Moment| at.millis_since(moment.at) >= limits::DEDUPLICATION_WINDOW_MS;
        if self.moments.back().is_some_and(old) {
            *self = Self::default(); // gives the memory back, too
            return;
        }
        while let Some(moment) = self.moments.pop_front_if(|moment| old(moment)) {
            for _ in 0..moment.sends {
                self.forget_first();
            }
        }
    }

    fn forget_first(&mut self) {
        let Some(entry) = self.entries.pop_front() else {
            return;
        };
        let first_number = self.first_number;
        let found = self
            .numbers
            .find_entry(hash_of(&entry.key), |number| *number == first_number);
        if let Ok(found) = found {
            found.remove();
        }
        self.first_number = first_number.wrapping_add(1);
    }

    /// When the last window ends.
    pub(crate) fn last_end(&self) -> Option<Timestamp> {
        Some(
            self.moments
                .back()?
                .at
                .plus_millis(limits::DEDUPLICATION_WINDOW_MS),
        )
    }

    /// Every entry, in order of time, for a snapshot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timestamp, &Key, &First)> {
        let times = self
            .moments
            .iter()
            .flat_map(|m| std::iter::repeat_n(m.at, m.sends));
        times
            .zip(&self.entries)
            .map(|(at, entry)| (at, &entry.key, &entry.first))
    }

    /// Writes one entry.
    pub(crate) fn write(w: &mut Writer, (at, key, first): (Timestamp, &Key, &First)) {
        w.time(at);
        w.bytes(key);
        w.u64(first.position);
        w.bytes(&first.message_id);
    }

    /// Reads the next entry.
    pub(crate) fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), RestoreError> {
        const BAD: RestoreError = RestoreError::Row("deduplication table");
        let at = r.time()?;
        let key = r.bytes()?.try_into().map_err(|_| BAD)?;
        let position = r.u64()?;
        let message_id = r.bytes()?.try_into().map_err(|_| BAD)?;
        let later = self.moments.back().is_none_or(|last| last.at <= at);
        if !later || self.first(&key).is_some() {
            return Err(BAD);
        }
        self.insert(
            at,
            key,
            First {
                position,
                message_id,
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_runs_from_the_first_send() {
        let mut table = Deduplication::default();
        let first = First {
            position: 7,
            message_id: [1; 16],
        };
        table.insert(Timestamp::from_millis(1_000), [9; 16], first);
        table.forget(Timestamp::from_millis(300_999));
        assert_eq!(table.first(&[9; 16]), Some(first));
        table.forget(Timestamp::from_millis(301_000));
        assert_eq!(table.first(&[9; 16]), None);
    }

    #[test]
    fn entries_are_found_while_others_come_and_go() {
        let mut table = Deduplication {
            first_number: u32::MAX - 500,
            ..Default::default()
        };
        let key = |n: u64| u128::from(n).to_be_bytes();
        for n in 0..2_000 {
            let at = Timestamp::from_millis(n * 1_000);
            table.forget(at);
            table.insert(
                at,
                key(n),
                First {
                    position: n,
                    message_id: [0; 16],
                },
            );
            let oldest = n.saturating_sub(299);
            assert_eq!(
                table.first(&key(oldest)).map(|first| first.position),
                Some(oldest)
            );
            assert!(oldest == 0 || table.first(&key(oldest - 1)).is_none());
            assert_eq!(table.numbers.len() as u64, n - oldest + 1);
        }
        assert_eq!(table.iter().count(), 300);
        table.forget(Timestamp::from_millis(10_000_000));
        assert_eq!(
            (table.iter().count(), table.numbers.len(), table.last_end()),
            (0, 0, None)
        );
    }

    #[test]
    fn the_group_counts_only_in_its_scope() {
        let id = [3; 16];
        assert_eq!(key_of(&id, None), Some(id));
        assert_ne!(key_of(&id, Some("a")), key_of(&id, Some("b")));
        assert_eq!(key_of(b"", Some("a")), None);
    }
}
