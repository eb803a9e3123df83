//! What must hold of leases, one file each. Together it is that each lease is linearizable: that there is one order of
//! all calls about it which explains every answer, and in which a call that ended before another began is the earlier.
//!
//! Porcupine searches for such an order (`tests/chaos/linearizable`). Here none need be searched for, for the workload
//! leaves no choice: each write that is done raises the counter, or leaves it and raises the checkpoint, and no two
//! writes that are asked for make the same of a lease, for a tenure has its own owner and each checkpoint its own
//! position. So take the states that answers show, in the order of their counters and then of their checkpoints:
//!
//! - That is an order of all of them: a later counter never comes with an earlier checkpoint (`checkpoints`), and a
//!   counter has one owner and one author (`writers`).
//! - Each state has the write that made it in front of it: what is shown was asked for before (`phantoms`), and the
//!   write's condition holds of the state before (`conditions`; for one that was not told of it, because counters are
//!   asked for one after the other, by who saw the one before).
//! - Each answer stands behind its state, a refusal too: its condition does not hold of it (`conditions`).
//! - The order keeps to time: who begins after an answer sees that answer's state or a later one (`reads`), and none
//!   from before it was asked for (`phantoms`).
//!
//! A write without an answer stands where its state is first shown, or nowhere. That nothing acknowledged is gone in
//! the end is `acknowledged`; what follows from the items, and who holds them, are `index` and `replicas`.

mod acknowledged;
mod checkpoints;
mod conditions;
mod index;
mod phantoms;
mod reads;
mod replicas;
mod writers;

use std::collections::BTreeMap;

use super::Invariant;
use crate::event::Event;
use crate::lease_event::{Lease, LeaseEvent};

/// Every one of them.
pub(super) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(acknowledged::Acknowledged::default()),
        Box::new(checkpoints::Checkpoints::default()),
        Box::new(conditions::Conditions),
        Box::new(index::Index::default()),
        Box::new(phantoms::Phantoms::default()),
        Box::new(reads::Reads::default()),
        Box::new(replicas::Replicas::default()),
        Box::new(writers::Writers::default()),
    ]
}

/// What an answer shows of leases; nothing if the event is none.
fn shown(event: &Event) -> Vec<(u64, Option<Lease>)> {
    match event {
        Event::Lease(LeaseEvent::Answered { asked, answer, .. }) => asked.shown(answer),
        _ => Vec::new(),
    }
}

/// How far each lease is known to have come.
#[derive(Clone, Default)]
struct Known(BTreeMap<u64, Lease>);

impl Known {
    fn learn(&mut self, event: &Event) {
        for lease in shown(event).into_iter().filter_map(|(_, lease)| lease) {
            let known = self.0.entry(lease.number).or_insert(lease);
            if known.counter < lease.counter {
                known.counter = lease.counter;
                known.owner = lease.owner;
            }
            known.checkpoint = known.checkpoint.max(lease.checkpoint);
        }
    }

    /// Whether a lease as it is shown has come as far. `None` is one that is not there.
    fn allows(&self, number: u64, shown: Option<&Lease>) -> Result<(), String> {
        let Some(known) = self.0.get(&number) else {
            return Ok(());
        };
        let came_as_far = shown.is_some_and(|shown| {
            shown.counter >= known.counter && shown.checkpoint >= known.checkpoint
        });
        came_as_far
            .then_some(())
            .ok_or_else(|| format!("{known:?} was known, and {shown:?} is shown"))
    }
}
