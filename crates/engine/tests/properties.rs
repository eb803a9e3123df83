//! Random commands at random times, against the naive model: outcomes, counts, content, wakes.
//!
//! Queue 1 in partition 1 sends its dead letters to queue 2 in partition 2, from which they are moved
//! back. Each partition is also checked against a copy that is restored after every proposal, so these
//! are the replay and restore tests too (see `support`).

mod model;
mod steps;
#[expect(dead_code, reason = "topics.rs uses the rest")]
mod support;

use std::collections::VecDeque;

use levada_engine::proto::{self, command, outcome};
use levada_types::{PartitionId, QueueId, Timestamp};
use model::{Ask, Changed, Fifo, Got, Message, Settings, Standard};
use proptest::prelude::*;
use steps::{Op, ops, settings};
use support::Node;

/// A queue of either kind.
enum Model {
    Standard(Standard),
    Fifo(Fifo),
}

macro_rules! model {
    ($model:expr, $method:ident($($arg:expr),*)) => {
        match $model {
            Model::Standard(queue) => queue.$method($($arg),*),
            Model::Fifo(queue) => queue.$method($($arg),*),
        }
    };
}

/// One queue, in the engine and in the model.
struct Side {
    node: Node,
    model: Model,
    queue: u64,
    /// What was taken out towards the other side: whether as a dead letter.
    outbox: VecDeque<(Message, bool)>,
    /// How many of those the other side has, though this one does not know.
    shipped: usize,
}

struct World {
    fifo: bool,
    at: u64,
    sides: [Side; 2],
    /// The source queue's, as they are now.
    settings: Settings,
    version: u64,
    /// Which side, position, generation.
    receipts: Vec<(usize, u64, u32)>,
    ids: u64,
}

const LARGE_BYTES: usize = 60_000;

/// The command that gives a queue these settings; dead letters of any queue go to queue 2.
fn configure(queue: u64, version: u64, fifo: bool, settings: &Settings) -> command::Kind {
    let redrive = settings
        .receive_count_max
        .map(|receive_count_max| proto::Redrive {
            receive_count_max,
            target_queue: 2,
            target_partitions: vec![2],
        });
    let config = proto::QueueConfig {
        queue,
        version,
        fifo,
        visibility_timeout_ms: settings.visibility_ms,
        delay_ms: settings.delay_ms,
        retention_ms: settings.retention_ms,
        in_flight_max: settings.in_flight_max as u64,
        redrive,
        deduplicate_by_group: settings.deduplicate_by_group,
    };
    command::Kind::ConfigureQueue(proto::ConfigureQueue {
        config: Some(config),
    })
}

impl World {
    fn new(fifo: bool, settings: &Settings) -> Self {
        let side = |index: usize| {
            let settings = match index {
                0 => settings.clone(),
                _ => Settings {
                    receive_count_max: None,
                    delay_ms: 0,
                    ..settings.clone()
                },
            };
            let queue = index as u64 + 1;
            let mut node = Node::new(index as u32 + 1);
            node.one(Timestamp::ZERO, configure(queue, 1, fifo, &settings));
            let model = match fifo {
                true => Model::Fifo(Fifo::new(settings)),
                false => Model::Standard(Standard::new(settings)),
            };
            Side {
                node,
                model,
                queue,
                outbox: VecDeque::new(),
                shipped: 0,
            }
        };
        let sides = [side(0), side(1)];
        let settings = settings.clone();
        Self {
            fifo,
            at: 1_000,
            sides,
            settings,
            version: 1,
            receipts: Vec::new(),
            ids: 0,
        }
    }

    /// Applies one command on one side, time passing in the model first.
    fn apply(&mut self, side: usize, kind: command::Kind) -> outcome::Kind {
        let at = Timestamp::from_millis(self.at);
        let side = &mut self.sides[side];
        model!(&mut side.model, advance(self.at));
        side.node.one(at, kind)
    }

