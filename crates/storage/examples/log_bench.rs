//! Measures the log on this machine's disk: `cargo run --release -p levada-storage --example log_bench [DIR]`.
//!
//! One writer that waits for each append gives the latency; sixteen partitions that append without waiting
//! give the throughput. Bare writes with fdatasync stand beside them.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use levada_storage::{BlockId, BlockOptions, BlockStore, LogEntry, LogOptions, LogStore};
use levada_types::PartitionId;

const APPENDS: u64 = 4_000;
const ENTRY_BYTES: usize = 1_024;
const PARTITIONS: u32 = 16;
/// Entries that each partition of the throughput run has in flight.
const IN_FLIGHT: usize = 256;
/// For how long an append is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> io::Result<()> {
    let dir = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from("target/log-bench"), PathBuf::from);
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    report(
        "bare fdatasync, growing file",
        &bare(&dir.join("growing"), 0)?,
    )?;
    report(
        "bare fdatasync, written file",
        &bare(&dir.join("written"), APPENDS * 4_096)?,
    )?;
    let begun = Instant::now();
    let log = LogStore::open(&dir.join("log"), LogOptions::default()).map_err(io::Error::other)?;
    say(&format!("first open {:?}", begun.elapsed()))?;
    report("append 1 KiB, first file", &one_writer(&log, 1)?)?;
    throughput(&log)?;
    report(
        "append 1 KiB, recycled file",
        &one_writer(&log, 1 + APPENDS)?,
    )?;
    drop(log);
    let begun = Instant::now();
    drop(LogStore::open(&dir.join("log"), LogOptions::default()).map_err(io::Error::other)?);
    say(&format!("second open {:?}", begun.elapsed()))?;
    blocks(&dir.join("blocks"))?;
    std::fs::remove_dir_all(&dir)
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

fn report(what: &str, times: &[Duration]) -> io::Result<()> {
    let at = |part: usize| times[(times.len() - 1) * part / 1_000];
    say(&format!(
        "{what:32} p50 {:?} p99 {:?} p99.9 {:?}",
        at(500),
        at(990),
        at(999)
    ))
}

fn bare(path: &Path, filled: u64) -> io::Result<Vec<Duration>> {
    let file = File::create(path)?;
    if filled > 0 {
        file.write_all_at(
            &vec![0; usize::try_from(filled).map_err(io::Error::other)?],
            0,
        )?;
        file.sync_all()?;
    }
    let page = [7; 4_096];
    let mut times = Vec::new();
    for n in 0..APPENDS / 4 {
        let begun = Instant::now();
        file.write_all_at(&page, n * 4_096)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn payload(index: u64) -> Bytes {
    let mut random = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[random as usize % 64]
    };
    (0..ENTRY_BYTES).map(|_| next()).collect()
}

fn one_writer(log: &LogStore, first: u64) -> io::Result<Vec<Duration>> {
    let partition = PartitionId(PARTITIONS);
    let mut times = Vec::new();
    for index in first..first + APPENDS {
        let (tx, rx) = channel();
        let entries = vec![LogEntry {
            index,
            bytes: payload(index),
        }];
        let begun = Instant::now();
        let done = Box::new(move |result| {
            let _gone = tx.send(result);
        });
        log.append(partition, entries, done);
        rx.recv().map_err(io::Error::other)??;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

/// Appends with [`IN_FLIGHT`] entries on the way, and waits for the last.
fn one_partition(log: &LogStore, partition: PartitionId, entries: u64, payloads: &[Bytes]) {
    let (give, take) = channel();
    for _ in 0..IN_FLIGHT {
        let _open = give.send(());
    }
    for index in 1..=entries {
        let _in_time = take.recv_timeout(PATIENCE);
        if index % 4_096 == 0 {
            log.purge_through(partition, index - 1_024);
        }
        let give = give.clone();
        let bytes =
            payloads[(index * 31 + u64::from(partition.0) * 257) as usize % payloads.len()].clone();
        let done = Box::new(move |_| {
            let _gone = give.send(());
        });
        log.append(partition, vec![LogEntry { index, bytes }], done);
    }
    for _ in 0..IN_FLIGHT {
        let _in_time = take.recv_timeout(PATIENCE);
    }
}

fn throughput(log: &LogStore) -> io::Result<()> {
    let entries = 20_000_u64;
    // All different, or compression would look better than it is.
    let payloads: Vec<Bytes> = (0..4_096).map(payload).collect();
    let begun = Instant::now();
    let syncs = log.stats().syncs.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        for partition in 0..PARTITIONS {
            let payloads = &payloads;
            scope.spawn(move || one_partition(log, PartitionId(partition), entries, payloads));
        }
    });
    let took = begun.elapsed().as_secs_f64();
    let syncs = log.stats().syncs.load(std::sync::atomic::Ordering::Relaxed) - syncs;
    let total = entries * u64::from(PARTITIONS);
    say(&format!(
        "{PARTITIONS} partitions, 1 KiB: {:.0} entries/s in {syncs} syncs, {} MiB on disk",
        total as f64 / took,
        log.stats()
            .disk_bytes
            .load(std::sync::atomic::Ordering::Relaxed)
            >> 20,
    ))
}

fn blocks(dir: &Path) -> io::Result<()> {
    const BLOCKS: u64 = 20_000;
    std::fs::create_dir_all(dir)?;
    let store = BlockStore::open(dir, BlockOptions::default())?;
    let bytes = payload(1);
    let begun = Instant::now();
    for n in 0..BLOCKS {
        let id = BlockId {
            partition: PartitionId(0),
            log: 1,
            first: n * 16,
        };
        store.put(id, (0..16).map(|r| (n * 16 + r, bytes.clone())).collect());
    }
    store.sync_all()?;
    let took = begun.elapsed().as_secs_f64();
    say(&format!("{BLOCKS} blocks of 16 KiB written in {took:.2} s"))?;
    drop(store);
    let begun = Instant::now();
    let store = BlockStore::open(dir, BlockOptions::default())?;
    say(&format!("{BLOCKS} blocks found in {:?}", begun.elapsed()))?;
    let begun = Instant::now();
    let id = BlockId {
        partition: PartitionId(0),
        log: 1,
        first: 160,
    };
    store.read_block(id).map_err(io::Error::other)?;
    say(&format!("one block read in {:?}", begun.elapsed()))
}
