//! One group's view of the node's log, as openraft wants it.
//!
//! Entries of all groups share one log and one writer (`levada_storage::log`); this adapter adds the
//! vote and the purge mark, and turns entries into bytes and back. Raft counts entries from 0 and the
//! log from 1, so that "truncate after nothing" has a number.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use levada_storage::log::{LogEntry, LogStore, StateKey};
use levada_types::PartitionId;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use prost::Message as _;
use tokio::sync::oneshot;

use crate::codec::{self, Entry, LogId, Vote};
use crate::config::TypeConfig;
use crate::proto;

/// Bytes of entries that one read for replication gathers; at least one entry is always read.
const READ_BYTES_MAX: usize = 1024 * 1024;

const VOTE: StateKey = StateKey::VOTE;
const PURGED: StateKey = StateKey::PURGED;

/// One group's log. Clones share it.
#[derive(Clone)]
pub(crate) struct GroupLog {
    partition: PartitionId,
    store: Arc<LogStore>,
}

impl GroupLog {
    pub(crate) fn new(partition: PartitionId, store: Arc<LogStore>) -> Self {
        Self { partition, store }
    }

    pub(crate) fn stored<M: prost::Message + Default>(
        &self,
        key: StateKey,
        what: &str,
    ) -> io::Result<Option<M>> {
        self.store
            .state(self.partition, key)
            .map(|b| codec::decode(b, what))
            .transpose()
    }

    /// The last entry, purged or not.
    pub(crate) fn last(&self) -> io::Result<Option<LogId>> {
        let last = match self.store.bounds(self.partition) {
            Some((_, last)) => self
                .entries(last - 1, last, usize::MAX)?
                .pop()
                .map(|e| e.log_id),
            None => None,
        };
        Ok(last.max(self.purged()?))
    }

    pub(crate) async fn put(&self, key: StateKey, value: Bytes) -> io::Result<()> {
        let (tx, rx) = oneshot::channel();
        self.store.put_state(self.partition, key, value, done(tx));
        flushed(rx).await
    }

    /// The entry through which the log was purged.
    fn purged(&self) -> io::Result<Option<LogId>> {
        let id: Option<proto::LogId> = self.stored(PURGED, "purge mark")?;
        Ok(id.as_ref().map(codec::log_id_from))
    }

    fn entries(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let range = start.saturating_add(1)..end.saturating_add(1);
        let raw = self.store.read(self.partition, range, bytes_max)?;
        raw.into_iter()
            .map(|e| codec::entry_from_bytes(e.bytes))
            .collect()
    }
}

type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

fn done(tx: oneshot::Sender<io::Result<()>>) -> Done {
    Box::new(move |result| {
        // The receiver is gone only if the group was shut down, and then nobody asks.
        let _ = tx.send(result);
    })
}

async fn flushed(rx: oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    rx.await
        .unwrap_or_else(|_| Err(io::Error::other("the log's writer has stopped")))
}

impl RaftLogReader<TypeConfig> for GroupLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let start = match range.start_bound() {
            Bound::Included(i) => *i,
            Bound::Excluded(i) => *i + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(i) => *i + 1,
            Bound::Excluded(i) => *i,
            Bound::Unbounded => u64::MAX,
        };
        // The log answers so many at a time, and what is missing here openraft takes for applied.
        let mut entries = Vec::new();
        let mut next = start;
        while next < end {
            let part = self.entries(next, end, usize::MAX)?;
            let Some(last) = part.last() else { break };
            next = last.log_id.index + 1;
            entries.extend(part);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        let vote: Option<proto::Vote> = self.stored(VOTE, "vote")?;
        Ok(vote.as_ref().map(codec::vote_from))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.entries(start, end, READ_BYTES_MAX)
    }
}

impl RaftLogStorage<TypeConfig> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        Ok(LogState {
            last_purged_log_id: self.purged()?,
            last_log_id: self.last()?,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.put(VOTE, codec::vote_to(vote).encode_to_vec().into())
            .await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries
            .into_iter()
            .map(|e| LogEntry {
                index: e.log_id.index + 1,
                bytes: codec::entry_bytes(&e),
            })
            .collect();
        self.store.append(
            self.partition,
            entries,
            Box::new(move |result| callback.io_completed(result)),
        );
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let (tx, rx) = oneshot::channel();
        self.store
            .truncate_after(self.partition, last.map_or(0, |id| id.index + 1), done(tx));
        flushed(rx).await
    }

    async fn purge(&mut self, through: LogId) -> io::Result<()> {
        // The mark goes first through the same writer, so no crash leaves a log that begins past it.
        self.put(PURGED, codec::log_id_to(&through).encode_to_vec().into())
            .await?;
        self.store.purge_through(self.partition, through.index + 1);
        Ok(())
    }
}
