//! What a large checkpoint costs in memory while it is saved:
//! `cargo test --release -p levada-storage --test checkpoint_memory -- --ignored --nocapture`.
//!
//! Prints; asserts nothing, for allocators differ.
#![allow(clippy::print_stdout, reason = "its output is the point")]
#![allow(clippy::disallowed_types, reason = "it asks the machine")]

use bytes::{BufMut, Bytes, BytesMut};
use levada_storage::checkpoint::{CheckpointMeta, CheckpointStore};
use levada_types::PartitionId;

const ROWS: u64 = 1_100_000;
const VALUE_BYTES: usize = 250;
/// Of so many rows one changes between two saves.
const CHANGED_ONE_IN: u64 = 10;

fn resident_mib() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0_usize) / 256
}

fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0_usize) / 1024
}

fn rows(version: u64) -> Vec<(Bytes, Bytes)> {
    let row = |n: u64| {
        let mut key = BytesMut::new();
        key.put_u8(0x20);
        key.put_u64(n);
        let mut value = vec![b'x'; VALUE_BYTES];
        if n.is_multiple_of(CHANGED_ONE_IN) {
            value[..8].copy_from_slice(&version.to_be_bytes());
        }
        (key.freeze(), Bytes::from(value))
    };
    (0..ROWS).map(row).collect()
}

#[test]
#[ignore = "takes gigabytes"]
fn a_million_rows() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = CheckpointStore::open(dir.path()).expect("opened");
    for save in 1..=4 {
        let rows = rows(save);
        let before = resident_mib();
        let began = std::time::Instant::now();
        let meta = CheckpointMeta {
            applied_index: save,
            opaque: Bytes::new(),
        };
        let report = store.save(PartitionId(0), meta, &rows).expect("saved");
        println!(
            "save {save}: {before} MiB with the rows, {} MiB after, at most {} MiB so far; {report:?}, {:?}, {} MiB of files",
            resident_mib(),
            peak_mib(),
            began.elapsed(),
            store.disk_bytes().unwrap_or_default() >> 20
        );
    }
    drop(store);
    println!("closed: {} MiB", resident_mib());
    let store = CheckpointStore::open(dir.path()).expect("opened");
    println!("opened: {} MiB", resident_mib());
    let loaded = store.load(PartitionId(0)).expect("loaded").expect("whole");
    println!("loaded {} rows: {} MiB", loaded.rows.len(), resident_mib());
}
