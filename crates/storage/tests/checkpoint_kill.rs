//! sled under kill -9: a child saves checkpoints without pause, the parent kills it in the middle, opens what
//! is left, and finds a whole checkpoint that is no older than the last that was acknowledged.
//!
//! Fifteen cycles in the suite; `LEVADA_KILL_CYCLES=1000 cargo test --release -p levada-storage --test
//! checkpoint_kill` for a night's worth.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use levada_storage::{CheckpointMeta, CheckpointStore};
use levada_types::PartitionId;

const PARTITIONS: u32 = 3;
const DIR: &str = "LEVADA_KILL_DIR";
const CYCLES: &str = "LEVADA_KILL_CYCLES";
const CYCLES_DEFAULT: u64 = 15;

/// The rows of a save, of which about a tenth differ from the one before.
/// Every third save is too much for one batch, and the two after it have much to remove.
fn rows(save: u64) -> Vec<(Bytes, Bytes)> {
    let many = if save.is_multiple_of(3) { 2_600 } else { 200 };
    (0..many + save % 50)
        .map(|row| {
            let version = (save + row) / 10;
            let value = vec![version as u8; 20 + (row * version % 700) as usize];
            (Bytes::from(format!("row {row:05}")), Bytes::from(value))
        })
        .collect()
}

fn verify(store: &CheckpointStore) -> Vec<u64> {
    (0..PARTITIONS)
        .map(|p| match store.load(PartitionId(p)).unwrap() {
            None => 0,
            Some(checkpoint) => {
                let save = checkpoint.meta.applied_index;
                assert_eq!(checkpoint.rows, rows(save), "the rows of another save");
                assert_eq!(checkpoint.meta.opaque, save.to_string().as_bytes());
                save
            }
        })
        .collect()
}

#[test]
#[ignore = "the child of the other test"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let store = CheckpointStore::open(Path::new(&dir)).unwrap();
    let mut save = verify(&store).into_iter().max().unwrap_or(0);
    loop {
        save += 1;
        for p in 0..PARTITIONS {
            let opaque = Bytes::from(save.to_string());
            let meta = CheckpointMeta {
                applied_index: save,
                opaque,
            };
            store.save(PartitionId(p), meta, &rows(save)).unwrap();
            writeln!(std::io::stdout(), "saved {p} {save}").unwrap();
        }
    }
}

#[test]
fn a_kill_in_the_middle_of_a_save_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let cycles = std::env::var(CYCLES)
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(CYCLES_DEFAULT);
    let mut acknowledged = [0; PARTITIONS as usize];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for cycle in 0..cycles {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let saves = 1 + (random >> 40) % 12;
        // Part of a save's time, so that the kill falls anywhere in the next one.
        let pause = Duration::from_micros((random >> 50) % 8_000);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines {
            let line = line.unwrap();
            // The test harness writes its own words before the first.
            let Some((_, saved)) = line.split_once("saved ") else {
                continue;
            };
            let (p, save) = saved.split_once(' ').unwrap();
            acknowledged[p.parse::<usize>().unwrap()] = save.parse().unwrap();
            seen += 1;
            if seen == saves {
                std::thread::sleep(pause);
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= saves, "cycle {cycle}: the child ended by itself");
        let found = verify(&CheckpointStore::open(dir.path()).unwrap());
        for (found, acknowledged) in found.iter().zip(acknowledged) {
            assert!(
                *found >= acknowledged,
                "cycle {cycle}: {found} after {acknowledged}"
            );
        }
    }
}
