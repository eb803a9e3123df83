//! One log for all partitions of a node, on raft-engine, with one writer that groups what has gathered.
//!
//! - `append` and its siblings put an operation into a bounded queue and return. The writer thread takes
//!   everything that is there, writes it as one batch with one sync, and then calls every callback. The
//!   order of calls is the order on the disk.
//! - Reads see what was appended at once, synced or not. Entries leave memory only when they are on the
//!   disk, so a read that misses memory finds them there.
//! - A write or a sync that fails calls the fatal hook, and no callback ever hears `Ok` for it.
//! - At opening, a torn tail (one write that power loss cut off) is dropped. Anything else that is damaged
//!   is an error in words; see [`tail`].
//!
//! raft-engine's region is the partition's number plus one. Two state keys are the log's own: where a
//! truncation ended the log, and where a purge begins it, because raft-engine has no record for the first
//! and may forget the second when it moves entries.

mod engine_disk;
mod entry;
mod files;
mod memory;
mod open;
mod stats;
mod tail;
mod threads;
mod writer;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use levada_types::PartitionId;
use raft_engine::Engine;

pub use open::LogOpenError;
pub use stats::{LogStats, SYNC_BUCKETS_US};

use crate::Work;
use crate::disk::{Disk, RealDisk};
use crate::fatal::{FatalHook, abort_process};
use engine_disk::EngineDisk;
use entry::Record;
use memory::{Memory, PartitionLog, Purged};
use threads::Threads;

/// Bytes that may wait for the writer before callers are held: what a slow disk writes in a second or so.
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// State keys from here on are the log's own.
const STATE_KEY_OWN: u8 = 0xF0;
/// Where a truncation ended the log: the last index that counts.
const KEY_END: u8 = 0xF0;
/// Where a purge begins the log: the first index that counts.
const KEY_FLOOR: u8 = 0xF1;
/// The value of [`KEY_END`] that says that the log goes on. raft-engine may forget that a key was deleted
/// when it moves old values, so the mark is never deleted.
const NO_END: u64 = u64::MAX;

/// One numbered entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in the partition's log, from 1.
    pub index: u64,
    /// What it says.
    pub bytes: Bytes,
}

/// Names a small durable value of a partition. Values up to `0xEF` are the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(u8);

impl StateKey {
    /// The vote of the partition's group.
    pub const VOTE: Self = Self(1);
    /// What is known to be committed.
    pub const COMMITTED: Self = Self(2);
    /// What has been purged.
    pub const PURGED: Self = Self(3);
    /// The membership or anything else that belongs to the group.
    pub const MEMBERSHIP: Self = Self(4);

    /// A key of the caller's choice, below `0xF0`.
    pub const fn new(key: u8) -> Option<Self> {
        if key < STATE_KEY_OWN {
            Some(Self(key))
        } else {
            None
        }
    }
}

/// Called once, by the writer thread, when an operation is durable or has failed. It must not block.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// How a log is kept.
#[derive(Clone)]
pub struct LogOptions {
    /// Size of one log file, in bytes. Files are recycled, so small ones cost little.
    pub file_bytes: u64,
    /// Bytes of log from which files are recycled as soon as nothing in them is needed.
    pub purge_threshold_bytes: u64,
    /// Bytes of log files to write full of zeros at first start, so that syncs needn't wait for the file
    /// system to find room. Zero to let the log warm up by itself.
    pub prefill_bytes: u64,
    /// Bytes of the newest entries that stay in memory, all partitions together.
    pub cache_bytes: usize,
    /// What to do when a write or a sync has failed.
    pub fatal: FatalHook,
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
    /// Who writes. Purging is the writer's to begin either way.
    pub work: Work,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            file_bytes: 32 << 20,
            // Above what checkpoints leave in the log at full load, two times what one covers: below that
            // raft-engine would write entries anew that are about to go.
            purge_threshold_bytes: 384 << 20,
            prefill_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            fatal: abort_process(),
            disk: Arc::new(RealDisk),
            work: Work::OnThreads,
        }
    }
}

/// The log of all partitions of a node.
pub struct LogStore {
    shared: Arc<Shared>,
    threads: Threads,
}

