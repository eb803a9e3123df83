//! Requests by action and result, with latency histograms. Atomics only: counting never waits.
//!
//! The front counts; the server reads for its metrics page.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use levada_wire::sqs::Action;

use crate::cloudwatch::{MetricFigures, MetricId, ReportedMetrics};
use levada_wire::{dynamodb, kinesis, sns};

/// Upper bounds of the histograms' buckets, in microseconds; a last bucket has none. The long ones are
/// for long polls.
pub const LATENCY_BOUNDS_MICROS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000, 10_000_000, 30_000_000,
];

const BUCKETS: usize = LATENCY_BOUNDS_MICROS.len() + 1;
/// Actions of SQS, then those of Kinesis, DynamoDB and SNS, then `PutMetricData`, then `GetCallerIdentity`, then what was no action.
const ACTIONS: usize = SNS_FROM + sns::Action::ALL.len() + 3;
const DYNAMODB_FROM: usize = Action::ALL.len() + kinesis::Action::ALL.len();
const SNS_FROM: usize = DYNAMODB_FROM + dynamodb::Action::ALL.len();

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Ok,
    /// Refused, by the caller's fault.
    Refused,
    /// A bound was reached; the caller should slow down.
    Throttled,
    /// Failed, by a fault of ours.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Throttled, Self::Failed];

    /// The value of the `result` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug)]
struct PerAction {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    buckets: [AtomicU64; BUCKETS],
    micros_sum: AtomicU64,
}

impl PerAction {
    const fn new() -> Self {
        Self {
            outcomes: [const { AtomicU64::new(0) }; Outcome::ALL.len()],
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            micros_sum: AtomicU64::new(0),
        }
    }
}

/// One action's figures, read out.
#[derive(Clone, Debug)]
pub struct ActionFigures {
    /// The action's name; `unknown` for what was none.
    pub action: &'static str,
    /// Requests by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Requests by latency, not cumulated, in the order of [`LATENCY_BOUNDS_MICROS`] and one more.
    pub buckets: [u64; BUCKETS],
    /// The sum of the latencies, in microseconds.
    pub micros_sum: u64,
}

/// All counters of the front.
#[derive(Debug)]
pub struct RequestMetrics {
    actions: [PerAction; ACTIONS],
    connections: AtomicU64,
    connections_refused: AtomicU64,
    connections_overdue: AtomicU64,
    handshakes_failed: AtomicU64,
    refused_by_queues: AtomicU64,
    reported: ReportedMetrics,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            actions: [const { PerAction::new() }; ACTIONS],
            connections: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            connections_overdue: AtomicU64::new(0),
            handshakes_failed: AtomicU64::new(0),
            refused_by_queues: AtomicU64::new(0),
            reported: ReportedMetrics::default(),
        }
    }
}

/// Where an action is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(usize);

impl Slot {
    /// What was no action.
    pub(crate) const UNKNOWN: Self = Self(ACTIONS - 1);
    /// `GetCallerIdentity`.
    pub(crate) const STS: Self = Self(ACTIONS - 2);

    /// `PutMetricData`.
    pub(crate) const CLOUDWATCH: Self = Self(ACTIONS - 3);

    /// An action of SQS.
    pub(crate) const fn sqs(action: Action) -> Self {
        Self(action as usize)
    }

    /// An action of Kinesis.
    pub(crate) const fn kinesis(action: kinesis::Action) -> Self {
        Self(Action::ALL.len() + action as usize)
    }

    /// An action of DynamoDB.
    pub(crate) const fn dynamodb(action: dynamodb::Action) -> Self {
        Self(DYNAMODB_FROM + action as usize)
    }

    /// An action of SNS.
    pub(crate) const fn sns(action: sns::Action) -> Self {
        Self(SNS_FROM + action as usize)
    }

    fn name(self) -> &'static str {
        if let Some(action) = Action::ALL.get(self.0) {
            return action.name();
        }
        if let Some(action) = kinesis::Action::ALL.get(self.0 - Action::ALL.len()) {
            return action.name();
        }
        if let Some(action) = dynamodb::Action::ALL.get(self.0 - DYNAMODB_FROM) {
            return action.name();
        }
        match sns::Action::ALL.get(self.0 - SNS_FROM) {
            Some(action) => action.name(),
            None if self.0 == Self::CLOUDWATCH.0 => "PutMetricData",
            None if self.0 == Self::STS.0 => "GetCallerIdentity",
            None => "unknown",
        }
    }
}

