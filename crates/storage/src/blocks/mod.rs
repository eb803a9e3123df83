//! Payload blocks: immutable runs of one log's records, in memory at first, in segment files later.
//!
//! `put` costs no I/O; a writer thread moves blocks to disk when too many bytes are only in memory, or when
//! a checkpoint asks with `sync_partition`. A block that is dropped before that never touches the disk.
//! Written blocks stay in a cache until others need the room.
//!
//! The files are their own index: opening hops over the headers. Which blocks count is not written here:
//! the checkpoint names them, and `retain` drops the rest after recovery. What is damaged answers
//! [`BlockError::Corrupt`], so that the caller can fetch it from a peer and `put` it again.
//!
//! One mutex guards the index and is never held during I/O. Calls that read or wait say so: an async
//! caller takes them to a blocking thread.

mod format;
mod index;
mod scan;
mod stats;
mod verify;
mod writer;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use levada_types::PartitionId;

pub use stats::BlockStats;
pub use verify::{VerifiedBlocks, verify};

use crate::Work;
use crate::disk::{Disk, RealDisk};
use crate::fatal::{FatalHook, abort_process};
use index::{Found, Index};
use writer::Writer;

/// Names a block: the log that it is a piece of, and the position of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// The partition that holds the log.
    pub partition: PartitionId,
    /// The log's number within the partition.
    pub log: u64,
    /// The position of the first record.
    pub first: u64,
}

/// A block's records, in rising order of position. Shared, never changed.
pub type BlockRecords = Arc<[(u64, Bytes)]>;

