//! Pauses between tries: each up to twice the last one, with jitter, bounded.

use std::time::Duration;

use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// Counts failures in a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// One more failure: how long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        pause(self.failures, fastrand::f64())
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The pause after so many failures in a row; `share` in 0..1 is the jitter. At least half of the whole, so that nobody comes back
/// at once.
pub(crate) fn pause(failures: u32, share: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let whole = BACKOFF_MIN.saturating_mul(doubled).min(BACKOFF_MAX);
    whole.mul_f64(0.5 + share.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pauses_grow_and_are_bounded(failures in 1_u32.., share in 0.0..1.0) {
            let now = pause(failures, share);
            prop_assert!(now >= BACKOFF_MIN / 2 && now <= BACKOFF_MAX);
            prop_assert!(pause(failures.saturating_add(1), share) >= now);
        }
    }
}
