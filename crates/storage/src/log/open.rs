//! Opens the log: checks the tail, lets raft-engine recover, and puts bounds and state into memory.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use levada_types::PartitionId;
use raft_engine::{Command, Config, Engine, LogBatch, ReadableSize, RecoveryMode};

use super::engine_disk::EngineDisk;
use super::entry::{Record, Records};
use super::memory::{Memory, PartitionLog};
use crate::fatal::panic_text;

use super::{
    Front, KEY_END, KEY_FLOOR, LogOptions, LogStats, NO_END, STATE_KEY_OWN, Shared, files, tail,
    writer,
};

/// Threads that read the log back at start. The log is short and the machine has other work.
const RECOVERY_THREADS: usize = 2;

/// What is in memory at one time while the log is read through.
const READ_THROUGH_BYTES: usize = 1 << 20;
const READ_THROUGH_ENTRIES: u64 = 1_024;

/// Why the log can't be opened. Each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LogOpenError {
    /// The operating system refused.
    #[error("log directory {path}: {source}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("the log's threads can't be started: {0}")]
    Thread(io::Error),
    /// The path can't be given to raft-engine.
    #[error("log directory {0} is not valid UTF-8; choose a data directory whose path is")]
    Path(PathBuf),
    /// raft-engine gave up in the middle, on a disk that fails or on a state that it holds to be
    /// impossible.
    #[error(
        "the log in {path} could not be read back ({reason}); look for errors and for room on the disk and \
         try again, and if it stays so, move the whole data directory away and start with an empty one, so \
         that the node joins as a newcomer"
    )]
    Failed {
        /// The directory.
        path: PathBuf,
        /// What raft-engine said.
        reason: String,
    },
    /// What was acknowledged is damaged or gone.
    #[error(
        "the log in {path} is damaged: {reason}. What it had acknowledged can't be vouched for: move the \
         whole data directory away and start with an empty one, so that the node joins as a newcomer and \
         is filled by its peers; a single node must be restored from a backup"
    )]
    Damaged {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

pub(super) fn open(dir: &Path, options: LogOptions) -> Result<Shared, LogOpenError> {
    let name = dir
        .to_str()
        .ok_or_else(|| LogOpenError::Path(dir.to_owned()))?;
    tail::check(dir, &*options.disk)?;
    let config = Config {
        dir: name.to_owned(),
        recovery_mode: RecoveryMode::TolerateTailCorruption,
        recovery_threads: RECOVERY_THREADS,
        // lz4 would cost more processor time than it saves of the disk's; see ADR 2.
        batch_compression_threshold: ReadableSize(0),
        target_file_size: ReadableSize(options.file_bytes),
        purge_threshold: ReadableSize(options.purge_threshold_bytes.max(options.file_bytes)),
        enable_log_recycle: true,
        prefill_for_recycle: options.prefill_bytes >= options.file_bytes,
        prefill_limit: Some(ReadableSize(options.prefill_bytes)),
        ..Config::default()
    };
    let disk = Arc::new(EngineDisk(options.disk.clone()));
    // raft-engine asserts in places what a damaged file can make false, and its destructor panics on a
    // disk that fails.
    let recovered = catch_unwind(AssertUnwindSafe(|| {
        recover_all(dir, config, disk, &options)
    }));
    let (engine, memory) = recovered.map_err(|panic| LogOpenError::Failed {
        path: dir.to_owned(),
        reason: panic_text(&*panic),
    })??;
    let stats = LogStats::default();
    stats.disk_bytes.store(
        engine.get_used_size() as u64,
        std::sync::atomic::Ordering::Relaxed,
    );
    Ok(Shared {
        engine,
        front: Mutex::new(Front {
            memory,
            queue: VecDeque::new(),
            queue_bytes: 0,
            next_seq: 1,
            closed: false,
        }),
        rewriting: Mutex::new(()),
        work: Condvar::new(),
        room: Condvar::new(),
        stats,
        fatal: options.fatal,
        dead: AtomicBool::new(false),
    })
}

fn recover_all(
    dir: &Path,
    config: Config,
    disk: Arc<EngineDisk>,
    options: &LogOptions,
) -> Result<(Engine<EngineDisk>, Memory), LogOpenError> {
    let engine = Engine::open_with_file_system(config, disk).map_err(|e| open_error(dir, e))?;
    let mut memory = Memory::new(options.cache_bytes);
    for region in engine.raft_groups() {
        let Some(partition) = region.checked_sub(1).and_then(|p| u32::try_from(p).ok()) else {
            return Err(damaged(
                dir,
                format!("it names a partition {region} that can't exist"),
            ));
        };
        let log = recover(&engine, region).map_err(|reason| damaged(dir, reason))?;
        memory.insert(PartitionId(partition), log);
    }
    files::delete_left_over(dir, &*options.disk).map_err(|source| LogOpenError::Io {
        path: dir.to_owned(),
        source,
    })?;
    Ok((engine, memory))
}

fn open_error(dir: &Path, e: raft_engine::Error) -> LogOpenError {
    use raft_engine::Error as E;
    let io = |source| LogOpenError::Io {
        path: dir.to_owned(),
        source,
    };
    match e {
        E::Io(e) if e.kind() == io::ErrorKind::InvalidData => damaged(dir, e.to_string()),
        E::Io(e) => io(e),
        // A directory that is locked, or that is none.
        E::Other(e) => io(io::Error::other(e)),
        other => damaged(dir, other.to_string()),
    }
}

/// Reads one partition's bounds and state, and takes away what a truncation or a purge had cut off.
fn recover(engine: &Engine<EngineDisk>, region: u64) -> Result<PartitionLog, String> {
    let mut state = BTreeMap::new();
    let mut end = None;
    let mut floor = None;
    let mut strange = None;
    engine
        .scan_raw_messages(region, None, None, false, |key, value| {
            match *key {
                [KEY_END] => end = number(value).filter(|&end| end != NO_END),
                [KEY_FLOOR] => floor = number(value),
                [key] if key < STATE_KEY_OWN => {
                    state.insert(key, Bytes::copy_from_slice(value));
                }
                _ => strange = Some(format!("unknown state key {key:?} in region {region}")),
            }
            true
        })
        .map_err(|e| e.to_string())?;
    if let Some(strange) = strange {
        return Err(strange);
    }
    let floor = floor.unwrap_or(0);
    let on_disk = engine.first_index(region).zip(engine.last_index(region));
    let Some((disk_first, disk_last)) = on_disk else {
        let first = floor.max(1);
        return Ok(PartitionLog::new(first, first - 1, end.is_some(), state));
    };
    let first = disk_first.max(floor);
    let last = end.map_or(disk_last, |end: u64| disk_last.min(end));
    if first > disk_first && first <= last {
        compact(engine, region, first)?;
    } else if first > last {
        // Nothing counts: clear the engine, so that the next entry may have any index.
        compact(engine, region, disk_last + 1)?;
        return Ok(PartitionLog::new(first, first - 1, end.is_some(), state));
    }
    read_through(engine, region, first, last)?;
    Ok(PartitionLog::new(first, last, end.is_some(), state))
}

/// Reads every entry once. raft-engine checks an entry only when it is read, and one that is needed for the replay
/// would end the process again at each start, where the others could fill it anew.
fn read_through(
    engine: &Engine<EngineDisk>,
    region: u64,
    first: u64,
    last: u64,
) -> Result<(), String> {
    // On a thread of its own: raft-engine keeps the last block for its thread and knows it by file number and
    // offset, which another log that this thread opens has too.
    let read = std::thread::scope(|scope| {
        let reading = || read_to(engine, region, first, last);
        scope.spawn(reading).join()
    });
    read.map_err(|panic| panic_text(&*panic))?
}

fn read_to(
    engine: &Engine<EngineDisk>,
    region: u64,
    mut next: u64,
    last: u64,
) -> Result<(), String> {
    while next <= last {
        let mut some: Vec<Record> = Vec::new();
        let to = (last + 1).min(next + READ_THROUGH_ENTRIES);
        engine
            .fetch_entries_to::<Records>(region, next, to, Some(READ_THROUGH_BYTES), &mut some)
            .map_err(|e| format!("entry {next} of region {region}, or one after it: {e}"))?;
        let read = some.last().map(|entry| entry.index);
        next = read.ok_or_else(|| format!("entry {next} of region {region} is gone"))? + 1;
    }
    Ok(())
}

fn compact(engine: &Engine<EngineDisk>, region: u64, index: u64) -> Result<(), String> {
    let mut batch = LogBatch::default();
    batch.add_command(region, Command::Compact { index });
    // raft-engine panics when a sync fails.
    catch_unwind(AssertUnwindSafe(|| engine.write(&mut batch, writer::SYNC)))
        .map_err(|panic| panic_text(&*panic))?
        .map_err(|e| e.to_string())?;
    Ok(())
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_le_bytes)
}

fn damaged(path: &Path, reason: String) -> LogOpenError {
    LogOpenError::Damaged {
        path: path.to_owned(),
        reason,
    }
}
