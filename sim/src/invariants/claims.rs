//! A claim is held by one consumer: no two answers carry the same claim.

use std::collections::BTreeMap;

use levada_types::Receipt;

use super::{Invariant, Verdict};
use crate::event::Event;

#[derive(Default)]
pub(super) struct Claims {
    /// Each claim, and when the answer that carried it came.
    given: BTreeMap<Receipt, u64>,
}

impl Invariant for Claims {
    fn promise(&self) -> &'static str {
        "a claim is held by one consumer"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Received { copies, at_ms, .. } = event else {
            return Ok(());
        };
        for copy in copies {
            if let Some(before) = self.given.insert(copy.receipt, *at_ms) {
                return Err(format!(
                    "{copy:?} was given out at {before} ms and again at {at_ms} ms"
                ));
            }
        }
        Ok(())
    }
}
