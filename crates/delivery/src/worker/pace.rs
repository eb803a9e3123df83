//! How many messages may be under way to an endpoint, by how it does.

use tokio::time::Instant;

use crate::limits::{
    FAILING_PAUSE_MAX, FAILING_PAUSE_MIN, FAILURES_TO_FAILING, IN_FLIGHT_FAILING_MAX, IN_FLIGHT_MAX,
};
use crate::report::Verdict;
use crate::sockets::Standing;

/// An endpoint that begins to fail gets half as many messages with each failure; one that answers gets one more each time.
/// One that fails several times in a row gets one message at a time, and pauses between them.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    window_max: usize,
    failures_in_a_row: u32,
    not_before: Instant,
}

impl Pace {
    pub(super) fn new(window_max: usize, now: Instant) -> Self {
        let window_max = window_max.clamp(1, IN_FLIGHT_MAX);
        Self {
            window: window_max,
            window_max,
            failures_in_a_row: 0,
            not_before: now,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        if self.failures_in_a_row >= FAILURES_TO_FAILING {
            Standing::Failing
        } else {
            Standing::Healthy
        }
    }

    pub(super) fn window(&self) -> usize {
        match self.standing() {
            Standing::Healthy => self.window,
            Standing::Failing => IN_FLIGHT_FAILING_MAX.min(self.window_max),
        }
    }

    /// When a pause ends that is not over.
    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        (self.not_before > now).then_some(self.not_before)
    }

    /// Nothing is claimed before this time.
    pub(super) fn pause(&mut self, until: Instant) {
        self.not_before = self.not_before.max(until);
    }

    pub(super) fn note(&mut self, verdict: Verdict, now: Instant) {
        match verdict {
            // A refusal of one message is an answer: the endpoint lives.
            Verdict::Delivered | Verdict::Never => {
                self.failures_in_a_row = 0;
                self.window = (self.window + 1).min(self.window_max);
                self.not_before = now;
            }
            Verdict::Retry => {
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
                self.window = (self.window / 2).max(1);
                if let Some(beyond) = self.failures_in_a_row.checked_sub(FAILURES_TO_FAILING) {
                    let pause = FAILING_PAUSE_MIN.saturating_mul(1 << beyond.min(16));
                    self.pause(now + pause.min(FAILING_PAUSE_MAX));
                }
            }
            // The node has enough to do; nothing is known of the endpoint.
            Verdict::NotTried => self.pause(now + FAILING_PAUSE_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_fails_gets_one_at_a_time_and_recovers() {
        let now = Instant::now();
        let mut pace = Pace::new(IN_FLIGHT_MAX, now);
        assert_eq!(pace.window(), IN_FLIGHT_MAX);
        pace.note(Verdict::Retry, now);
        assert_eq!(pace.window(), IN_FLIGHT_MAX / 2);
        assert_eq!(pace.paused_until(now), None);
        for _ in 1..FAILURES_TO_FAILING {
            pace.note(Verdict::Retry, now);
        }
        assert_eq!(pace.standing(), Standing::Failing);
        assert_eq!(pace.window(), IN_FLIGHT_FAILING_MAX);
        assert_eq!(pace.paused_until(now), Some(now + FAILING_PAUSE_MIN));
        for _ in 0..100 {
            pace.note(Verdict::Retry, now);
        }
        assert_eq!(pace.paused_until(now), Some(now + FAILING_PAUSE_MAX));
        pace.note(Verdict::Delivered, now);
        assert_eq!(pace.standing(), Standing::Healthy);
        assert_eq!((pace.window(), pace.paused_until(now)), (2, None));
        for _ in 0..100 {
            pace.note(Verdict::Delivered, now);
        }
        assert_eq!(pace.window(), IN_FLIGHT_MAX);
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_busy_node_says_nothing_of_an_endpoint() {
        let now = Instant::now();
        let mut pace = Pace::new(4, now);
        for _ in 0..10 {
            pace.note(Verdict::Never, now);
            pace.note(Verdict::NotTried, now);
        }
        assert_eq!((pace.standing(), pace.window()), (Standing::Healthy, 4));
        assert_eq!(pace.paused_until(now), Some(now + FAILING_PAUSE_MAX));
    }
}
