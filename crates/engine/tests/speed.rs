//! What the core costs: `cargo test --release -p levada-engine --test speed -- --ignored --nocapture`.
//!
//! Prints; asserts nothing about time, for machines differ.
#![allow(missing_docs)]
#![allow(clippy::print_stdout, reason = "its output is the point")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it measures the core"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use levada_engine::proto::{
    Command, ConfigureQueue, Delete, NewMessage, Proposal, QueueConfig, ReceiptRef, Receive, Send,
    command, outcome,
};
use levada_engine::{Effects, Partition};
use levada_types::{PartitionId, QueueId, Timestamp};

/// Bytes that this process has resident.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|n| n.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

struct Rig {
    partition: Partition,
    now_ms: u64,
    spent: Duration,
}

impl Rig {
    fn new(fifo: bool) -> Self {
        let partition = Partition::new(PartitionId(1));
        let mut rig = Self {
            partition,
            now_ms: 1_000_000,
            spent: Duration::ZERO,
        };
        let config = QueueConfig {
            queue: 1,
            version: 1,
            fifo,
            visibility_timeout_ms: 30_000,
            retention_ms: 345_600_000,
            in_flight_max: 120_000,
            ..QueueConfig::default()
        };
        rig.apply(vec![command::Kind::ConfigureQueue(ConfigureQueue {
            config: Some(config),
        })]);
        rig
    }

    /// Applies one proposal, whose time counts; effects are dropped as a follower drops them.
    fn apply(&mut self, kinds: Vec<command::Kind>) -> Vec<outcome::Kind> {
        let commands = kinds
            .into_iter()
            .map(|kind| Command { kind: Some(kind) })
            .collect();
        let proposal = Proposal {
            commands,
            ..Proposal::default()
        };
        let mut effects = Effects::default();
        let at = Timestamp::from_millis(self.now_ms);
        let started = Instant::now();
        let outcomes = self.partition.apply(at, proposal, &mut effects);
        self.spent += started.elapsed();
        outcomes.into_iter().filter_map(|o| o.kind).collect()
    }

    fn took(&mut self, what: &str, count: u64) {
        let ns = self.spent.as_nanos() / u128::from(count);
        println!("{what:<48} {ns:>6} ns each");
        self.spent = Duration::ZERO;
    }

    fn send(&mut self, count: u64, groups: u64) {
        const BATCH: u64 = 100;
        for batch in 0..count / BATCH {
            self.now_ms += 1;
            let send = |i: u64| {
                let n = batch * BATCH + i;
                let group = if groups == 0 {
                    String::new()
                } else {
                    format!("g{}", n % groups)
                };
                let mut deduplication = [0; 16];
                deduplication[..8].copy_from_slice(&n.to_be_bytes());
                let message = NewMessage {
                    message_id: Bytes::from_static(b"0123456789abcdef"),
                    payload: Bytes::from(vec![7; 1024]),
                    group,
                    deduplication: deduplication.to_vec().into(),
                    delay_ms: None,
                };
                let send = Send {
                    queue: 1,
                    config_version: 1,
                    messages: vec![message],
                };
                command::Kind::Send(send)
            };
            self.apply((0..BATCH).map(send).collect());
        }
    }

    /// Writes a snapshot and reads it back.
    fn snapshot(&self, name: &str) {
        let started = Instant::now();
        let rows = self.partition.snapshot();
        let wrote = started.elapsed();
        let bytes: usize = rows.iter().map(|(k, v)| k.len() + v.len()).sum();
        let started = Instant::now();
        assert!(Partition::restore(PartitionId(1), rows).is_ok());
        let read = started.elapsed();
        println!("{name}: snapshot {bytes} bytes in {wrote:?}, restored in {read:?}");
    }

    /// Receives and deletes, ten at a time.
    fn consume(&mut self, name: &str, count: u64) {
        let mut receipts: Vec<Vec<ReceiptRef>> = Vec::new();
        for _ in 0..count / 10 {
            self.now_ms += 1;
            let receive = Receive {
                queue: 1,
                messages_max: 10,
                ..Receive::default()
            };
            let outcomes = self.apply(vec![command::Kind::Receive(receive)]);
            let Some(outcome::Kind::Receive(r)) = outcomes.into_iter().next() else {
                return;
            };
            assert_eq!(r.claimed.len(), 10);
            let refs = r.claimed.iter();
            let refs = refs.map(|c| ReceiptRef {
                position: c.position,
                generation: c.receive_count,
                log: 0,
            });
            receipts.push(refs.collect());
        }
        self.took(&format!("{name}: receive, by tens, each message"), count);
        for receipts in receipts {
            self.apply(vec![command::Kind::Delete(Delete { queue: 1, receipts })]);
        }
        self.took(&format!("{name}: delete, by tens, each message"), count);
    }
}

#[test]
#[ignore = "measures"]
fn standard() {
    let mut rig = Rig::new(false);
    rig.spent = Duration::ZERO;
    rig.send(20_000, 0);
    rig.took("standard: send of 1 KiB", 20_000);
    rig.consume("standard", 20_000);
    let before = resident_bytes();
    rig.send(5_000_000, 0);
    rig.took("standard: send of 1 KiB, 5,000,000 times", 5_000_000);
    let grown = resident_bytes().saturating_sub(before) / 1024;
    println!("standard: 5,000,000 waiting grow memory by      {grown:>6} KiB");
    rig.snapshot("standard, 5,000,000 waiting");
    rig.consume("standard, 5,000,000 waiting", 20_000);
    assert_eq!(
        rig.partition.queue(QueueId(1)).map(|q| q.counts.ready),
        Some(4_980_000)
    );
}

#[test]
#[ignore = "measures"]
fn fifo() {
    let mut rig = Rig::new(true);
    rig.spent = Duration::ZERO;
    rig.send(20_000, 1_000);
    rig.took("fifo: send of 1 KiB", 20_000);
    rig.consume("fifo", 10_000);
    let before = resident_bytes();
    rig.now_ms += 600_000;
    rig.send(1_000_000, 1_000);
    rig.took("fifo: send of 1 KiB, 1,000,000 times", 1_000_000);
    let grown = resident_bytes().saturating_sub(before) / 1024;
    println!("fifo: 1,000,000 waiting grow memory by          {grown:>6} KiB");
    rig.snapshot("fifo, 1,000,000 waiting");
    rig.consume("fifo, 1,000,000 waiting", 10_000);
}

#[test]
#[ignore = "measures"]
fn fair() {
    let mut rig = Rig::new(false);
    rig.spent = Duration::ZERO;
    rig.send(100_000, 1_000);
    rig.took("fair, 1,000 tenants: send of 1 KiB", 100_000);
    rig.consume("fair, 1,000 tenants", 20_000);
}
