//! Tokens of transactions that were done lately: the same one asked for again is not done again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use levada_types::Timestamp;
use levada_types::limits::TRANSACTION_TOKEN_MS;

use crate::snapshot::{Reader, RestoreError, Rows, Table, Writer};

/// Tokens remembered at most; beyond it the oldest is forgotten.
const TOKENS_MAX: usize = 65_536;

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing.
    No,
    /// This was done.
    Done,
    /// Something else was done by it.
    Other,
}

/// The tokens of one partition.
#[derive(Default)]
pub(crate) struct Transactions {
    /// When it was done, and what stands for what was asked.
    done: BTreeMap<Bytes, (Timestamp, Bytes)>,
    by_time: BTreeSet<(Timestamp, Bytes)>,
}

impl Transactions {
    /// Forgets what is old.
    pub(crate) fn advance(&mut self, at: Timestamp) {
        while let Some((done_at, token)) = self.by_time.first() {
            let is_old = done_at.plus_millis(TRANSACTION_TOKEN_MS) <= at;
            if !is_old && self.done.len() <= TOKENS_MAX {
                return;
            }
            self.done.remove(token);
            self.by_time.pop_first();
        }
    }

    /// Whether a transaction was done.
    pub(crate) fn look_up(&self, token: &Bytes, fingerprint: &Bytes) -> Known {
        match self.done.get(token) {
            None => Known::No,
            Some((_, known)) if known == fingerprint => Known::Done,
            Some(_) => Known::Other,
        }
    }

    /// Remembers one that was done.
    pub(crate) fn remember(&mut self, at: Timestamp, token: Bytes, fingerprint: Bytes) {
        if let Some((before, _)) = self.done.insert(token.clone(), (at, fingerprint)) {
            self.by_time.remove(&(before, token.clone()));
        }
        self.by_time.insert((at, token));
    }

    pub(crate) fn encode(&self, rows: &mut Rows) {
        for (token, (at, fingerprint)) in &self.done {
            let mut w = Writer::default();
            w.time(*at);
            w.bytes(fingerprint);
            rows.put(Table::Transaction, token, w.finish());
        }
    }

    /// Reads one row of `Table::Transaction`.
    pub(crate) fn load(&mut self, token: &[u8], value: &[u8]) -> Result<(), RestoreError> {
        let mut r = Reader::new(value, "transaction");
        let at = r.time()?;
        let fingerprint = Bytes::copy_from_slice(r.bytes()?);
        self.remember(at, Bytes::copy_from_slice(token), fingerprint);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_for_ten_minutes() {
        let t = Timestamp::from_millis;
        let (token, one, two) = (Bytes::from("t"), Bytes::from("1"), Bytes::from("2"));
        let mut known = Transactions::default();
        assert_eq!(known.look_up(&token, &one), Known::No);
        known.remember(t(5), token.clone(), one.clone());
        assert_eq!(known.look_up(&token, &one), Known::Done);
        assert_eq!(known.look_up(&token, &two), Known::Other);
        known.advance(t(5 + TRANSACTION_TOKEN_MS - 1));
        assert_eq!(known.look_up(&token, &one), Known::Done);
        known.advance(t(5 + TRANSACTION_TOKEN_MS));
        assert_eq!(known.look_up(&token, &one), Known::No);
        assert!(known.by_time.is_empty());
    }
}
