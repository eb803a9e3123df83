//! What a save must write: the rows that a generation lacks, in batches that sled can hold.
//!
//! A batch is atomic, and sled keeps all of it in memory, many times over: a million rows took ten gigabytes, and were slower than
//! a thousand batches of a thousand. So where there is more than one batch, the generation first loses its manifest: whatever
//! happens before it has the next one, it counts as none, and the other generation is whole.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;
use sled::{Batch, Db, IVec, Tree};

use super::SaveReport;
use super::row::{self, MANIFEST_KEY, ROW_PREFIX};

/// Rows of one batch.
const BATCH_ROWS_MAX: usize = 1_000;
/// Bytes of the rows of one batch; a row may go beyond it.
const BATCH_BYTES_MAX: usize = 1 << 20;

type Row = (Bytes, Bytes);

/// The rows in order of their keys, one of each key: the last.
pub(super) fn in_order(rows: &[Row]) -> Cow<'_, [Row]> {
    if rows.is_sorted_by(|a, b| a.0 < b.0) {
        return Cow::Borrowed(rows);
    }
    let by_key: BTreeMap<_, _> = rows.iter().cloned().collect();
    Cow::Owned(by_key.into_iter().collect())
}

/// What a tree lacks, and has too much.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Of the rows, those that are new or have changed.
    changed: Vec<usize>,
    /// Keys as sled has them.
    removed: Vec<IVec>,
    unchanged: usize,
}

impl Difference {
    /// Of a tree and rows in order.
    pub(super) fn between(tree: &Tree, rows: &[Row]) -> sled::Result<Self> {
        let mut difference = Self::default();
        let mut at = 0;
        for stored in tree.scan_prefix(ROW_PREFIX) {
            let (stored_key, stored) = stored?;
            let key = &stored_key[ROW_PREFIX.len()..];
            while rows.get(at).is_some_and(|row| row.0[..] < *key) {
                difference.changed.push(at);
                at += 1;
            }
            match rows.get(at).map(|row| (row.0[..].cmp(key), &row.1)) {
                Some((Ordering::Equal, value)) => {
                    if row::same_value(&stored, key, value) {
                        difference.unchanged += 1;
                    } else {
                        difference.changed.push(at);
                    }
                    at += 1;
                }
                _ => difference.removed.push(stored_key),
            }
        }
        difference.changed.extend(at..rows.len());
        Ok(difference)
    }

    /// Writes all but the last batch, which is to be written with the manifest.
    pub(super) fn write(&self, db: &Db, tree: &Tree, rows: &[Row]) -> sled::Result<Batch> {
        let mut batches = Batches::to(db, tree);
        for key in &self.removed {
            batches.room_for(key.len())?.remove(key);
        }
        for (key, value) in self.changed.iter().filter_map(|at| rows.get(*at)) {
            let batch = batches.room_for(key.len() + value.len())?;
            batch.insert(row::encode_key(key), row::encode_value(key, value));
        }
        Ok(batches.last)
    }

    pub(super) fn report(&self) -> SaveReport {
        SaveReport {
            written: self.changed.len(),
            unchanged: self.unchanged,
            removed: self.removed.len(),
        }
    }
}

/// What is written, a batch after the other.
struct Batches<'a> {
    db: &'a Db,
    tree: &'a Tree,
    last: Batch,
    rows: usize,
    bytes: usize,
    /// Whether the last is the only one.
    is_first: bool,
}

impl<'a> Batches<'a> {
    fn to(db: &'a Db, tree: &'a Tree) -> Self {
        Self {
            db,
            tree,
            last: Batch::default(),
            rows: 0,
            bytes: 0,
            is_first: true,
        }
    }

    /// The batch that takes one more row, of so many bytes.
    fn room_for(&mut self, bytes: usize) -> sled::Result<&mut Batch> {
        if self.rows >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX {
            if self.is_first {
                self.tree.remove(MANIFEST_KEY)?;
                self.db.flush()?;
                self.is_first = false;
            }
            self.tree.apply_batch(std::mem::take(&mut self.last))?;
            // Only what is on its way to the disk can leave the memory.
            self.db.flush()?;
            (self.rows, self.bytes) = (0, 0);
        }
        self.rows += 1;
        self.bytes += bytes;
        Ok(&mut self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[(&'static str, &'static str)]) -> Vec<Row> {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        texts.iter().map(|(k, v)| (bytes(k), bytes(v))).collect()
    }

    #[test]
    fn of_two_rows_with_one_key_the_later_counts() {
        let ordered = rows(&[("a", "1"), ("b", "2")]);
        assert!(matches!(in_order(&ordered), Cow::Borrowed(_)));
        let mixed = rows(&[("b", "0"), ("c", "1"), ("a", "1"), ("b", "2"), ("b", "3")]);
        assert_eq!(
            *in_order(&mixed),
            *rows(&[("a", "1"), ("b", "3"), ("c", "1")])
        );
    }
}
