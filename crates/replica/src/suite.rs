//! openraft's own suite of what a log store and a state machine must do, on ours; and what it leaves out.

use std::sync::Arc;

use levada_storage::log::LogEntry;
use levada_storage::{BlockOptions, BlockStore, CheckpointStore, DataDir, LogOptions, LogStore};
use levada_types::PartitionId;
use openraft::entry::RaftEntry as _;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{RaftLogReader as _, StorageError};
use tempfile::TempDir;

use crate::codec::Entry;
use crate::config::TypeConfig;
use crate::group::Events;
use crate::host::Host;
use crate::log_store::GroupLog;
use crate::machine::{Applied, Machine};

struct Builder;

/// Keeps the directory while a store is tested.
struct Guard {
    _dir: DataDir,
    _temp: TempDir,
}

impl StoreBuilder<TypeConfig, GroupLog, Machine, Guard> for Builder {
    async fn build(&self) -> Result<(Guard, GroupLog, Machine), StorageError<TypeConfig>> {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let dir = DataDir::open(&temp.path().join("data")).expect("a new data directory");
        let log = LogStore::open(&dir.log_path(), LogOptions::default()).expect("a new log");
        let blocks = BlockStore::open(&dir.blocks_path(), BlockOptions::default())
            .expect("a new block store");
        let checkpoints =
            CheckpointStore::open(&dir.checkpoints_path()).expect("a new checkpoint store");
        let partition = PartitionId(3);
        let applied = Applied::load(
            partition,
            Arc::new(Events::default()),
            Arc::new(blocks),
            Arc::new(checkpoints),
            log.floor(partition),
            Host::default(),
        )
        .expect("an empty state");
        let log = GroupLog::new(partition, Arc::new(log));
        Ok((
            Guard {
                _dir: dir,
                _temp: temp,
            },
            log,
            Machine::new(Arc::new(applied)),
        ))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_storage_suite_passes() {
    Suite::test_all(Builder).await.expect("the suite passes");
}

/// What a restart has to apply may be more than the log reads at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_range_is_read_whole() {
    const ENTRIES: u64 = 10_000;
    let temp = tempfile::tempdir().expect("a temporary directory");
    let dir = DataDir::open(&temp.path().join("data")).expect("a new data directory");
    let partition = PartitionId(3);
    let open = || LogStore::open(&dir.log_path(), LogOptions::default()).expect("a log");
    let store = open();
    let (tx, rx) = tokio::sync::oneshot::channel();
    let entries = (0..ENTRIES)
        .map(|index| {
            let id = crate::proto::LogId {
                term: 1,
                node: 1,
                index,
            };
            let entry = Entry::new_blank(crate::codec::log_id_from(&id));
            LogEntry {
                index: index + 1,
                bytes: crate::codec::entry_bytes(&entry),
            }
        })
        .collect();
    let done = Box::new(move |result| tx.send(result).expect("this test waits"));
    store.append(partition, entries, done);
    rx.await.expect("an answer").expect("it is written");
    drop(store);
    let mut log = GroupLog::new(partition, Arc::new(open()));
    let read = log
        .try_get_log_entries(0..ENTRIES)
        .await
        .expect("it is read");
    let indexes: Vec<u64> = read.iter().map(|entry| entry.log_id.index).collect();
    assert_eq!(indexes, (0..ENTRIES).collect::<Vec<_>>());
}
