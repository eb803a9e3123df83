//! The log on a disk that fails: what was acknowledged is there, nothing is invented, and nobody hears `Ok`
//! for what is not on the disk.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use super::tests::{P0, entry, options, wait, waiter};
use super::*;
use crate::fault::{Fault, FaultDisk, flip_bit, seeds};

/// What a log should hold: entries by partition and index, and state.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: BTreeMap<u32, BTreeMap<u64, Bytes>>,
    state: BTreeMap<(u32, u8), Bytes>,
}

const PARTITIONS: u32 = 3;
const KEYS: [StateKey; 2] = [StateKey::VOTE, StateKey::COMMITTED];

impl Model {
    fn of(log: &LogStore) -> io::Result<Self> {
        let mut model = Self::default();
        for p in 0..PARTITIONS {
            let partition = PartitionId(p);
            let mut next = 0;
            loop {
                let some = log.read(partition, next..u64::MAX, 10_000)?;
                let Some(last) = some.last() else { break };
                next = last.index + 1;
                let entries = model.entries.entry(p).or_default();
                entries.extend(some.into_iter().map(|e| (e.index, e.bytes)));
            }
            let kept = model.entries.get(&p);
            let ends = kept.and_then(|e| Some((*e.first_key_value()?.0, *e.last_key_value()?.0)));
            assert_eq!(log.bounds(partition), ends);
            for key in KEYS {
                if let Some(value) = log.state(partition, key) {
                    model.state.insert((p, key.0), value);
                }
            }
        }
        Ok(model)
    }
}

/// Sends random operations and keeps what the log holds after each.
struct Driver {
    random: u64,
    model: Model,
    /// Where a partition that is empty goes on.
    next: [u64; PARTITIONS as usize],
    /// The model after each operation of this run, the first one before any.
    history: Vec<Model>,
    acknowledged: Arc<AtomicU64>,
}

impl Driver {
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// The callback of the operation that follows.
    fn done(&self, dead: &Arc<AtomicBool>) -> Done {
        let number = self.history.len() as u64;
        let (acknowledged, dead) = (self.acknowledged.clone(), dead.clone());
        Box::new(move |result| match result {
            Ok(()) => {
                acknowledged.fetch_max(number, Ordering::SeqCst);
            }
            Err(_) => assert!(dead.load(Ordering::SeqCst), "an error without a fault"),
        })
    }

    fn step(&mut self, log: &LogStore, dead: &Arc<AtomicBool>) {
        let p = self.below(u64::from(PARTITIONS)) as u32;
        let partition = PartitionId(p);
        let at = p as usize;
        let mut entries = self.model.entries.remove(&p).unwrap_or_default();
        let last = entries.last_key_value().map(|(index, _)| *index);
        let done = self.done(dead);
        match self.below(20) {
            0 => {
                let keep = last.map_or(0, |last| last.saturating_sub(self.below(6)));
                entries.retain(|index, _| *index <= keep);
                self.next[at] = self.next[at]
                    .min(keep + 1)
                    .max(self.purged(log, partition) + 1);
                log.truncate_after(partition, keep, done);
            }
            1 => {
                let through = self.next[at] - 1 - self.below(8).min(self.next[at] - 1);
                entries.retain(|index, _| *index > through);
                log.purge_through(partition, through);
            }
            2 => {
                let through = self.next[at] + self.below(30);
                entries.clear();
                self.next[at] = through + 1;
                log.purge_through(partition, through);
            }
            3 | 4 => {
                let key = KEYS[self.below(2) as usize];
                let value = Bytes::from(self.below(u64::MAX).to_le_bytes().to_vec());
                self.model.state.insert((p, key.0), value.clone());
                log.put_state(partition, key, value, done);
            }
            5 if self.below(4) == 0 => {
                entries.clear();
                self.next[at] = 1;
                self.model.state.retain(|key, _| key.0 != p);
                log.remove_partition(partition, done);
            }
            _ => {
                let count = 1 + self.below(4);
                let batch: Vec<_> = (self.next[at]..self.next[at] + count)
                    .map(|index| LogEntry {
                        index,
                        bytes: vec![self.random as u8; self.below(9_000) as usize].into(),
                    })
                    .collect();
                self.next[at] += count;
                entries.extend(batch.iter().map(|e| (e.index, e.bytes.clone())));
                log.append(partition, batch, done);
            }
        }
        if !entries.is_empty() {
            self.model.entries.insert(p, entries);
        }
        self.history.push(self.model.clone());
    }

