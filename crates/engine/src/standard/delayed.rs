//! Messages that are not to be seen yet, as runs of neighbours that are due together.

use std::collections::BTreeMap;

use levada_types::Timestamp;

use super::lanes::LaneId;

/// Neighbours in one lane that are due together: positions `[first, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DelayedRun {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) lane: LaneId,
}

/// All delayed messages of a queue.
#[derive(Default)]
pub(super) struct Delayed {
    /// By the time at which they are due, and their first position.
    runs: BTreeMap<(Timestamp, u64), DelayedRun>,
    len: u64,
}

impl Delayed {
    /// Adds the newest message of the log.
    pub(super) fn push(&mut self, due: Timestamp, position: u64, lane: LaneId) {
        let new = DelayedRun {
            first: position,
            end: position + 1,
            lane,
        };
        self.insert(due, new);
    }

    /// Adds a run, to the one before it if they are due together.
    pub(super) fn insert(&mut self, due: Timestamp, run: DelayedRun) {
        self.len = self.len.saturating_add(run.end - run.first);
        let mut before = self.runs.range_mut((due, 0)..(due, run.first));
        match before.next_back() {
            Some((_, b)) if b.end == run.first && b.lane == run.lane => b.end = run.end,
            _ => {
                self.runs.insert((due, run.first), run);
            }
        }
    }

    /// Takes a run that is due at `at`, the one due first.
    pub(super) fn pop_due(&mut self, at: Timestamp) -> Option<DelayedRun> {
        self.next_due().filter(|due| *due <= at)?;
        let (_, run) = self.runs.pop_first()?;
        self.len -= run.end - run.first;
        Some(run)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.runs.keys().next().map(|(due, _)| *due)
    }

    /// Takes every message up to `through`. Goes through all runs: rare, for it takes a retention
    /// shorter than a delay.
    pub(super) fn remove_through(&mut self, through: u64) -> Vec<DelayedRun> {
        let touched: Vec<_> = self
            .runs
            .keys()
            .filter(|(_, f)| *f <= through)
            .copied()
            .collect();
        let mut gone = Vec::with_capacity(touched.len());
        for key in touched {
            let Some(run) = self.runs.remove(&key) else {
                continue;
            };
            let cut = run.end.min(through.saturating_add(1));
            self.len -= cut - run.first;
            gone.push(DelayedRun { end: cut, ..run });
            if cut < run.end {
                self.runs
                    .insert((key.0, cut), DelayedRun { first: cut, ..run });
            }
        }
        gone
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Timestamp, DelayedRun)> + '_ {
        self.runs.iter().map(|((due, _), run)| (*due, *run))
    }
}
