//! All readers see the same: a place in a shard holds one record for ever, at whichever machine it is read.

use std::collections::BTreeMap;

use super::Place;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::net::MachineId;
use crate::stream_event::{Reader, Seen, StreamEvent};

#[derive(Default)]
pub(super) struct SameRecords {
    /// The record of a place, and who saw it first.
    seen: BTreeMap<Place, (Seen, Reader, MachineId)>,
}

impl Invariant for SameRecords {
    fn promise(&self) -> &'static str {
        "all readers see the same records"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Stream(StreamEvent::Read {
            reader,
            machine,
            shard,
            records,
            ..
        }) = event
        else {
            return Ok(());
        };
        for record in records {
            let now = (*record, *reader, *machine);
            let first = *self.seen.entry((*shard, record.position)).or_insert(now);
            if first.0 != *record {
                return Err(format!("shard {shard}: {first:?} and {now:?}"));
            }
        }
        Ok(())
    }
}
