//! A transfer applies once: a message has one copy, in its queue or among the dead letters.
//!
//! A copy can't move while it is claimed. So while a claim holds for certain no other copy of the message is given
//! out, and after its delete within that time none ever. A claim holds for certain unless its holder ends it, or an
//! earlier holder's change of visibility is still on its way: on a standard queue an old receipt works on, as at AWS.

use std::collections::{BTreeMap, BTreeSet};

use levada_types::Receipt;

use super::{Invariant, Verdict};
use crate::event::{Copy, Event};

#[derive(Default)]
pub(super) struct Transfers {
    /// The last claim on each message.
    claims: BTreeMap<u64, Claim>,
    /// Changes of visibility that nobody has seen answered, by message: they may end any later claim on it.
    unanswered: BTreeMap<u64, BTreeSet<Receipt>>,
    /// Messages whose only copy is deleted, and since when.
    gone: BTreeMap<u64, u64>,
}

struct Claim {
    copy: Copy,
    answered_ms: u64,
    until_ms: u64,
    /// It may have ended early: its holder puts it back or deletes it, or an earlier one may yet have put it back.
    over: bool,
}

impl Invariant for Transfers {
    fn promise(&self) -> &'static str {
        "a message has one copy, however often it is transferred"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Received {
                begun_ms,
                at_ms,
                visibility_ms,
                copies,
                ..
            } => {
                for copy in copies {
                    self.received(*copy, *begun_ms, *at_ms, *visibility_ms)?;
                }
            }
            Event::PutBack { copy } => {
                let of_message = self.unanswered.entry(copy.number).or_default();
                of_message.insert(copy.receipt);
                self.is_over(copy.number);
            }
            Event::PutBackAnswered { copy } => {
                if let Some(of_message) = self.unanswered.get_mut(&copy.number) {
                    of_message.remove(&copy.receipt);
                }
            }
            Event::DeleteBegun { copy, .. } => self.is_over(copy.number),
            Event::DeleteAcknowledged {
                copy,
                claimed_until_ms,
                at_ms,
                ..
            } if at_ms < claimed_until_ms => {
                self.gone.entry(copy.number).or_insert(*at_ms);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Transfers {
    fn is_over(&mut self, number: u64) {
        if let Some(claim) = self.claims.get_mut(&number) {
            claim.over = true;
        }
    }

    fn received(&mut self, copy: Copy, begun_ms: u64, at_ms: u64, visibility_ms: u64) -> Verdict {
        if let Some(gone) = self.gone.get(&copy.number).filter(|gone| **gone < begun_ms) {
            return Err(format!(
                "message {} was deleted for good at {gone} ms, and a receive of {begun_ms} ms gave {copy:?}",
                copy.number
            ));
        }
        let claim = Claim {
            copy,
            answered_ms: at_ms,
            until_ms: begun_ms + visibility_ms,
            over: self
                .unanswered
                .get(&copy.number)
                .is_some_and(|of_message| !of_message.is_empty()),
        };
        let Some(before) = self.claims.insert(copy.number, claim) else {
            return Ok(());
        };
        if !before.over && before.answered_ms < begun_ms && at_ms < before.until_ms {
            return Err(format!(
                "{:?} is claimed from {} until {} ms, and at {at_ms} ms {copy:?} was given out",
                before.copy, before.answered_ms, before.until_ms
            ));
        }
        Ok(())
    }
}
