//! Files that are written, rotated, copied, emptied and deleted, with the time given: what is read, and in which order.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::Tailer;
use crate::batch::Batch;
use crate::checkpoint::Store;
use crate::config::Config;
use crate::limits;
use crate::status::Counters;

/// A flow over a directory of its own. What is read counts as answered for, unless a test says otherwise.
struct Bench {
    root: tempfile::TempDir,
    settings: String,
    tailer: Option<Tailer>,
    now: Instant,
}

impl Bench {
    fn new(pattern: &str, settings: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let settings = format!(
            "[[flows]]\nfiles = '{}/{pattern}'\nstream = 's'\n{settings}",
            root.path().display()
        );
        Self {
            root,
            settings,
            tailer: None,
            now: Instant::now(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn append(&self, name: &str, text: &str) -> File {
        let options = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name));
        let mut file = options.unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// As logrotate does with `copytruncate`.
    fn copy_and_empty(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        File::options()
            .write(true)
            .truncate(true)
            .open(self.path(from))
            .unwrap();
    }

    fn flow(&self) -> crate::config::FlowConfig {
        let file = self.path("agent.toml");
        fs::write(&file, &self.settings).unwrap();
        let variable = |name: &str| name.starts_with("AWS_").then(|| "us-east-1".to_owned());
        Config::load(&file, None, variable).unwrap().flows.remove(0)
    }

    /// Starts, or starts again as after a kill: what was not saved is forgotten.
    fn start(&mut self) {
        let store = Store::new(self.root.path(), "state");
        let poll = Duration::from_millis(250);
        let counters = Arc::new(Counters::default());
        self.tailer = None;
        let tailer = Tailer::open(self.flow(), poll, store, counters, self.now);
        self.tailer = Some(tailer.unwrap());
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn tailer(&mut self) -> &mut Tailer {
        self.tailer.as_mut().unwrap()
    }

    /// Batches until there is nothing more now, not yet answered for.
    fn batches(&mut self) -> Vec<Batch> {
        self.pass(Duration::from_millis(250));
        let mut batches = Vec::new();
        let (now, bounds) = (self.now, self.tailer().flow.buffer);
        loop {
            let mut batch = Batch::new(bounds);
            let is_more = self.tailer().fill(&mut batch, now);
            let is_empty = batch.records().is_empty();
            batches.push(batch);
            if is_empty && !is_more {
                return batches;
            }
        }
    }

    fn read(&mut self) -> Vec<String> {
        let batches = self.batches();
        for batch in &batches {
            self.tailer().commit(batch.ends());
        }
        let now = self.now;
        self.tailer().save_if_due(now, true);
        texts(&batches)
    }

    /// What comes once nothing has changed for the time that a rotated file is given.
    fn read_when_quiet(&mut self) -> Vec<String> {
        let mut read = self.read();
        for _ in 0..3 {
            self.pass(limits::ROTATED_QUIET);
            read.extend(self.read());
        }
        read
    }
}

fn texts(batches: &[Batch]) -> Vec<String> {
    let records = batches.iter().flat_map(Batch::records);
    records
        .map(|record| String::from_utf8(record.data.clone()).unwrap())
        .collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn lines_come_in_order_and_a_torn_one_waits_for_its_end() {
    let mut bench = Bench::new("*.log", "");
    bench.append("a.log", "1\n2\n3");
    bench.start();
    assert_eq!(bench.read(), ["1", "2"]);
    bench.append("a.log", "3\n4\n");
    assert_eq!(bench.read(), ["33", "4"]);
    bench.append("b.log", "later\n");
    assert_eq!(bench.read(), ["later"]);
    bench.append("a.log", "torn");
    assert_eq!(bench.read(), NOTHING);
    bench.pass(limits::TORN_LINE_WAIT_DEFAULT);
    assert_eq!(bench.read(), ["torn"]);
}

#[test]
fn what_was_not_answered_for_is_read_again_after_a_kill() {
    let mut bench = Bench::new("*.log", "max_buffer_records = 2");
    bench.append("a.log", "1\n2\n3\n4\n5\n");
    bench.start();
    let batches = bench.batches();
    assert_eq!(texts(&batches), ["1", "2", "3", "4", "5"]);
    bench.tailer().commit(batches[0].ends());
    let now = bench.now;
    bench.tailer().save_if_due(now, true);
    bench.start();
    assert_eq!(bench.read(), ["3", "4", "5"]);
    bench.start();
    assert_eq!(bench.read(), NOTHING);
}

#[test]
fn a_flow_that_starts_at_the_end_does_so_once_and_at_a_line() {
    let mut bench = Bench::new("*.log", "start = 'end'");
    bench.append("a.log", "old\nto");
    bench.start();
    bench.append("a.log", "rn\nnew\n");
    // Killed before anything was read.
    bench.start();
    bench.append("b.log", "whole\n");
    assert_eq!(bench.read(), ["torn", "new", "whole"]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_its_successor() {
    for pattern in ["a.log", "a.log*"] {
        let mut bench = Bench::new(pattern, "");
        let mut old = bench.append("a.log", "1\n");
        bench.start();
        assert_eq!(bench.read(), ["1"]);
        old.write_all(b"2\n").unwrap();
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", "5\n");
        // The program that writes has not heard of it.
        old.write_all(b"3\n").unwrap();
        assert_eq!(bench.read(), ["2", "3"], "{pattern}");
        old.write_all(b"4").unwrap();
        assert_eq!(bench.read_when_quiet(), ["4", "5"], "{pattern}");
        old.write_all(b"late\n").unwrap();
        assert_eq!(bench.read(), ["late"], "{pattern}");
    }
}

#[test]
fn the_successor_waits_for_a_backlog_but_not_for_ever_for_a_writer() {
    let mut bench = Bench::new("a.log", "max_buffer_records = 1");
    let mut old = bench.append("a.log", "1\n2\n3\n");
    bench.start();
    bench.pass(Duration::from_secs(1));
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "new\n");
    // One record, and then the broker is away for a long time.
    let (now, bounds) = (bench.now, bench.tailer().flow.buffer);
    let mut batch = Batch::new(bounds);
    bench.tailer().fill(&mut batch, now);
    bench.pass(limits::ROTATED_WAIT_MAX * 2);
    old.write_all(b"4\n").unwrap();
    let read = bench.read();
    assert_eq!(read[..3], ["2", "3", "4"]);
    // It is written to all the time.
    let mut read = read[3..].to_vec();
    for _ in 0..5 {
        old.write_all(b"more\n").unwrap();
        read.extend(bench.read());
    }
    assert!(read.contains(&"new".to_owned()), "{read:?}");
}

#[test]
fn several_rotations_between_two_looks_lose_nothing() {
    let mut bench = Bench::new("a.log", "");
    bench.append("a.log", "1\n");
    bench.start();
    assert_eq!(bench.read(), ["1"]);
    bench.append("a.log", "2\n");
    bench.rename("a.log", "a.log.2");
    bench.append("a.log", "3\n");
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "4\n");
    assert_eq!(bench.read_when_quiet(), ["2", "3", "4"]);
}

#[test]
fn rotations_while_the_agent_is_away_lose_nothing() {
    for pattern in ["a.log", "a.log*"] {
        let mut bench = Bench::new(pattern, "");
        bench.append("a.log", "1\n");
        bench.start();
        assert_eq!(bench.read(), ["1"]);
        bench.append("a.log", "2\n");
        bench.rename("a.log", "a.log.2");
        bench.append("a.log", "3\n");
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", "4\n");
        bench.start();
        assert_eq!(bench.read_when_quiet(), ["2", "3", "4"], "{pattern}");
        bench.start();
        assert_eq!(bench.read_when_quiet(), NOTHING, "{pattern}");
    }
}

#[test]
fn an_emptied_file_is_read_on_in_its_copy() {
    for (pattern, is_away) in [
        ("a.log", false),
        ("a.log*", false),
        ("a.log", true),
        ("a.log*", true),
    ] {
        let case = format!("{pattern} {is_away}");
        let mut bench = Bench::new(pattern, "");
        bench.append("a.log", "1\n");
        bench.start();
        assert_eq!(bench.read(), ["1"], "{case}");
        bench.append("a.log", "2\n3\n");
        bench.copy_and_empty("a.log", "a.log.1");
        if is_away {
            bench.start();
        }
        // Longer than before, too: it is told by how it begins.
        bench.append("a.log", "4\n5\n6\n7\n");
        assert_eq!(
            bench.read_when_quiet(),
            ["2", "3", "4", "5", "6", "7"],
            "{case}"
        );
        bench.start();
        assert_eq!(bench.read_when_quiet(), NOTHING, "{case}");
        // Once more, with the first copy renamed.
        bench.append("a.log", "8\n");
        bench.rename("a.log.1", "a.log.2");
        bench.copy_and_empty("a.log", "a.log.1");
        bench.append("a.log", "9\n");
        assert_eq!(bench.read_when_quiet(), ["8", "9"], "{case}");
    }
}

#[test]
fn a_copy_that_is_being_made_is_not_a_new_file() {
    let mut bench = Bench::new("a.log*", "");
    bench.append("a.log", "1\n2\n3\n");
    bench.start();
    assert_eq!(bench.read(), ["1", "2", "3"]);
    bench.append("a.log.1", "1\n2");
    assert_eq!(bench.read_when_quiet(), NOTHING);
    bench.append("a.log.1", "\n3\n");
    assert_eq!(bench.read_when_quiet(), NOTHING);
    // Another file may begin alike.
    bench.append("a.log.2", "1\n2\nx\n");
    assert_eq!(bench.read(), ["1", "2", "x"]);
}

#[test]
fn what_was_written_between_copy_and_emptying_is_not_read_twice() {
    let mut bench = Bench::new("a.log*", "");
    bench.append("a.log", "1\n");
    bench.start();
    fs::copy(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    bench.append("a.log", "2\n");
    assert_eq!(bench.read(), ["1", "2"]);
    File::options()
        .write(true)
        .truncate(true)
        .open(bench.path("a.log"))
        .unwrap();
    bench.append("a.log", "3\n");
    assert_eq!(bench.read_when_quiet(), ["3"]);
}

#[test]
fn a_deleted_file_is_read_to_its_end_and_let_go() {
    let mut bench = Bench::new("*.log", "");
    let mut old = bench.append("a.log", "1\n");
    bench.start();
    assert_eq!(bench.read(), ["1"]);
    old.write_all(b"2\n").unwrap();
    fs::remove_file(bench.path("a.log")).unwrap();
    assert_eq!(bench.read(), ["2"]);
    old.write_all(b"3\ntorn").unwrap();
    assert_eq!(bench.read_when_quiet(), ["3", "torn"]);
    bench.pass(limits::DELETED_QUIET);
    bench.read();
    assert_eq!(bench.tailer().sources.len(), 0);
    bench.append("a.log", "4\n");
    assert_eq!(bench.read(), ["4"]);
}

#[test]
fn compressed_leftovers_are_left_alone() {
    let mut bench = Bench::new("a.log*", "");
    bench.append("a.log.2.gz", "not for reading\n");
    bench.append("a.log.odd", "BZh91AY not for reading\n");
    bench.append("a.log.1", "1\n");
    bench.append("a.log", "2\n");
    bench.start();
    assert_eq!(bench.read_when_quiet(), ["1", "2"]);
}

#[test]
fn records_of_several_lines_wait_for_the_next_one_or_a_while() {
    let mut bench = Bench::new("a.log", "multiline_start = '^\\d'");
    bench.append("a.log", "1 x\n  y\n2 x\n");
    bench.start();
    assert_eq!(bench.read(), ["1 x\n  y"]);
    bench.append("a.log", "  z\n");
    assert_eq!(bench.read(), NOTHING);
    bench.pass(limits::MULTILINE_WAIT_DEFAULT);
    assert_eq!(bench.read(), ["2 x\n  z"]);
    bench.append("a.log", "3 x\n");
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "4 x\n5 x\n");
    assert_eq!(bench.read_when_quiet(), ["3 x", "4 x", "5 x"]);
}

#[test]
fn a_line_that_is_longer_than_a_read_is_one_record() {
    let mut bench = Bench::new("a.log", "");
    let long = "x".repeat(limits::READ_BYTES * 3);
    bench.append("a.log", &format!("{long}\nshort\n"));
    bench.start();
    assert_eq!(bench.read(), [long.as_str(), "short"]);
    let mut bench = Bench::new("a.log", "max_record_bytes = 100000");
    bench.append("a.log", &format!("{long}\nshort\n"));
    bench.start();
    let lengths: Vec<usize> = bench.read().iter().map(String::len).collect();
    assert_eq!(lengths, [100_000, limits::READ_BYTES * 3 - 100_000, 5]);
}

#[test]
fn header_lines_are_left_out_of_each_file() {
    let mut bench = Bench::new(
        "*.csv",
        "skip_header_lines = 2\ncsv_to_json = { names = ['n'] }",
    );
    bench.append("a.csv", "name\n");
    bench.start();
    assert_eq!(bench.read(), NOTHING);
    bench.append("a.csv", "----\n1\n");
    bench.append("b.csv", "name\n----\n2\n");
    assert_eq!(bench.read(), [r#"{"n":"1"}"#, r#"{"n":"2"}"#]);
    bench.start();
    bench.append("a.csv", "3\n");
    assert_eq!(bench.read(), [r#"{"n":"3"}"#]);
}

#[test]
fn files_take_turns_and_none_starves() {
    let mut bench = Bench::new("*.log", "max_buffer_records = 10");
    for name in ["a.log", "b.log", "c.log"] {
        bench.append(name, &format!("{name}\n").repeat(10_000));
    }
    bench.start();
    let (now, bounds) = (bench.now, bench.tailer().flow.buffer);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut batch = Batch::new(bounds);
        bench.tailer().fill(&mut batch, now);
        seen.extend(texts(&[batch]));
    }
    for name in ["a.log", "b.log", "c.log"] {
        assert!(seen.contains(&name.to_owned()), "{name}");
    }
}

#[test]
fn keys_follow_the_rule() {
    let mut bench = Bench::new("a.log", "partition_key = 'field'\npartition_field = 'host'");
    bench.append("a.log", "{\"host\":\"h1\"}\n{\"host\":7}\nnone\n");
    bench.start();
    let batches = bench.batches();
    let keys: Vec<_> = batches[0]
        .records()
        .iter()
        .map(|r| r.key.clone().unwrap())
        .collect();
    assert_eq!(keys[..2], ["h1", "7"]);
    assert_eq!(keys[2], bench.path("a.log").to_str().unwrap());
}

#[test]
fn a_damaged_checkpoint_ends_it_before_anything_is_read() {
    let mut bench = Bench::new("a.log", "");
    bench.append("a.log", "1\n");
    bench.start();
    let path = bench.path("state.checkpoint");
    let damaged = fs::read_to_string(&path)
        .unwrap()
        .replace("\"offset\":0", "\"offset\":1");
    fs::write(&path, damaged).unwrap();
    let store = Store::new(bench.root.path(), "state");
    let opened = Tailer::open(
        bench.flow(),
        Duration::ZERO,
        store,
        Arc::new(Counters::default()),
        bench.now,
    );
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("damaged"), "{error}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(u8),
    Rename,
    Copy,
    /// Reads all, and answers for so many of the batches.
    Read(usize),
    Kill,
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (1_u8..4).prop_map(Step::Write),
        2 => Just(Step::Rename),
        2 => Just(Step::Copy),
        4 => (0_usize..4).prop_map(Step::Read),
        1 => Just(Step::Kill),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..30)
}

/// A log that is written to and rotated while it is read.
struct Log {
    bench: Bench,
    written: u32,
    rotations: u32,
    read: Vec<String>,
    /// The agent has seen something in the file that has the name. A file that is emptied before that, by a second
    /// rotation between two looks, is not recognized.
    is_seen: bool,
    was_killed: bool,
    has_uncommitted: bool,
}

impl Log {
    fn step(&mut self, step: Step) {
        match step {
            Step::Write(count) => {
                for _ in 0..count {
                    self.written += 1;
                    self.bench
                        .append("a.log", &format!("line {}\n", self.written));
                }
            }
            Step::Copy if self.is_seen => {
                self.shift();
                self.bench.copy_and_empty("a.log", "a.log.01");
                self.is_seen = false;
            }
            Step::Rename | Step::Copy => {
                self.shift();
                self.bench.rename("a.log", "a.log.01");
                self.bench.append("a.log", "");
                self.is_seen = false;
            }
            Step::Read(_) if self.has_uncommitted => {}
            Step::Read(answered) => {
                self.is_seen = fs::metadata(self.bench.path("a.log")).unwrap().len() > 0;
                let batches = self.bench.batches();
                self.read.extend(texts(&batches));
                for batch in batches.iter().take(answered) {
                    self.bench.tailer().commit(batch.ends());
                }
                // As when a call fails for good: nothing is read on before the agent is started again.
                self.has_uncommitted = batches.len() > answered;
                let now = self.bench.now;
                self.bench.tailer().save_if_due(now, true);
            }
            Step::Kill => {
                self.bench.start();
                self.was_killed = true;
                self.has_uncommitted = false;
                // It looks at the files when it begins.
                self.is_seen = fs::metadata(self.bench.path("a.log")).unwrap().len() > 0;
            }
            Step::Wait => self.bench.pass(limits::ROTATED_QUIET),
        }
    }

    /// Two digits, so that names sort as they should where times do not tell.
    fn shift(&mut self) {
        for number in (1..=self.rotations).rev() {
            self.bench.rename(
                &format!("a.log.{number:02}"),
                &format!("a.log.{:02}", number + 1),
            );
        }
        self.rotations += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_line_comes_and_first_times_keep_their_order(
        steps in steps(), is_wide in any::<bool>()
    ) {
        let pattern = if is_wide { "a.log*" } else { "a.log" };
        let mut bench = Bench::new(pattern, "max_buffer_records = 2");
        bench.append("a.log", "");
        bench.start();
        let mut log = Log {
            bench, written: 0, rotations: 0, read: Vec::new(), is_seen: false, was_killed: false,
            has_uncommitted: false,
        };
        for step in steps {
            log.step(step);
        }
        if log.has_uncommitted {
            log.step(Step::Kill);
        }
        let mut read = log.read;
        // Each rotated file takes its time; the last rounds are for what should not come any more.
        for _ in 0..log.rotations + 4 {
            log.bench.pass(limits::ROTATED_QUIET);
            read.extend(log.bench.read());
        }
        let expected: Vec<String> = (1..=log.written).map(|line| format!("line {line}")).collect();
        let mut first_times: Vec<String> = Vec::new();
        for line in &read {
            if !first_times.contains(line) {
                first_times.push(line.clone());
            }
        }
        prop_assert_eq!(&first_times, &expected);
        if !log.was_killed {
            prop_assert_eq!(read, expected);
        }
    }
}
