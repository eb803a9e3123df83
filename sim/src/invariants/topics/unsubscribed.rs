//! A queue gets nothing that nobody wanted it to have: nothing for a subscription that was gone, as its subscriber had been
//! told, before the message was published; nothing for one that was asked for after the message was acknowledged; nothing
//! that no filter of it lets through.

use super::history::{Due, History};
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};

#[derive(Default)]
pub(super) struct Unsubscribed {
    history: History,
}

impl Invariant for Unsubscribed {
    fn promise(&self) -> &'static str {
        "nothing comes for who has not subscribed"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        if let Event::Topic(event) = event {
            self.history.see(event);
        }
        Ok(())
    }

    fn end(&mut self) -> Verdict {
        // Not before: the answers come later than the copies.
        for (number, subscription) in &self.history.arrived {
            if let (Due::MustNot, life) = self.history.due(*number, *subscription) {
                return Err(format!(
                    "message {number} came for subscription {subscription}, {life:?}"
                ));
            }
        }
        Ok(())
    }
}
