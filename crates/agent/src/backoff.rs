//! Waits between calls that failed: doubled each time to a bound, and partly by chance, so that agents that lost one
//! broker at one time do not come back at one time.

use std::time::Duration;

use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// The failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: between half of what is due and all of it. `chance` is from 0 to 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let due = BACKOFF_MIN.saturating_mul(doubled).min(BACKOFF_MAX);
        due.div_f64(2.0) + due.mul_f64(chance.clamp(0.0, 1.0) / 2.0)
    }

    /// Something got through.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_their_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next(1.0)).collect();
        assert_eq!(waits[..3], [BACKOFF_MIN, BACKOFF_MIN * 2, BACKOFF_MIN * 4]);
        assert_eq!(waits[39], BACKOFF_MAX);
        assert!(waits.is_sorted());
        backoff.reset();
        assert_eq!(backoff.next(0.0), BACKOFF_MIN / 2);
    }
}
