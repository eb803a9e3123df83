//! A queue on a stream of two shards at random, against records as one would explain them on a blackboard: each is
//! given at least once and not after it was acknowledged, hidden while it is claimed, a dead letter when it should be,
//! and gone when the shard lets go of it.

#[expect(dead_code, reason = "properties.rs uses the rest")]
mod support;

use levada_engine::proto::{self, DeleteResult, VisibilityResult, command, outcome};
use levada_types::{QueueId, Timestamp};
use proptest::prelude::*;
use support::Node;

const SHARDS: [u64; 2] = [9, 10];
const QUEUE: u64 = 20;
const RETENTION_MS: u64 = 600_000;
const VISIBILITY_MS: u64 = 30_000;
const LARGE_BYTES: usize = 60_000;

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Put {
        shard: usize,
        count: usize,
        is_large: bool,
    },
    Receive {
        dead: bool,
        max: u32,
        visibility_ms: Option<u64>,
    },
    Acknowledge(usize),
    Change(usize, u64),
    Restore(usize),
    /// Of the first shard's config too: how often is not yet too often.
    Configure(u32),
    Repeat,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let wait = prop_oneof![4 => 0..3_000_u64, 3 => 3_000..40_000_u64, 1 => 40_000..400_000_u64];
    let visibility_ms = prop::option::weighted(0.5, prop_oneof![Just(0), 1..60_000_u64]);
    let op = prop_oneof![
        4 => wait.prop_map(Op::Wait),
        5 => (0..2_usize, 1..5_usize, prop::bool::weighted(0.1))
            .prop_map(|(shard, count, is_large)| Op::Put { shard, count, is_large }),
        8 => (prop::bool::weighted(0.3), 1..11_u32, visibility_ms)
            .prop_map(|(dead, max, visibility_ms)| Op::Receive { dead, max, visibility_ms }),
        4 => (0..64_usize).prop_map(Op::Acknowledge),
        3 => (0..64_usize, prop_oneof![Just(0), 1..90_000_u64]).prop_map(|(pick, ms)| Op::Change(pick, ms)),
        2 => (0..64_usize).prop_map(Op::Restore),
        1 => (0..4_u32).prop_map(Op::Configure),
        1 => Just(Op::Repeat),
    ];
    prop::collection::vec(op, 1..120)
}

#[derive(Clone, Debug)]
struct Record {
    log: u64,
    position: u64,
    payload: Vec<u8>,
    arrived: u64,
    dead: bool,
    is_acknowledged: bool,
    receives: u32,
    /// Receives before the last restore.
    forgiven: u32,
    first: u64,
    hidden_until: Option<u64>,
}

impl Record {
    fn is_given(&self, generation: u32) -> bool {
        generation > self.forgiven && generation <= self.receives
    }
}

/// A handle that a receive gave: of dead letters or not, log, position, generation.
type Handle = (bool, u64, u64, u32);

struct World {
    node: Node,
    at: u64,
    records: Vec<Record>,
    handles: Vec<Handle>,
    count_max: u32,
    version: u64,
    puts: u64,
}

impl World {
    fn new(count_max: u32) -> Self {
        let mut world = Self {
            node: Node::new(1),
            at: 1_000,
            records: Vec::new(),
            handles: Vec::new(),
            count_max,
            version: 0,
            puts: 0,
        };
        world.configure(count_max);
        world
    }

    fn apply(&mut self, kind: command::Kind) -> outcome::Kind {
        self.node.one(Timestamp::from_millis(self.at), kind)
    }

    fn configure(&mut self, count_max: u32) {
        self.version += 1;
        self.count_max = count_max;
        for log in SHARDS {
            let queue = proto::ShardQueueConfig {
                queue: QUEUE,
                from: 0,
                visibility_timeout_ms: VISIBILITY_MS,
                receive_count_max: count_max,
            };
            let config = proto::ShardConfig {
                log,
                version: self.version,
                retention_ms: RETENTION_MS,
                queues: vec![queue],
                ..proto::ShardConfig::default()
            };
            let config = Some(config);
            self.apply(command::Kind::ConfigureShard(proto::ConfigureShard {
                config,
            }));
        }
    }

    /// What time, and a smaller number of receives, do to the records.
    fn settle(&mut self) {
        let (at, max) = (self.at, self.count_max);
        self.records
            .retain(|r| (r.arrived / 60_000 + 1) * 60_000 + RETENTION_MS > at);
        for r in &mut self.records {
            r.hidden_until = r.hidden_until.filter(|until| *until > at);
            if r.hidden_until.is_none() && max > 0 && r.receives - r.forgiven >= max {
                r.dead = true;
            }
        }
    }

