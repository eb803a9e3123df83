//! When all is healed every replica of the table holds the same, and the index of each, which no snapshot and no log
//! carries, has the items that it should.

use super::super::{Invariant, Verdict};
use crate::event::Event;
use crate::lease_event::{Lease, LeaseEvent};
use crate::net::MachineId;
use crate::world::FIRST_MEMBERS;

#[derive(Default)]
pub(super) struct Replicas {
    seen: Vec<(MachineId, Vec<Lease>)>,
}

impl Invariant for Replicas {
    fn promise(&self) -> &'static str {
        "replicas hold the same leases, and index them"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        let Event::Lease(LeaseEvent::Replica {
            machine,
            items,
            indexed,
        }) = event
        else {
            return Ok(());
        };
        if indexed != items {
            return Err(format!(
                "machine {machine} holds {items:?}, and its index {indexed:?}"
            ));
        }
        if let Some((first, known)) = self.seen.first()
            && known != items
        {
            return Err(format!(
                "machine {first} holds {known:?}, and machine {machine} holds {items:?}"
            ));
        }
        self.seen.push((*machine, items.clone()));
        Ok(())
    }

    fn end(&mut self) -> Verdict {
        let machines: Vec<_> = self.seen.iter().map(|(machine, _)| machine).collect();
        (machines.len() >= FIRST_MEMBERS)
            .then_some(())
            .ok_or_else(|| format!("only machines {machines:?} hold the leases"))
    }
}