impl RequestMetrics {
    /// Counts one request.
    pub(crate) fn count(&self, slot: Slot, outcome: Outcome, latency: Duration) {
        let of = &self.actions[slot.0];
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        of.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        of.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        of.micros_sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// A connection was opened.
    pub(crate) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended.
    pub(crate) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection was one too many.
    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was cut off because it overstayed one of its times.
    pub(crate) fn connection_overdue(&self) {
        self.connections_overdue.fetch_add(1, Ordering::Relaxed);
    }

    /// A TLS handshake failed, or took too long.
    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// TLS handshakes that failed or took too long since the start.
    pub fn handshakes_failed(&self) -> u64 {
        self.handshakes_failed.load(Ordering::Relaxed)
    }

    /// So many copies of what was published were not let in by the policies of queues.
    pub(crate) fn count_refused_by_queues(&self, copies: u64) {
        self.refused_by_queues.fetch_add(copies, Ordering::Relaxed);
    }

    /// Copies of what was published that the policies of queues of other accounts did not let in, since the start.
    pub fn refused_by_queues(&self) -> u64 {
        self.refused_by_queues.load(Ordering::Relaxed)
    }

    /// Where what client libraries report is kept.
    pub(crate) fn reports(&self) -> &ReportedMetrics {
        &self.reported
    }

    /// What client libraries have reported, in order.
    pub fn reported(&self) -> Vec<(MetricId, MetricFigures)> {
        self.reported.all()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that were refused since the start, because there were too many.
    pub fn connections_refused(&self) -> u64 {
        self.connections_refused.load(Ordering::Relaxed)
    }

    /// Connections that were cut off since the start, because they were too slow or idle.
    pub fn connections_overdue(&self) -> u64 {
        self.connections_overdue.load(Ordering::Relaxed)
    }

    /// Figures of every action that was asked for at least once.
    pub fn actions(&self) -> Vec<ActionFigures> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let figures = |(n, of): (usize, &PerAction)| ActionFigures {
            action: Slot(n).name(),
            outcomes: of.outcomes.each_ref().map(read),
            buckets: of.buckets.each_ref().map(read),
            micros_sum: read(&of.micros_sum),
        };
        self.actions
            .iter()
            .enumerate()
            .map(figures)
            .filter(|figures| figures.outcomes.iter().any(|n| *n > 0))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_once_in_its_bucket() {
        let metrics = RequestMetrics::default();
        metrics.count(
            Slot::sqs(Action::SendMessage),
            Outcome::Ok,
            Duration::from_micros(100),
        );
        metrics.count(
            Slot::sqs(Action::SendMessage),
            Outcome::Failed,
            Duration::from_micros(101),
        );
        metrics.count(Slot::UNKNOWN, Outcome::Refused, Duration::from_secs(99));
        let figures = metrics.actions();
        assert_eq!(
            figures.iter().map(|f| f.action).collect::<Vec<_>>(),
            ["SendMessage", "unknown"]
        );
        assert_eq!(figures[0].outcomes, [1, 0, 0, 1]);
        assert_eq!(
            (
                figures[0].buckets[0],
                figures[0].buckets[1],
                figures[0].micros_sum
            ),
            (1, 1, 201)
        );
        assert_eq!(figures[1].buckets[BUCKETS - 1], 1);
    }

    #[test]
    fn slots_are_the_actions_places() {
        for (n, action) in Action::ALL.iter().enumerate() {
            assert_eq!((Slot::sqs(*action).0, Slot(n).name()), (n, action.name()));
        }
        for action in kinesis::Action::ALL {
            assert_eq!(Slot::kinesis(*action).name(), action.name());
        }
        for action in dynamodb::Action::ALL {
            assert_eq!(Slot::dynamodb(*action).name(), action.name());
        }
        assert_eq!(Slot::CLOUDWATCH.name(), "PutMetricData");
        assert_eq!(Slot::STS.name(), "GetCallerIdentity");
        assert_eq!(Slot::UNKNOWN.name(), "unknown");
    }
}
