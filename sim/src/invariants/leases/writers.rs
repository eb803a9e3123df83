//! A counter of a lease has one author: of two who ask for the same one is refused. And it has one owner, whoever
//! shows it.

use std::collections::BTreeMap;

use super::shown;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::lease_event::{Answer, Call, LeaseEvent};

#[derive(Default)]
pub(super) struct Writers {
    /// By lease and counter: the call that was told that it made it.
    authors: BTreeMap<(u64, u64), u64>,
    /// By lease and counter.
    owners: BTreeMap<(u64, u64), u64>,
}

impl Invariant for Writers {
    fn promise(&self) -> &'static str {
        "a counter of a lease has one author and one owner"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        if let Event::Lease(LeaseEvent::Answered {
            call,
            asked: Call::Write(number, write),
            answer: Answer::DoneOn(_) | Answer::DoneTo(_),
        }) = event
            && let Some((_, counter)) = write.tenure()
            && let Some(before) = self.authors.insert((*number, counter), *call)
        {
            return Err(format!(
                "calls {before} and {call} were both told that they made counter {counter} of lease {number}"
            ));
        }
        for lease in shown(event).into_iter().filter_map(|(_, lease)| lease) {
            let place = (lease.number, lease.counter);
            let owner = *self.owners.entry(place).or_insert(lease.owner);
            if owner != lease.owner {
                return Err(format!("{lease:?} is shown, and was of owner {owner}"));
            }
        }
        Ok(())
    }
}
