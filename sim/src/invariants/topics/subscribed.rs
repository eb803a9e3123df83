//! Whoever has subscribed is served: a message that was published after the answer to a subscribe, or to a change of the
//! filter, and acknowledged before anybody changed that again, is in the queue, if the filter lets it through.

use super::history::History;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};

#[derive(Default)]
pub(super) struct Subscribed {
    history: History,
}

impl Invariant for Subscribed {
    fn promise(&self) -> &'static str {
        "who has subscribed is served"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        if let Event::Topic(event) = event {
            self.history.see(event);
        }
        Ok(())
    }

    fn end(&mut self) -> Verdict {
        let arrived = &self.history.arrived;
        let mut forgotten = self
            .history
            .promised()
            .filter(|(number, subscription, _)| !arrived.contains(&(*number, *subscription)));
        forgotten
            .next()
            .map_or(Ok(()), |(number, subscription, life)| {
                Err(format!(
                    "message {number} never came to subscription {subscription}, {life:?}"
                ))
            })
    }
}
