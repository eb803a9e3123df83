//! Standard queues through the partition: what a leader would see.

use bytes::Bytes;
use levada_types::{PartitionId, QueueId, Timestamp};

use super::rig::{DLQ, HOME, Q, Rig, config, message};
use crate::proto::{
    Command, ConfigureQueue, Deliver, DropQueue, Misconfigured, Move, MoveOut, MoveOutOutcome,
    NewMessage, Proposal, Purge, QueueConfig, Receive, Record, Redrive, Send, TransferItem,
    VisibilityResult, command, outcome,
};
use crate::{Location, OutboxKind};

#[test]
fn a_claim_ends_and_the_message_comes_back_first() {
    let mut rig = Rig::new(config(Q));
    rig.send(3);
    assert_eq!(rig.positions(2), [1, 2]);
    assert_eq!(rig.counts(), (1, 2, 0));
    assert_eq!(rig.p.next_due(), Some(Timestamp::from_millis(1_030_000)));
    rig.tick(29_999);
    assert_eq!(rig.woken(), 0);
    rig.tick(1);
    assert_eq!(rig.woken(), 2);
    let again = rig.receive(10);
    let seen: Vec<_> = again
        .iter()
        .map(|c| (c.position, c.receive_count))
        .collect();
    assert_eq!(seen, [(1, 2), (2, 2), (3, 1)]);
    assert_eq!(again[0].first_received_at, 1_000_000);
    assert_eq!(again[0].record.as_ref().unwrap().payload, "payload");
}

#[test]
fn an_old_handle_deletes_and_a_message_is_not_shown_again() {
    let mut rig = Rig::new(config(Q));
    rig.send(2);
    rig.receive(1);
    rig.tick(30_000);
    assert_eq!(rig.receive(1)[0].receive_count, 2);
    rig.delete(1, 1);
    assert_eq!(rig.counts(), (1, 0, 0));
    rig.delete(1, 2);
    // Message 2 was never received: this receipt is nobody's.
    rig.delete(2, 1);
    assert_eq!(rig.positions(10), [2]);
    rig.tick(30_000);
    rig.delete(2, 1);
    assert_eq!(rig.counts(), (0, 0, 0));
}

#[test]
fn visibility_can_be_changed_for_twelve_hours_from_the_receive() {
    let mut rig = Rig::new(QueueConfig {
        retention_ms: 100 * 3_600_000,
        ..config(Q)
    });
    rig.send(1);
    rig.receive(1);
    rig.tick(999);
    assert_eq!(rig.change(1, 1, 43_200_000), VisibilityResult::Changed);
    rig.tick(1);
    assert_eq!(rig.change(1, 1, 43_200_000), VisibilityResult::TooLong);
    assert_eq!(rig.change(1, 1, 43_199_000), VisibilityResult::Changed);
    assert_eq!(rig.change(1, 1, 0), VisibilityResult::Changed);
    assert_eq!(rig.woken(), 1);
    assert_eq!(rig.change(1, 1, 5), VisibilityResult::NotInFlight);
    assert_eq!(rig.receive(1)[0].receive_count, 2);
    assert_eq!(rig.change(9, 1, 5), VisibilityResult::Gone);
}

#[test]
fn an_old_handle_changes_the_claim_that_there_is() {
    let mut rig = Rig::new(config(Q));
    rig.send(1);
    rig.receive(1);
    rig.change(1, 1, 0);
    assert_eq!(rig.receive(1)[0].receive_count, 2);
    assert_eq!(rig.change(1, 1, 0), VisibilityResult::Changed);
    assert_eq!(rig.receive(1)[0].receive_count, 3);
}

#[test]
fn a_receive_with_no_visibility_does_not_see_a_message_twice() {
    let mut rig = Rig::new(QueueConfig {
        visibility_timeout_ms: 0,
        ..config(Q)
    });
    rig.send(2);
    assert_eq!(rig.positions(10), [1, 2]);
    assert_eq!(rig.woken(), 2);
    assert_eq!(rig.counts(), (2, 0, 0));
    assert_eq!(rig.receive(10)[0].receive_count, 2);
}