/// What the callers and the threads share.
struct Shared {
    engine: Engine<EngineDisk>,
    front: Mutex<Front>,
    /// Held while old entries are rewritten and their files purged; by the reader; and by the writer for a batch
    /// that overwrites or removes entries, as raft-engine asserts that this doesn't meet a rewrite.
    rewriting: Mutex<()>,
    /// There is work for the writer.
    work: Condvar,
    /// There is room in the queue.
    room: Condvar,
    stats: LogStats,
    fatal: FatalHook,
    /// Set after the fatal hook was called: nothing is true any more.
    dead: AtomicBool,
}

/// What callers touch: memory and the queue, in step with each other.
struct Front {
    memory: Memory,
    queue: VecDeque<Operation>,
    queue_bytes: usize,
    next_seq: u64,
    closed: bool,
}

/// One operation in the queue.
struct Operation {
    partition: PartitionId,
    seq: u64,
    bytes: usize,
    what: What,
    done: Option<Done>,
}

enum What {
    Append {
        records: Vec<Record>,
        /// Whether there may be entries at these indexes on the disk.
        overwrites: bool,
    },
    Truncate {
        last: u64,
    },
    Purge(Purged),
    Put {
        key: u8,
        value: Bytes,
    },
    Remove,
    /// Nothing to write, but whoever asked hears when everything before it is written.
    Nothing,
}

impl Shared {
    fn front(&self) -> MutexGuard<'_, Front> {
        // A panic in between can only come from an allocation that failed.
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dead_error() -> io::Error {
        io::Error::other("the log has failed and takes no more requests")
    }
}

fn region(partition: PartitionId) -> u64 {
    u64::from(partition.0) + 1
}

impl LogStore {
    /// Opens the log in `dir`, whose parent must exist, and reads back what it holds.
    pub fn open(dir: &Path, options: LogOptions) -> Result<Self, LogOpenError> {
        let work = options.work;
        let shared = Arc::new(open::open(dir, options)?);
        let threads = Threads::start(&shared, work).map_err(LogOpenError::Thread)?;
        Ok(Self { shared, threads })
    }

    /// Appends entries, whose indexes must follow each other. Entries at or below the last index replace
    /// the end of the log. `done` hears `Ok` when all of it is on the disk, and `InvalidInput` if the
    /// entries would leave a gap or replace what is purged. Blocks only while 64 MiB wait for the writer.
    pub fn append(&self, partition: PartitionId, entries: Vec<LogEntry>, done: Done) {
        let bytes = entries.iter().map(|e| e.bytes.len()).sum();
        self.submit(partition, bytes, Some(done), |memory, seq| {
            let overwrites = memory
                .append(partition, &entries, seq)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
            let records = entries.into_iter().map(Record::from).collect();
            Ok(What::Append {
                records,
                overwrites,
            })
        });
    }

    /// Drops the entries after `index`.
    pub fn truncate_after(&self, partition: PartitionId, index: u64, done: Done) {
        self.submit(partition, 0, Some(done), |memory, _| {
            let cuts = memory.truncate_after(partition, index);
            Ok(if cuts {
                What::Truncate { last: index }
            } else {
                What::Nothing
            })
        });
    }

    /// Drops the entries up to and including `index`, which may be beyond the last one. It need not be
    /// durable at once: after a crash some of them may be there again.
    pub fn purge_through(&self, partition: PartitionId, index: u64) {
        self.submit(partition, 0, None, |memory, _| {
            // Never back: a purge that comes late must not lower what an earlier one has written.
            let purged = memory.purge_through(partition, index);
            Ok(purged.map_or(What::Nothing, What::Purge))
        });
    }

    /// Writes a small durable value.
    pub fn put_state(&self, partition: PartitionId, key: StateKey, value: Bytes, done: Done) {
        self.submit(partition, value.len(), Some(done), |memory, _| {
            memory.put_state(partition, key.0, value.clone());
            Ok(What::Put { key: key.0, value })
        });
    }

    /// Drops everything of a partition.
    pub fn remove_partition(&self, partition: PartitionId, done: Done) {
        self.submit(partition, 0, Some(done), |memory, _| {
            memory.remove(partition);
            Ok(What::Remove)
        });
    }

