//! The log on a real disk: what callers see, before and after closing.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;

pub(super) const P0: PartitionId = PartitionId(0);
const P7: PartitionId = PartitionId(7);
const WAIT: Duration = Duration::from_secs(30);

pub(super) fn options() -> LogOptions {
    LogOptions {
        file_bytes: 256 << 10,
        purge_threshold_bytes: 1 << 20,
        prefill_bytes: 512 << 10,
        cache_bytes: 64 << 10,
        ..LogOptions::default()
    }
}

fn open(dir: &Path) -> LogStore {
    LogStore::open(&dir.join("log"), options()).unwrap()
}

pub(super) fn waiter() -> (Done, Receiver<io::Result<()>>) {
    let (tx, rx) = channel();
    let done = Box::new(move |result| {
        let _gone = tx.send(result);
    });
    (done, rx)
}

/// Calls with a callback and waits for it.
pub(super) fn wait(call: impl FnOnce(Done)) -> io::Result<()> {
    let (done, rx) = waiter();
    call(done);
    rx.recv_timeout(WAIT).unwrap()
}

pub(super) fn entry(index: u64, len: usize) -> LogEntry {
    let bytes: Vec<u8> = (0..len).map(|n| (index as usize * 31 + n) as u8).collect();
    LogEntry {
        index,
        bytes: bytes.into(),
    }
}

fn entries(range: Range<u64>, len: usize) -> Vec<LogEntry> {
    range.map(|index| entry(index, len)).collect()
}

fn append(log: &LogStore, partition: PartitionId, range: Range<u64>, len: usize) {
    wait(|done| log.append(partition, entries(range, len), done)).unwrap();
}

#[test]
fn entries_and_state_come_back_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!(log.bounds(P0), None);
    append(&log, P0, 1..11, 100);
    append(&log, P7, 500..503, 0);
    let vote = Bytes::from_static(b"vote");
    wait(|done| log.put_state(P7, StateKey::VOTE, vote.clone(), done)).unwrap();
    drop(log);
    let log = open(dir.path());
    assert_eq!(
        (log.bounds(P0), log.bounds(P7)),
        (Some((1, 10)), Some((500, 502)))
    );
    assert_eq!(log.partitions(), [P0, P7]);
    assert_eq!(log.state(P7, StateKey::VOTE), Some(vote));
    assert_eq!(log.state(P0, StateKey::VOTE), None);
    assert_eq!(log.read(P0, 3..6, 1 << 20).unwrap(), entries(3..6, 100));
    assert_eq!(
        log.read(P7, 0..u64::MAX, 1 << 20).unwrap(),
        entries(500..503, 0)
    );
}

#[test]
fn a_read_sees_what_is_not_yet_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let (first, first_done) = waiter();
    let (second, second_done) = waiter();
    log.append(P0, entries(1..3, 10), first);
    log.append(P0, entries(3..5, 10), second);
    assert_eq!(log.bounds(P0), Some((1, 4)));
    assert_eq!(log.read(P0, 1..5, 1 << 20).unwrap(), entries(1..5, 10));
    first_done.recv_timeout(WAIT).unwrap().unwrap();
    second_done.recv_timeout(WAIT).unwrap().unwrap();
}

#[test]
fn a_read_is_bounded_but_gives_at_least_one() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, P0, 1..11, 1_000);
    let check = |log: &LogStore| {
        let lens = |range, max| log.read(P0, range, max).unwrap().len();
        assert_eq!(lens(1..11, 0), 1);
        assert_eq!(lens(1..11, 2_500), 2);
        assert_eq!(lens(8..100, 1 << 20), 3);
        assert_eq!(lens(11..20, 1 << 20), 0);
        assert_eq!(lens(5..5, 1 << 20), 0);
    };
    check(&log);
    drop(log);
    check(&open(dir.path()));
}