/// Why a block can't be read.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// There is no such block.
    #[error("there is no block {0:?}")]
    Missing(BlockId),
    /// The block has no record at this position.
    #[error("block {id:?} has no record at position {position}")]
    NoRecord {
        /// The block.
        id: BlockId,
        /// The position.
        position: u64,
    },
    /// What the disk gave back is not what was written.
    #[error("block {id:?} in {path} is damaged: {reason}")]
    Corrupt {
        /// The block.
        id: BlockId,
        /// The segment file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The operating system could not read it.
    #[error("block {id:?} in {path}: {source}")]
    Io {
        /// The block.
        id: BlockId,
        /// The segment file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// How blocks are kept.
#[derive(Clone)]
pub struct BlockOptions {
    /// Bytes of blocks that may be in memory only. Above it the oldest are written.
    pub unwritten_bytes: usize,
    /// Bytes of written blocks that stay in memory.
    pub cache_bytes: usize,
    /// Size of a segment file, in bytes. A block may make it a little longer.
    pub segment_bytes: u64,
    /// What to do when a write or a sync has failed.
    pub fatal: FatalHook,
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
    /// Who writes. A call that waits for a sync does the work itself if nobody else would.
    pub work: Work,
}

impl Default for BlockOptions {
    fn default() -> Self {
        Self {
            unwritten_bytes: 64 << 20,
            cache_bytes: 128 << 20,
            segment_bytes: 64 << 20,
            fatal: abort_process(),
            disk: Arc::new(RealDisk),
            work: Work::OnThreads,
        }
    }
}

/// The blocks of all partitions of a node. Shared by `Arc`.
pub struct BlockStore {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    /// The writer, if it has no thread.
    on_call: Option<Mutex<Writer>>,
}

struct Shared {
    dir: PathBuf,
    options: BlockOptions,
    index: Mutex<Index>,
    /// There is something for the writer to do.
    work: Condvar,
    stats: BlockStats,
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes the gauges and wakes the writer if the index has work for it.
    fn release(&self, mut index: MutexGuard<'_, Index>) {
        index.publish(&self.stats);
        let wake = index.has_work(&self.options);
        drop(index);
        if wake {
            self.work.notify_one();
        }
    }
}

impl BlockStore {
    /// Opens the blocks in `dir`, which must exist, and finds what is in its segments.
    pub fn open(dir: &Path, options: BlockOptions) -> io::Result<Self> {
        let (index, damaged) = scan::scan(dir, &*options.disk)?;
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            options,
            index: Mutex::new(index),
            work: Condvar::new(),
            stats: BlockStats::default(),
        });
        shared
            .stats
            .damaged_regions
            .store(damaged, std::sync::atomic::Ordering::Relaxed);
        shared.release(shared.index());
        let writer = Writer::new(shared.clone());
        match shared.options.work {
            Work::OnThreads => {
                let thread = std::thread::Builder::new()
                    .name("block-write".to_owned())
                    .spawn(move || writer.run())?;
                Ok(Self {
                    shared,
                    writer: Some(thread),
                    on_call: None,
                })
            }
            Work::OnCall => Ok(Self {
                shared,
                writer: None,
                on_call: Some(Mutex::new(writer)),
            }),
        }
    }

    /// With [`Work::OnCall`]: does one piece of the writer's work. False if there is none.
    pub fn work(&self) -> bool {
        let Some(writer) = &self.on_call else {
            return false;
        };
        writer.lock().unwrap_or_else(PoisonError::into_inner).turn()
    }

    /// Takes a block, or replaces one. It is readable at once and durable after the next sync; until then
    /// a crash brings back the one that it replaces. Records must be in rising order of position. No I/O.
    pub fn put(&self, id: BlockId, records: Vec<(u64, Bytes)>) {
        debug_assert!(
            records.is_sorted_by(|a, b| a.0 < b.0),
            "positions of {id:?} must rise"
        );
        let mut index = self.shared.index();
        index.put(id, records.into());
        self.shared.release(index);
    }

    /// Forgets a block. No I/O. Its segment may be deleted at once: a block that the last checkpoint names
    /// should be dropped when the next one is safe, or be dispensable after a crash.
    pub fn drop_block(&self, id: BlockId) {
        let mut index = self.shared.index();
        if index.drop_block(id) {
            self.shared.stats.count_drop();
        }
        self.shared.release(index);
    }

    /// Whether there is such a block, in memory or on disk.
    pub fn contains(&self, id: BlockId) -> bool {
        self.shared.index().contains(id)
    }

    /// The blocks of a partition, in order.
    pub fn ids(&self, partition: PartitionId) -> Vec<BlockId> {
        self.shared.index().ids(partition)
    }

    /// The partitions that have blocks.
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.shared.index().partitions()
    }

    /// Drops the blocks of a partition that are not in `keep`: what no checkpoint names, after recovery.
    pub fn retain(&self, partition: PartitionId, keep: &BTreeSet<BlockId>) {
        let mut index = self.shared.index();
        for id in index.ids(partition) {
            if !keep.contains(&id) {
                index.drop_block(id);
            }
        }
        self.shared.release(index);
    }

    /// One record, if its block is in memory. Never does I/O.
    pub fn try_resident(&self, id: BlockId, position: u64) -> Option<Bytes> {
        find(&self.resident_block(id)?, position)
    }

    /// All records of a block, if it is in memory. Never does I/O.
    pub fn resident_block(&self, id: BlockId) -> Option<BlockRecords> {
        let records = self.shared.index().resident(id)?;
        self.shared.stats.count_hit();
        Some(records)
    }

    /// One record. Blocks the thread while the block is read, if it is not in memory.
    pub fn read(&self, id: BlockId, position: u64) -> Result<Bytes, BlockError> {
        let records = self.read_block(id)?;
        find(&records, position).ok_or(BlockError::NoRecord { id, position })
    }

    /// All records of a block. Blocks the thread while it is read, if it is not in memory.
    pub fn read_block(&self, id: BlockId) -> Result<BlockRecords, BlockError> {
        let found = self.shared.index().find(id);
        let (put, place) = match found {
            Found::Missing => return Err(BlockError::Missing(id)),
            Found::Resident(records) => {
                self.shared.stats.count_hit();
                return Ok(records);
            }
            Found::OnDisk { put, place } => (put, place),
        };
        let records = scan::read_block(id, &place).inspect_err(|e| {
            if matches!(e, BlockError::Corrupt { .. }) {
                self.shared.stats.count_corrupt();
            }
        })?;
        self.shared.stats.count_miss();
        let mut index = self.shared.index();
        index.cache(id, put, records.clone(), self.shared.options.cache_bytes);
        self.shared.release(index);
        Ok(records)
    }

    /// Keeps blocks readable until the guard is dropped, even if they are dropped meanwhile. Blocks that
    /// are not there are left out.
    pub fn pin(&self, ids: &[BlockId]) -> PinGuard {
        let pinned = self.shared.index().pin(ids);
        PinGuard {
            shared: self.shared.clone(),
            pinned,
        }
    }

    /// Returns when every block that the partition has now is on disk. Blocks the thread.
    pub fn sync_partition(&self, partition: PartitionId) -> io::Result<()> {
        self.sync(Some(partition))
    }

    /// Returns when every block that is there now is on disk. Blocks the thread.
    pub fn sync_all(&self) -> io::Result<()> {
        self.sync(None)
    }

    fn sync(&self, partition: Option<PartitionId>) -> io::Result<()> {
        let (done, result) = sync_channel(1);
        self.shared.index().ask_sync(partition, done);
        self.shared.work.notify_one();
        while self.work() {}
        result
            .recv()
            .map_err(|_| io::Error::other("the block writer has ended"))?
    }

    /// Bytes that are in memory only. A caller that adds faster than the disk takes should slow down when
    /// this is well beyond [`BlockOptions::unwritten_bytes`].
    pub fn unwritten_bytes(&self) -> usize {
        self.shared.index().unwritten_bytes()
    }

    /// What the store counts.
    pub fn stats(&self) -> &BlockStats {
        &self.shared.stats
    }
}

impl Drop for BlockStore {
    /// Ends the writer. Blocks that were never written are gone: the log still has them.
    fn drop(&mut self) {
        self.shared.index().close();
        self.shared.work.notify_all();
        if self
            .writer
            .take()
            .is_some_and(|writer| writer.join().is_err())
        {
            tracing::error!("the block writer has panicked");
        }
    }
}

fn find(records: &[(u64, Bytes)], position: u64) -> Option<Bytes> {
    let at = records
        .binary_search_by_key(&position, |(position, _)| *position)
        .ok()?;
    Some(records[at].1.clone())
}

/// Keeps blocks readable; see [`BlockStore::pin`].
pub struct PinGuard {
    shared: Arc<Shared>,
    pinned: Vec<BlockId>,
}

impl PinGuard {
    /// The blocks that are kept.
    pub fn ids(&self) -> &[BlockId] {
        &self.pinned
    }
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        let mut index = self.shared.index();
        index.unpin(&self.pinned);
        self.shared.release(index);
    }
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
