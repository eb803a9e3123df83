//! A shard that is closed gets nothing more: its end is where it is, whoever tells it.

use std::collections::BTreeMap;

use super::last_of;
use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::stream_event::StreamEvent;

#[derive(Default)]
pub(super) struct ClosedShards {
    /// The position behind the last record, of those that are known to be closed.
    ends: BTreeMap<u32, u64>,
    /// The last position that is known to be taken.
    taken: BTreeMap<u32, u64>,
}

impl ClosedShards {
    fn ends_at(&mut self, shard: u32, end: u64) -> Verdict {
        let known = *self.ends.entry(shard).or_insert(end);
        if known != end {
            return Err(format!("shard {shard} ends at {known} and at {end}"));
        }
        self.holds(shard)
    }

    fn takes(&mut self, shard: u32, position: u64) -> Verdict {
        let taken = self.taken.entry(shard).or_default();
        *taken = position.max(*taken);
        self.holds(shard)
    }

    fn holds(&self, shard: u32) -> Verdict {
        match (self.ends.get(&shard), self.taken.get(&shard)) {
            (Some(end), Some(taken)) if taken >= end => Err(format!(
                "shard {shard} was closed at {end} and has a record at {taken}"
            )),
            _ => Ok(()),
        }
    }
}

impl Invariant for ClosedShards {
    fn promise(&self) -> &'static str {
        "a closed shard gets nothing more"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Stream(StreamEvent::Described { shards, .. }) => shards
                .iter()
                .filter(|shard| shard.end != 0)
                .try_for_each(|shard| self.ends_at(shard.number, shard.end)),
            Event::Stream(StreamEvent::PutAcknowledged { sequence, .. }) => {
                self.takes(sequence.shard, sequence.position)
            }
            Event::Stream(StreamEvent::Read {
                shard,
                records,
                next,
                at_end,
                ..
            }) => {
                self.takes(*shard, last_of(records))?;
                if *at_end {
                    self.ends_at(*shard, *next)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