#[test]
fn a_delay_ends_and_wakes() {
    let mut rig = Rig::new(QueueConfig {
        delay_ms: 5_000,
        ..config(Q)
    });
    rig.send_all(vec![
        message("", None),
        message("", Some(0)),
        message("", Some(1_000)),
    ]);
    assert_eq!(rig.woken(), 1);
    assert_eq!(rig.counts(), (1, 0, 2));
    assert_eq!(rig.positions(10), [2]);
    rig.tick(1_000);
    assert_eq!(rig.woken(), 1);
    assert_eq!(rig.positions(10), [3]);
    rig.tick(4_000);
    assert_eq!(rig.positions(10), [1]);
}

#[test]
fn the_in_flight_limit_is_said() {
    let mut rig = Rig::new(QueueConfig {
        in_flight_max: 2,
        ..config(Q)
    });
    rig.send(3);
    assert_eq!(rig.receive(10).len(), 2);
    assert!(!rig.p.queue(Q).unwrap().claimable_now());
    assert!(rig.receive_from(Q, 1).over_limit);
    rig.configure(QueueConfig {
        in_flight_max: 3,
        version: 2,
        ..config(Q)
    });
    assert_eq!(rig.woken(), 1);
    assert_eq!(rig.receive(10).len(), 1);
}

#[test]
fn the_least_served_tenant_is_next() {
    let mut rig = Rig::new(config(Q));
    rig.send_all(vec![message("noisy", None); 5]);
    rig.send_all(vec![
        message("quiet", None),
        message("", None),
        message("quiet", None),
    ]);
    // Ties go to the oldest head.
    assert_eq!(rig.positions(3), [1, 6, 7]);
    assert_eq!(rig.positions(2), [2, 8]);
    assert_eq!(rig.positions(9), [3, 4, 5]);
    // A tenant that is back has its own count again.
    rig.delete(6, 1);
    rig.send_all(vec![message("noisy", None), message("quiet", None)]);
    assert_eq!(rig.positions(1), [10]);
    rig.tick(30_000);
    assert_eq!(rig.counts(), (9, 0, 0));
    for position in 1..=10 {
        rig.delete(position, 1);
    }
    assert_eq!(rig.counts(), (1, 0, 0), "9 was never received");
    assert_eq!(rig.positions(9), [9]);
}

#[test]
fn retention_takes_messages_in_every_state() {
    let mut rig = Rig::new(QueueConfig {
        retention_ms: 60_000,
        ..config(Q)
    });
    rig.send_all(vec![
        message("", None),
        message("a", None),
        message("", Some(900_000)),
    ]);
    rig.receive(1);
    rig.tick(30_000);
    rig.send(1);
    rig.positions(2);
    // All of second 1,000 expire 60 s after its end.
    rig.tick(30_999);
    assert_eq!(rig.counts().2, 1);
    rig.tick(1);
    assert_eq!(rig.counts(), (1, 0, 0));
    assert_eq!(rig.p.locate(Q, 1), None);
    rig.tick(30_000);
    assert_eq!(rig.counts(), (0, 0, 0));
    assert_eq!(rig.p.next_due(), None);
}

#[test]
fn a_shorter_retention_holds_at_once() {
    let mut rig = Rig::new(config(Q));
    rig.send(1);
    rig.tick(100_000);
    rig.configure(QueueConfig {
        retention_ms: 60_000,
        version: 2,
        ..config(Q)
    });
    assert_eq!(rig.counts(), (0, 0, 0));
}