    fn visible(&self, dead: bool) -> Vec<(u64, u64)> {
        let is_visible =
            |r: &&Record| !r.is_acknowledged && r.dead == dead && r.hidden_until.is_none();
        let found = self.records.iter().filter(is_visible);
        found.map(|r| (r.log, r.position)).collect()
    }

    fn find(&mut self, log: u64, position: u64) -> Option<&mut Record> {
        let mut records = self.records.iter_mut();
        records.find(|r| (r.log, r.position) == (log, position))
    }

    fn put(&mut self, shard: usize, count: usize, is_large: bool) {
        let log = SHARDS[shard];
        let mut payloads = Vec::new();
        for _ in 0..count {
            self.puts += 1;
            let mut payload = self.puts.to_string().into_bytes();
            payload.resize(if is_large { LARGE_BYTES } else { 12 }, b'.');
            payloads.push(payload);
        }
        let records = payloads.iter().map(|payload| proto::NewRecord {
            partition_key: "k".into(),
            data: payload.clone().into(),
        });
        let put = proto::PutRecords {
            log,
            records: records.collect(),
        };
        let outcome::Kind::PutRecords(put) = self.apply(command::Kind::PutRecords(put)) else {
            panic!("not put");
        };
        for (position, payload) in put.positions.into_iter().zip(payloads) {
            self.records.push(Record {
                log,
                position,
                payload,
                arrived: self.at,
                dead: false,
                is_acknowledged: false,
                receives: 0,
                forgiven: 0,
                first: 0,
                hidden_until: None,
            });
        }
    }

    fn receive(&mut self, dead: bool, max: u32, visibility_ms: Option<u64>) {
        let visible = self.visible(dead);
        let receive = proto::Receive {
            queue: QUEUE + u64::from(dead),
            messages_max: max,
            visibility_timeout_ms: visibility_ms,
            ..proto::Receive::default()
        };
        let outcome::Kind::Receive(got) = self.apply(command::Kind::Receive(receive)) else {
            panic!("not received");
        };
        assert_eq!(got.claimed.len(), visible.len().min(max as usize));
        let hidden_ms = visibility_ms.unwrap_or(VISIBILITY_MS);
        let at = self.at;
        for claimed in got.claimed {
            let (log, position) = (claimed.log, claimed.position);
            assert!(visible.contains(&(log, position)), "it was to be seen");
            let stored = self.node.record(log, position).expect("the log has it");
            let r = self.find(log, position).expect("it was put");
            r.receives += 1;
            r.first = if r.receives == 1 { at } else { r.first };
            assert_eq!(r.payload, stored.payload);
            assert_eq!(claimed.generation, r.receives);
            assert_eq!(claimed.receive_count, r.receives - r.forgiven);
            assert_eq!(claimed.first_received_at, r.first);
            assert!(
                r.hidden_until.is_none(),
                "no record comes twice in one answer"
            );
            r.hidden_until = Some(at + hidden_ms);
            self.handles.push((dead, log, position, claimed.generation));
        }
    }

    fn pick(&self, pick: usize) -> Option<Handle> {
        (!self.handles.is_empty()).then(|| self.handles[pick % self.handles.len()])
    }

    fn acknowledge(&mut self, (dead, log, position, generation): Handle) {
        let delete = proto::Delete {
            queue: QUEUE + u64::from(dead),
            receipts: vec![receipt(log, position, generation)],
        };
        let outcome::Kind::Delete(got) = self.apply(command::Kind::Delete(delete)) else {
            panic!("not acknowledged");
        };
        let expected = match self.find(log, position) {
            Some(r) if r.is_acknowledged => DeleteResult::Deleted,
            Some(r) if r.dead == dead && r.is_given(generation) => {
                r.is_acknowledged = true;
                DeleteResult::Deleted
            }
            _ => DeleteResult::NotFound,
        };
        assert_eq!(got.results, [expected as i32]);
    }