    fn step(&mut self, op: &Op) {
        let before: Vec<bool> = self.sides.iter().map(Side::serves).collect();
        let mut woken = [false; 2];
        match *op {
            Op::Wait(ms) => {
                self.at += ms;
                self.apply(0, command::Kind::Tick(proto::Tick {}));
                self.apply(1, command::Kind::Tick(proto::Tick {}));
            }
            Op::Send {
                group,
                deduplication,
                delay_s,
                large,
            } => {
                self.send(group, deduplication, delay_s, large);
            }
            Op::Receive {
                dead,
                max,
                visibility_ms,
                attempt,
            } => {
                let attempt = if self.fifo { attempt } else { 0 };
                self.receive(
                    usize::from(dead),
                    Ask {
                        max: max as usize,
                        visibility_ms,
                        attempt,
                    },
                );
            }
            Op::Delete { pick } => self.delete(pick),
            Op::Change { pick, timeout_ms } => self.change(pick, timeout_ms),
            Op::Purge { dead } => self.purge(usize::from(dead)),
            Op::Ship { settle } => {
                woken[1] |= self.ship(0, 1, settle);
                woken[0] |= self.ship(1, 0, settle);
            }
            Op::MoveBack { max } => self.move_back(max),
            Op::Configure {
                retention_ms,
                in_flight_max,
                longer_delay,
                receive_count_max,
            } => {
                // A FIFO queue knows when a message was sent to the millisecond only if it was
                // delayed then, so one that begins without a delay stays without.
                let delay_ms = match self.settings.delay_ms {
                    0 => 0,
                    _ if longer_delay => 8_000,
                    _ => 5_000,
                };
                let old = self.settings.clone();
                self.reconfigure(Settings {
                    retention_ms,
                    in_flight_max,
                    delay_ms,
                    receive_count_max,
                    ..old
                });
            }
            Op::RepeatProposal => {
                let at = Timestamp::from_millis(self.at);
                for side in &mut self.sides {
                    model!(&mut side.model, advance(self.at));
                    side.node.repeat_last(at);
                }
                return;
            }
        }
        for (index, side) in self.sides.iter().enumerate() {
            let woken = woken[index] || side.node.woken(side.queue) > 0;
            let claimable = side.serves();
            assert!(
                before[index] || !claimable || woken,
                "whoever waits is woken ({op:?})"
            );
        }
        self.compare();
    }

    fn reconfigure(&mut self, settings: Settings) {
        self.version += 1;
        self.apply(0, configure(1, self.version, self.fifo, &settings));
        model!(
            &mut self.sides[0].model,
            configure(self.at, settings.clone())
        );
        self.settings = settings;
    }

    fn new_id(&mut self) -> [u8; 16] {
        self.ids += 1;
        u128::from(self.ids).to_be_bytes()
    }

    fn send(&mut self, group: u8, deduplication: u8, delay_s: Option<u64>, large: bool) {
        let id = self.new_id();
        // Some standard queues use no groups at all, and some messages of the others have none.
        let group = match group {
            0 => String::new(),
            n => format!("group {n}"),
        };
        let delay_ms = delay_s.map(|s| s * 1_000);
        let message = proto::NewMessage {
            message_id: id.to_vec().into(),
            payload: vec![7; if large { LARGE_BYTES } else { 10 }].into(),
            group: group.clone(),
            deduplication: if self.fifo {
                vec![deduplication; 16].into()
            } else {
                "".into()
            },
            delay_ms,
        };
        let send = proto::Send {
            queue: 1,
            config_version: 1,
            messages: vec![message],
        };
        let outcome = self.apply(0, command::Kind::Send(send));
        let outcome::Kind::Send(sent) = outcome else {
            panic!("{outcome:?}")
        };
        let got = &sent.sent[0];
        let (position, id, duplicate) = match &mut self.sides[0].model {
            Model::Standard(queue) => (queue.send(self.at, id, &group, delay_ms), id, false),
            Model::Fifo(queue) => queue.send(self.at, id, &group, deduplication),
        };
        let expected = proto::Sent {
            position,
            duplicate,
            message_id: id.to_vec().into(),
        };
        assert_eq!(got, &expected);
    }

