//! Replicas that have applied the same entry have the same bytes, on whichever machine and in whichever life.

use std::collections::BTreeMap;

use levada_types::PartitionId;

use super::{Invariant, Verdict};
use crate::event::Event;
use crate::net::MachineId;

#[derive(Default)]
pub(super) struct Replicas {
    /// The state after an entry, and the machine that had it first.
    states: BTreeMap<(PartitionId, u64), (u64, MachineId)>,
}

impl Invariant for Replicas {
    fn promise(&self) -> &'static str {
        "replicas that applied the same entry have the same bytes"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Replica {
            machine,
            partition,
            applied_index,
            state: Some(state),
            ..
        } = event
        else {
            return Ok(());
        };
        let (known, first) = *self
            .states
            .entry((*partition, *applied_index))
            .or_insert((*state, *machine));
        if known == *state {
            return Ok(());
        }
        Err(format!(
            "{partition} after entry {applied_index} is {known:016x} on machine {first} and {state:016x} on \
             machine {machine}"
        ))
    }
}
