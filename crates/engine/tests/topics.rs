//! Random publishes, shipments that are lost or repeated, and a naive model of who is to get what.
//!
//! Topic 9 is in partition 1, its destinations are a standard queue there and a standard and a FIFO queue in partition 2.
//! Each partition is also checked against a copy that is restored after every proposal (see `support`).

#[expect(dead_code, reason = "properties.rs uses the rest")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use levada_engine::LogSlice;
use levada_engine::proto::{self, command, outcome};
use levada_types::{PartitionId, QueueId, Timestamp};
use proptest::prelude::*;
use prost::Message as _;
use support::Node;

const TOPIC: u64 = 9;
/// Queue, partition, whether it is FIFO.
const QUEUES: [(u64, u32, bool); 3] = [(11, 1, false), (12, 2, false), (13, 2, true)];
/// Its copies say which place in the topic they have.
const NUMBERED: u64 = 13;
/// It has replays.
const SUBSCRIPTION: u64 = NUMBERED + 100;
const WINDOW_MS: u64 = 300_000;
const MINUTE_MS: u64 = 60_000;
const LARGE_BYTES: usize = 100_000;

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Publish {
        group: u8,
        deduplication: u8,
        /// For each queue: the form that it gets, if it gets any.
        forms: [Option<u8>; 3],
        large: bool,
    },
    /// So many items for a partition; whether the source hears of it.
    Ship {
        to: u32,
        max: usize,
        settle: bool,
    },
    /// The archive's retention; none: there is none.
    Archive {
        minutes: Option<u64>,
    },
    /// A replay is asked for, which whoever publishes knows: of everything, or of nothing but what was left out.
    Ask {
        everything: bool,
    },
    /// So many steps of the latest replay, or of a new one if that is done.
    Replay {
        steps: u8,
    },
    RepeatProposal,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let form = || prop::option::weighted(0.6, 0..2_u8);
    let op = prop_oneof![
        2 => prop_oneof![0..2_000_u64, 30_000..200_000_u64].prop_map(Op::Wait),
        8 => (0..3_u8, 0..30_u8, [form(), form(), form()], prop::bool::weighted(0.15)).prop_map(
            |(group, deduplication, forms, large)| Op::Publish { group, deduplication, forms, large }
        ),
        4 => (1..3_u32, 1..6_usize, any::<bool>())
            .prop_map(|(to, max, settle)| Op::Ship { to, max, settle }),
        1 => prop::option::of(1..5_u64).prop_map(|minutes| Op::Archive { minutes }),
        1 => any::<bool>().prop_map(|everything| Op::Ask { everything }),
        2 => (1..4_u8).prop_map(|steps| Op::Replay { steps }),
        1 => Just(Op::RepeatProposal),
    ];
    prop::collection::vec(op, 1..100)
}

/// What was published, as far as it is kept.
struct Kept {
    position: u64,
    at_ms: u64,
    body: Bytes,
}

struct World {
    at_ms: u64,
    nodes: [Node; 2],
    version: u64,
    archive_ms: u64,
    archive: Vec<Kept>,
    /// By deduplication id: when it was used, and the position that was answered.
    used: BTreeMap<u8, (u64, u64)>,
    /// By queue: what it is to get, in order, with its group.
    expected: BTreeMap<u64, Vec<(Bytes, String)>>,
    positions: u64,
    bodies: u64,
    /// The number of the latest replay that was asked for, where that one begins, and of the latest one that the part knows.
    asked: u64,
    begin_at: u64,
    begun: u64,
    /// The running replay: where it stands, or 0.
    replaying: Option<u64>,
    /// What is published from here on is left to it.
    left_from: u64,
    /// What was left to it and has not been handed on.
    owed: BTreeSet<u64>,
}

fn body(number: u64, form: u8, large: bool) -> Bytes {
    let mut body = format!("{number} in form {form}").into_bytes();
    if large {
        body.resize(LARGE_BYTES, 7);
    }
    body.into()
}