    fn purged(&self, log: &LogStore, partition: PartitionId) -> u64 {
        log.floor(partition) - 1
    }
}

fn fault_options(disk: &Arc<FaultDisk>, dead: &Arc<AtomicBool>) -> LogOptions {
    let dead = dead.clone();
    LogOptions {
        disk: disk.clone(),
        fatal: Arc::new(move |_| dead.store(true, Ordering::SeqCst)),
        file_bytes: 64 << 10,
        purge_threshold_bytes: 128 << 10,
        prefill_bytes: 64 << 10,
        cache_bytes: 32 << 10,
        ..LogOptions::default()
    }
}

/// Opens the log, as often as the power goes while it opens.
fn open_at_last(path: &Path, disk: &Arc<FaultDisk>, dead: &Arc<AtomicBool>) -> LogStore {
    loop {
        match LogStore::open(path, fault_options(disk, dead)) {
            Ok(log) if disk.has_power() => return log,
            // Some files are only made ahead, and may fail to be.
            Ok(log) => crash(log, disk),
            Err(e) => {
                assert!(!disk.has_power(), "{e}");
                disk.restore().unwrap();
            }
        }
    }
}

/// Cuts the power, and puts it on again when the threads have noticed.
fn crash(mut log: LogStore, disk: &FaultDisk) {
    disk.cut_power();
    log.stop();
    disk.forget();
    drop(log);
    disk.restore().unwrap();
}

fn power_cuts(seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let disk = FaultDisk::new(seed);
    let mut driver = Driver {
        random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        model: Model::default(),
        next: [1; PARTITIONS as usize],
        history: Vec::new(),
        acknowledged: Arc::default(),
    };
    for _ in 0..6 {
        let dead = Arc::new(AtomicBool::new(false));
        if driver.below(4) == 0 {
            disk.arm(Fault::PowerCut, driver.below(6));
        }
        let log = open_at_last(&path, &disk, &dead);
        disk.disarm();
        let found = Model::of(&log).unwrap();
        let acknowledged = driver.acknowledged.swap(0, Ordering::SeqCst) as usize;
        if !driver.history.is_empty() {
            let survived = driver.history[acknowledged..]
                .iter()
                .position(|model| *model == found);
            assert!(
                survived.is_some(),
                "seed {seed}: {acknowledged} acknowledged, others found"
            );
        }
        driver.model = found.clone();
        for p in 0..PARTITIONS {
            let last = found.entries.get(&p).and_then(|e| e.last_key_value());
            let floor = log.floor(PartitionId(p));
            driver.next[p as usize] = last.map_or(floor, |(index, _)| index + 1);
        }
        driver.history = vec![found];
        let after = driver.below(120);
        disk.arm(Fault::PowerCut, after);
        let mut steps = 0;
        while !dead.load(Ordering::SeqCst) && steps < 150 {
            driver.step(&log, &dead);
            steps += 1;
            if driver.below(4) == 0 {
                // What comes gathers behind this one.
                let (done, rx) = waiter();
                log.truncate_after(P0, u64::MAX, done);
                let _result = rx.recv().unwrap();
            }
        }
        crash(log, &disk);
    }
}

#[test]
fn what_is_acknowledged_survives_power_cuts() {
    for seed in seeds(60) {
        power_cuts(seed);
    }
}

