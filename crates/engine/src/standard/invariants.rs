//! Random commands, after each of which what is derived must agree with what it is derived from.

use proptest::prelude::*;

use super::StandardQueue;
use super::lanes::{Lanes, PLAIN};
use super::rig::{DLQ, HOME, Q, Rig, config, message};
use crate::log::Log;
use crate::partition::tests::standard_queue;
use crate::proto::{Delivered, Move, MoveOut, NewMessage, Purge, QueueConfig, Redrive, command};

#[derive(Clone, Debug)]
enum Step {
    Send {
        count: usize,
        group: u8,
        delay_ms: u64,
        bytes: usize,
    },
    Receive {
        max: u32,
    },
    Delete {
        position: u64,
    },
    Change {
        position: u64,
        ms: u64,
    },
    MoveOut {
        position: u64,
        generation: u32,
    },
    Ship,
    /// Lets go of what was never shipped.
    Forget,
    Pass {
        ms: u64,
    },
    Purge,
}

fn step() -> impl Strategy<Value = Step> {
    let position = || 1..80_u64;
    prop_oneof![
        6 => (1..6_usize, 0..4_u8, prop_oneof![4 => Just(0), 1 => 1..9_000_u64], prop_oneof![
            3 => Just(10_usize), 1 => Just(60_000)
        ])
            .prop_map(|(count, group, delay_ms, bytes)| Step::Send { count, group, delay_ms, bytes }),
        6 => (1..11_u32).prop_map(|max| Step::Receive { max }),
        4 => position().prop_map(|position| Step::Delete { position }),
        2 => (position(), 0..40_000_u64).prop_map(|(position, ms)| Step::Change { position, ms }),
        2 => (position(), 0..3_u32).prop_map(|(position, generation)| Step::MoveOut { position, generation }),
        2 => Just(Step::Ship),
        1 => Just(Step::Forget),
        4 => prop_oneof![0..3_000_u64, 0..70_000_u64].prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Purge),
    ]
}

impl Rig {
    fn step(&mut self, step: Step) {
        match step {
            Step::Send {
                count,
                group,
                delay_ms,
                bytes,
            } => {
                let group = if group == 0 {
                    String::new()
                } else {
                    format!("tenant {group}")
                };
                let payload = vec![1; bytes].into();
                let message = NewMessage {
                    payload,
                    ..message(&group, Some(delay_ms))
                };
                self.send_all(vec![message; count]);
            }
            Step::Receive { max } => drop(self.receive(max)),
            Step::Delete { position } => self.delete(position, 1),
            Step::Change { position, ms } => drop(self.change(position, 1, ms)),
            Step::MoveOut {
                position,
                generation,
            } => {
                let to = Move {
                    position,
                    to_queue: DLQ.0,
                    to_partition: HOME.0,
                    new_message_id: bytes::Bytes::new(),
                    generation,
                };
                self.run(command::Kind::MoveOut(MoveOut {
                    queue: Q.0,
                    moves: vec![to],
                }));
            }
            Step::Ship if self.p.outbox_len(HOME) > 0 => self.ship(),
            Step::Ship => {}
            Step::Forget => {
                let delivered = Delivered {
                    destination: HOME.0,
                    through: 1_000_000,
                };
                self.run(command::Kind::Delivered(delivered));
            }
            Step::Pass { ms } => self.tick(ms),
            Step::Purge => drop(self.run(command::Kind::Purge(Purge { queue: Q.0 }))),
        }
    }
}

/// What is live in the log is in exactly one state, or held; and the orders are what they would be
/// if they were made anew.
fn check(queue: &StandardQueue, log: &Log) {
    let counts = queue.counts();
    let known = counts.ready + counts.in_flight + counts.delayed;
    assert_eq!(known + log.held_count(), log.live_count());
    assert_eq!(queue.timers.len(), queue.claims.len());
    check_lanes(&queue.lanes);
}

fn check_lanes(lanes: &Lanes) {
    let in_lanes = lanes.tenants.iter().flat_map(|t| t.lanes.values());
    let ready = lanes.plain.len() + in_lanes.map(|of| of.ready.len()).sum::<u64>();
    assert_eq!(ready, lanes.ready());
    let Some(tenants) = &lanes.tenants else {
        return;
    };
    assert!(!tenants.lanes.is_empty());
    for (number, of) in &tenants.lanes {
        assert_eq!(tenants.by_group.get(&of.group), Some(number));
    }
    let all = std::iter::once(PLAIN).chain(tenants.lanes.keys().copied());
    let keys: Vec<_> = all.filter_map(|lane| lanes.keys(lane)).collect();
    assert_eq!(tenants.order, keys.iter().map(|k| k.order).collect());
    assert_eq!(tenants.heads, keys.iter().map(|k| k.head).collect());
    let returned = tenants.lanes.iter();
    let returned = returned.flat_map(|(l, of)| of.ready.returned.keys().map(move |p| (*p, *l)));
    assert_eq!(tenants.home, returned.collect());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn what_is_derived_agrees(
        steps in proptest::collection::vec(step(), 1..60),
        restoring in any::<bool>(),
    ) {
        let redrive = Redrive {
            receive_count_max: 2,
            target_queue: DLQ.0,
            target_partitions: vec![HOME.0],
        };
        let short = QueueConfig { retention_ms: 60_000, in_flight_max: 8, ..config(Q) };
        let mut rig = Rig::new(QueueConfig { redrive: Some(redrive), ..short.clone() });
        rig.restoring = restoring;
        rig.configure(QueueConfig { queue: DLQ.0, ..short });
        for step in steps {
            rig.step(step);
            for queue in [Q, DLQ] {
                let (index, log) = standard_queue(&rig.p, queue);
                check(index, log);
            }
        }
    }
}
