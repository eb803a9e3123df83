//! The block store on a real disk: what callers see, before and after closing.

use std::path::Path;

use super::*;

const P1: PartitionId = PartitionId(1);
const P2: PartitionId = PartitionId(2);

pub(super) fn options() -> BlockOptions {
    BlockOptions {
        unwritten_bytes: 64 << 10,
        cache_bytes: 32 << 10,
        segment_bytes: 64 << 10,
        ..BlockOptions::default()
    }
}

fn open(dir: &Path) -> BlockStore {
    BlockStore::open(dir, options()).unwrap()
}

pub(super) fn id(partition: PartitionId, first: u64) -> BlockId {
    BlockId {
        partition,
        log: 4,
        first,
    }
}

/// Ten records at every third position.
pub(super) fn records(first: u64, len: usize) -> Vec<(u64, Bytes)> {
    (0..10)
        .map(|n| (first + 3 * n, Bytes::from(vec![(first + n) as u8; len])))
        .collect()
}

#[test]
fn a_block_is_readable_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put(id(P1, 100), records(100, 50));
    assert_eq!(
        store.try_resident(id(P1, 100), 103),
        Some(vec![101; 50].into())
    );
    assert_eq!(store.read(id(P1, 100), 103).unwrap(), vec![101; 50]);
    let absent = store.read(id(P1, 100), 104).unwrap_err();
    assert!(matches!(absent, BlockError::NoRecord { position: 104, .. }));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    store.sync_partition(P1).unwrap();
    store.put(id(P2, 7), records(7, 50));
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.partitions(), [P1]);
    assert_eq!(store.ids(P1), [id(P1, 100)]);
    assert_eq!(store.try_resident(id(P1, 100), 103), None);
    assert_eq!(*store.read_block(id(P1, 100)).unwrap(), records(100, 50));
    assert_eq!(
        store.try_resident(id(P1, 100), 127),
        Some(vec![109; 50].into())
    );
    assert!(matches!(
        store.read(id(P2, 7), 7),
        Err(BlockError::Missing(_))
    ));
}

#[test]
fn a_block_that_is_dropped_early_costs_no_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for first in 0..1_000 {
        store.put(id(P1, first), records(first, 500));
        store.drop_block(id(P1, first));
    }
    assert_eq!(store.unwritten_bytes(), 0);
    assert!(!store.contains(id(P1, 5)));
    store.sync_all().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn beyond_the_budgets_blocks_are_written_and_leave_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for first in 0..100 {
        store.put(id(P1, first * 100), records(first, 500));
    }
    store.sync_all().unwrap();
    assert_eq!(store.unwritten_bytes(), 0);
    assert!(
        store
            .stats()
            .cached_bytes
            .load(std::sync::atomic::Ordering::Relaxed)
            <= 32 << 10
    );
    assert!(
        store
            .stats()
            .segments
            .load(std::sync::atomic::Ordering::Relaxed)
            > 4
    );
    for first in 0..100 {
        assert_eq!(
            *store.read_block(id(P1, first * 100)).unwrap(),
            records(first, 500)
        );
    }
}

#[test]
fn a_sync_of_one_partition_leaves_the_other_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put(id(P1, 1), records(1, 10));
    store.put(id(P2, 2), records(2, 10));
    store.sync_partition(P2).unwrap();
    assert!(store.unwritten_bytes() > 0);
    drop(store);
    assert_eq!(open(dir.path()).partitions(), [P2]);
}

#[test]
fn empty_segments_go_and_sparse_ones_are_copied() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for first in 0..200 {
        store.put(id(P1, first), records(first, 500));
    }
    store.sync_all().unwrap();
    let full = store
        .stats()
        .disk_bytes
        .load(std::sync::atomic::Ordering::Relaxed);
    for first in (0..200).filter(|first| first % 10 != 0) {
        store.drop_block(id(P1, first));
    }
    // Each sync waits for the writer, which then looks for the next segment to copy.
    for _ in 0..1_000 {
        store.sync_all().unwrap();
        if store
            .stats()
            .disk_bytes
            .load(std::sync::atomic::Ordering::Relaxed)
            < full / 3
        {
            break;
        }
        std::thread::yield_now();
    }
    assert!(
        store
            .stats()
            .disk_bytes
            .load(std::sync::atomic::Ordering::Relaxed)
            < full / 3
    );
    drop(store);
    let store = open(dir.path());
    let left: Vec<_> = (0..200).step_by(10).map(|first| id(P1, first)).collect();
    let keep: BTreeSet<_> = left.iter().copied().collect();
    store.retain(P1, &keep);
    assert_eq!(store.ids(P1), left);
    for first in (0..200).step_by(10) {
        assert_eq!(
            *store.read_block(id(P1, first)).unwrap(),
            records(first, 500)
        );
    }
}

#[test]
fn a_pinned_block_outlives_its_drop() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for written in [false, true] {
        store.put(id(P1, 1), records(1, 10));
        if written {
            store.sync_all().unwrap();
        }
        let pin = store.pin(&[id(P1, 1), id(P1, 2)]);
        let second = store.pin(&[id(P1, 1)]);
        assert_eq!(pin.ids(), [id(P1, 1)]);
        store.drop_block(id(P1, 1));
        assert!(!store.contains(id(P1, 1)));
        assert!(store.ids(P1).is_empty());
        drop(pin);
        assert_eq!(*store.read_block(id(P1, 1)).unwrap(), records(1, 10));
        drop(second);
        assert!(matches!(
            store.read(id(P1, 1), 1),
            Err(BlockError::Missing(_))
        ));
    }
}

#[test]
fn a_replaced_block_is_the_newer_one_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put(id(P1, 1), records(1, 10));
    store.sync_all().unwrap();
    store.put(id(P1, 1), records(1, 20));
    store.sync_all().unwrap();
    assert_eq!(*store.read_block(id(P1, 1)).unwrap(), records(1, 20));
    drop(store);
    let store = open(dir.path());
    assert_eq!(*store.read_block(id(P1, 1)).unwrap(), records(1, 20));
    assert_eq!(store.ids(P1).len(), 1);
}
