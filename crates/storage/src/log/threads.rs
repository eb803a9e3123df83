//! The log's threads: the writer, a reader, and one that purges.
//!
//! Reading has a thread of its own because raft-engine keeps the last block that a thread has read in
//! thread-local memory, under a key that says nothing of which engine it came from: two stores that are
//! read by one thread, or one that is closed and opened again, could get each other's entries. Purging
//! has one because it may rewrite old entries for a while, and writes should not wait. A read does.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use levada_types::PartitionId;

use super::entry::{Record, Records};
use super::writer::Writer;
use super::{LogEntry, Shared};
use crate::Work;
use crate::fatal::panic_text;

/// Reads that may wait for the reader. Each waiting caller is a thread that can't do anything else.
const READS_WAITING_MAX: usize = 64;
/// Entries that one read returns at most, so that an index of a large range needn't be copied.
const READ_ENTRIES_MAX: u64 = 4_096;

struct ReadRequest {
    region: u64,
    range: Range<u64>,
    max_bytes: usize,
    answer: SyncSender<io::Result<Vec<LogEntry>>>,
}

/// Handles of the threads.
pub(super) struct Threads {
    reads: Option<SyncSender<ReadRequest>>,
    wishes: Arc<Mutex<BTreeSet<PartitionId>>>,
    /// The writer, if it has no thread.
    on_call: Option<Mutex<OnCall>>,
    handles: Vec<JoinHandle<()>>,
}

/// The writer when the owner of the store calls it. It waits for each purge, which has its thread all the same:
/// it reads, and see above what becomes of two stores that one thread reads.
struct OnCall {
    writer: Writer,
    purge: SyncSender<()>,
    purged: Receiver<()>,
}

impl Threads {
    pub(super) fn start(shared: &Arc<Shared>, work: Work) -> io::Result<Self> {
        let (reads, read_requests) = sync_channel(READS_WAITING_MAX);
        // One waiting signal is enough: a purge looks at everything.
        let (purge, purge_signals) = sync_channel(1);
        // Of no interest to a writer with a thread.
        let (done, purged) = sync_channel(1);
        let wishes = Arc::new(Mutex::new(BTreeSet::new()));
        let mut threads = Self {
            reads: Some(reads),
            wishes: wishes.clone(),
            on_call: None,
            handles: Vec::new(),
        };
        let reader = shared.clone();
        threads.spawn("log-read", move || serve_reads(&reader, &read_requests))?;
        let purger = shared.clone();
        threads.spawn("log-purge", move || {
            serve_purges(&purger, &purge_signals, &wishes, &done)
        })?;
        let mut writer = Writer::default();
        match work {
            Work::OnThreads => {
                let writes = shared.clone();
                threads.spawn("log-write", move || {
                    writer.run(&writes, &|| match purge.try_send(()) {
                        Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
                    });
                })?;
            }
            Work::OnCall => {
                threads.on_call = Some(Mutex::new(OnCall {
                    writer,
                    purge,
                    purged,
                }));
            }
        }
        Ok(threads)
    }

    /// See [`super::LogStore::work`].
    pub(super) fn work(&self, shared: &Shared) -> bool {
        let Some(on_call) = &self.on_call else {
            return false;
        };
        let on_call = &mut *on_call.lock().unwrap_or_else(PoisonError::into_inner);
        let (purge, purged) = (&on_call.purge, &on_call.purged);
        on_call.writer.turn(shared, &|| {
            // A purger that has ended has said why by the fatal hook.
            if purge.send(()).is_ok() {
                let _ended = purged.recv();
            }
        })
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.handles.push(
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)?,
        );
        Ok(())
    }

    /// Reads entries from the disk.
    pub(super) fn read(
        &self,
        region: u64,
        range: Range<u64>,
        max_bytes: usize,
    ) -> io::Result<Vec<LogEntry>> {
        let gone = || io::Error::other("the log's reader has ended");
        let (answer, result) = sync_channel(1);
        let request = ReadRequest {
            region,
            range,
            max_bytes,
            answer,
        };
        self.reads
            .as_ref()
            .ok_or_else(gone)?
            .send(request)
            .map_err(|_| gone())?;
        result.recv().map_err(|_| gone())?
    }

    pub(super) fn take_wishes(&self) -> Vec<PartitionId> {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *wishes).into_iter().collect()
    }

    /// Waits for the threads, which end once the store is marked as closed.
    pub(super) fn join(&mut self) {
        self.reads = None;
        self.on_call = None;
        for handle in self.handles.drain(..).rev() {
            // A callback may hold the last reference to the store; then this is the writer itself.
            if handle.thread().id() != std::thread::current().id() && handle.join().is_err() {
                tracing::error!("a thread of the log has panicked");
            }
        }
    }
}

fn serve_reads(shared: &Shared, requests: &Receiver<ReadRequest>) {
    while let Ok(request) = requests.recv() {
        let ReadRequest {
            region,
            range,
            max_bytes,
            answer,
        } = request;
        let end = range.end.min(range.start.saturating_add(READ_ENTRIES_MAX));
        let mut records: Vec<Record> = Vec::new();
        // raft-engine looks up where entries are and then reads there. A purge in between may have moved them, and
        // their file may be gone or hold others.
        let alone = shared
            .rewriting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let read = catch_unwind(AssertUnwindSafe(|| {
            let engine = &shared.engine;
            engine.fetch_entries_to::<Records>(
                region,
                range.start,
                end,
                Some(max_bytes),
                &mut records,
            )
        }));
        drop(alone);
        let result = match read {
            Ok(Ok(_)) => Ok(records.into_iter().map(LogEntry::from).collect()),
            Ok(Err(e)) => Err(read_error(e)),
            Err(panic) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                panic_text(&*panic),
            )),
        };
        // The caller waits without a limit, so it is there unless its thread has died.
        let _gone = answer.send(result);
    }
}

fn read_error(e: raft_engine::Error) -> io::Error {
    use raft_engine::Error as E;
    match e {
        E::Io(e) => e,
        // Purged between the look at memory and the read.
        E::EntryCompacted | E::EntryNotFound => io::Error::new(io::ErrorKind::NotFound, e),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

fn serve_purges(
    shared: &Shared,
    signals: &Receiver<()>,
    wishes: &Mutex<BTreeSet<PartitionId>>,
    done: &SyncSender<()>,
) {
    while signals.recv().is_ok() {
        let alone = shared
            .rewriting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let purge = catch_unwind(AssertUnwindSafe(|| shared.engine.purge_expired_files()));
        drop(alone);
        match purge {
            Ok(Ok(regions)) => {
                let partitions = regions
                    .into_iter()
                    .filter_map(|region| u32::try_from(region.checked_sub(1)?).ok())
                    .map(PartitionId);
                wishes
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(partitions);
            }
            Ok(Err(raft_engine::Error::Io(e))) => {
                return shared.fail(&format!("rewriting old log entries failed: {e}"));
            }
            // Old entries that can't be read stay where they are and the log grows; the node works on.
            Ok(Err(e)) => tracing::error!(error = %e, "the log can't be purged"),
            Err(panic) => {
                let reason = panic_text(&*panic);
                return shared.fail(&format!("rewriting old log entries failed: {reason}"));
            }
        }
        // Full or without a receiver where nobody waits for it.
        let _unwanted = done.try_send(());
    }
}
