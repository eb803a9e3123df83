//! Checkpoints on a real disk, whole and damaged.

use super::*;

const P: PartitionId = PartitionId(3);

fn meta(applied_index: u64) -> CheckpointMeta {
    CheckpointMeta {
        applied_index,
        opaque: Bytes::from(format!("meta {applied_index}")),
    }
}

fn rows(range: std::ops::Range<u32>, version: u32) -> Vec<(Bytes, Bytes)> {
    range
        .map(|n| {
            (
                Bytes::from(format!("key {n:06}")),
                Bytes::from(format!("value {n} {version}")),
            )
        })
        .collect()
}

#[test]
fn a_save_comes_back_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path()).unwrap();
    assert_eq!(store.load(P).unwrap(), None);
    store.save(P, meta(10), &rows(0..100, 1)).unwrap();
    drop(store);
    let store = CheckpointStore::open(dir.path()).unwrap();
    let loaded = store.load(P).unwrap().unwrap();
    assert_eq!((loaded.meta, loaded.rows), (meta(10), rows(0..100, 1)));
    assert_eq!(loaded.generation, Generation::Newest);
    assert_eq!(store.partitions().unwrap(), [P]);
    assert!(store.disk_bytes().unwrap() > 0);
}

#[test]
fn a_save_writes_only_what_its_generation_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path()).unwrap();
    let report = |written, unchanged, removed| SaveReport {
        written,
        unchanged,
        removed,
    };
    assert_eq!(
        store.save(P, meta(1), &rows(0..10, 1)).unwrap(),
        report(10, 0, 0)
    );
    assert_eq!(
        store.save(P, meta(2), &rows(0..10, 1)).unwrap(),
        report(10, 0, 0)
    );
    let mut changed = rows(2..12, 1);
    changed[0].1 = Bytes::from_static(b"changed");
    assert_eq!(
        store.save(P, meta(3), &changed.clone()).unwrap(),
        report(3, 7, 2)
    );
    let loaded = store.load(P).unwrap().unwrap();
    assert_eq!((loaded.meta, loaded.rows), (meta(3), changed));
}

#[test]
fn partitions_are_apart_and_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path()).unwrap();
    let other = PartitionId(u32::MAX);
    store.save(P, meta(1), &rows(0..3, 1)).unwrap();
    store.save(other, meta(2), &Vec::new()).unwrap();
    assert_eq!(store.partitions().unwrap(), [P, other]);
    store.remove(P).unwrap();
    assert_eq!(store.partitions().unwrap(), [other]);
    assert_eq!(store.load(P).unwrap(), None);
    assert_eq!(store.load(other).unwrap().unwrap().rows, []);
}

/// Changes rows behind the store's back, as a fault of sled would.
fn tamper(store: &CheckpointStore, generation: u8, change: impl Fn(&Tree)) {
    let db = store.db.read().unwrap();
    change(
        &db.as_ref()
            .unwrap()
            .open_tree(tree_name(P, generation))
            .unwrap(),
    );
}

#[test]
fn the_previous_generation_stands_in_for_a_damaged_one() {
    type Damage = fn(&Tree);
    let damages: [Damage; 5] = [
        |tree| drop(tree.remove(row::encode_key(b"key 000003")).unwrap()),
        |tree| drop(tree.insert(row::encode_key(b"key 000003"), b"bad").unwrap()),
        |tree| {
            let value = row::encode_value(b"extra", b"row");
            tree.insert(row::encode_key(b"extra"), value).unwrap();
        },
        |tree| {
            let value = row::encode_value(b"key 000003", b"of another save");
            tree.insert(row::encode_key(b"key 000003"), value).unwrap();
        },
        |tree| drop(tree.insert(MANIFEST_KEY, b"bad").unwrap()),
    ];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(dir.path()).unwrap();
        store.save(P, meta(1), &rows(0..10, 1)).unwrap();
        store.save(P, meta(2), &rows(0..10, 2)).unwrap();
        tamper(&store, b'B', damage);
        let loaded = store.load(P).unwrap().unwrap();
        assert_eq!((loaded.meta, loaded.rows), (meta(1), rows(0..10, 1)));
        assert!(matches!(loaded.generation, Generation::Previous { .. }));
        tamper(&store, b'A', damage);
        let error = store.load(P).unwrap_err();
        assert!(
            matches!(error, CheckpointError::Damaged { partition: P, .. }),
            "{error}"
        );
        store.save(P, meta(3), &rows(0..10, 3)).unwrap();
        assert_eq!(store.load(P).unwrap().unwrap().meta, meta(3));
    }
}

#[test]
fn garbage_files_are_an_error_in_words_and_can_be_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("checkpoints");
    drop(CheckpointStore::open(&dir).unwrap());
    std::fs::write(dir.join("conf"), vec![0xA5; 1_000]).unwrap();
    std::fs::write(dir.join("db"), vec![0xA5; 100_000]).unwrap();
    let error = CheckpointStore::open(&dir).err().unwrap();
    assert!(matches!(error, CheckpointError::Unusable { .. }), "{error}");
    for n in 1..3 {
        let aside = CheckpointStore::set_aside(&dir).unwrap();
        assert_eq!(aside, root.path().join(format!("checkpoints.broken-{n}")));
        let store = CheckpointStore::open(&dir).unwrap();
        assert_eq!(store.partitions().unwrap(), []);
    }
}

