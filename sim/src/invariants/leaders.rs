//! A vote is won once, by the node that it names.
//!
//! Votes are ordered by term and then by node, so that two may be won in one term. Who leads by the lower one finds no
//! majority for anything that it writes afterwards; that nothing is lost by it is what the other invariants see.

use std::collections::BTreeMap;

use levada_types::{NodeId, PartitionId};

use super::{Invariant, Verdict};
use crate::event::Event;
use crate::net::MachineId;

#[derive(Default)]
pub(super) struct Leaders {
    /// Who led, by partition and vote: a machine in one of its lives.
    led: BTreeMap<(PartitionId, u64, NodeId), (MachineId, u64)>,
}

impl Invariant for Leaders {
    fn promise(&self) -> &'static str {
        "a vote is won once"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Replica {
            machine,
            boot,
            partition,
            leads_by_vote: Some((term, node)),
            ..
        } = event
        else {
            return Ok(());
        };
        let now = (*machine, *boot);
        let first = *self.led.entry((*partition, *term, *node)).or_insert(now);
        if first == now {
            return Ok(());
        }
        Err(format!(
            "{partition} is led in term {term} by {node}, which is machine {machine} in its life {boot}, and was \
             machine {} in its life {}",
            first.0, first.1
        ))
    }
}
