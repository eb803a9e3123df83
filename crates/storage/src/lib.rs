//! What one node keeps on its disk: its identity, the log of all its partitions, payload blocks, and
//! checkpoints of metadata.
//!
//! *The log holds the difference, the checkpoint holds the past, memory holds the present.* This crate
//! must not know Raft, AWS or the engine: to it an entry, a record and a row are bytes with a number or a
//! key. It is the only importer of raft-engine and sled.
//!
//! - [`identity`]: the data directory, who owns it, and its lock;
//! - [`log`]: one group-committed log for all partitions;
//! - [`blocks`]: immutable runs of records in segment files, written behind;
//! - [`checkpoint`]: two generations of metadata rows for each partition;
//! - [`space`]: how much room is left;
//! - [`Work`]: who writes, a thread or the caller;
//! - [`disk`]: the few file operations that log and blocks need, so that faults can be put below them;
//! - `fault` (feature `fault`): the disk that loses power, tears writes and flips bits.
//!
//! Rules that hold everywhere: what was acknowledged is on the disk; every record carries a checksum that
//! is checked on every read from the disk; a write or a sync that fails ends the process by way of
//! [`FatalHook`], because after a failed fsync nobody can say what the disk holds.

pub mod blocks;
pub mod checkpoint;
pub mod disk;
mod fatal;
#[cfg(any(test, feature = "fault"))]
pub mod fault;
pub mod identity;
pub mod log;
pub mod space;
mod work;

pub use blocks::{
    BlockError, BlockId, BlockOptions, BlockRecords, BlockStats, BlockStore, PinGuard,
};
pub use checkpoint::{
    Checkpoint, CheckpointError, CheckpointMeta, CheckpointStore, Generation, SaveReport,
};
pub use fatal::{FatalHook, abort_process};
pub use identity::{DataDir, DataDirError, NodeFile};
pub use log::{Done, LogEntry, LogOpenError, LogOptions, LogStats, LogStore, StateKey};
pub use space::{Space, SpaceWatch};
pub use work::Work;
