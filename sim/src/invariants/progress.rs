//! What a replica has applied never goes back while its process lives, and nothing that any replica has ever
//! applied is missing in the end.

use std::collections::BTreeMap;

use levada_types::PartitionId;

use super::{Invariant, Verdict};
use crate::event::Event;
use crate::net::MachineId;

#[derive(Default)]
pub(super) struct Progress {
    /// By machine and partition: the life and the copy, and the index that were last seen.
    seen: BTreeMap<(MachineId, PartitionId), ((u64, u64), u64)>,
    highest: BTreeMap<PartitionId, u64>,
}

impl Invariant for Progress {
    fn promise(&self) -> &'static str {
        "what was applied stays applied"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        if let Event::Left { machine } = event {
            self.seen.retain(|(seen, _), _| seen != machine);
        }
        if let Event::CopyGone { machine, partition } = event {
            self.seen.remove(&(*machine, *partition));
        }
        let Event::Replica {
            machine,
            boot,
            partition,
            copy,
            applied_index,
            ..
        } = event
        else {
            return Ok(());
        };
        let highest = self.highest.entry(*partition).or_default();
        *highest = (*applied_index).max(*highest);
        let life = (*boot, *copy);
        let before = self
            .seen
            .insert((*machine, *partition), (life, *applied_index));
        match before {
            Some((before, index)) if before == life && index > *applied_index => Err(format!(
                "the replica of {partition} on machine {machine} went back from entry {index} to {applied_index}"
            )),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Verdict {
        for ((machine, partition), (_, applied)) in &self.seen {
            let highest = self.highest.get(partition).copied().unwrap_or(0);
            if *applied < highest {
                return Err(format!(
                    "{partition} had applied entry {highest}, and in the end machine {machine} has {applied}"
                ));
            }
        }
        Ok(())
    }
}
