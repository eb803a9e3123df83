//! A queue gets nothing that nobody wanted it to have: nothing for a subscription that was gone, as its subscriber had been
//! told, before the message was published; nothing for one that was asked for after the message was acknowledged; nothing
//! that no filter of it lets through.

use std::collections::BTreeSet;

use super::history::{Due, History};
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::topic_event::TopicEvent;

#[derive(Default)]
pub(super) struct Unsubscribed {
    history: History,
    /// Message and subscription. Judged at the end, since the answers come later.
    arrived: BTreeSet<(u64, u64)>,
}

impl Invariant for Unsubscribed {
    fn promise(&self) -> &'static str {
        "nothing comes for who has not subscribed"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Topic(event) = event else {
            return Ok(());
        };
        self.history.see(event);
        if let TopicEvent::Arrived { copies, .. } = event {
            let copies = copies.iter();
            self.arrived
                .extend(copies.map(|copy| (copy.number, copy.subscription)));
        }
        Ok(())
    }

    fn end(&mut self) -> Verdict {
        for (number, subscription) in &self.arrived {
            if let (Due::MustNot, life) = self.history.due(*number, *subscription) {
                return Err(format!(
                    "message {number} came for subscription {subscription}, {life:?}"
                ));
            }
        }
        Ok(())
    }
}
