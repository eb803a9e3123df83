//! What is received was sent: to the queue that gives it, or to one whose dead letters it holds.

use std::collections::BTreeMap;

use super::{Invariant, Verdict};
use crate::event::Event;
use crate::workload::PLANS;

#[derive(Default)]
pub(super) struct Phantoms {
    sent: BTreeMap<u64, &'static str>,
}

fn may_hold(queue: &str, sent_to: &str) -> bool {
    queue == sent_to
        || PLANS
            .iter()
            .any(|plan| plan.name == sent_to && plan.dead == Some(queue))
}

impl Invariant for Phantoms {
    fn promise(&self) -> &'static str {
        "what is received was sent"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::SendBegun { queue, number } => {
                self.sent.insert(*number, queue);
            }
            Event::Received { queue, copies, .. } => {
                for copy in copies {
                    match self.sent.get(&copy.number) {
                        Some(sent_to) if may_hold(queue, sent_to) => {}
                        sent_to => {
                            return Err(format!("{queue} gave {copy:?}, sent to {sent_to:?}"));
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
