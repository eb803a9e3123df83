//! The end of a shard is behind everything that was acknowledged or read before it was asked for, and a search by time
//! finds the first record that came at that time or later: whoever begins there has missed nothing, and sees no older
//! one of those that were there.

use std::collections::BTreeMap;

use super::last_of;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::stream_event::StreamEvent;

#[derive(Default)]
pub(super) struct Search {
    /// By shard: the last position that is known to be taken, with the moments at which that became known.
    taken: BTreeMap<u32, BTreeMap<u64, u64>>,
    /// By shard and position: when a record had come, on the cluster's clock.
    arrived: BTreeMap<u32, BTreeMap<u64, u64>>,
}

impl Search {
    fn takes(&mut self, shard: u32, position: u64, at_ms: u64) {
        let taken = self.taken.entry(shard).or_default();
        if taken
            .last_key_value()
            .is_none_or(|(_, last)| *last < position)
        {
            taken.insert(at_ms, position);
        }
    }
}

impl Invariant for Search {
    fn promise(&self) -> &'static str {
        "the end of a shard, and a search by time, miss nothing"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Stream(StreamEvent::PutAcknowledged {
                sequence, at_ms, ..
            }) => self.takes(sequence.shard, sequence.position, *at_ms),
            Event::Stream(StreamEvent::Read {
                shard,
                records,
                at_ms,
                ..
            }) => {
                self.takes(*shard, last_of(records), *at_ms);
                let arrived = records.iter().map(|r| (r.position, r.arrived_ms));
                self.arrived.entry(*shard).or_default().extend(arrived);
            }
            Event::Stream(StreamEvent::Searched {
                shard,
                begun_ms,
                since_ms,
                next,
                since,
                ..
            }) => {
                let taken = self.taken.entry(*shard).or_default();
                let before = taken.range(..begun_ms).next_back();
                if let Some((at, last)) = before.filter(|(_, last)| *last >= next) {
                    return Err(format!(
                        "the end of shard {shard} was told at {begun_ms} ms to be {next}, and {last} was known at {at} ms"
                    ));
                }
                let arrived = self.arrived.entry(*shard).or_default();
                let Some(since_ms) = since_ms else {
                    return Ok(());
                };
                let missed = arrived.range(..since).find(|(_, came)| *came >= since_ms);
                // Behind `next` it is what came while the answer was on its way, and the time may be yet to come.
                let older = arrived
                    .range(since..next)
                    .find(|(_, came)| *came < since_ms);
                if let Some((position, came)) = missed.or(older) {
                    return Err(format!(
                        "what came to shard {shard} since {since_ms} was told to begin at {since}, and {position} came at {came}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
