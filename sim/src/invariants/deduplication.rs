//! Within the deduplication window one deduplication id is one message. A run is shorter than the window, so this
//! holds for each number of a FIFO queue: every acknowledgement names one position, and it is received from there.

use std::collections::BTreeMap;

use super::{Invariant, Verdict};
use crate::event::Event;

#[derive(Default)]
pub(super) struct Deduplication {
    positions: BTreeMap<u64, u64>,
}

impl Deduplication {
    fn is_at(&mut self, number: u64, position: u64) -> Verdict {
        let known = *self.positions.entry(number).or_insert(position);
        if known == position {
            return Ok(());
        }
        Err(format!(
            "message {number} is at position {known} and at {position}"
        ))
    }
}

impl Invariant for Deduplication {
    fn promise(&self) -> &'static str {
        "a deduplication id is one message"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::SendAcknowledged {
                number,
                group: Some(_),
                position,
                ..
            } => self.is_at(*number, *position),
            Event::Received { copies, .. } => copies
                .iter()
                .filter(|copy| copy.group.is_some())
                .try_for_each(|copy| self.is_at(copy.number, copy.receipt.position)),
            _ => Ok(()),
        }
    }
}
