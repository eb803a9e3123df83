//! Who asks after an answer has come sees what that answer knew, or what was made of it since: a read, a scan, a query
//! of the index, a refusal, and what a write was done on, at whatever machine.

use std::collections::BTreeMap;

use super::{Known, shown};
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::lease_event::LeaseEvent;

#[derive(Default)]
pub(super) struct Reads {
    known: Known,
    /// What was known when a call began that has no answer yet.
    begun: BTreeMap<u64, Known>,
}

impl Invariant for Reads {
    fn promise(&self) -> &'static str {
        "what is known of a lease is shown from then on"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Lease(LeaseEvent::Begun { call, .. }) => {
                self.begun.insert(*call, self.known.clone());
            }
            Event::Lease(LeaseEvent::Unanswered { call }) => {
                self.begun.remove(call);
            }
            Event::Lease(LeaseEvent::Answered {
                call,
                asked,
                answer,
            }) => {
                let then = self.begun.remove(call).unwrap_or_default();
                for (number, lease) in shown(event) {
                    then.allows(number, lease.as_ref())
                        .map_err(|what| format!("{asked:?} was answered {answer:?}: {what}"))?;
                }
            }
            _ => {}
        }
        self.known.learn(event);
        Ok(())
    }
}
