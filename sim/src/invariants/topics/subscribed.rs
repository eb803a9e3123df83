//! Whoever has subscribed is served: a message that was published after the answer to a subscribe, or to a change of the
//! filter, and acknowledged before anybody changed that again, is in the queue, if the filter lets it through.

use std::collections::BTreeSet;

use super::history::History;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::topic_event::TopicEvent;

#[derive(Default)]
pub(super) struct Subscribed {
    history: History,
    /// Message and subscription.
    arrived: BTreeSet<(u64, u64)>,
}

impl Invariant for Subscribed {
    fn promise(&self) -> &'static str {
        "who has subscribed is served"
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
        let mut forgotten = self
            .history
            .promised()
            .filter(|(number, subscription, _)| !self.arrived.contains(&(*number, *subscription)));
        forgotten
            .next()
            .map_or(Ok(()), |(number, subscription, life)| {
                Err(format!(
                    "message {number} never came to subscription {subscription}, {life:?}"
                ))
            })
    }
}
