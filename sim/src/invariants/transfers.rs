//! A transfer applies once: a message has one copy, in its queue or among the dead letters.
//!
//! A copy can't move while it is claimed. So while a claim holds for certain no other copy of the message is given
//! out, and after its delete within that time none ever.

use std::collections::BTreeMap;

use super::{Invariant, Verdict};
use crate::event::{Copy, Event};

#[derive(Default)]
pub(super) struct Transfers {
    /// The last claim on each message.
    claims: BTreeMap<u64, Claim>,
    /// Messages whose only copy is deleted, and since when.
    gone: BTreeMap<u64, u64>,
}

struct Claim {
    copy: Copy,
    answered_ms: u64,
    until_ms: u64,
    /// It may have ended early: its holder puts it back or deletes it.
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
            Event::PutBack { copy, .. } | Event::DeleteBegun { copy, .. } => {
                if let Some(claim) = self.claims.get_mut(&copy.number) {
                    claim.over = true;
                }
            }
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
            over: false,
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
