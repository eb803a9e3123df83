//! The block store on a disk that fails: what was synced is there, and a block is never another's bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::tests::{id, options, records};
use super::*;
use crate::fault::{Fault, FaultDisk, flip_bit, seeds};

const P: PartitionId = PartitionId(1);

fn fault_options(disk: &Arc<FaultDisk>, dead: &Arc<AtomicBool>) -> BlockOptions {
    let dead = dead.clone();
    BlockOptions {
        disk: disk.clone(),
        fatal: Arc::new(move |_| dead.store(true, Ordering::SeqCst)),
        unwritten_bytes: 32 << 10,
        cache_bytes: 8 << 10,
        segment_bytes: 16 << 10,
        ..BlockOptions::default()
    }
}

/// What may be read of a block after a power cut.
#[derive(Default)]
struct Expected {
    /// The content at the last sync, if it was there.
    synced: Option<usize>,
    /// Contents that it has had since.
    since: Vec<usize>,
    dropped_since: bool,
    /// Contents that it has ever had: what was dropped may be found again, until `retain`.
    ever: Vec<usize>,
}

fn power_cuts(seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(seed);
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = move |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut blocks: BTreeMap<u64, Expected> = BTreeMap::new();
    for _ in 0..5 {
        let dead = Arc::new(AtomicBool::new(false));
        let store = BlockStore::open(dir.path(), fault_options(&disk, &dead)).unwrap();
        let mut found = BTreeMap::new();
        for (first, expected) in &blocks {
            let sure = expected.synced.filter(|_| !expected.dropped_since);
            let possible: Vec<usize> = match sure {
                Some(len) => expected.since.iter().copied().chain([len]).collect(),
                None => expected.ever.clone(),
            };
            match store.read_block(id(P, *first)) {
                Ok(read) => {
                    let len = read[0].1.len();
                    assert_eq!(
                        *read,
                        records(*first, len),
                        "seed {seed}: another block's records"
                    );
                    assert!(possible.contains(&len), "seed {seed}: {first} {len}");
                    let ever = expected.ever.clone();
                    found.insert(
                        *first,
                        Expected {
                            synced: Some(len),
                            ever,
                            ..Expected::default()
                        },
                    );
                }
                Err(BlockError::Missing(_) | BlockError::Corrupt { .. }) => {
                    let may_be_gone = expected.dropped_since || expected.synced.is_none();
                    // A newer copy that never became whole hides the older one, but then it has
                    // replaced it, and nobody was told that it was safe.
                    let replaced = !expected.since.is_empty();
                    let ever = expected.ever.clone();
                    found.insert(
                        *first,
                        Expected {
                            ever,
                            ..Expected::default()
                        },
                    );
                    assert!(
                        may_be_gone || replaced,
                        "seed {seed}: {first} was synced and is gone"
                    );
                }
                Err(e) => panic!("seed {seed}: {e}"),
            }
        }
        let sure = found.iter().filter(|(_, block)| block.synced.is_some());
        let keep: BTreeSet<_> = sure.map(|(first, _)| id(P, *first)).collect();
        store.retain(P, &keep);
        blocks = found;
        disk.arm(Fault::PowerCut, below(40));
        for _ in 0..150 {
            let first = below(60);
            let block = blocks.entry(first).or_default();
            match below(10) {
                0..=5 => {
                    let len = 20 + below(400) as usize;
                    block.since.push(len);
                    block.ever.push(len);
                    store.put(id(P, first), records(first, len));
                }
                6 | 7 => {
                    block.dropped_since = true;
                    block.since.clear();
                    store.drop_block(id(P, first));
                }
                8 => {
                    let _any = store.read_block(id(P, first));
                }
                _ if store.sync_partition(P).is_ok() => {
                    for (first, block) in &mut blocks {
                        let last = block.since.last().copied();
                        let still = block.synced.filter(|_| !block.dropped_since);
                        let now = last.or(still);
                        assert_eq!(store.contains(id(P, *first)), now.is_some());
                        let ever = std::mem::take(&mut block.ever);
                        *block = Expected {
                            synced: now,
                            ever,
                            ..Expected::default()
                        };
                    }
                }
                _ => break,
            }
        }
        disk.cut_power();
        drop(store);
        disk.restore().unwrap();
    }
}

