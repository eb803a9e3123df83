//! What must hold of a stream, one file each.

mod acknowledged_records;
mod closed_shards;
mod lineage;
mod reads;
mod retention;
mod same_records;
mod search;
mod sequence_numbers;

use std::collections::{BTreeMap, BTreeSet};

use super::Invariant;
use crate::net::MachineId;
use crate::stream_event::{Reader, Seen, StreamEvent};
use crate::world::FIRST_MEMBERS;

/// Every one of them.
pub(super) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(acknowledged_records::AcknowledgedRecords::default()),
        Box::new(closed_shards::ClosedShards::default()),
        Box::new(lineage::Lineage::default()),
        Box::new(reads::Reads),
        Box::new(retention::Retention::default()),
        Box::new(same_records::SameRecords::default()),
        Box::new(search::Search::default()),
        Box::new(sequence_numbers::SequenceNumbers::default()),
    ]
}

/// A shard's number and a position in it.
type Place = (u32, u64);

/// What the sweeper read, at each machine where it came to the end.
#[derive(Default)]
struct Sweeps {
    reading: BTreeMap<MachineId, BTreeSet<Place>>,
    whole: BTreeMap<MachineId, BTreeSet<Place>>,
}

impl Sweeps {
    fn see(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Read {
                reader: Reader::Sweeper,
                machine,
                shard,
                records,
                ..
            } => {
                let places = records.iter().map(|record| (*shard, record.position));
                self.reading.entry(*machine).or_default().extend(places);
            }
            StreamEvent::Swept { machine } => {
                let read = self.reading.remove(machine).unwrap_or_default();
                self.whole.insert(*machine, read);
            }
            _ => {}
        }
    }

    /// Whether each of these places was read at every machine of the cluster.
    fn must_have<'a>(&self, places: impl Iterator<Item = &'a Place> + Clone) -> Result<(), String> {
        if self.whole.len() < FIRST_MEMBERS {
            let machines: Vec<_> = self.whole.keys().collect();
            return Err(format!(
                "the stream could be read to its end at machines {machines:?} only"
            ));
        }
        for (machine, read) in &self.whole {
            let lost: Vec<_> = places.clone().filter(|at| !read.contains(at)).collect();
            if !lost.is_empty() {
                return Err(format!(
                    "{} are not there at machine {machine}; by shard and position: {:?}",
                    lost.len(),
                    &lost[..lost.len().min(20)]
                ));
            }
        }
        Ok(())
    }
}

/// The last position of an answer's records.
fn last_of(records: &[Seen]) -> u64 {
    records.last().map_or(0, |record| record.position)
}