    /// Returns how many messages or dead letters there were.
    fn receive(&mut self, index: usize, ask: Ask) -> usize {
        let attempt = if ask.attempt == 0 {
            vec![]
        } else {
            vec![ask.attempt; 16]
        };
        let receive = proto::Receive {
            queue: self.sides[index].queue,
            config_version: 1,
            messages_max: ask.max as u32,
            visibility_timeout_ms: ask.visibility_ms,
            attempt: attempt.into(),
        };
        let outcome = self.apply(index, command::Kind::Receive(receive));
        let outcome::Kind::Receive(received) = outcome else {
            panic!("{outcome:?}")
        };
        let side = &mut self.sides[index];
        let got: Got = model!(&mut side.model, receive(self.at, ask));
        let claims = |claimed: &proto::Claimed| {
            (
                claimed.position,
                claimed.receive_count,
                claimed.first_received_at,
            )
        };
        let expected: Vec<_> = got
            .claimed
            .iter()
            .map(|m| (m.position, m.receive_count, m.first_received_at))
            .collect();
        assert_eq!(
            received.claimed.iter().map(claims).collect::<Vec<_>>(),
            expected
        );
        assert_eq!(received.over_limit, got.over_limit);
        for (claimed, m) in received.claimed.iter().zip(&got.claimed) {
            let record = claimed
                .record
                .clone()
                .or_else(|| side.node.record(side.queue, m.position));
            let record = record.expect("a claimed message can be read");
            assert_eq!(
                (&record.message_id[..], record.sent_at),
                (&m.id[..], m.sent_at)
            );
            self.receipts.push((index, m.position, m.receive_count));
        }
        let count = got.claimed.len() + got.dead.len();
        side.outbox.extend(got.dead.into_iter().map(|m| (m, true)));
        count
    }

    fn delete(&mut self, pick: usize) {
        let Some((index, position, generation)) = self.pick(pick) else {
            return;
        };
        let receipts = vec![proto::ReceiptRef {
            position,
            generation,
            log: 0,
        }];
        let command = proto::Delete {
            queue: self.sides[index].queue,
            receipts,
        };
        let outcome = self.apply(index, command::Kind::Delete(command));
        let outcome::Kind::Delete(deleted) = outcome else {
            panic!("{outcome:?}")
        };
        let good = match &mut self.sides[index].model {
            Model::Standard(queue) => {
                queue.delete(position);
                true
            }
            Model::Fifo(queue) => queue.delete(position, generation),
        };
        let expected = match good {
            true => proto::DeleteResult::Deleted,
            false => proto::DeleteResult::Expired,
        };
        assert_eq!(deleted.results, [expected as i32]);
    }

    fn change(&mut self, pick: usize, timeout_ms: u64) {
        let Some((index, position, generation)) = self.pick(pick) else {
            return;
        };
        let receipt = Some(proto::ReceiptRef {
            position,
            generation,
            log: 0,
        });
        let changes = vec![proto::NewVisibility {
            receipt,
            visibility_timeout_ms: timeout_ms,
        }];
        let command = proto::ChangeVisibility {
            queue: self.sides[index].queue,
            changes,
        };
        let outcome = self.apply(index, command::Kind::ChangeVisibility(command));
        let outcome::Kind::ChangeVisibility(changed) = outcome else {
            panic!("{outcome:?}")
        };
        let model = &mut self.sides[index].model;
        let expected = match model!(model, change(self.at, position, generation, timeout_ms)) {
            Changed::Done => proto::VisibilityResult::Changed,
            Changed::NotInFlight => proto::VisibilityResult::NotInFlight,
            Changed::Gone => proto::VisibilityResult::Gone,
            Changed::TooLong => proto::VisibilityResult::TooLong,
        };
        assert_eq!(changed.results, [expected as i32]);
    }

    /// Mostly one of the latest receipts, so that there is a chance that it is good.
    fn pick(&self, pick: usize) -> Option<(usize, u64, u32)> {
        let len = self.receipts.len();
        self.receipts
            .get(len.checked_sub(1 + pick % len.max(1))?)
            .copied()
    }

    fn purge(&mut self, index: usize) {
        let queue = self.sides[index].queue;
        self.apply(index, command::Kind::Purge(proto::Purge { queue }));
        model!(&mut self.sides[index].model, purge());
    }

    /// Says whether anybody was woken at the destination.
    fn ship(&mut self, from: usize, to: usize, settle: bool) -> bool {
        let destination = self.sides[to].node.id;
        let items = self.sides[from].node.outbox(destination);
        let shipped_before = self.sides[from].shipped;
        assert_eq!(items.len(), self.sides[from].outbox.len());
        for (item, (m, _)) in items.iter().zip(&self.sides[from].outbox) {
            assert_eq!(
                item.record.as_ref().map(|r| &r.message_id[..]),
                Some(&m.id[..])
            );
        }
        let through = items.last().map_or(0, |item| item.number);
        let source = self.sides[from].node.id.0;
        self.apply(
            to,
            command::Kind::Deliver(proto::Deliver {
                source,
                items,
                shared: Vec::new(),
            }),
        );
        let woken = self.sides[to].node.woken(self.sides[to].queue) > 0;
        let new: Vec<_> = self.sides[from]
            .outbox
            .iter()
            .skip(shipped_before)
            .cloned()
            .collect();
        for (message, dead_letter) in &new {
            match &mut self.sides[to].model {
                Model::Standard(queue) => queue.deliver(self.at, message, *dead_letter),
                Model::Fifo(queue) => queue.deliver(self.at, message),
            }
        }
        self.sides[from].shipped = self.sides[from].outbox.len();
        if settle {
            let command = proto::Delivered {
                destination: destination.0,
                through,
            };
            self.apply(from, command::Kind::Delivered(command));
            self.sides[from].outbox.clear();
            self.sides[from].shipped = 0;
            assert!(self.sides[from].node.outbox(destination).is_empty());
        }
        woken
    }

