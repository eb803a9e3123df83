//! FIFO queues, call by call, through the partition that holds them.

use levada_types::{PartitionId, QueueId, Timestamp};

use crate::proto::{
    self, Claimed, DeleteResult, NewMessage, NewVisibility, QueueConfig, ReceiptRef,
    VisibilityResult, command, outcome,
};
use crate::{Effects, Partition, QueueView};

const QUEUE: u64 = 7;

/// A partition with one FIFO queue, and a clock.
struct Bench {
    partition: Partition,
    at_ms: u64,
    sent: u8,
    woken: u32,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut QueueConfig)) -> Self {
        let partition = Partition::new(PartitionId(1));
        let mut bench = Self {
            partition,
            at_ms: 1_000,
            sent: 0,
            woken: 0,
        };
        bench.configure(1, change);
        bench
    }

    fn configure(&mut self, version: u64, change: impl FnOnce(&mut QueueConfig)) {
        let mut config = QueueConfig {
            queue: QUEUE,
            version,
            fifo: true,
            visibility_timeout_ms: 30_000,
            retention_ms: 345_600_000,
            in_flight_max: 120_000,
            ..QueueConfig::default()
        };
        change(&mut config);
        self.apply(command::Kind::ConfigureQueue(proto::ConfigureQueue {
            config: Some(config),
        }));
    }

    fn apply(&mut self, kind: command::Kind) -> outcome::Kind {
        let commands = vec![proto::Command { kind: Some(kind) }];
        let proposal = proto::Proposal {
            commands,
            ..Default::default()
        };
        let mut effects = Effects::default();
        let at = Timestamp::from_millis(self.at_ms);
        let outcome = self.partition.apply(at, proposal, &mut effects).remove(0);
        self.woken = effects.wake.iter().map(|(_, count)| *count).sum();
        let rows = self.partition.snapshot();
        let back = Partition::restore(PartitionId(1), rows.clone()).unwrap();
        assert_eq!(back.snapshot(), rows, "a snapshot restores to itself");
        self.partition = back;
        outcome.kind.unwrap()
    }

    fn tick(&mut self, at_ms: u64) {
        self.at_ms = at_ms;
        self.apply(command::Kind::Tick(proto::Tick {}));
    }

    fn send_as(&mut self, group: &str, deduplication: [u8; 16]) -> proto::Sent {
        self.sent += 1;
        let message = NewMessage {
            message_id: vec![self.sent; 16].into(),
            group: group.into(),
            deduplication: deduplication.to_vec().into(),
            ..NewMessage::default()
        };
        let send = proto::Send {
            queue: QUEUE,
            config_version: 1,
            messages: vec![message],
        };
        match self.apply(command::Kind::Send(send)) {
            outcome::Kind::Send(mut outcome) => outcome.sent.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn send(&mut self, group: &str) -> u64 {
        let id = [100 + self.sent; 16];
        let sent = self.send_as(group, id);
        assert!(!sent.duplicate);
        sent.position
    }

    fn claim(&mut self, max: u32, attempt: &[u8]) -> Vec<Claimed> {
        let receive = proto::Receive {
            queue: QUEUE,
            config_version: 1,
            messages_max: max,
            visibility_timeout_ms: None,
            attempt: attempt.to_vec().into(),
        };
        match self.apply(command::Kind::Receive(receive)) {
            outcome::Kind::Receive(outcome) => outcome.claimed,
            other => panic!("{other:?}"),
        }
    }

    fn receive(&mut self, max: u32) -> Vec<u64> {
        self.claim(max, b"")
            .iter()
            .map(|claimed| claimed.position)
            .collect()
    }

    fn delete(&mut self, position: u64, generation: u32) -> DeleteResult {
        let receipts = vec![ReceiptRef {
            position,
            generation,
            log: 0,
        }];
        match self.apply(command::Kind::Delete(proto::Delete {
            queue: QUEUE,
            receipts,
        })) {
            outcome::Kind::Delete(outcome) => outcome.results().next().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn change(&mut self, position: u64, generation: u32, timeout_ms: u64) -> VisibilityResult {
        let receipt = Some(ReceiptRef {
            position,
            generation,
            log: 0,
        });
        let changes = vec![NewVisibility {
            receipt,
            visibility_timeout_ms: timeout_ms,
        }];
        let command = proto::ChangeVisibility {
            queue: QUEUE,
            changes,
        };
        match self.apply(command::Kind::ChangeVisibility(command)) {
            outcome::Kind::ChangeVisibility(outcome) => outcome.results().next().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn view(&self) -> QueueView {
        self.partition.queue(QueueId(QUEUE)).unwrap()
    }

    fn counts(&self) -> (u64, u64, u64) {
        let counts = self.view().counts;
        (counts.ready, counts.in_flight, counts.delayed)
    }
}

#[test]
fn one_group_is_exhausted_before_the_next() {
    let mut bench = Bench::new();
    for group in ["a", "b", "a", "b", "a"] {
        bench.send(group);
    }
    assert_eq!(bench.receive(4), [1, 3, 5, 2]);
    assert_eq!(bench.receive(4), [0; 0], "both groups are in flight");
    assert_eq!(bench.counts(), (1, 4, 0));
}

#[test]
fn a_send_into_a_group_in_flight_waits() {
    let mut bench = Bench::new();
    bench.send("a");
    assert_eq!(bench.woken, 1);
    assert_eq!(bench.receive(10), [1]);
    bench.send("a");
    assert_eq!(bench.woken, 0, "nobody could receive it");
    assert!(!bench.view().claimable_now());
    assert_eq!(bench.delete(1, 1), DeleteResult::Deleted);
    assert_eq!(bench.woken, 1, "the group is free");
    assert_eq!(bench.receive(10), [2]);
}

#[test]
fn an_extension_in_the_middle_holds_back_what_comes_after() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        bench.send("a");
    }
    assert_eq!(bench.receive(3), [1, 2, 3]);
    bench.at_ms = 20_000;
    assert_eq!(bench.change(2, 1, 60_000), VisibilityResult::Changed);
    bench.tick(31_000);
    assert_eq!(bench.counts(), (3, 1, 0));
    assert_eq!(bench.woken, 1, "3 waits for 2");
    assert_eq!(bench.receive(10), [1]);
    bench.at_ms = 40_000;
    assert_eq!(bench.delete(2, 1), DeleteResult::Deleted);
    assert_eq!(bench.receive(10), [0; 0], "1 is in flight");
    assert_eq!(bench.delete(1, 2), DeleteResult::Deleted);
    assert_eq!(bench.woken, 2);
    let claims = bench.claim(10, b"");
    let seen: Vec<_> = claims
        .iter()
        .map(|c| (c.position, c.receive_count, c.first_received_at))
        .collect();
    assert_eq!(seen, [(3, 2, 1_000), (4, 1, 40_000)]);
}

#[test]
fn the_first_of_a_batch_comes_back_alone() {
    let mut bench = Bench::new();
    for group in ["a", "a", "a", "b"] {
        bench.send(group);
    }
    assert_eq!(bench.receive(2), [1, 2]);
    assert_eq!(bench.change(1, 1, 0), VisibilityResult::Changed);
    assert_eq!(bench.woken, 1);
    assert_eq!(bench.receive(10), [1, 4], "3 waits for 2");
    assert_eq!(bench.change(2, 1, 0), VisibilityResult::Changed);
    assert_eq!(bench.receive(10), [0; 0], "2 waits for 1");
}

#[test]
fn visibility_zero_gives_the_message_back_to_its_place() {
    let mut bench = Bench::new();
    for group in ["a", "a", "b"] {
        bench.send(group);
    }
    assert_eq!(bench.receive(1), [1]);
    assert_eq!(bench.change(1, 1, 0), VisibilityResult::Changed);
    assert_eq!(bench.woken, 2);
    assert_eq!(bench.receive(10), [1, 2, 3]);
}

#[test]
fn only_the_claim_that_holds_a_message_can_end_it() {
    let mut bench = Bench::new();
    bench.send("a");
    bench.receive(1);
    bench.tick(31_000);
    assert_eq!(bench.delete(1, 1), DeleteResult::Expired, "visible again");
    assert_eq!(bench.change(1, 1, 5_000), VisibilityResult::NotInFlight);
    bench.receive(1);
    assert_eq!(
        bench.delete(1, 1),
        DeleteResult::Expired,
        "another holds it"
    );
    assert_eq!(bench.change(1, 1, 5_000), VisibilityResult::NotInFlight);
    assert_eq!(bench.delete(1, 2), DeleteResult::Deleted);
    assert_eq!(
        bench.delete(1, 2),
        DeleteResult::Deleted,
        "deleting twice succeeds"
    );
    assert_eq!(bench.change(1, 2, 5_000), VisibilityResult::Gone);
}

#[test]
fn twelve_hours_count_from_the_receive() {
    let mut bench = Bench::new();
    bench.send("a");
    bench.receive(1);
    bench.at_ms += 10_000;
    assert_eq!(bench.change(1, 1, 43_190_001), VisibilityResult::TooLong);
    assert_eq!(bench.change(1, 1, 43_190_000), VisibilityResult::Changed);
    assert_eq!(
        bench.partition.next_due(),
        Some(Timestamp::from_millis(301_000)),
        "the table"
    );
}

#[test]
fn a_duplicate_is_answered_with_the_first() {
    let mut bench = Bench::new();
    let first = bench.send_as("a", [5; 16]);
    bench.receive(1);
    bench.delete(1, 1);
    bench.at_ms = 300_999;
    let again = bench.send_as("b", [5; 16]);
    assert!(
        again.duplicate,
        "also after the delete, also in another group"
    );
    assert_eq!(
        (again.position, &again.message_id),
        (first.position, &first.message_id)
    );
    assert_eq!(bench.counts(), (0, 0, 0));
    bench.at_ms = 301_000;
    assert!(
        !bench.send_as("a", [5; 16]).duplicate,
        "five minutes from the first send"
    );
}

#[test]
fn the_scope_of_deduplication_can_be_the_group() {
    let mut bench = Bench::with(|config| config.deduplicate_by_group = true);
    bench.send_as("a", [5; 16]);
    assert!(!bench.send_as("b", [5; 16]).duplicate);
    assert!(bench.send_as("a", [5; 16]).duplicate);
}

#[test]
fn a_purge_takes_the_deduplication_ids_too() {
    let mut bench = Bench::with(|config| config.delay_ms = 10_000);
    bench.send_as("a", [5; 16]);
    bench.tick(11_000);
    bench.receive(1);
    bench.send_as("a", [6; 16]);
    bench.apply(command::Kind::Purge(proto::Purge { queue: QUEUE }));
    assert_eq!(bench.counts(), (0, 0, 0));
    assert_eq!(bench.delete(1, 1), DeleteResult::Deleted);
    assert!(!bench.send_as("a", [5; 16]).duplicate);
    bench.send("a");
    assert_eq!(bench.counts(), (0, 0, 2));
}

#[test]
fn an_attempt_is_repeated_with_the_same_receipts() {
    let mut bench = Bench::new();
    for group in ["a", "a", "b"] {
        bench.send(group);
    }
    let attempt = [8; 16];
    let first = bench.claim(2, &attempt);
    bench.at_ms = 21_000;
    assert_eq!(bench.claim(10, &attempt), first);
    bench.tick(50_999);
    assert_eq!(
        bench.counts(),
        (1, 2, 0),
        "the visibility timeout began anew"
    );
    assert_eq!(bench.claim(10, &attempt), first);
    bench.change(1, 1, 30_000);
    let other = bench.claim(10, &attempt);
    assert_eq!(
        other.iter().map(|c| c.position).collect::<Vec<_>>(),
        [3],
        "changed: a new receive"
    );
}

#[test]
fn an_attempt_ends_with_a_delete_or_a_timeout_or_five_minutes() {
    let attempt = [8; 16];
    let mut bench = Bench::with(|config| config.visibility_timeout_ms = 43_200_000);
    bench.send("a");
    bench.send("a");
    bench.claim(2, &attempt);
    bench.delete(2, 1);
    assert_eq!(bench.claim(2, &attempt), []);
    bench.change(1, 1, 0);
    assert_eq!(bench.claim(2, &attempt)[0].receive_count, 2);
    bench.at_ms += 299_999;
    assert_eq!(bench.claim(2, &attempt)[0].receive_count, 2);
    bench.at_ms += 1;
    assert_eq!(
        bench.claim(2, &attempt),
        [],
        "a new receive, and nothing is free"
    );
}

#[test]
fn a_delayed_head_blocks_its_group_only() {
    let mut bench = Bench::with(|config| config.delay_ms = 5_000);
    bench.send("a");
    bench.at_ms = 3_000;
    bench.send("b");
    bench.send("a");
    assert_eq!((bench.woken, bench.counts()), (0, (0, 0, 3)));
    assert_eq!(
        bench.partition.next_due(),
        Some(Timestamp::from_millis(6_000))
    );
    bench.tick(6_000);
    assert_eq!((bench.woken, bench.counts()), (1, (1, 0, 2)));
    assert_eq!(bench.receive(10), [1]);
    bench.tick(8_000);
    assert_eq!(bench.woken, 1, "b's; a is in flight");
    assert_eq!(bench.receive(10), [2]);
    bench.delete(1, 1);
    assert_eq!(bench.receive(10), [3]);
}

#[test]
fn a_new_delay_holds_back_what_is_there() {
    let mut bench = Bench::new();
    bench.send("a");
    bench.configure(2, |config| config.delay_ms = 60_000);
    assert_eq!(bench.counts(), (0, 0, 1));
    bench.configure(3, |config| config.delay_ms = 0);
    assert_eq!((bench.woken > 0, bench.counts()), (true, (1, 0, 0)));
}

#[test]
fn beyond_the_in_flight_limit_nothing_is_returned() {
    let mut bench = Bench::with(|config| config.in_flight_max = 2);
    for group in ["a", "b", "c"] {
        bench.send(group);
    }
    assert_eq!(bench.receive(10), [1, 2]);
    assert_eq!(bench.receive(10), [0; 0]);
    bench.delete(1, 1);
    assert_eq!(bench.woken, 1, "there is room for c");
    assert_eq!(bench.receive(10), [3]);
    bench.send("d");
    bench.send("b");
    bench.change(2, 1, 0);
    assert_eq!(bench.woken, 2, "b's own");
    bench.receive(1);
    bench.change(3, 1, 43_000);
    bench.delete(2, 2);
    assert_eq!(bench.woken, 1, "b's next");
}

#[test]
fn a_dead_letter_makes_way_for_the_next() {
    let redrive = proto::Redrive {
        receive_count_max: 1,
        target_queue: 8,
        target_partitions: vec![4],
    };
    let mut bench = Bench::with(|config| config.redrive = Some(redrive));
    bench.send("a");
    bench.send("a");
    bench.receive(1);
    bench.change(1, 1, 0);
    assert_eq!(bench.receive(1), [2]);
    assert_eq!(bench.counts(), (0, 1, 0));
    let outbox = bench.partition.outbox(PartitionId(4), 10);
    assert_eq!((outbox.len(), outbox[0].position), (1, 1));
    assert_eq!(bench.delete(1, 1), DeleteResult::Deleted);
    assert!(
        bench.partition.locate(QueueId(QUEUE), 1).is_some(),
        "it is on its way"
    );
}

#[test]
fn retention_takes_what_waits_and_what_is_in_flight() {
    let mut bench = Bench::with(|config| {
        config.retention_ms = 60_000;
        config.visibility_timeout_ms = 600_000;
    });
    for group in ["a", "a", "b"] {
        bench.send(group);
    }
    assert_eq!(bench.receive(1), [1]);
    bench.at_ms = 30_000;
    bench.send("a");
    bench.tick(62_001);
    assert_eq!((bench.woken, bench.counts()), (1, (1, 0, 0)));
    assert_eq!(bench.change(1, 1, 5), VisibilityResult::Gone);
    assert_eq!(bench.receive(10), [4]);
}

#[test]
fn a_move_keeps_the_order_of_a_group() {
    let mut bench = Bench::new();
    for group in ["a", "b", "a", "b"] {
        bench.send(group);
    }
    let queue = QueueId(QUEUE);
    assert_eq!(bench.partition.peek_ready(queue, 3), [1, 3, 2]);
    let moves = [3, 1, 3].map(|position| proto::Move {
        position,
        to_queue: 9,
        ..Default::default()
    });
    let command = proto::MoveOut {
        queue: QUEUE,
        moves: moves.to_vec(),
    };
    let outcome = bench.apply(command::Kind::MoveOut(command));
    assert_eq!(
        outcome,
        outcome::Kind::MoveOut(proto::MoveOutOutcome { moved: 2 })
    );
    let outbox = bench.partition.outbox(PartitionId(0), 10);
    assert_eq!(
        outbox.iter().map(|item| item.position).collect::<Vec<_>>(),
        [1, 3]
    );
    assert_eq!(bench.partition.peek_ready(queue, 9), [2, 4]);
}

#[test]
fn a_claimed_message_that_moves_makes_way_for_its_group() {
    let mut bench = Bench::new();
    bench.send("a");
    bench.send("a");
    assert_eq!(bench.receive(1), [1]);
    for (generation, moved, claimable) in [(2, 0, 0), (1, 1, 1), (1, 0, 1)] {
        let claimed = proto::Move {
            position: 1,
            to_queue: 9,
            generation,
            ..Default::default()
        };
        let command = proto::MoveOut {
            queue: QUEUE,
            moves: vec![claimed],
        };
        let outcome = bench.apply(command::Kind::MoveOut(command));
        assert_eq!(
            outcome,
            outcome::Kind::MoveOut(proto::MoveOutOutcome { moved })
        );
        assert_eq!(
            bench.partition.peek_ready(QueueId(QUEUE), 9).len(),
            claimable
        );
    }
    assert_eq!(bench.receive(1), [2]);
}

#[test]
fn what_waits_is_read_by_position_blocked_or_not() {
    let mut bench = Bench::new();
    for group in ["a", "b", "a", "c", "b"] {
        bench.send(group);
    }
    assert_eq!(bench.receive(1), [1]);
    let queue = QueueId(QUEUE);
    let waiting = |bench: &Bench, from, max| -> Vec<(u64, u32)> {
        let found = bench.partition.waiting(queue, from, max).into_iter();
        found.map(|w| (w.position, w.receive_count)).collect()
    };
    assert_eq!(waiting(&bench, 1, 9), [(2, 0), (3, 0), (4, 0), (5, 0)]);
    assert_eq!(waiting(&bench, 3, 2), [(3, 0), (4, 0)]);
    assert!(waiting(&bench, 1, 0).is_empty());
    bench.change(1, 1, 0);
    assert_eq!(waiting(&bench, 0, 3), [(1, 1), (2, 0), (3, 0)]);
    // A delay that is set now holds back what was sent a moment ago, too.
    bench.configure(2, |config| config.delay_ms = 5_000);
    assert!(waiting(&bench, 0, 9).is_empty());
    assert_eq!(bench.counts(), (0, 0, 5));
    bench.tick(20_000);
    assert_eq!(waiting(&bench, 5, 9), [(5, 0)]);
}
