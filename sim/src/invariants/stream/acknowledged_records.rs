//! An acknowledged record is in its shard at the sequence number that its producer was told, with its bytes: whoever
//! reads there, and at every machine when all is healed. What is read was put.

use std::collections::BTreeMap;

use super::{Place, Sweeps};
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::stream_event::{Sent, StreamEvent};

#[derive(Default)]
pub(super) struct AcknowledgedRecords {
    put: BTreeMap<u64, Sent>,
    acknowledged: BTreeMap<Place, u64>,
    read: BTreeMap<Place, u64>,
    sweeps: Sweeps,
}

impl AcknowledgedRecords {
    fn is_at(&self, place: Place) -> Verdict {
        match (self.acknowledged.get(&place), self.read.get(&place)) {
            (Some(told), Some(found)) if told != found => Err(format!(
                "record {told} was acknowledged at (shard, position) {place:?}, where record {found} is"
            )),
            _ => Ok(()),
        }
    }

    fn acknowledged(&mut self, number: u64, place: Place) -> Verdict {
        if let Some(before) = self.acknowledged.insert(place, number)
            && before != number
        {
            return Err(format!(
                "records {before} and {number} were both acknowledged at (shard, position) {place:?}"
            ));
        }
        self.is_at(place)
    }

    fn read(&mut self, sent: Sent, place: Place) -> Verdict {
        let put = self.put.get(&sent.number);
        if put != Some(&sent) {
            return Err(format!(
                "{sent:?} was read at (shard, position) {place:?}, and {put:?} was put"
            ));
        }
        self.read.insert(place, sent.number);
        self.is_at(place)
    }
}

impl Invariant for AcknowledgedRecords {
    fn promise(&self) -> &'static str {
        "an acknowledged record is read at its sequence number"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Stream(event) = event else {
            return Ok(());
        };
        self.sweeps.see(event);
        match event {
            StreamEvent::PutBegun { records } => {
                self.put
                    .extend(records.iter().map(|sent| (sent.number, *sent)));
                Ok(())
            }
            StreamEvent::PutAcknowledged {
                number, sequence, ..
            } => self.acknowledged(*number, (sequence.shard, sequence.position)),
            StreamEvent::Read { shard, records, .. } => records
                .iter()
                .try_for_each(|record| self.read(record.sent, (*shard, record.position))),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Verdict {
        self.sweeps.must_have(self.acknowledged.keys())
    }
}
