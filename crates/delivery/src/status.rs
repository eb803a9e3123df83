//! What is known of a subscription's deliveries on this node: plain numbers, to be shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::report::{Report, Verdict};
use crate::schedule::Next;

/// Counts deliveries. One for a subscription, for as long as its worker runs.
#[derive(Debug, Default)]
pub struct Status {
    delivered: AtomicU64,
    failed: AtomicU64,
    not_tried: AtomicU64,
    given_up: AtomicU64,
    dwell_ms_sum: AtomicU64,
    dwell_ms_max: AtomicU64,
    in_flight: AtomicU64,
    last_error: Mutex<Option<LastError>>,
}

/// The last attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// When.
    pub at: SystemTime,
    /// What was answered, if anything was.
    pub status: Option<u16>,
    /// What was said.
    pub detail: String,
}

/// The numbers at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSnapshot {
    /// Messages delivered.
    pub delivered: u64,
    /// Attempts that failed, the last ones included.
    pub failed: u64,
    /// Attempts that were put off because too much was under way.
    pub not_tried: u64,
    /// Messages given up.
    pub given_up: u64,
    /// From publishing to delivery, of all delivered ones together, in milliseconds.
    pub dwell_ms_sum: u64,
    /// And of the one that took longest.
    pub dwell_ms_max: u64,
    /// Attempts under way.
    pub in_flight: u64,
    /// The last attempt that failed.
    pub last_error: Option<LastError>,
}

impl Status {
    /// The numbers now. They may be of slightly different times.
    pub fn snapshot(&self) -> StatusSnapshot {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        StatusSnapshot {
            delivered: get(&self.delivered),
            failed: get(&self.failed),
            not_tried: get(&self.not_tried),
            given_up: get(&self.given_up),
            dwell_ms_sum: get(&self.dwell_ms_sum),
            dwell_ms_max: get(&self.dwell_ms_max),
            in_flight: get(&self.in_flight),
            last_error: self.last_error().clone(),
        }
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn note(&self, report: &Report, next: Next, dwell: Duration) {
        let one_more = |number: &AtomicU64| {
            number.fetch_add(1, Ordering::Relaxed);
        };
        match report.verdict {
            Verdict::Delivered => {
                let ms = u64::try_from(dwell.as_millis()).unwrap_or(u64::MAX);
                one_more(&self.delivered);
                self.dwell_ms_sum.fetch_add(ms, Ordering::Relaxed);
                self.dwell_ms_max.fetch_max(ms, Ordering::Relaxed);
                return;
            }
            Verdict::NotTried => return one_more(&self.not_tried),
            Verdict::Retry | Verdict::Never => one_more(&self.failed),
        }
        if matches!(next, Next::GiveUp(_)) {
            one_more(&self.given_up);
        }
        *self.last_error() = Some(LastError {
            at: SystemTime::now(),
            status: report.status,
            detail: report.detail.clone(),
        });
    }

    fn last_error(&self) -> std::sync::MutexGuard<'_, Option<LastError>> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
