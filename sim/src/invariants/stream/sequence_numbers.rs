//! Records of a key that one producer puts one after the other have rising sequence numbers: across failovers, and from
//! a shard into its children.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::stream_event::{Sequence, StreamEvent};

#[derive(Default)]
pub(super) struct SequenceNumbers {
    /// The last that was acknowledged, by key, and its record. Each key has one producer.
    last: BTreeMap<u64, (Sequence, u64)>,
}

impl Invariant for SequenceNumbers {
    fn promise(&self) -> &'static str {
        "the sequence numbers of a key rise"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Stream(StreamEvent::PutAcknowledged {
            number,
            key,
            sequence,
            ..
        }) = event
        else {
            return Ok(());
        };
        let before = self.last.insert(*key, (*sequence, *number));
        match before {
            Some((last, earlier)) if last >= *sequence => Err(format!(
                "of key {key} record {earlier} is at {last:?}, and record {number}, put after it, at {sequence:?}"
            )),
            _ => Ok(()),
        }
    }
}