    fn change(&mut self, (dead, log, position, generation): Handle, ms: u64) {
        let change = proto::NewVisibility {
            receipt: Some(receipt(log, position, generation)),
            visibility_timeout_ms: ms,
        };
        let change = proto::ChangeVisibility {
            queue: QUEUE + u64::from(dead),
            changes: vec![change],
        };
        let got = self.apply(command::Kind::ChangeVisibility(change));
        let outcome::Kind::ChangeVisibility(got) = got else {
            panic!("not changed");
        };
        let at = self.at;
        let expected = match self.find(log, position) {
            Some(r) if r.dead == dead && !r.is_acknowledged => {
                if r.hidden_until.is_some() && r.receives == generation {
                    r.hidden_until = Some(at + ms);
                    VisibilityResult::Changed
                } else {
                    VisibilityResult::NotInFlight
                }
            }
            _ => VisibilityResult::Gone,
        };
        assert_eq!(got.results, [expected as i32]);
    }

    fn restore(&mut self, (_, log, position, generation): Handle) {
        let restore = proto::RestoreRecords {
            queue: QUEUE,
            receipts: vec![receipt(log, position, generation)],
        };
        let outcome::Kind::Delete(got) = self.apply(command::Kind::RestoreRecords(restore)) else {
            panic!("not restored");
        };
        let expected = match self.find(log, position) {
            Some(r) if r.is_acknowledged => DeleteResult::NotFound,
            Some(r) if r.dead && r.is_given(generation) => {
                r.dead = false;
                r.forgiven = r.receives;
                r.hidden_until = None;
                DeleteResult::Deleted
            }
            // Once more by the same handle.
            Some(r) if !r.dead && generation <= r.forgiven => DeleteResult::Deleted,
            _ => DeleteResult::NotFound,
        };
        assert_eq!(got.results, [expected as i32]);
    }

    fn step(&mut self, op: &Op) {
        let before = [self.visible(false), self.visible(true)];
        match *op {
            Op::Wait(ms) => {
                self.at += ms;
                self.apply(command::Kind::Tick(proto::Tick {}));
            }
            Op::Put {
                shard,
                count,
                is_large,
            } => self.put(shard, count, is_large),
            Op::Receive {
                dead,
                max,
                visibility_ms,
            } => self.receive(dead, max, visibility_ms),
            Op::Acknowledge(pick) => drop(self.pick(pick).map(|h| self.acknowledge(h))),
            Op::Change(pick, ms) => drop(self.pick(pick).map(|h| self.change(h, ms))),
            Op::Restore(pick) => drop(self.pick(pick).map(|h| self.restore(h))),
            Op::Configure(count_max) => self.configure(count_max),
            Op::Repeat => self.node.repeat_last(Timestamp::from_millis(self.at)),
        }
        self.settle();
        self.check(&before, matches!(op, Op::Configure(_) | Op::Repeat));
    }

    fn check(&self, before: &[Vec<(u64, u64)>; 2], is_of_several: bool) {
        for dead in [false, true] {
            let id = QUEUE + u64::from(dead);
            let view = self.node.partition.claims_of(QueueId(id)).expect("a queue");
            let visible = self.visible(dead);
            assert_eq!(
                view.counts.ready,
                visible.len() as u64,
                "to be seen in {id}"
            );
            assert_eq!(view.claimable_now(), !visible.is_empty());
            let is_hidden =
                |r: &&Record| !r.is_acknowledged && r.dead == dead && r.hidden_until.is_some();
            let hidden = self.records.iter().filter(is_hidden).count() as u64;
            assert_eq!(view.counts.in_flight, hidden, "in flight in {id}");
            let known = &before[usize::from(dead)];
            let new = visible.iter().filter(|r| !known.contains(r)).count();
            // The effects that are seen are those of the last command.
            assert!(
                is_of_several || self.node.woken(id) as usize >= new,
                "who waits is woken"
            );
        }
        let ends = self.records.iter().filter(|r| !r.is_acknowledged);
        let next = ends.filter_map(|r| r.hidden_until).min();
        let due = self.node.partition.next_due().map(Timestamp::as_millis);
        assert!(next.is_none_or(|next| due.is_some_and(|due| due <= next)));
    }
}

fn receipt(log: u64, position: u64, generation: u32) -> proto::ReceiptRef {
    proto::ReceiptRef {
        position,
        generation,
        log,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn a_queue_on_a_stream_is_as_explained(count_max in 0..4_u32, ops in ops()) {
        let mut world = World::new(count_max);
        for op in &ops {
            world.step(op);
        }
        // Whoever goes on receiving gets the rest, once each while it is hidden.
        while !world.visible(false).is_empty() {
            world.receive(false, 10, Some(43_200_000));
        }
        for record in world.records.iter().filter(|r| !r.is_acknowledged && !r.dead) {
            prop_assert!(record.receives > 0, "{record:?} was never given");
        }
    }
}
