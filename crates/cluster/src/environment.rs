//! What a node takes from where it runs: clock, network, disk. The simulator gives its own.

use std::io;
use std::path::Path;
use std::sync::Arc;

use levada_replica::Host;
use levada_rpc::Transport;
use levada_storage::{
    BlockOptions, BlockStore, CheckpointStore, DataDir, LogOptions, LogStore, Space,
};

use crate::node::StartError;
use crate::start::open_when_free;

/// The stores of one data directory.
pub struct Stores {
    /// The Raft log of all partitions.
    pub log: Arc<LogStore>,
    /// Payloads that left memory.
    pub blocks: Arc<BlockStore>,
    /// The metadata of each partition.
    pub checkpoints: Arc<CheckpointStore>,
}

/// Where the directories of a node's stores are.
#[derive(Clone, Debug)]
pub struct StorePaths {
    /// The log's.
    pub log: std::path::PathBuf,
    /// The blocks'.
    pub blocks: std::path::PathBuf,
    /// The checkpoints'.
    pub checkpoints: std::path::PathBuf,
}

impl StorePaths {
    pub(crate) fn of(dir: &DataDir) -> Self {
        Self {
            log: dir.log_path(),
            blocks: dir.blocks_path(),
            checkpoints: dir.checkpoints_path(),
        }
    }
}

/// Opens a node's stores. Called on a thread that may block.
pub type OpenStores = dyn Fn(&StorePaths) -> Result<Stores, StartError> + Send + Sync;
/// Asks how much room the file system of a directory has.
pub type AskSpace = dyn Fn(&Path) -> io::Result<Space> + Send + Sync;

/// Where a node runs. The default is the machine of the process.
#[derive(Clone)]
pub struct Environment {
    /// Its wall clock, and where blocking work is done.
    pub host: Host,
    /// How its peers are reached; None for TCP.
    pub transport: Option<Arc<dyn Transport>>,
    /// How its stores are opened.
    pub open_stores: Arc<OpenStores>,
    /// How much room its disk has.
    pub space: Arc<AskSpace>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            host: Host::default(),
            transport: None,
            open_stores: Arc::new(open_on_disk),
            space: Arc::new(Space::of),
        }
    }
}

fn open_on_disk(paths: &StorePaths) -> Result<Stores, StartError> {
    Ok(Stores {
        log: open_when_free(&paths.log, |path| {
            LogStore::open(path, LogOptions::default())
        })?,
        blocks: open_when_free(&paths.blocks, |path| {
            BlockStore::open(path, BlockOptions::default())
        })?,
        checkpoints: open_when_free(&paths.checkpoints, CheckpointStore::open)?,
    })
}