impl World {
    fn new() -> Self {
        let mut nodes = [Node::new(1), Node::new(2)];
        for (queue, partition, fifo) in QUEUES {
            let config = proto::QueueConfig {
                queue,
                version: 1,
                fifo,
                visibility_timeout_ms: 43_200_000,
                retention_ms: 1_209_600_000,
                in_flight_max: 120_000,
                ..Default::default()
            };
            let configure = proto::ConfigureQueue {
                config: Some(config),
            };
            let node = &mut nodes[partition as usize - 1];
            node.one(Timestamp::ZERO, command::Kind::ConfigureQueue(configure));
        }
        let mut world = Self {
            at_ms: 1_000,
            nodes,
            version: 0,
            archive_ms: 0,
            archive: Vec::new(),
            used: BTreeMap::new(),
            expected: BTreeMap::new(),
            positions: 0,
            bodies: 0,
            asked: 0,
            begin_at: 0,
            begun: 0,
            replaying: None,
            left_from: 0,
            owed: BTreeSet::new(),
        };
        world.configure(0);
        world
    }

    fn source(&mut self, kind: command::Kind) -> outcome::Kind {
        let at = Timestamp::from_millis(self.at_ms);
        self.nodes[0].one(at, kind)
    }

    fn configure(&mut self, retention_ms: u64) {
        self.version += 1;
        let config = proto::TopicConfig {
            topic: TOPIC,
            version: self.version,
            fifo: true,
            deduplicate_by_group: false,
            retention_ms,
        };
        let configure = proto::ConfigureTopic {
            config: Some(config),
        };
        self.source(command::Kind::ConfigureTopic(configure));
        if retention_ms == 0 {
            self.archive.clear();
            self.replaying = None;
        }
        self.archive_ms = retention_ms;
        self.expire();
    }