    fn move_back(&mut self, max: usize) {
        // What is ready is asked at the leader before time is stamped, so it can be out of date.
        let positions = self.sides[1].node.partition.peek_ready(QueueId(2), max);
        let ids: Vec<[u8; 16]> = positions.iter().map(|_| self.new_id()).collect();
        let moves = positions
            .iter()
            .zip(&ids)
            .map(|(position, id)| proto::Move {
                position: *position,
                to_queue: 1,
                to_partition: 1,
                new_message_id: id.to_vec().into(),
                generation: 0,
            });
        let command = proto::MoveOut {
            queue: 2,
            moves: moves.collect(),
        };
        let outcome = self.apply(1, command::Kind::MoveOut(command));
        let outcome::Kind::MoveOut(moved) = outcome else {
            panic!("{outcome:?}")
        };
        let side = &mut self.sides[1];
        let mut expected = 0;
        for (position, id) in positions.into_iter().zip(ids) {
            if let Some(message) = model!(&mut side.model, take(self.at, position)) {
                side.outbox.push_back((Message { id, ..message }, false));
                expected += 1;
            }
        }
        assert_eq!(moved.moved, expected);
    }

    fn compare(&mut self) {
        for side in &mut self.sides {
            let model = &side.model;
            let view = side
                .node
                .partition
                .queue(QueueId(side.queue))
                .expect("configured");
            let counts = (
                view.counts.ready,
                view.counts.in_flight,
                view.counts.delayed,
            );
            let at = side.node.partition.last_applied_at().as_millis();
            assert_eq!(
                counts,
                model!(model, counts(at)),
                "ready, in flight, delayed"
            );
            assert_eq!(view.claimable_now(), model!(model, claimable(at)));
            let due = side.node.partition.next_due().map(Timestamp::as_millis);
            if let Some(next) = model!(model, next_change(at)) {
                assert!(
                    due.is_some_and(|due| due <= next),
                    "due at {due:?}, not {next}"
                );
            }
            for m in model!(model, messages()) {
                let record = side.node.record(side.queue, m.position).expect("live");
                assert_eq!(
                    (&record.message_id[..], &record.group),
                    (&m.id[..], &m.group)
                );
            }
        }
    }

    /// In the end every message that the model has can be received, in the same order.
    fn drain(&mut self) {
        for index in 0..2 {
            let mut at = self.at;
            // Delays, and claims of up to twelve hours.
            for _ in 0..50 {
                at += 900_000;
                self.at = at;
                self.apply(index, command::Kind::Tick(proto::Tick {}));
            }
            let ask = Ask {
                max: 10,
                visibility_ms: Some(43_200_000),
                attempt: 0,
            };
            while self.receive(index, ask) > 0 {}
            self.compare();
        }
    }
}

impl Side {
    /// Whether a receive that came now would be answered at once. At the in-flight limit a standard
    /// queue says so and a FIFO queue has nothing.
    fn serves(&self) -> bool {
        let view = self
            .node
            .partition
            .queue(QueueId(self.queue))
            .expect("configured");
        view.claimable_now() || (!view.fifo && view.counts.ready > 0)
    }
}

fn run(fifo: bool, settings: &Settings, ops: &[Op]) {
    let mut world = World::new(fifo, settings);
    assert_eq!(world.sides[1].node.id, PartitionId(2));
    for op in ops {
        world.step(op);
    }
    world.drain();
}

proptest! {
    #[test]
    fn a_standard_queue_does_what_the_model_does(settings in settings(), ops in ops(false)) {
        run(false, &settings, &ops);
    }

    #[test]
    fn a_fifo_queue_does_what_the_model_does(settings in settings(), ops in ops(true)) {
        run(true, &settings, &ops);
    }
}
