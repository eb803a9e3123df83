//! A lease that was acknowledged is there in the end, as it was or as somebody made it since: at each replica, and for
//! whoever asks, at whatever machine. A table that was made is never said to be missing.

use super::Known;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::lease_event::{LEASES, LeaseEvent};
use crate::world::FIRST_MEMBERS;

#[derive(Default)]
pub(super) struct Acknowledged {
    known: Known,
    swept: Vec<usize>,
}

impl Invariant for Acknowledged {
    fn promise(&self) -> &'static str {
        "an acknowledged lease is there in the end"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        self.known.learn(event);
        match event {
            Event::Lease(LeaseEvent::NoTable { machine }) => Err(format!(
                "machine {machine} says that there is no table of leases"
            )),
            Event::Lease(LeaseEvent::Swept { machine }) => {
                self.swept.push(*machine);
                Ok(())
            }
            Event::Lease(LeaseEvent::Replica { machine, items, .. }) => {
                (0..LEASES).try_for_each(|number| {
                    let item = items.iter().find(|item| item.number == number);
                    let allowed = self.known.allows(number, item);
                    allowed.map_err(|what| format!("at the replica of machine {machine}: {what}"))
                })
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Verdict {
        if self.swept.len() < FIRST_MEMBERS {
            return Err(format!(
                "the leases could be read at machines {:?} only",
                self.swept
            ));
        }
        // The sweeper has taken each of them.
        let made: Vec<u64> = self.known.0.keys().copied().collect();
        (made.len() as u64 == LEASES)
            .then_some(())
            .ok_or_else(|| format!("of {LEASES} leases only {made:?} were ever seen"))
    }
}
