//! An acknowledged send is never lost: it was received at least once when every queue is empty.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Verdict};
use crate::event::Event;

#[derive(Default)]
pub(super) struct AcknowledgedSends {
    acknowledged: BTreeMap<u64, &'static str>,
    received: BTreeSet<u64>,
}

impl Invariant for AcknowledgedSends {
    fn promise(&self) -> &'static str {
        "an acknowledged send is never lost"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::SendAcknowledged { queue, number, .. } => {
                self.acknowledged.insert(*number, queue);
            }
            Event::Received { copies, .. } => {
                self.received.extend(copies.iter().map(|copy| copy.number));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Verdict {
        let lost: Vec<_> = self
            .acknowledged
            .iter()
            .filter(|(number, _)| !self.received.contains(number))
            .collect();
        match lost.as_slice() {
            [] => Ok(()),
            lost => Err(format!(
                "{} were acknowledged and never received: {:?}",
                lost.len(),
                &lost[..lost.len().min(20)]
            )),
        }
    }
}