#[test]
fn what_memory_forgets_is_read_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for start in (1..401).step_by(20) {
        append(&log, P0, start..start + 20, 1_000);
    }
    assert!(log.stats().cache_bytes.load(Ordering::Relaxed) <= 64 << 10);
    let mut read = Vec::new();
    while read.len() < 400 {
        let next = read.len() as u64 + 1;
        let some = log.read(P0, next..401, 50_000).unwrap();
        assert!(!some.is_empty() && some.len() <= 50);
        read.extend(some);
    }
    assert_eq!(read, entries(1..401, 1_000));
    assert!(log.stats().disk_reads.load(Ordering::Relaxed) > 300);
}

#[test]
fn truncation_holds_with_and_without_a_later_append() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, P0, 1..11, 10);
    append(&log, P7, 1..11, 10);
    wait(|done| log.truncate_after(P0, 4, done)).unwrap();
    wait(|done| log.truncate_after(P7, 4, done)).unwrap();
    append(&log, P7, 5..7, 20);
    drop(log);
    let log = open(dir.path());
    assert_eq!(
        (log.bounds(P0), log.bounds(P7)),
        (Some((1, 4)), Some((1, 6)))
    );
    append(&log, P0, 5..6, 30);
    // A truncation of nothing leaves the end where it is.
    wait(|done| log.truncate_after(P0, 9, done)).unwrap();
    append(&log, P0, 6..12, 30);
    drop(log);
    let log = open(dir.path());
    assert_eq!(
        (log.bounds(P0), log.bounds(P7)),
        (Some((1, 11)), Some((1, 6)))
    );
    let both = [entries(1..5, 10), entries(5..12, 30)].concat();
    assert_eq!(log.read(P0, 0..99, 1 << 20).unwrap(), both);
    let both = [entries(1..5, 10), entries(5..7, 20)].concat();
    assert_eq!(log.read(P7, 0..99, 1 << 20).unwrap(), both);
}

#[test]
fn a_purge_may_go_beyond_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, P0, 1..11, 10);
    log.purge_through(P0, 3);
    assert_eq!(log.bounds(P0), Some((4, 10)));
    assert_eq!(log.read(P0, 0..99, 1 << 20).unwrap(), entries(4..11, 10));
    log.purge_through(P0, 100);
    assert_eq!(log.bounds(P0), None);
    append(&log, P0, 101..104, 10);
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.bounds(P0), Some((101, 103)));
    log.purge_through(P0, 103);
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.bounds(P0), None);
    append(&log, P0, 104..105, 10);
    assert_eq!(log.bounds(P0), Some((104, 104)));
}

#[test]
fn a_late_purge_takes_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, P0, 1..11, 10);
    log.purge_through(P0, 6);
    log.purge_through(P0, 4);
    assert_eq!(log.floor(P0), 7);
    drop(log);
    let log = open(dir.path());
    assert_eq!((log.floor(P0), log.bounds(P0)), (7, Some((7, 10))));
    log.purge_through(P0, 20);
    log.purge_through(P0, 12);
    drop(log);
    let log = open(dir.path());
    assert_eq!((log.floor(P0), log.bounds(P0)), (21, None));
    let early = wait(|done| log.append(P0, entries(20..25, 1), done)).unwrap_err();
    assert_eq!(early.kind(), io::ErrorKind::InvalidInput);
    let zeroth = wait(|done| log.append(P7, entries(0..2, 1), done)).unwrap_err();
    assert_eq!(zeroth.kind(), io::ErrorKind::InvalidInput);
    append(&log, P0, 21..23, 1);
}

#[test]
fn a_truncated_end_does_not_come_back_after_a_purge() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, P0, 1..21, 10);
    wait(|done| log.truncate_after(P0, 10, done)).unwrap();
    log.purge_through(P0, 10);
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.bounds(P0), None);
    append(&log, P0, 11..13, 10);
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.bounds(P0), Some((11, 12)));
    assert_eq!(log.read(P0, 0..99, 1 << 20).unwrap(), entries(11..13, 10));
}

