//! A message has one place in its topic: every answer that acknowledges it names the same, under the same id, however often
//! it was published with its deduplication id, and every copy says that it comes from there. A run is shorter than the
//! deduplication window.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::topic_event::TopicEvent;

#[derive(Default)]
pub(super) struct Deduplication {
    /// By number.
    positions: BTreeMap<u64, u64>,
    ids: BTreeMap<u64, u64>,
}

/// Notes what a message has; an error if it has another one.
fn has(all: &mut BTreeMap<u64, u64>, number: u64, value: u64) -> Verdict {
    let known = *all.entry(number).or_insert(value);
    if known == value {
        return Ok(());
    }
    Err(format!("message {number} has {known} and {value}"))
}

impl Invariant for Deduplication {
    fn promise(&self) -> &'static str {
        "a message has one place in its topic"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Topic(TopicEvent::PublishAcknowledged {
                number,
                id,
                position,
                ..
            }) => {
                has(&mut self.ids, *number, *id)?;
                has(&mut self.positions, *number, *position)
            }
            Event::Topic(TopicEvent::Arrived { copies, .. }) => copies
                .iter()
                .try_for_each(|copy| has(&mut self.positions, copy.number, copy.published_at)),
            _ => Ok(()),
        }
    }
}
