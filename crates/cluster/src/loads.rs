//! How much each partition is written to: measured where there is a copy, as every copy applies everything, and
//! else by the word of its leader.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use levada_types::PartitionId;

use crate::core::Core;

/// How often it is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(2);
/// How much of a figure is new at each measurement: a burst of a moment does not count for much, and what is over
/// is forgotten in half a minute.
const NEW_SHARE_PERCENT: u64 = 25;

/// The latest figures.
#[derive(Default)]
pub(crate) struct Loads {
    figures: Mutex<BTreeMap<PartitionId, Figure>>,
}

#[derive(Clone, Copy, Default)]
struct Figure {
    bytes_per_s: u64,
    /// Bytes applied by the copy here at the last measurement.
    applied: Option<u64>,
}

impl Loads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Figure>> {
        self.figures.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Bytes of proposals a second, lately.
    pub(crate) fn of(&self, partition: PartitionId) -> u64 {
        self.lock().get(&partition).map_or(0, |f| f.bytes_per_s)
    }

    /// The leader's word on a partition that has no copy here.
    pub(crate) fn heard(&self, partition: PartitionId, bytes_per_s: u64) {
        let figure = Figure {
            bytes_per_s,
            applied: None,
        };
        self.lock().insert(partition, figure);
    }

    fn measure(&self, partition: PartitionId, applied: u64) {
        let mut figures = self.lock();
        let figure = figures.entry(partition).or_default();
        if let Some(before) = figure.applied.replace(applied) {
            let new = applied.saturating_sub(before) / MEASURE_EVERY.as_secs();
            let old = figure.bytes_per_s;
            figure.bytes_per_s = (new * NEW_SHARE_PERCENT + old * (100 - NEW_SHARE_PERCENT)) / 100;
        }
    }
}

/// Runs until the node goes down.
pub(crate) async fn measure(core: Arc<Core>) {
    loop {
        tokio::time::sleep(MEASURE_EVERY).await;
        for group in core.hosted() {
            core.loads.measure(group.id(), group.applied_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_comes_and_goes_and_a_first_look_says_nothing() {
        let loads = Loads::default();
        let p = PartitionId(1);
        loads.measure(p, 1 << 40);
        assert_eq!(loads.of(p), 0, "since the start is not lately");
        let mut applied = 1 << 40;
        for _ in 0..20 {
            applied += 2_000_000;
            loads.measure(p, applied);
        }
        assert!(loads.of(p) > 990_000 && loads.of(p) <= 1_000_000);
        for _ in 0..20 {
            loads.measure(p, applied);
        }
        assert!(loads.of(p) < 5_000);
        loads.heard(p, 7);
        assert_eq!(loads.of(p), 7);
    }
}
