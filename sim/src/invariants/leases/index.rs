//! A query by owner finds every lease that the owner is known to have, and has not been asked for by another.

use std::collections::{BTreeMap, BTreeSet};

use super::Known;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::lease_event::{Answer, Call, Lease, LeaseEvent, Write};

#[derive(Default)]
pub(super) struct Index {
    known: Known,
    /// By query that has no answer yet: what its owner was known to have when it began.
    must_find: BTreeMap<u64, Vec<Lease>>,
    /// Leases and the counters at which somebody asked to take them, from whom.
    takes: BTreeSet<(u64, u64, u64)>,
}

impl Index {
    /// Whether somebody has asked for the lease as it was then or later.
    fn may_be_taken(&self, lease: &Lease) -> bool {
        let from = (lease.number, lease.counter, 0);
        let to = (lease.number, u64::MAX, u64::MAX);
        let mut takes = self.takes.range(from..=to);
        takes.any(|(_, _, from)| *from == lease.owner)
    }
}

impl Invariant for Index {
    fn promise(&self) -> &'static str {
        "a query by owner finds all that the owner has"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        self.known.learn(event);
        match event {
            Event::Lease(LeaseEvent::Begun { call, asked }) => match asked {
                Call::OfOwner(owner) => {
                    let all = self.known.0.values();
                    let of_owner = all.filter(|lease| lease.owner == *owner).copied();
                    self.must_find.insert(*call, of_owner.collect());
                }
                Call::Write(number, Write::Take { from, counter, .. }) => {
                    self.takes.insert((*number, *counter, *from));
                }
                _ => {}
            },
            Event::Lease(LeaseEvent::Unanswered { call }) => {
                self.must_find.remove(call);
            }
            Event::Lease(LeaseEvent::Answered {
                call,
                asked: Call::OfOwner(_),
                answer: Answer::Found(found),
            }) => {
                for lease in self.must_find.remove(call).unwrap_or_default() {
                    let is_found = found.iter().any(|one| one.number == lease.number);
                    if !is_found && !self.may_be_taken(&lease) {
                        return Err(format!("{lease:?} was known and is not among {found:?}"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
