//! Holds what is in no hurry to a rate, so that those who are in a hurry find the processors and the disk free.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How far a pace may fall behind and catch up: a sender that was slow for a moment is not held for it.
const CATCH_UP: Duration = Duration::from_millis(50);

/// A rate that all who go by it share.
pub(crate) struct Pace {
    bytes_per_s: u64,
    /// When all that was let through is paid for.
    free_at: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self {
            bytes_per_s,
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Waits until these bytes may count as let through.
    pub(crate) async fn keep(&self, bytes: usize) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64);
        let until = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            *free_at = (*free_at).max(now.checked_sub(CATCH_UP).unwrap_or(now)) + cost;
            *free_at
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everyone_together_keeps_the_rate() {
        let pace = Pace::new(100_000);
        let began = Instant::now();
        let turns = (0..20).map(|_| async {
            for _ in 0..10 {
                pace.keep(1_000).await;
            }
        });
        futures::future::join_all(turns).await;
        let took = began.elapsed();
        let paid = Duration::from_secs(2);
        assert!(
            took >= paid - CATCH_UP && took <= paid + Duration::from_millis(20),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_saved_up() {
        let pace = Pace::new(100_000);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        pace.keep(100_000).await;
        assert!(
            began.elapsed() >= Duration::from_secs(1) - CATCH_UP,
            "{:?}",
            began.elapsed()
        );
    }
}
