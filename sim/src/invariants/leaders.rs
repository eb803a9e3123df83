//! A partition has one leader in a term at most.

use std::collections::BTreeMap;

use levada_types::PartitionId;

use super::{Invariant, Verdict};
use crate::event::Event;
use crate::net::MachineId;

#[derive(Default)]
pub(super) struct Leaders {
    /// Who led, by partition and term: a machine in one of its lives.
    led: BTreeMap<(PartitionId, u64), (MachineId, u64)>,
}

impl Invariant for Leaders {
    fn promise(&self) -> &'static str {
        "a term has one leader"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Replica {
            machine,
            boot,
            partition,
            leads_in_term: Some(term),
            ..
        } = event
        else {
            return Ok(());
        };
        let now = (*machine, *boot);
        let first = *self.led.entry((*partition, *term)).or_insert(now);
        if first == now {
            return Ok(());
        }
        Err(format!(
            "{partition} is led in term {term} by machine {machine} in its life {boot}, and was by machine {} in \
             its life {}",
            first.0, first.1
        ))
    }
}