#[test]
fn a_panic_below_closes_the_store_and_not_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path()).unwrap();
    store.save(P, meta(1), &rows(0..3, 1)).unwrap();
    let error = store
        .guard::<()>(|_| panic!("assertion of sled's"))
        .unwrap_err();
    assert!(error.to_string().contains("assertion of sled's"), "{error}");
    let error = store.load(P).unwrap_err();
    assert!(error.to_string().contains("assertion of sled's"), "{error}");
    drop(store);
    let store = CheckpointStore::open(dir.path()).unwrap();
    assert_eq!(store.load(P).unwrap().unwrap().meta, meta(1));
}

#[test]
fn damage_in_sleds_own_files_never_gives_other_rows() {
    let root = tempfile::tempdir().unwrap();
    let good = root.path().join("good");
    let store = CheckpointStore::open(&good).unwrap();
    for save in 1..8 {
        store
            .save(P, meta(save), &rows(0..300, save as u32))
            .unwrap();
    }
    drop(store);
    let files: Vec<_> = std::fs::read_dir(&good)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.metadata().unwrap().is_file())
        .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
        .collect();
    let (mut lost, mut reverted) = (0, 0);
    for n in 0..60_u64 {
        let dir = root.path().join(format!("damaged-{n}"));
        std::fs::create_dir(&dir).unwrap();
        let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let used = |bytes: &[u8]| {
            bytes
                .iter()
                .rposition(|b| *b != 0)
                .map_or(0, |last| last + 1)
        };
        for (name, bytes) in &files {
            let mut bytes = bytes.clone();
            if name == "db" {
                let at = (random % used(&bytes) as u64) as usize;
                match n % 3 {
                    0 => bytes[at] ^= 1 << (random >> 61),
                    1 => bytes[at..].fill(0),
                    _ => bytes.truncate(at),
                }
            }
            std::fs::write(dir.join(name), bytes).unwrap();
        }
        let Ok(store) = CheckpointStore::open(&dir) else {
            lost += 1;
            continue;
        };
        match store.load(P) {
            Err(_) | Ok(None) => lost += 1,
            Ok(Some(found)) => {
                let save = found.meta.applied_index;
                assert_eq!(
                    (found.meta, found.rows),
                    (meta(save), rows(0..300, save as u32))
                );
                reverted += usize::from(save < 7);
            }
        }
        // The log knows better: it was purged up to the sixth save.
        if let Ok(found) = store.load_reaching(P, 7) {
            assert!(found.is_some_and(|found| found.meta.applied_index >= 6));
        }
    }
    assert!(lost > 0 && reverted > 0, "{lost} {reverted}");
}

#[test]
fn a_checkpoint_must_reach_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path()).unwrap();
    assert_eq!(store.load_reaching(P, 1).unwrap(), None);
    let error = store.load_reaching(P, 2).unwrap_err();
    assert!(matches!(
        error,
        CheckpointError::Behind {
            applied_index: 0,
            floor: 2,
            ..
        }
    ));
    store.save(P, meta(9), &rows(0..3, 1)).unwrap();
    assert_eq!(store.load_reaching(P, 10).unwrap().unwrap().meta, meta(9));
    let error = store.load_reaching(P, 11).unwrap_err();
    assert!(error.to_string().contains("begins at entry 11"), "{error}");
}

#[test]
fn what_is_too_much_for_one_batch_leaves_the_other_generation_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(dir.path()).unwrap();
    store.save(P, meta(1), &rows(0..2_500, 1)).unwrap();
    store.save(P, meta(2), &rows(0..2_500, 2)).unwrap();
    let rows_of_third = rows(1_000..4_000, 3);
    // As far as the last batch, without it.
    let begun = store.guard(|db| {
        let trees = open_trees(db, P)?;
        let difference = Difference::between(&trees[0], &rows_of_third)?;
        difference.write(db, &trees[0], &rows_of_third)?;
        Ok((save_number(&trees[0])?, save_number(&trees[1])?))
    });
    assert_eq!(begun.unwrap(), (None, Some(2)));
    drop(store);
    let store = CheckpointStore::open(dir.path()).unwrap();
    let loaded = store.load(P).unwrap().unwrap();
    assert_eq!((loaded.meta, loaded.rows), (meta(2), rows(0..2_500, 2)));
    // The next save goes on where it was begun.
    let report = store.save(P, meta(3), &rows_of_third).unwrap();
    assert!(report.unchanged >= 1_000, "{report:?}");
    drop(store);
    let store = CheckpointStore::open(dir.path()).unwrap();
    let loaded = store.load(P).unwrap().unwrap();
    assert_eq!((loaded.meta, loaded.rows), (meta(3), rows_of_third));
}

#[test]
fn a_store_whose_threads_are_still_writing_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    drop(CheckpointStore::open(dir.path()).unwrap());
    wait_until_closed(dir.path()).unwrap();
    // As one of sled's threads holds it after the store was dropped.
    let held = File::open(dir.path().join("db")).unwrap();
    held.try_lock().unwrap();
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let opening = scope.spawn(move || {
            tell.send(()).unwrap();
            CheckpointStore::open(dir.path()).map(drop)
        });
        told.recv().unwrap();
        std::thread::sleep(10 * STILL_CLOSING_PAUSE);
        drop(held);
        opening.join().unwrap().unwrap();
    });
}
