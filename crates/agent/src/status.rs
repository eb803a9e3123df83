//! What a flow did, for the line of each minute. Counted by `flow` and read by `run`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one flow since the agent began.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Records that the broker has answered for.
    pub(crate) sent: AtomicU64,
    /// Their bytes.
    pub(crate) bytes: AtomicU64,
    /// Calls, or entries of calls, that were refused or not answered and are sent again.
    pub(crate) retried: AtomicU64,
    /// Records that were sent as they were, because a conversion could make nothing of them.
    pub(crate) unfit: AtomicU64,
    /// Records that were cut because they are too long.
    pub(crate) pieces: AtomicU64,
    /// Files that are followed now.
    pub(crate) files: AtomicU64,
    /// Bytes of them that are not answered for.
    pub(crate) behind: AtomicU64,
}

impl Counters {
    /// One more, or several.
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// How things stand.
    pub(crate) fn line(&self) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut line = format!(
            "{} records and {} bytes sent, {} files, {} bytes behind",
            read(&self.sent),
            read(&self.bytes),
            read(&self.files),
            read(&self.behind)
        );
        for (counter, what) in [
            (&self.retried, "retried"),
            (&self.unfit, "not converted"),
            (&self.pieces, "cut"),
        ] {
            let count = read(counter);
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_not_told() {
        let counters = Counters::default();
        Counters::add(&counters.sent, 2);
        assert_eq!(
            counters.line(),
            "2 records and 0 bytes sent, 0 files, 0 bytes behind"
        );
        Counters::add(&counters.pieces, 1);
        assert!(counters.line().ends_with(", 1 cut"));
    }
}