    /// By whole minutes: with the last message of one.
    fn expire(&mut self) {
        let (at_ms, archive_ms) = (self.at_ms, self.archive_ms);
        let minute_ends = |at_ms: u64| (at_ms / MINUTE_MS + 1) * MINUTE_MS;
        self.archive
            .retain(|kept| minute_ends(kept.at_ms) + archive_ms > at_ms);
        let first = self.archive.first().map_or(u64::MAX, |kept| kept.position);
        self.owed.retain(|position| *position >= first);
        self.used
            .retain(|_, (used_at, _)| at_ms - *used_at < WINDOW_MS);
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Wait(ms) => {
                self.at_ms += ms;
                for node in &mut self.nodes {
                    let at = Timestamp::from_millis(self.at_ms);
                    node.one(at, command::Kind::Tick(proto::Tick {}));
                }
                self.expire();
            }
            Op::Publish {
                group,
                deduplication,
                forms,
                large,
            } => self.publish(group, deduplication, forms, large),
            Op::Ship { to, max, settle } => self.ship(to, max, settle),
            Op::Archive { minutes } => self.configure(minutes.unwrap_or(0) * MINUTE_MS),
            Op::Ask { everything } => {
                self.asked += 1;
                self.begin_at = if everything { 0 } else { u64::MAX };
            }
            Op::Replay { steps } => self.replay(steps),
            Op::RepeatProposal => {
                let at = Timestamp::from_millis(self.at_ms);
                self.nodes.iter_mut().for_each(|node| node.repeat_last(at));
            }
        }
        self.compare_archive();
    }

    fn publish(&mut self, group: u8, deduplication: u8, forms: [Option<u8>; 3], large: bool) {
        self.bodies += 1;
        let number = self.bodies;
        let group = format!("group {group}");
        let destinations = QUEUES.iter().zip(forms).filter_map(|(to, form)| {
            Some(proto::Destination {
                queue: to.0,
                partition: to.1,
                variant: u32::from(form?),
                suffix: format!(" for {}", to.0).into(),
                subscription: to.0 + 100,
                numbered: to.0 == NUMBERED,
                replay: if to.0 == NUMBERED { self.asked } else { 0 },
            })
        });
        let message = proto::PublishedMessage {
            message_id: u128::from(number).to_be_bytes().to_vec().into(),
            group: group.clone(),
            deduplication: vec![deduplication; 16].into(),
            variants: vec![body(number, 0, large), body(number, 1, large)],
            destinations: destinations.collect(),
        };
        let message_id = message.message_id.clone();
        let publish = proto::Publish {
            topic: TOPIC,
            version: self.version,
            messages: vec![message],
        };
        let stale = proto::Publish {
            version: self.version - 1,
            ..publish.clone()
        };
        let outcome::Kind::Publish(refused) = self.source(command::Kind::Publish(stale)) else {
            panic!("not published");
        };
        assert_eq!(refused.status(), proto::PublishStatus::Stale);
        let outcome::Kind::Publish(done) = self.source(command::Kind::Publish(publish)) else {
            panic!("not published");
        };
        assert_eq!(done.status(), proto::PublishStatus::Done);
        let published = &done.published[0];
        if let Some((_, position)) = self.used.get(&deduplication) {
            assert_eq!((published.duplicate, published.position), (true, *position));
            return;
        }
        assert!(!published.duplicate);
        assert_eq!(published.message_id, message_id);
        assert!(published.position > self.positions, "positions rise");
        self.positions = published.position;
        self.used
            .insert(deduplication, (self.at_ms, published.position));
        let [.., replayed_form] = forms;
        let begins = self.archive_ms > 0 && self.begun < self.asked;
        if begins && replayed_form.is_some() {
            self.begin(published.position);
        }
        if self.replaying.is_some() && replayed_form.is_some() {
            self.owed.insert(published.position);
        }
        for (to, form) in QUEUES.iter().zip(forms) {
            let is_replayed = to.0 == NUMBERED && self.replaying.is_some();
            if let Some(form) = form.filter(|_| !is_replayed) {
                self.expect(to.0, &body(number, form, large), &group, published.position);
            }
        }
        if self.archive_ms > 0 {
            self.archive.push(Kept {
                position: published.position,
                at_ms: self.at_ms,
                body: body(number, 0, large),
            });
        }
    }

    fn expect(&mut self, queue: u64, body: &Bytes, group: &str, position: u64) {
        let suffix = format!(" for {queue}");
        let number = position.to_le_bytes();
        let number = if queue == NUMBERED { &number[..] } else { &[] };
        let body = [&body[..], suffix.as_bytes(), number].concat().into();
        let expected = self.expected.entry(queue).or_default();
        expected.push((body, group.into()));
    }

    fn ship(&mut self, to: u32, max: usize, settle: bool) {
        let at = Timestamp::from_millis(self.at_ms);
        let shipment = self.nodes[0].shipment(PartitionId(to), 0, max);
        let through = shipment.through();
        if through == 0 {
            return;
        }
        let deliver = command::Kind::Deliver(shipment.into_command());
        let outcome = self.nodes[to as usize - 1].one(at, deliver);
        assert!(matches!(outcome, outcome::Kind::Done(_)), "{outcome:?}");
        if settle {
            let delivered = proto::Delivered {
                destination: to,
                through,
            };
            self.source(command::Kind::Delivered(delivered));
        }
    }

    /// Everything that the archive has, in its order and not more.
    fn read(&self, from: u64) -> Vec<proto::Record> {
        let log = QueueId(TOPIC);
        let view = self.nodes[0].partition.archive(log).expect("configured");
        let mut next = from.max(view.horizon);
        let mut found = Vec::new();
        while next < view.next {
            let slice = self.nodes[0].partition.shard_slice(log, next, 3, 1_000_000);
            let records: Vec<proto::Record> = match slice.expect("configured") {
                LogSlice::Tail(records) => records
                    .into_iter()
                    .map(|encoded| proto::Record::decode(encoded).expect("a record"))
                    .collect(),
                LogSlice::Block(block) => self.nodes[0].block(block, next),
            };
            let Some(last) = records.last() else { break };
            next = last.position + 1;
            found.extend(records.into_iter().filter(|record| record.variant == 0));
        }
        found
    }

    fn compare_archive(&self) {
        if self.archive_ms == 0 {
            return;
        }
        let read = self.read(0);
        let read: Vec<(u64, &Bytes)> = read.iter().map(|r| (r.position, &r.payload)).collect();
        let kept = self.archive.iter().map(|kept| (kept.position, &kept.body));
        assert_eq!(read, kept.collect::<Vec<_>>());
    }

    /// A replay that is asked for has begun, or has taken the place of another one: what the part leaves to it from now on.
    fn begin(&mut self, next_position: u64) {
        self.left_from = match self.replaying {
            Some(next) => self.left_from.max(next),
            None => next_position,
        };
        self.begun = self.asked;
        self.replaying = Some(0);
    }

    /// Hands the archive to the FIFO queue anew, from its beginning or only what was left out: two messages in a step.
    fn replay(&mut self, steps: u8) {
        if self.replaying.is_none() && self.begun == self.asked {
            self.asked += 1;
        }
        for _ in 0..steps {
            if self.archive_ms > 0 && self.begun < self.asked {
                let view = self.nodes[0].partition.archive(QueueId(TOPIC));
                self.begin(view.expect("configured").next);
            }
            let mut step = proto::Replay {
                topic: TOPIC,
                subscription: SUBSCRIPTION,
                replay: self.asked,
                ..Default::default()
            };
            let mut looked_at = Vec::new();
            match self.replaying {
                Some(next) if next != 0 => {
                    looked_at = self.read(next);
                    looked_at.truncate(2);
                    step.after = next;
                    step.through = looked_at.last().map_or(u64::MAX, |last| last.position);
                    step.messages = looked_at.iter().map(replayed).collect();
                }
                _ => step.begin_at = Some(self.begin_at),
            }
            let outcome::Kind::Replay(done) = self.source(command::Kind::Replay(step)) else {
                panic!("not replayed");
            };
            for record in looked_at {
                self.owed.remove(&record.position);
                let (body, group) = (record.payload, record.group);
                self.expect(NUMBERED, &body, &group, record.position);
            }
            if self.archive_ms > 0 {
                assert_eq!((done.replay, done.live_from), (self.asked, self.left_from));
            }
            match done.status() {
                proto::ReplayStatus::UnderWay => self.replaying = Some(done.next),
                _ => {
                    self.replaying = None;
                    return;
                }
            }
        }
    }

    fn finish(mut self) {
        while self.replaying.is_some() {
            self.replay(10);
        }
        assert_eq!(self.owed, BTreeSet::new(), "nothing was forgotten");
        // Longer than anything is remembered or kept, so that nothing keeps the log but the outboxes.
        self.configure(0);
        for to in [1, 2] {
            self.ship(to, usize::MAX, true);
        }
        assert_eq!(self.nodes[0].partition.outbox_waiting(), 0);
        let view = self.nodes[0].partition.archive(QueueId(TOPIC));
        for position in 0..view.expect("configured").next {
            let kept = self.nodes[0].partition.locate(QueueId(TOPIC), position);
            assert_eq!(kept, None, "the log is empty");
        }
        let blocks = self.nodes[0].partition.blocks();
        assert!(blocks.iter().all(|block| block.queue.0 != TOPIC));
        for (queue, partition, fifo) in QUEUES {
            let mut got = self.drain(queue, partition);
            let mut expected = self.expected.remove(&queue).unwrap_or_default();
            let by_group = |all: &[(Bytes, String)]| {
                let mut groups: BTreeMap<String, Vec<Bytes>> = BTreeMap::new();
                for (body, group) in all {
                    groups.entry(group.clone()).or_default().push(body.clone());
                }
                groups
            };
            if fifo {
                assert_eq!(by_group(&got), by_group(&expected));
            } else {
                got.sort();
                expected.sort();
                assert_eq!(got, expected);
            }
        }
    }

    fn drain(&mut self, queue: u64, partition: u32) -> Vec<(Bytes, String)> {
        let at = Timestamp::from_millis(self.at_ms);
        let node = &mut self.nodes[partition as usize - 1];
        let mut got = Vec::new();
        loop {
            let receive = proto::Receive {
                queue,
                messages_max: 10,
                ..Default::default()
            };
            let outcome::Kind::Receive(received) = node.one(at, command::Kind::Receive(receive))
            else {
                panic!("not received");
            };
            if received.claimed.is_empty() {
                return got;
            }
            let mut receipts = Vec::new();
            for claimed in received.claimed {
                let record = node.record(queue, claimed.position).expect("claimed");
                got.push((record.payload, record.group));
                receipts.push(proto::ReceiptRef {
                    position: claimed.position,
                    generation: claimed.receive_count,
                    log: 0,
                });
            }
            node.one(at, command::Kind::Delete(proto::Delete { queue, receipts }));
        }
    }
}

fn replayed(record: &proto::Record) -> proto::ReplayedMessage {
    let destination = proto::Destination {
        queue: 13,
        partition: 2,
        variant: 0,
        suffix: " for 13".into(),
        subscription: 113,
        numbered: true,
        replay: 0,
    };
    proto::ReplayedMessage {
        position: record.position,
        destination: Some(destination),
    }
}

proptest! {
    #[test]
    fn everybody_gets_what_names_them_once_and_in_order(ops in ops()) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
        }
        world.finish();
    }
}