    /// The first and the last index of a partition, or nothing if its log is empty. Never touches the
    /// disk.
    pub fn bounds(&self, partition: PartitionId) -> Option<(u64, u64)> {
        self.shared.front().memory.get(partition)?.bounds()
    }

    /// The least index that a partition's log can hold: everything below was purged. A node whose
    /// checkpoint ends before `floor - 1` has lost it and can't rebuild the partition by itself.
    pub fn floor(&self, partition: PartitionId) -> u64 {
        self.shared
            .front()
            .memory
            .get(partition)
            .map_or(1, PartitionLog::floor)
    }

    /// A value that was put, durable or on its way. Never touches the disk.
    pub fn state(&self, partition: PartitionId, key: StateKey) -> Option<Bytes> {
        self.shared
            .front()
            .memory
            .get(partition)?
            .state
            .get(&key.0)
            .cloned()
    }

    /// The partitions that the log knows.
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.shared.front().memory.partitions()
    }

    /// The entries of `range` that exist, in order, as many as fit into `max_bytes` but at least one. It
    /// may return fewer than would fit; ask again from where it ended. Entries that have left memory are
    /// read from the disk while the caller waits.
    pub fn read(
        &self,
        partition: PartitionId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> io::Result<Vec<LogEntry>> {
        if self.shared.dead.load(Ordering::Acquire) {
            return Err(Shared::dead_error());
        }
        let plan = self
            .shared
            .front()
            .memory
            .plan_read(partition, range, max_bytes);
        if plan.disk.is_empty() {
            return Ok(plan.cached);
        }
        let wanted = (plan.disk.end - plan.disk.start) as usize;
        let mut entries = self.threads.read(region(partition), plan.disk, max_bytes)?;
        self.shared
            .stats
            .disk_reads
            .fetch_add(entries.len() as u64, Ordering::Relaxed);
        if entries.len() == wanted {
            let mut bytes: usize = entries.iter().map(|e| e.bytes.len()).sum();
            entries.extend(plan.cached.into_iter().take_while(|e| {
                bytes += e.bytes.len();
                bytes <= max_bytes
            }));
        }
        Ok(entries)
    }

    /// With [`Work::OnCall`]: writes what has gathered, as one batch with one sync, calls the callbacks, and purges
    /// if there is something to purge. False if there was nothing to write, or the writer has ended.
    pub fn work(&self) -> bool {
        self.threads.work(&self.shared)
    }

    /// What the log counts.
    pub fn stats(&self) -> &LogStats {
        &self.shared.stats
    }

    /// The partitions whose old entries keep log files from being recycled: a checkpoint and a purge of
    /// each would free room. Every call answers with what has come up since the last.
    pub fn take_purge_wishes(&self) -> Vec<PartitionId> {
        self.threads.take_wishes()
    }

    /// Puts an operation into the queue, in step with what it does to memory.
    fn submit(
        &self,
        partition: PartitionId,
        bytes: usize,
        done: Option<Done>,
        prepare: impl FnOnce(&mut Memory, u64) -> io::Result<What>,
    ) {
        let shared = &*self.shared;
        let mut front = shared.front();
        while front.queue_bytes > QUEUE_BYTES_MAX && !shared.dead.load(Ordering::Acquire) {
            front = shared
                .room
                .wait(front)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let refused = if shared.dead.load(Ordering::Acquire) {
            Shared::dead_error()
        } else {
            let seq = front.next_seq;
            match prepare(&mut front.memory, seq) {
                Ok(what) => {
                    front.next_seq += 1;
                    front.queue_bytes += bytes;
                    front.queue.push_back(Operation {
                        partition,
                        seq,
                        bytes,
                        what,
                        done,
                    });
                    shared
                        .stats
                        .queue_bytes
                        .store(front.queue_bytes as u64, Ordering::Relaxed);
                    drop(front);
                    shared.work.notify_one();
                    return;
                }
                Err(e) => e,
            }
        };
        drop(front);
        if let Some(done) = done {
            done(Err(refused));
        }
    }
}

impl LogStore {
    /// Writes what is queued, then ends the threads.
    fn stop(&mut self) {
        self.shared.front().closed = true;
        self.shared.work.notify_all();
        self.threads.join();
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
