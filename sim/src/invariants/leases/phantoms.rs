//! Nothing shows of a lease what nobody had asked for: a counter with its owner, or a checkpoint.

use std::collections::BTreeSet;

use super::shown;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::lease_event::{Call, Lease, LeaseEvent, Write};

#[derive(Default)]
pub(super) struct Phantoms {
    /// Lease, owner and counter.
    tenures: BTreeSet<(u64, u64, u64)>,
    /// Lease and checkpoint.
    checkpoints: BTreeSet<(u64, u64)>,
}

impl Phantoms {
    fn was_asked_for(&self, lease: Lease) -> Verdict {
        let Lease {
            number,
            owner,
            counter,
            checkpoint,
        } = lease;
        let asked = self.tenures.contains(&(number, owner, counter))
            && (checkpoint == 0 || self.checkpoints.contains(&(number, checkpoint)));
        asked
            .then_some(())
            .ok_or_else(|| format!("{lease:?} is shown and nobody asked for it"))
    }
}

impl Invariant for Phantoms {
    fn promise(&self) -> &'static str {
        "a lease shows nothing that nobody asked for"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        if let Event::Lease(LeaseEvent::Begun {
            asked: Call::Write(number, write),
            ..
        }) = event
        {
            if let Some((owner, counter)) = write.tenure() {
                self.tenures.insert((*number, owner, counter));
            }
            if let Write::Checkpoint { position, .. } = write {
                self.checkpoints.insert((*number, *position));
            }
        }
        let mut shown = shown(event).into_iter().filter_map(|(_, lease)| lease);
        shown.try_for_each(|lease| self.was_asked_for(lease))
    }
}