#[test]
fn the_tail_is_sealed_and_blocks_go_when_nothing_in_them_is_live() {
    let mut rig = Rig::new(config(Q));
    let big = NewMessage {
        payload: vec![1; 100_000].into(),
        ..message("", None)
    };
    rig.send_all(vec![big.clone(), big.clone(), big]);
    let sealed = &rig.fx.sealed[0];
    assert_eq!(
        sealed.records.iter().map(|(p, _)| *p).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let block = sealed.block;
    assert_eq!(rig.p.blocks(), [block]);
    let claimed = rig.receive(10);
    assert!(claimed.iter().all(|c| c.record.is_none()));
    assert_eq!(rig.p.locate(Q, 2), Some(Location::Block(block)));
    rig.delete(1, 1);
    rig.delete(3, 1);
    assert!(rig.fx.dropped.is_empty());
    rig.delete(2, 1);
    assert_eq!(rig.fx.dropped, [block]);
    assert!(rig.p.blocks().is_empty());
    assert_eq!(rig.p.locate(Q, 2), None);
}

#[test]
fn purge_takes_all_but_what_is_on_its_way() {
    let mut rig = Rig::new(config(Q));
    rig.configure(config(DLQ));
    rig.send_all(vec![
        message("a", None),
        message("", None),
        message("", Some(9_000)),
    ]);
    rig.receive(1);
    let new_message_id = Bytes::from_static(b"fedcba9876543210");
    let step = Move {
        position: 2,
        to_queue: DLQ.0,
        to_partition: HOME.0,
        new_message_id,
        generation: 0,
    };
    rig.run(command::Kind::MoveOut(MoveOut {
        queue: Q.0,
        moves: vec![step],
    }));
    rig.run(command::Kind::Purge(Purge { queue: Q.0 }));
    assert_eq!(rig.counts(), (0, 0, 0));
    assert_eq!(rig.p.next_due(), None);
    rig.ship();
    let arrived = rig.receive_from(DLQ, 10).claimed;
    let record = arrived[0].record.as_ref().unwrap();
    assert_eq!((record.sent_at, record.dead_letter_source), (1_000_000, 0));
    assert_eq!(record.message_id, "fedcba9876543210");
    assert_eq!(rig.send(1), [4]);
}

#[test]
fn a_dead_letter_goes_over_once_and_keeps_its_time() {
    let redrive = Redrive {
        receive_count_max: 2,
        target_queue: DLQ.0,
        target_partitions: vec![HOME.0],
    };
    let mut rig = Rig::new(QueueConfig {
        redrive: Some(redrive),
        ..config(Q)
    });
    rig.configure(QueueConfig {
        retention_ms: 100_000,
        ..config(DLQ)
    });
    rig.send(2);
    for _ in 0..2 {
        assert_eq!(rig.positions(1), [1]);
        rig.change(1, if rig.now_ms == 1_000_000 { 1 } else { 2 }, 0);
        rig.now_ms += 10_000;
    }
    assert_eq!(
        rig.positions(1),
        [2],
        "the next message is served in its stead"
    );
    assert_eq!(rig.fx.outbox, [HOME]);
    let items = rig.p.outbox(HOME, 10);
    assert_eq!(items[0].kind, OutboxKind::DeadLetter { received_before: 2 });
    assert_eq!(rig.counts(), (0, 1, 0));
    rig.ship();
    assert!(rig.p.outbox_destinations().is_empty());
    assert_eq!(rig.p.locate(Q, 1), None, "its place is free");
    let arrived = rig.receive_from(DLQ, 10).claimed;
    assert_eq!(arrived.len(), 1, "shipped twice, applied once");
    let record: &Record = arrived[0].record.as_ref().unwrap();
    assert_eq!(record.dead_letter_source, Q.0);
    assert_eq!((record.sent_at, record.received_before), (1_000_000, 2));
    assert_eq!(arrived[0].receive_count, 1);
    // Sent at 1,000 s, here since 1,020 s: 100 s from the send.
    rig.now_ms = 1_100_999;
    rig.tick(0);
    assert_eq!(rig.p.queue(DLQ).unwrap().counts.ready, 1);
    rig.tick(1);
    assert_eq!(rig.p.queue(DLQ).unwrap().counts.ready, 0);
    assert_eq!(rig.p.locate(DLQ, 1), None);
}

#[test]
fn a_delivery_stops_at_an_unknown_queue_and_goes_past_a_dropped_one() {
    let mut rig = Rig::new(config(Q));
    let item = |number, queue: QueueId| TransferItem {
        number,
        queue: queue.0,
        record: Some(Record {
            dead_letter_source: 1,
            ..Record::default()
        }),
        ..TransferItem::default()
    };
    let items = vec![item(1, Q), item(2, DLQ), item(3, Q)];
    let deliver = command::Kind::Deliver(Deliver {
        source: 5,
        items,
        ..Deliver::default()
    });
    let refused = Misconfigured {
        queue: DLQ.0,
        have_version: 0,
        dropped: false,
    };
    assert_eq!(
        rig.run(deliver.clone()),
        outcome::Kind::Misconfigured(refused)
    );
    assert_eq!(rig.counts(), (1, 0, 0));
    rig.run(command::Kind::DropQueue(DropQueue { queue: DLQ.0 }));
    assert!(matches!(rig.run(deliver.clone()), outcome::Kind::Done(_)));
    assert_eq!(rig.counts(), (2, 0, 0));
    rig.run(deliver);
    assert_eq!(rig.counts(), (2, 0, 0));
}

#[test]
fn a_claimed_message_moves_with_its_claim_only() {
    let mut rig = Rig::new(config(Q));
    rig.configure(config(DLQ));
    rig.send(1);
    rig.receive(1);
    let mut moved = |generation| {
        let step = Move {
            position: 1,
            to_queue: DLQ.0,
            to_partition: HOME.0,
            new_message_id: Bytes::from_static(b"fedcba9876543210"),
            generation,
        };
        let outcome = rig.run(command::Kind::MoveOut(MoveOut {
            queue: Q.0,
            moves: vec![step],
        }));
        (outcome, rig.counts())
    };
    let none = outcome::Kind::MoveOut(MoveOutOutcome { moved: 0 });
    assert_eq!(moved(0), (none.clone(), (0, 1, 0)), "it is not ready");
    assert_eq!(moved(2), (none.clone(), (0, 1, 0)), "another claim");
    let one = outcome::Kind::MoveOut(MoveOutOutcome { moved: 1 });
    assert_eq!(moved(1), (one, (0, 0, 0)));
    assert_eq!(moved(1), (none, (0, 0, 0)), "once");
    rig.tick(60_000);
    assert_eq!(rig.counts(), (0, 0, 0), "no claim is left to end");
    rig.ship();
    assert_eq!(rig.receive_from(DLQ, 10).claimed.len(), 1);
}

#[test]
fn a_dropped_queue_takes_everything_with_it() {
    let mut rig = Rig::new(config(Q));
    rig.send(2);
    let step = Move {
        position: 1,
        to_queue: 9,
        to_partition: 3,
        new_message_id: Bytes::new(),
        generation: 0,
    };
    rig.run(command::Kind::MoveOut(MoveOut {
        queue: Q.0,
        moves: vec![step],
    }));
    assert_eq!(rig.p.outbox_len(PartitionId(3)), 1);
    rig.run(command::Kind::DropQueue(DropQueue { queue: Q.0 }));
    assert_eq!(rig.p.outbox_len(PartitionId(3)), 0);
    assert_eq!(rig.p.next_due(), None);
    let late = rig.run(command::Kind::ConfigureQueue(ConfigureQueue {
        config: Some(config(Q)),
    }));
    let refused = Misconfigured {
        queue: Q.0,
        have_version: 0,
        dropped: true,
    };
    assert_eq!(late, outcome::Kind::Misconfigured(refused));
    assert!(rig.p.was_dropped(Q));
}

#[test]
fn a_repeated_proposal_is_answered_from_memory() {
    let mut rig = Rig::new(config(Q));
    rig.send(3);
    let receive = Receive {
        queue: Q.0,
        messages_max: 2,
        ..Receive::default()
    };
    let commands = vec![Command {
        kind: Some(command::Kind::Receive(receive)),
    }];
    let proposal = Proposal {
        origin: 77,
        sequence: 1,
        answered_through: 0,
        commands,
    };
    let first = rig.propose(proposal.clone());
    assert_eq!(rig.propose(proposal.clone()), first, "records and all");
    assert_eq!(rig.counts(), (1, 2, 0));
    let next = Proposal {
        sequence: 2,
        answered_through: 1,
        ..proposal.clone()
    };
    assert_ne!(rig.propose(next), first);
    assert!(rig.propose(proposal).is_empty());
}

#[test]
fn a_newer_configuration_is_asked_for() {
    let mut rig = Rig::new(config(Q));
    let send = Send {
        queue: Q.0,
        config_version: 2,
        messages: vec![message("", None)],
    };
    let refused = Misconfigured {
        queue: Q.0,
        have_version: 1,
        dropped: false,
    };
    assert_eq!(
        rig.run(command::Kind::Send(send)),
        outcome::Kind::Misconfigured(refused)
    );
    rig.configure(QueueConfig {
        version: 1,
        delay_ms: 9_000,
        ..config(Q)
    });
    rig.send(1);
    assert_eq!(rig.counts(), (1, 0, 0), "an equal version changes nothing");
}

#[test]
fn old_messages_do_not_keep_a_slot_for_those_that_came_and_went() {
    let mut rig = Rig::new(config(Q));
    let positions = rig.send_all(vec![message("", None); 16_383]);
    assert!(rig.fx.sealed.is_empty() == (positions.len() * 40 < 256 * 1024));
    rig.send(2);
    assert!(!rig.p.blocks().is_empty());
}

#[test]
fn what_waits_is_read_by_position_whatever_its_tenant_and_past() {
    let mut rig = Rig::new(config(Q));
    rig.send(2);
    rig.send_all(vec![message("a", None), message("b", None)]);
    rig.send_all(vec![message("a", Some(5_000)), message("a", None)]);
    let claimed = rig.receive(2);
    let taken: Vec<u64> = claimed.iter().map(|c| c.position).collect();
    let waiting = |rig: &Rig, from, max| -> Vec<(u64, u32)> {
        let found = rig.p.waiting(Q, from, max).into_iter();
        found.map(|w| (w.position, w.receive_count)).collect()
    };
    let left: Vec<(u64, u32)> = [1, 2, 3, 4, 6]
        .into_iter()
        .filter(|position| !taken.contains(position))
        .map(|position| (position, 0))
        .collect();
    assert_eq!(left.len(), 3);
    assert_eq!(waiting(&rig, 0, 10), left);
    // The delayed one is due, and the claims have ended.
    rig.tick(30_000);
    let of = |position| u32::from(taken.contains(&position));
    let all: Vec<(u64, u32)> = (1..=6).map(|position| (position, of(position))).collect();
    assert_eq!(waiting(&rig, 1, 10), all);
    assert_eq!(waiting(&rig, 1, 4), all[..4]);
    assert_eq!(waiting(&rig, 3, 2), all[2..4]);
    assert!(waiting(&rig, 7, 10).is_empty() && waiting(&rig, 1, 0).is_empty());
    let seen = rig.p.waiting(Q, taken[0], 1)[0];
    assert_eq!(seen.first_received_at, Timestamp::from_millis(1_000_000));
    assert!(rig.p.waiting(DLQ, 1, 10).is_empty(), "it has no part here");
    assert_eq!(
        (rig.counts(), rig.p.queue(Q).unwrap().taken),
        ((6, 0, 0), 6)
    );
}
