//! A message that was published is in a queue once: at one place of its log, however often it was tried, shipped and
//! received.

use std::collections::BTreeMap;

use levada_types::PartitionId;

use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::topic_event::TopicEvent;

#[derive(Default)]
pub(super) struct Once {
    /// By queue and message.
    places: BTreeMap<(&'static str, u64), (PartitionId, u64)>,
}

impl Invariant for Once {
    fn promise(&self) -> &'static str {
        "what was published is in a queue once"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Topic(TopicEvent::Arrived { queue, copies }) = event else {
            return Ok(());
        };
        for copy in copies {
            let first = self
                .places
                .entry((queue, copy.number))
                .or_insert(copy.place);
            if *first != copy.place {
                return Err(format!(
                    "{queue} has {copy:?}, and another one at {first:?}"
                ));
            }
        }
        Ok(())
    }
}
