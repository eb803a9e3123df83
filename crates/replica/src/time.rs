//! The leader's stamps: a time that neither runs back nor stands still.
//!
//! A leader whose clock is behind the last stamp that it applied goes on from that stamp at the rate
//! of its own monotonic clock, so a peer with a wrong clock can neither expire nor freeze a
//! visibility timeout.

use levada_types::Timestamp;
use tokio::time::Instant;

use crate::host::Host;

/// One partition's clock on this node.
#[derive(Debug)]
pub(crate) struct PartitionClock {
    host: Host,
    last: Timestamp,
    seen: Instant,
}

impl PartitionClock {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            last: Timestamp::ZERO,
            seen: Instant::now(),
        }
    }

    /// Takes note of a stamp that was applied.
    pub(crate) fn observe(&mut self, at: Timestamp) {
        self.observe_at(at, Instant::now());
    }

    /// The time now, for a stamp or for a comparison with stamps.
    pub(crate) fn now(&self) -> Timestamp {
        self.now_at((self.host.wall)(), Instant::now())
    }

    fn observe_at(&mut self, at: Timestamp, monotonic: Instant) {
        // Only a stamp ahead of the running time moves the base: an older one, replayed or
        // overtaken, must not set time back.
        if at >= self.running(monotonic) {
            self.last = at;
            self.seen = monotonic;
        }
    }

    fn now_at(&self, wall: Timestamp, monotonic: Instant) -> Timestamp {
        wall.max(self.running(monotonic))
    }

    fn running(&self, monotonic: Instant) -> Timestamp {
        self.last + monotonic.saturating_duration_since(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_is_behind_goes_on_at_its_own_rate() {
        let start = Instant::now();
        let mut clock = PartitionClock {
            host: Host::default(),
            last: Timestamp::ZERO,
            seen: start,
        };
        clock.observe_at(Timestamp::from_millis(1_000_000), start);
        let later = start + Duration::from_millis(250);
        let wall = Timestamp::from_millis(5);
        assert_eq!(clock.now_at(wall, later), Timestamp::from_millis(1_000_250));
    }

    #[test]
    fn an_older_stamp_does_not_set_time_back() {
        let start = Instant::now();
        let mut clock = PartitionClock {
            host: Host::default(),
            last: Timestamp::ZERO,
            seen: start,
        };
        clock.observe_at(Timestamp::from_millis(1_000), start);
        clock.observe_at(Timestamp::from_millis(900), start);
        assert_eq!(
            clock.now_at(Timestamp::ZERO, start),
            Timestamp::from_millis(1_000)
        );
    }

    #[test]
    fn a_clock_that_is_ahead_is_taken() {
        let start = Instant::now();
        let clock = PartitionClock {
            host: Host::default(),
            last: Timestamp::from_millis(7),
            seen: start,
        };
        assert_eq!(
            clock.now_at(Timestamp::from_millis(9_000), start),
            Timestamp::from_millis(9_000)
        );
    }
}