#[test]
fn a_full_disk_and_a_failed_sync_are_fatal_and_never_ok() {
    for fault in [Fault::DiskFull, Fault::SyncError] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let disk = FaultDisk::new(5);
        let dead = Arc::new(AtomicBool::new(false));
        let log = LogStore::open(&path, fault_options(&disk, &dead)).unwrap();
        wait(|done| log.append(P0, vec![entry(1, 100)], done)).unwrap();
        disk.arm(fault, 0);
        wait(|done| log.append(P0, vec![entry(2, 100)], done)).unwrap_err();
        assert!(
            dead.load(Ordering::SeqCst),
            "{fault:?} did not reach the hook"
        );
        wait(|done| log.append(P0, vec![entry(3, 100)], done)).unwrap_err();
        wait(|done| log.put_state(P0, StateKey::VOTE, Bytes::new(), done)).unwrap_err();
        log.read(P0, 1..2, 1_000).unwrap_err();
        crash(log, &disk);
        let log = LogStore::open(&path, options()).unwrap();
        let first = log.read(P0, 0..2, 1_000).unwrap();
        assert_eq!(first, [entry(1, 100)]);
        assert!(log.bounds(P0).unwrap().1 <= 2);
    }
}

#[test]
fn bad_reads_are_errors_and_not_data() {
    for fault in [Fault::ShortRead, Fault::FlippedRead, Fault::ReadError] {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(9);
        let dead = Arc::new(AtomicBool::new(false));
        let path = dir.path().join("log");
        let log = LogStore::open(&path, fault_options(&disk, &dead)).unwrap();
        let all: Vec<_> = (1..40).map(|index| entry(index, 2_000)).collect();
        for e in &all {
            wait(|done| log.append(P0, vec![e.clone()], done)).unwrap();
        }
        for _ in 0..20 {
            disk.arm(fault, 0);
            match log.read(P0, 1..2, 10) {
                // raft-engine asks for the rest of what came short.
                Ok(read) => assert_eq!((fault, &read[..]), (Fault::ShortRead, &all[..1])),
                Err(e) => assert!(fault != Fault::ShortRead, "{e}"),
            }
            assert!(!disk.disarm());
            assert_eq!(log.read(P0, 1..2, 10).unwrap(), all[..1]);
            // Leaves the last block that the reader keeps.
            log.read(P0, 2..3, 10).unwrap();
        }
        assert!(!dead.load(Ordering::SeqCst));
    }
}

#[test]
fn a_flipped_bit_is_never_returned_as_data() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = LogStore::open(&path, options()).unwrap();
    let all: Vec<_> = (1..1_001).map(|index| entry(index, 700)).collect();
    for batch in all.chunks(20) {
        wait(|done| log.append(P0, batch.to_vec(), done)).unwrap();
    }
    drop(log);
    let mut files: Vec<_> = std::fs::read_dir(&path)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "raftlog"))
        .collect();
    files.sort();
    assert!(files.len() > 2);
    let (mut refused, mut shorter) = (0, 0);
    for n in 0..90_u64 {
        let file = &files[n as usize % files.len()];
        let good = std::fs::read(file).unwrap();
        let bit = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (good.len() as u64 * 8);
        flip_bit(file, bit).unwrap();
        match LogStore::open(&path, options()) {
            Err(LogOpenError::Damaged { .. }) => refused += 1,
            Err(e) => panic!("bit {bit}: {e}"),
            // Whoever opens it can read all of it.
            Ok(log) => {
                let model = Model::of(&log).unwrap();
                let found = model.entries.get(&0).cloned().unwrap_or_default();
                assert!(found.iter().all(|(i, b)| all[*i as usize - 1].bytes == *b));
                assert!(
                    found.len() >= 980,
                    "bit {bit} took {} entries",
                    1_000 - found.len()
                );
                shorter += 1;
            }
        }
        std::fs::write(file, good).unwrap();
    }
    // Only what stands in the very last batch can pass for a torn end.
    assert!(refused > 80, "{refused} refused, {shorter} shorter");
}