#[test]
fn misplaced_entries_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, P0, 5..8, 10);
    log.purge_through(P0, 5);
    let refused = |entries| {
        let error = wait(|done| log.append(P0, entries, done)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        error.to_string()
    };
    assert_eq!(refused(entries(9..10, 1)), "entry 9 leaves a hole after 7");
    assert_eq!(
        refused(entries(5..6, 1)),
        "entry 5 is before 6, the first that is kept"
    );
    let gap = vec![entry(8, 1), entry(10, 1)];
    assert_eq!(
        refused(gap),
        "entries are not in rising order without gaps at index 9"
    );
    assert_eq!(log.bounds(P0), Some((6, 7)));
    append(&log, P0, 8..8, 0);
    append(&log, P0, 7..9, 10);
    assert_eq!(log.bounds(P0), Some((6, 8)));
}

#[test]
fn a_removed_partition_is_gone_and_can_begin_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, P0, 1..11, 10);
    wait(|done| log.put_state(P0, StateKey::VOTE, Bytes::from_static(b"v"), done)).unwrap();
    wait(|done| log.remove_partition(P0, done)).unwrap();
    assert_eq!(
        (log.bounds(P0), log.state(P0, StateKey::VOTE)),
        (None, None)
    );
    drop(log);
    let log = open(dir.path());
    assert_eq!(
        (log.bounds(P0), log.state(P0, StateKey::VOTE)),
        (None, None)
    );
    let (done, removed) = waiter();
    append(&log, P0, 1..4, 10);
    log.remove_partition(P0, done);
    append(&log, P0, 2..4, 20);
    removed.recv_timeout(WAIT).unwrap().unwrap();
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.read(P0, 0..99, 1 << 20).unwrap(), entries(2..4, 20));
}

#[test]
fn files_are_recycled_behind_a_purge() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    wait(|done| log.put_state(P7, StateKey::VOTE, Bytes::from_static(b"v"), done)).unwrap();
    append(&log, P7, 1..3, 100);
    for start in (1..4_001).step_by(100) {
        append(&log, P0, start..start + 100, 1_000);
        log.purge_through(P0, start + 50);
    }
    append(&log, P0, 4_001..4_002, 1);
    drop(log);
    let on_disk: u64 = std::fs::read_dir(dir.path().join("log"))
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum();
    assert!(
        on_disk < 4 << 20,
        "4 MB of entries were purged, {on_disk} bytes are left"
    );
    let log = open(dir.path());
    assert_eq!(log.bounds(P0), Some((3_952, 4_001)));
    assert_eq!(log.read(P7, 0..99, 1 << 20).unwrap(), entries(1..3, 100));
    assert_eq!(
        log.state(P7, StateKey::VOTE),
        Some(Bytes::from_static(b"v"))
    );
}

#[test]
fn two_stores_never_get_each_others_entries() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, byte) in [(&one, 1_u8), (&two, 2)] {
        let log = open(dir.path());
        let entry = LogEntry {
            index: 1,
            bytes: vec![byte; 50].into(),
        };
        wait(|done| log.append(P0, vec![entry], done)).unwrap();
    }
    let logs = [open(one.path()), open(two.path())];
    for _ in 0..2 {
        for (log, byte) in logs.iter().zip([1_u8, 2]) {
            assert_eq!(
                log.read(P0, 1..2, 1 << 20).unwrap()[0].bytes,
                vec![byte; 50]
            );
        }
    }
}

#[test]
fn on_call_nothing_is_written_before_the_owner_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions {
        work: crate::Work::OnCall,
        ..options()
    };
    let log = LogStore::open(&dir.path().join("log"), options.clone()).unwrap();
    let (done, heard) = waiter();
    log.append(P0, vec![entry(1, 10), entry(2, 10)], done);
    assert!(heard.try_recv().is_err());
    assert_eq!(log.bounds(P0), Some((1, 2)), "it can be read at once");
    assert!(log.work());
    heard.recv_timeout(WAIT).unwrap().unwrap();
    assert!(!log.work(), "there is nothing more to write");
    // What the owner never had written is lost with the store.
    log.append(P0, vec![entry(3, 10)], waiter().0);
    drop(log);
    let log = LogStore::open(&dir.path().join("log"), options).unwrap();
    assert_eq!(log.bounds(P0), Some((1, 2)));
}

