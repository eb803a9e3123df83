//! What arrives was published, with these bytes and in the form that the queue gets, and was addressed to this queue for
//! this subscription: in some try, and if the message was acknowledged, in the one that the answer named.

use std::collections::BTreeSet;

use super::Addressed;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::topic_event::{Address, Arrival, TopicEvent};
use crate::workload::form_of;

#[derive(Default)]
pub(super) struct Phantoms {
    addressed: Addressed,
    arrived: BTreeSet<(u64, Address)>,
}

impl Phantoms {
    fn arrived(&mut self, queue: &'static str, copy: Arrival) -> Verdict {
        let address = Address {
            queue,
            subscription: copy.subscription,
            form: copy.form,
        };
        let tries = self.addressed.to.get(&copy.number);
        let was_addressed =
            tries.is_some_and(|tries| tries.values().any(|to| to.contains(&address)));
        if !was_addressed || form_of(queue) != copy.form {
            return Err(format!(
                "{queue} gave {copy:?}, and addressed was {tries:?}"
            ));
        }
        self.arrived.insert((copy.number, address));
        Ok(())
    }
}

impl Invariant for Phantoms {
    fn promise(&self) -> &'static str {
        "what arrives was published, and addressed to the queue"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Topic(event) = event else {
            return Ok(());
        };
        self.addressed.see(event);
        match event {
            TopicEvent::Arrived { queue, copies } => copies
                .iter()
                .try_for_each(|copy| self.arrived(queue, *copy)),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Verdict {
        for (number, to) in self.addressed.of_acknowledged() {
            let mut arrived = self.arrived.iter().filter(|(of, _)| *of == number);
            let stranger = arrived.find(|(_, address)| to.is_none_or(|to| !to.contains(address)));
            if let Some((_, address)) = stranger {
                return Err(format!(
                    "message {number} came to {address:?}, and was acknowledged as addressed to {to:?}"
                ));
            }
        }
        Ok(())
    }
}
