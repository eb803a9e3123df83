//! Messages that were sent before they came to this queue: their retention goes on from then.
//!
//! Runs of neighbours in one lane that were sent in the same second. A run may name positions that
//! are gone; it lasts until it expires or nothing before or in it is live.

use std::collections::{BTreeMap, BTreeSet};

use levada_types::Timestamp;

use super::lanes::LaneId;
use crate::log::expiry;

/// Neighbours `[first, end)` in one lane that were sent in one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptRun {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) quantum: u64,
    pub(super) lane: LaneId,
}

/// All of them.
#[derive(Default)]
pub(super) struct KeptTimes {
    by_position: BTreeMap<u64, KeptRun>,
    /// (second, first position)
    by_time: BTreeSet<(u64, u64)>,
}

impl KeptTimes {
    /// Adds the newest message of the log, sent in second `quantum`.
    pub(super) fn push(&mut self, quantum: u64, position: u64, lane: LaneId) {
        if let Some(mut last) = self.by_position.last_entry() {
            let run = last.get_mut();
            if run.end == position && run.quantum == quantum && run.lane == lane {
                run.end = position + 1;
                return;
            }
        }
        self.insert(KeptRun {
            first: position,
            end: position + 1,
            quantum,
            lane,
        });
    }

    pub(super) fn insert(&mut self, run: KeptRun) {
        self.by_time.insert((run.quantum, run.first));
        self.by_position.insert(run.first, run);
    }

    /// Takes a run whose retention has ended at `at`.
    pub(super) fn pop_expired(&mut self, at: Timestamp, retention_ms: u64) -> Option<KeptRun> {
        self.next_expiry(retention_ms).filter(|due| *due <= at)?;
        let (_, first) = self.by_time.pop_first()?;
        self.by_position.remove(&first)
    }

    pub(super) fn next_expiry(&self, retention_ms: u64) -> Option<Timestamp> {
        self.by_time
            .first()
            .map(|(quantum, _)| expiry(*quantum, retention_ms))
    }

    /// Forgets runs of positions below `live_from`.
    pub(super) fn trim(&mut self, live_from: u64) {
        while let Some(run) = self.by_position.first_entry() {
            if run.get().end > live_from {
                return;
            }
            let run = run.remove();
            self.by_time.remove(&(run.quantum, run.first));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = KeptRun> + '_ {
        self.by_position.values().copied()
    }
}
