//! A conditional write is done where its condition holds, and refused where it does not; what comes out is what it
//! asks for. A query by owner finds what is that owner's.

use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::lease_event::{Answer, Call, LeaseEvent, Write};

pub(super) struct Conditions;

impl Invariant for Conditions {
    fn promise(&self) -> &'static str {
        "a conditional write is done if its condition holds, and not else"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Lease(LeaseEvent::Answered { asked, answer, .. }) = event else {
            return Ok(());
        };
        let fits = match (asked, answer) {
            (Call::Write(_, write), Answer::DoneOn(before)) => {
                write.may_be_done_on(before.as_ref())
            }
            (Call::Write(_, write), Answer::Refused(lease)) => {
                !write.may_be_done_on(lease.as_ref())
            }
            (Call::Write(number, write), Answer::DoneTo(after)) => {
                let is_what_was_asked_for = match *write {
                    Write::Checkpoint { owner, position } => {
                        (after.owner, after.checkpoint) == (owner, position)
                    }
                    _ => write.tenure() == Some((after.owner, after.counter)),
                };
                after.number == *number && is_what_was_asked_for
            }
            (Call::Read(number), Answer::Found(found)) => {
                found.len() <= 1 && found.iter().all(|lease| lease.number == *number)
            }
            (Call::OfOwner(owner), Answer::Found(found)) => {
                found.iter().all(|lease| lease.owner == *owner)
            }
            (Call::Scan, Answer::Found(_)) => true,
            _ => false,
        };
        fits.then_some(())
            .ok_or_else(|| format!("{asked:?} was answered {answer:?}"))
    }
}
