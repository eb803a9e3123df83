//! A deleted message stays deleted: no receive that began after the answer to its delete gives that copy.

use std::collections::BTreeMap;

use levada_types::{PartitionId, QueueId, Receipt};

use super::{Invariant, Verdict};
use crate::event::Event;

type Place = (PartitionId, QueueId, u64);

#[derive(Default)]
pub(super) struct Deletes {
    /// When the first answer to a delete came.
    deleted: BTreeMap<Place, u64>,
}

fn place(receipt: &Receipt) -> Place {
    (receipt.partition, receipt.queue, receipt.position)
}

impl Invariant for Deletes {
    fn promise(&self) -> &'static str {
        "a deleted message stays deleted"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::DeleteAcknowledged { copy, at_ms, .. } => {
                self.deleted.entry(place(&copy.receipt)).or_insert(*at_ms);
                Ok(())
            }
            Event::Received {
                copies, begun_ms, ..
            } => {
                for copy in copies {
                    let deleted = self.deleted.get(&place(&copy.receipt));
                    if let Some(at) = deleted.filter(|at| *at < begun_ms) {
                        return Err(format!(
                            "{copy:?} was deleted at {at} ms, and a receive of {begun_ms} ms gave it"
                        ));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
