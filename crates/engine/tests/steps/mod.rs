//! What can happen to two queues, and how often.

use proptest::prelude::*;

use crate::model::Settings;

/// One step. Queues are `false` for the source and `true` for its dead-letter queue.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Wait(u64),
    Send {
        group: u8,
        deduplication: u8,
        delay_s: Option<u64>,
        large: bool,
    },
    Receive {
        dead: bool,
        max: u32,
        visibility_ms: Option<u64>,
        attempt: u8,
    },
    Delete {
        pick: usize,
    },
    Change {
        pick: usize,
        timeout_ms: u64,
    },
    Purge {
        dead: bool,
    },
    /// Hands on what waits in the outboxes; without `settle` the sources do not hear of it.
    Ship {
        settle: bool,
    },
    MoveBack {
        max: usize,
    },
    RepeatProposal,
    /// Changes the source queue's configuration.
    Configure {
        retention_ms: u64,
        in_flight_max: usize,
        longer_delay: bool,
        receive_count_max: Option<u32>,
    },
}

pub(crate) fn ops(fifo: bool) -> impl Strategy<Value = Vec<Op>> {
    let wait = prop_oneof![
        4 => 0..3_000_u64,
        3 => 3_000..40_000_u64,
        1 => 40_000..400_000_u64,
    ];
    let delay =
        prop::option::weighted(0.3, 0..20_u64).prop_map(move |delay| delay.filter(|_| !fifo));
    let visibility = prop::option::weighted(0.4, prop_oneof![Just(0), 1..60_000_u64]);
    let attempt = prop_oneof![2 => Just(0), 1 => 1..4_u8];
    let op = prop_oneof![
        4 => wait.prop_map(Op::Wait),
        8 => (0..4_u8, 0..40_u8, delay, prop::bool::weighted(0.1))
            .prop_map(|(group, deduplication, delay_s, large)| Op::Send { group, deduplication, delay_s, large }),
        6 => (prop::bool::weighted(0.2), 1..11_u32, visibility, attempt)
            .prop_map(|(dead, max, visibility_ms, attempt)| Op::Receive { dead, max, visibility_ms, attempt }),
        5 => (0..64_usize).prop_map(|pick| Op::Delete { pick }),
        4 => (0..64_usize, prop_oneof![Just(0), 1..90_000_u64, Just(43_200_000)])
            .prop_map(|(pick, timeout_ms)| Op::Change { pick, timeout_ms }),
        1 => prop::bool::weighted(0.2).prop_map(|dead| Op::Purge { dead }),
        3 => any::<bool>().prop_map(|settle| Op::Ship { settle }),
        2 => (1..5_usize).prop_map(|max| Op::MoveBack { max }),
        1 => Just(Op::RepeatProposal),
        1 => configure(),
    ];
    prop::collection::vec(op, 1..120)
}

pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    let delay = prop_oneof![3 => Just(0), 1 => Just(5_000_u64)];
    let retention = prop_oneof![Just(60_000_u64), Just(345_600_000)];
    let in_flight = prop_oneof![1 => Just(4_usize), 3 => Just(120_000)];
    let redrive = prop_oneof![Just(None), (1..4_u32).prop_map(Some)];
    (delay, retention, in_flight, redrive, any::<bool>()).prop_map(
        |(delay_ms, retention_ms, in_flight_max, receive_count_max, deduplicate_by_group)| {
            Settings {
                visibility_ms: 30_000,
                delay_ms,
                retention_ms,
                in_flight_max,
                receive_count_max,
                deduplicate_by_group,
            }
        },
    )
}

fn configure() -> impl Strategy<Value = Op> {
    let retention = prop_oneof![Just(60_000_u64), Just(345_600_000)];
    let in_flight = prop_oneof![Just(4_usize), Just(120_000)];
    let redrive = prop::option::of(1..4_u32);
    (retention, in_flight, any::<bool>(), redrive).prop_map(
        |(retention_ms, in_flight_max, longer_delay, receive_count_max)| Op::Configure {
            retention_ms,
            in_flight_max,
            longer_delay,
            receive_count_max,
        },
    )
}