/// What a kill leaves: the files as they are, under the names that they have.
fn image(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("log")).unwrap();
    for file in std::fs::read_dir(from.join("log")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join("log").join(file.file_name())).unwrap();
    }
}

#[test]
fn kills_do_not_fill_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let at = |life: u64| dir.path().join(life.to_string());
    std::fs::create_dir(at(0)).unwrap();
    let mut next = 1;
    for life in 0..12 {
        let options = LogOptions {
            work: Work::OnCall,
            ..options()
        };
        let log = LogStore::open(&at(life).join("log"), options).unwrap();
        // More files at once than raft-engine keeps for later, so that the numbers have a gap.
        for _ in 0..20 {
            let (done, written) = waiter();
            log.append(P0, entries(next..next + 10, 16 << 10), done);
            log.work();
            written.recv_timeout(WAIT).unwrap().unwrap();
            next += 10;
        }
        log.purge_through(P0, next - 5);
        log.work();
        image(&at(life), &at(life + 1));
    }
    open(&at(12));
    let files = files::numbered(&at(12).join("log")).unwrap();
    let (first, last) = (files.first_key_value(), files.last_key_value());
    let span = last.zip(first).map(|(last, first)| last.0 - first.0 + 1);
    assert_eq!(span, Some(files.len() as u64), "{:?}", files.keys());
}

#[test]
fn a_partition_whose_old_entries_keep_files_is_named_and_its_purge_frees_them() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions {
        work: Work::OnCall,
        ..options()
    };
    let log = LogStore::open(&dir.path().join("log"), options).unwrap();
    let write = |partition, range: Range<u64>, len| {
        let (done, written) = waiter();
        log.append(partition, entries(range, len), done);
        log.work();
        written.recv_timeout(WAIT).unwrap().unwrap();
    };
    // More than raft-engine moves out of the way by itself.
    write(P7, 1..41, 10);
    let first_file = || {
        let files = files::numbered(&dir.path().join("log")).unwrap();
        files.first_key_value().map(|(number, _)| *number)
    };
    let mut next = 1;
    let mut fill = || {
        for _ in 0..20 {
            write(P0, next..next + 10, 16 << 10);
            next += 10;
        }
        log.purge_through(P0, next - 5);
        log.work();
    };
    fill();
    assert!(log.take_purge_wishes().contains(&P7));
    assert_eq!(first_file(), Some(1));
    log.purge_through(P7, 40);
    fill();
    assert!(!log.take_purge_wishes().contains(&P7));
    assert!(first_file() > Some(1));
}

#[test]
fn a_read_meets_a_purge_that_moves_its_entries() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions {
        cache_bytes: 0,
        ..options()
    };
    let log = LogStore::open(&dir.path().join("log"), options).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0_u64;
            while !ended.load(Ordering::Acquire) {
                let Some((first, last)) = log.bounds(P7) else {
                    continue;
                };
                match log.read(P7, first..last + 1, 1 << 20) {
                    Ok(found) => assert!(found.iter().all(|e| *e == entry(e.index, 100))),
                    // Purged between the two questions.
                    Err(e) => assert_eq!(e.kind(), io::ErrorKind::NotFound, "{e}"),
                }
                reads += 1;
            }
            reads
        });
        // Few old entries, which raft-engine moves, and enough others that their files are used again at once.
        for round in 0..200 {
            append(&log, P7, round * 10 + 1..round * 10 + 11, 100);
            append(&log, P0, round * 10 + 1..round * 10 + 11, 32 << 10);
            log.purge_through(P0, round * 10 + 8);
            if round > 0 {
                log.purge_through(P7, round * 10 - 5);
            }
            if reader.is_finished() {
                break;
            }
        }
        ended.store(true, Ordering::Release);
        assert!(
            reader
                .join()
                .expect("every read is right or of what is purged")
                > 0
        );
    });
}
