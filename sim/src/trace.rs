//! What happened, as one hash over everything in order: the same seed must give the same. With `--trace` the
//! events are also printed, each with its moment.

use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The simulated time of this process in milliseconds, for log lines and traces.
static NOW_MS: AtomicU64 = AtomicU64::new(0);

/// Sets the time that log lines show.
pub(crate) fn set_now(now_ms: u64) {
    NOW_MS.store(now_ms, Ordering::Relaxed);
}

/// The time that log lines show.
pub(crate) fn now_ms() -> u64 {
    NOW_MS.load(Ordering::Relaxed)
}

/// The hash so far. Shared by everything that the simulator does; one thread writes.
pub(crate) struct Trace {
    hasher: Mutex<DefaultHasher>,
    prints: bool,
}

impl Trace {
    /// Of nothing yet.
    pub(crate) fn new(prints: bool) -> Self {
        Self {
            hasher: Mutex::new(DefaultHasher::new()),
            prints,
        }
    }

    /// Something worth reading.
    pub(crate) fn event(&self, what: fmt::Arguments<'_>) {
        let line = format!("{:>8} {what}", now_ms());
        if self.prints {
            eprintln!("{line}");
        }
        self.bytes(0, line.as_bytes());
    }

    /// Bytes on the network or anywhere else, too many to be read.
    pub(crate) fn bytes(&self, channel: u64, bytes: &[u8]) {
        let mut hasher = self.hasher.lock().unwrap_or_else(PoisonError::into_inner);
        hasher.write_u64(now_ms());
        hasher.write_u64(channel);
        hasher.write(bytes);
    }

    /// The hash of everything so far.
    pub(crate) fn hash(&self) -> u64 {
        let hasher = self.hasher.lock().unwrap_or_else(PoisonError::into_inner);
        hasher.finish()
    }
}

/// `event!(trace, "...")`.
macro_rules! event {
    ($trace:expr, $($what:tt)*) => { $trace.event(format_args!($($what)*)) };
}
pub(crate) use event;
