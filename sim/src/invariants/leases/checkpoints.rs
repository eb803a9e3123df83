//! A checkpoint never goes back: no answer shows a later counter with an earlier checkpoint than another answer does,
//! whenever either came.

use std::collections::BTreeMap;

use super::shown;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::lease_event::Lease;

#[derive(Default)]
pub(super) struct Checkpoints {
    /// By lease and counter: the first and the last checkpoint that were shown with it.
    shown: BTreeMap<u64, BTreeMap<u64, (u64, u64)>>,
}

impl Checkpoints {
    fn is_in_order(&mut self, lease: Lease) -> Verdict {
        let shown = self.shown.entry(lease.number).or_default();
        let before = shown.range(..lease.counter).next_back();
        if let Some((counter, (_, last))) = before
            && *last > lease.checkpoint
        {
            return Err(format!(
                "{lease:?} is shown, and with counter {counter} it had checkpoint {last}"
            ));
        }
        let after = shown.range(lease.counter + 1..).next();
        if let Some((counter, (first, _))) = after
            && *first < lease.checkpoint
        {
            return Err(format!(
                "{lease:?} is shown, and with counter {counter} it has checkpoint {first}"
            ));
        }
        let range = shown
            .entry(lease.counter)
            .or_insert((lease.checkpoint, lease.checkpoint));
        range.0 = range.0.min(lease.checkpoint);
        range.1 = range.1.max(lease.checkpoint);
        Ok(())
    }
}

impl Invariant for Checkpoints {
    fn promise(&self) -> &'static str {
        "a checkpoint never goes back"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let mut shown = shown(event).into_iter().filter_map(|(_, lease)| lease);
        shown.try_for_each(|lease| self.is_in_order(lease))
    }
}
