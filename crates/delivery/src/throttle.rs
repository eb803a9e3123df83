//! `maxReceivesPerSecond`: how many messages may be sent to a subscription now.
//!
//! A bucket that holds a tenth of a second's worth. What is taken and not used goes back.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// The part of a second whose messages may be sent at one time.
const BURST_PER_SECOND: f64 = 10.0;

#[derive(Debug)]
pub(crate) struct Throttle {
    /// Nothing: as many as come.
    per_second: Option<f64>,
    tokens: f64,
    counted_at: Instant,
}

impl Throttle {
    pub(crate) fn new(per_second: Option<NonZeroU32>, now: Instant) -> Self {
        Self {
            per_second: per_second.map(|rate| f64::from(rate.get())),
            tokens: 1.0,
            counted_at: now,
        }
    }

    /// Takes up to so many.
    pub(crate) fn take(&mut self, max: usize, now: Instant) -> usize {
        let Some(per_second) = self.per_second else {
            return max;
        };
        let capacity = (per_second / BURST_PER_SECOND).max(1.0);
        let gained = (now - self.counted_at).as_secs_f64() * per_second;
        self.counted_at = now;
        self.tokens = (self.tokens + gained).min(capacity);
        let taken = max.min(self.tokens as usize);
        self.tokens -= taken as f64;
        taken
    }

    /// What was taken and not used.
    pub(crate) fn put_back(&mut self, count: usize) {
        self.tokens += count as f64;
    }

    /// When the next can be taken.
    pub(crate) fn wait(&self) -> Duration {
        let Some(per_second) = self.per_second else {
            return Duration::ZERO;
        };
        // Rounded up, or a waiter would come a nanosecond early and wait again.
        Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / per_second)
            + Duration::from_millis(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_in(secs: u64, rate: u32, max: usize) -> usize {
        let begun = Instant::now();
        let mut throttle = Throttle::new(NonZeroU32::new(rate), begun);
        let mut now = begun;
        let mut sent = 0;
        while now - begun < Duration::from_secs(secs) {
            match throttle.take(max, now) {
                0 => now += throttle.wait(),
                taken => sent += taken,
            }
        }
        sent
    }

    #[test]
    fn so_many_a_second_are_sent() {
        assert!((10..=11).contains(&sent_in(10, 1, 10)));
        assert!((95..=101).contains(&sent_in(10, 10, 10)));
        assert!((9_000..=10_100).contains(&sent_in(10, 1_000, 10)));
    }

    #[test]
    fn without_a_rate_all_may_go_and_what_is_put_back_counts() {
        let now = Instant::now();
        assert_eq!(Throttle::new(None, now).take(7, now), 7);
        let mut throttle = Throttle::new(NonZeroU32::new(1), now);
        assert_eq!(throttle.take(5, now), 1);
        assert_eq!(throttle.take(5, now), 0);
        throttle.put_back(1);
        assert_eq!(throttle.take(5, now), 1);
    }
}
