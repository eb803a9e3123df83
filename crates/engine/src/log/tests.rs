//! The log, without what reads it.

use super::*;

const Q: QueueId = QueueId(3);

fn t(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn append(log: &mut Log, count: u64, bytes: usize, at_ms: u64, fx: &mut Effects) {
    for _ in 0..count {
        let record = Record {
            payload: vec![1; bytes].into(),
            ..Record::default()
        };
        log.append(record, t(at_ms), fx);
    }
}

/// Sealed blocks of three records each: positions 1-3, 4-6, ...
fn with_blocks(blocks: u64) -> Log {
    let mut log = Log::new(Q);
    for i in 0..blocks {
        append(&mut log, 3, 90_000, i * 1_000, &mut Effects::default());
    }
    assert_eq!(log.blocks.len() as u64, blocks);
    log
}

#[test]
fn a_consumed_tail_is_never_sealed() {
    let (mut log, mut fx) = (Log::new(Q), Effects::default());
    for position in 1..=100_000 {
        append(&mut log, 1, 1_000, 0, &mut fx);
        log.mark_dead(position, &mut fx);
    }
    assert!(fx.sealed.is_empty());
    assert!(log.tail.is_empty() && log.times.is_empty());
}

#[test]
fn one_old_message_is_sealed_away() {
    let (mut log, mut fx) = (Log::new(Q), Effects::default());
    append(&mut log, 1, 10, 0, &mut fx);
    for position in 2..=TAIL_SPAN_MAX as u64 {
        append(&mut log, 1, 10, 0, &mut fx);
        log.mark_dead(position, &mut fx);
    }
    let positions: Vec<_> = fx.sealed[0].records.iter().map(|(p, _)| *p).collect();
    // The last one was sealed before it was marked dead.
    assert_eq!(positions, [1, TAIL_SPAN_MAX as u64]);
    assert_eq!(log.blocks[&1].live, 1);
}

#[test]
fn whole_blocks_expire_and_a_straddling_one_is_left_to_the_queue() {
    let (mut log, mut fx) = (with_blocks(3), Effects::default());
    append(&mut log, 1, 10, 3_000, &mut fx);
    assert_eq!(log.expire_through(4, &mut fx), Some(4));
    assert_eq!(fx.dropped, [BlockRef { queue: Q, first: 1 }]);
    log.mark_dead(4, &mut fx);
    assert_eq!(log.blocks[&4].live, 2);
    assert_eq!(log.expire_through(10, &mut fx), None);
    assert!(log.blocks.is_empty() && log.tail.is_empty() && log.times.is_empty());
    assert_eq!(fx.dropped.len(), 3);
}

#[test]
fn behind_a_block_is_the_next_one_that_is_left() {
    let (mut log, mut fx) = (with_blocks(3), Effects::default());
    let block = |first| BlockRef { queue: Q, first };
    assert_eq!(log.block_behind(1), Some(block(4)));
    assert_eq!(log.block_behind(7), None);
    for position in 4..=6 {
        log.mark_dead(position, &mut fx);
    }
    assert_eq!(log.block_behind(1), Some(block(7)));
    assert_eq!(log.slice(4, 10, 1_000), LogSlice::Block(block(7)));
}

#[test]
fn what_is_held_outlives_retention_and_purge() {
    let (mut log, mut fx) = (with_blocks(2), Effects::default());
    append(&mut log, 2, 10, 3_000, &mut fx);
    log.hold(2);
    log.hold(8);
    log.purge(&mut fx);
    assert_eq!(
        log.blocks().collect::<Vec<_>>(),
        [BlockRef { queue: Q, first: 1 }]
    );
    assert!(log.record(8).is_some() && log.record(7).is_none());
    log.release(2, &mut fx);
    log.release(2, &mut fx);
    log.release(8, &mut fx);
    assert_eq!(fx.dropped.len(), 2);
    assert!(log.tail.is_empty());
}

#[test]
fn a_second_expires_together_once_its_last_moment_has() {
    let (mut log, mut fx) = (Log::new(Q), Effects::default());
    append(&mut log, 2, 10, 5_100, &mut fx);
    append(&mut log, 1, 10, 5_999, &mut fx);
    append(&mut log, 1, 10, 6_000, &mut fx);
    assert_eq!(log.next_expiry(60_000), Some(t(66_000)));
    assert_eq!(log.expired_through(t(65_999), 60_000), None);
    assert_eq!(log.expired_through(t(66_000), 60_000), Some(3));
    assert_eq!(log.expired_through(t(67_000), 60_000), Some(4));
    assert_eq!(log.time_of(3), Some(t(5_000)));
    assert_eq!(log.expire_through(3, &mut fx), None);
    assert_eq!(log.next_expiry(60_000), Some(t(67_000)));
}

#[test]
fn nonsense_in_a_tail_row_is_refused() {
    let mut log = Log::new(Q);
    let mut next = Writer::default();
    next.u64(10);
    log.load(PART_HEADER, 0, &next.finish()).unwrap();
    assert!(
        log.load(PART_TAIL, 10, &Bytes::new()).is_err(),
        "not below the next position"
    );
    log.load(PART_TAIL, 4, &Bytes::new()).unwrap();
    assert!(log.load(PART_TAIL, 4, &Bytes::new()).is_err(), "twice");
    log.load(PART_TAIL, 7, &Bytes::new()).unwrap();
    log.finish_load().unwrap();
    assert_eq!((log.tail_first, log.tail.len()), (4, 6));
}
