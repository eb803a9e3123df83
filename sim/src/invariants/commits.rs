//! The commit index of a copy never goes back while its process lives.

use std::collections::BTreeMap;

use levada_types::PartitionId;

use super::{Invariant, Verdict};
use crate::event::Event;
use crate::net::MachineId;

#[derive(Default)]
pub(super) struct Commits {
    /// By machine and partition: the life and the copy, and the index that were last seen.
    seen: BTreeMap<(MachineId, PartitionId), ((u64, u64), u64)>,
}

impl Invariant for Commits {
    fn promise(&self) -> &'static str {
        "what was committed stays committed"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Replica {
            machine,
            boot,
            partition,
            copy,
            committed_index,
            ..
        } = event
        else {
            return Ok(());
        };
        let life = (*boot, *copy);
        let now = (life, *committed_index);
        match self.seen.insert((*machine, *partition), now) {
            Some((before, index)) if before == life && index > *committed_index => Err(format!(
                "the replica of {partition} on machine {machine} went back from commit index {index} to \
                 {committed_index}"
            )),
            _ => Ok(()),
        }
    }
}