#[test]
fn what_is_synced_survives_power_cuts() {
    for seed in seeds(80) {
        power_cuts(seed);
    }
}

#[test]
fn a_full_disk_and_a_failed_sync_are_fatal_and_never_ok() {
    for fault in [Fault::DiskFull, Fault::SyncError] {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(3);
        let dead = Arc::new(AtomicBool::new(false));
        let store = BlockStore::open(dir.path(), fault_options(&disk, &dead)).unwrap();
        store.put(id(P, 1), records(1, 10));
        disk.arm(fault, 0);
        store.sync_all().unwrap_err();
        assert!(
            dead.load(Ordering::SeqCst),
            "{fault:?} did not reach the hook"
        );
        store.put(id(P, 2), records(2, 10));
        store.sync_partition(P).unwrap_err();
        assert_eq!(*store.read_block(id(P, 2)).unwrap(), records(2, 10));
    }
}

#[test]
fn bad_reads_are_errors_and_not_data() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(4);
    let dead = Arc::new(AtomicBool::new(false));
    let options = BlockOptions {
        cache_bytes: 0,
        ..fault_options(&disk, &dead)
    };
    let store = BlockStore::open(dir.path(), options).unwrap();
    store.put(id(P, 1), records(1, 500));
    store.sync_all().unwrap();
    for _ in 0..20 {
        for fault in [Fault::ShortRead, Fault::FlippedRead, Fault::ReadError] {
            disk.arm(fault, 0);
            match (fault, store.read(id(P, 1), 4).unwrap_err()) {
                (Fault::ReadError, BlockError::Io { .. }) | (_, BlockError::Corrupt { .. }) => {}
                (fault, e) => panic!("{fault:?}: {e}"),
            }
            assert_eq!(*store.read_block(id(P, 1)).unwrap(), records(1, 500));
        }
    }
    assert_eq!(store.stats().corrupt.load(Ordering::Relaxed), 40);
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn a_flipped_bit_costs_one_block_which_can_be_put_again() {
    let dir = tempfile::tempdir().unwrap();
    let fill = || {
        let store = BlockStore::open(dir.path(), options()).unwrap();
        for first in 0..12 {
            store.put(id(P, first), records(first, 100));
        }
        store.sync_all().unwrap();
    };
    fill();
    let file = segments(dir.path()).remove(0);
    let good = std::fs::read(&file).unwrap();
    for n in 0..60_u64 {
        std::fs::write(&file, &good).unwrap();
        let bit = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (good.len() as u64 * 8);
        flip_bit(&file, bit).unwrap();
        let store = BlockStore::open(dir.path(), options()).unwrap();
        let damaged: Vec<_> = (0..12)
            .filter(|first| match store.read_block(id(P, *first)) {
                Ok(read) => {
                    assert_eq!(*read, records(*first, 100));
                    false
                }
                Err(BlockError::Missing(_) | BlockError::Corrupt { .. }) => true,
                Err(e) => panic!("bit {bit}: {e}"),
            })
            .collect();
        assert!(damaged.len() <= 1, "bit {bit} took {damaged:?}");
        for first in damaged {
            store.put(id(P, first), records(first, 100));
            assert_eq!(
                *store.read_block(id(P, first)).unwrap(),
                records(first, 100)
            );
        }
    }
}

#[test]
fn a_message_that_looks_like_a_block_is_not_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlockStore::open(dir.path(), options()).unwrap();
    store.put(id(P, 1), records(1, 100));
    store.sync_all().unwrap();
    drop(store);
    let forged = std::fs::read(segments(dir.path()).remove(0)).unwrap();
    std::fs::remove_file(segments(dir.path()).remove(0)).unwrap();
    // The forged blocks lie at every alignment, behind a header that is then destroyed.
    let store = BlockStore::open(dir.path(), options()).unwrap();
    let bait = [vec![0; 512 - 72 - 12], forged.repeat(3)].concat();
    store.put(id(P, 9), vec![(9, bait.into())]);
    store.put(id(P, 10), records(10, 100));
    store.sync_all().unwrap();
    drop(store);
    flip_bit(&segments(dir.path()).remove(0), 100).unwrap();
    let store = BlockStore::open(dir.path(), options()).unwrap();
    assert_eq!(store.ids(P), [id(P, 10)]);
    assert!(store.stats().damaged_regions.load(Ordering::Relaxed) > 0);
}
