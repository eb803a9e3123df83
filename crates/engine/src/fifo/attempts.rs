//! Receive attempts: what was returned for an attempt id, so that the same can be returned again.
//!
//! An attempt can be repeated within five minutes of its first receive, as long as all its messages
//! are still in flight by that very receive and none was changed: the queue breaks the attempt as soon
//! as one is deleted, changed, expired or returned. So there are never more attempts than claims.

use std::collections::{BTreeMap, BTreeSet};

use levada_types::{Timestamp, limits};

use crate::snapshot::{Reader, RestoreError, Writer};

/// A hash of an attempt id.
pub(super) type Key = [u8; 16];

#[derive(Clone, Debug)]
pub(super) struct Attempt {
    first_at: Timestamp,
    positions: Vec<u64>,
}

/// The attempts of one queue's part in one partition that can be repeated.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_key: BTreeMap<Key, Attempt>,
    by_time: BTreeSet<(Timestamp, Key)>,
}

impl Attempts {
    /// What the attempt returned, if it can be repeated.
    pub(super) fn positions(&self, key: &Key) -> Option<Vec<u64>> {
        Some(self.by_key.get(key)?.positions.clone())
    }

    /// Notes an attempt; one of the same id before it is forgotten.
    pub(super) fn insert(&mut self, first_at: Timestamp, key: Key, positions: Vec<u64>) {
        self.remove(&key);
        self.by_time.insert((first_at, key));
        self.by_key.insert(
            key,
            Attempt {
                first_at,
                positions,
            },
        );
    }

    /// The claim on `position`, made by the attempt, ended or changed.
    pub(super) fn broken(&mut self, key: &Key, position: u64) {
        // Another attempt may have the same id, more than five minutes later.
        if self
            .by_key
            .get(key)
            .is_some_and(|attempt| attempt.positions.contains(&position))
        {
            self.remove(key);
        }
    }

    /// Forgets the attempts of five minutes ago and earlier.
    pub(super) fn forget(&mut self, at: Timestamp) {
        while let Some((first_at, key)) = self.by_time.first().copied()
            && at.millis_since(first_at) >= limits::DEDUPLICATION_WINDOW_MS
        {
            self.remove(&key);
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.by_key.clear();
        self.by_time.clear();
    }

    fn remove(&mut self, key: &Key) {
        if let Some(attempt) = self.by_key.remove(key) {
            self.by_time.remove(&(attempt.first_at, *key));
        }
    }

    /// Every attempt, for a snapshot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Attempt)> {
        self.by_key.iter()
    }

    /// Writes one attempt.
    pub(super) fn write(w: &mut Writer, (key, attempt): (&Key, &Attempt)) {
        w.bytes(key);
        w.time(attempt.first_at);
        w.u64(attempt.positions.len() as u64);
        attempt
            .positions
            .iter()
            .for_each(|position| w.u64(*position));
    }

    /// Reads the next attempt.
    pub(super) fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), RestoreError> {
        let key = r
            .bytes()?
            .try_into()
            .map_err(|_| RestoreError::Row("receive attempt"))?;
        let first_at = r.time()?;
        let count = r.u64()?;
        let positions = (0..count).map(|_| r.u64()).collect::<Result<_, _>>()?;
        self.insert(first_at, key, positions);
        Ok(())
    }
}
