//! What was acknowledged arrives: each queue that a message was addressed to has a copy in the end.

use std::collections::BTreeSet;

use super::Addressed;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::topic_event::{Address, TopicEvent};

#[derive(Default)]
pub(super) struct Delivered {
    addressed: Addressed,
    arrived: BTreeSet<(u64, Address)>,
}

impl Invariant for Delivered {
    fn promise(&self) -> &'static str {
        "what was published arrives where it was addressed to"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Topic(event) = event else {
            return Ok(());
        };
        self.addressed.see(event);
        if let TopicEvent::Arrived { queue, copies } = event {
            let copies = copies.iter().map(|copy| {
                let address = Address {
                    queue,
                    subscription: copy.subscription,
                    form: copy.form,
                };
                (copy.number, address)
            });
            self.arrived.extend(copies);
        }
        Ok(())
    }

    fn end(&mut self) -> Verdict {
        let mut lost = Vec::new();
        for (number, to) in self.addressed.of_acknowledged() {
            let to = to.ok_or_else(|| {
                format!("message {number} was acknowledged under an id that it never had")
            })?;
            let not_there = to.iter().map(|address| (number, *address));
            lost.extend(not_there.filter(|copy| !self.arrived.contains(copy)));
        }
        match lost.as_slice() {
            [] => Ok(()),
            lost => Err(format!(
                "{} copies never came, by message and address: {:?}",
                lost.len(),
                &lost[..lost.len().min(20)]
            )),
        }
    }
}
