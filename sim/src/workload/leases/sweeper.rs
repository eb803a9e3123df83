//! When all is healed and nobody works any more: takes every lease, which makes those that nobody came to make, and
//! then reads all of them at each machine, in each way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::AGAIN;
use super::calls::call;
use super::item::Form;
use crate::event::Event;
use crate::lease_event::{Answer, Call, LEASES, LeaseEvent, Write};
use crate::net::MachineId;
use crate::trace::event;
use crate::workload::Shared;

const FORM: Form = Form {
    adds: false,
    wants_before: false,
};
/// A machine whose node says nothing so often is no member any more.
const FAILURES_MAX: u32 = 50;

/// Ends when it has read everything.
pub(super) async fn run(shared: Arc<Shared>) {
    while !(shared.drains() && shared.leases.nobody_works()) {
        tokio::time::sleep(AGAIN).await;
    }
    for number in 0..LEASES {
        take(&shared, number).await;
    }
    for machine in 0..shared.access.machines() {
        if sweep(&shared, machine).await {
            shared.note(Event::Lease(LeaseEvent::Swept { machine }));
        }
    }
    shared.leases.swept.store(true, Ordering::Relaxed);
}

async fn take(shared: &Shared, number: u64) {
    let mut machine = 0;
    loop {
        if shared.access.is_open(machine) && taken(shared, machine, number).await {
            return;
        }
        machine = (machine + 1) % shared.access.machines();
        tokio::time::sleep(AGAIN).await;
    }
}

/// Reads a lease and takes it from whoever has it. Whether that went well.
async fn taken(shared: &Shared, machine: MachineId, number: u64) -> bool {
    let Some(Answer::Found(found)) = call(shared, machine, Call::Read(number), FORM).await else {
        return false;
    };
    let owner = shared.take_number();
    let write = match found.first() {
        None => Write::Create { owner },
        Some(lease) => Write::Take {
            from: lease.owner,
            counter: lease.counter,
            owner,
        },
    };
    let done = call(shared, machine, Call::Write(number, write), FORM).await;
    matches!(done, Some(Answer::DoneTo(_)))
}

/// Whether everything could be read.
async fn sweep(shared: &Shared, machine: MachineId) -> bool {
    let Some(Answer::Found(found)) = insist(shared, machine, Call::Scan).await else {
        return false;
    };
    for number in 0..LEASES {
        if insist(shared, machine, Call::Read(number)).await.is_none() {
            return false;
        }
    }
    for lease in found {
        let asked = Call::OfOwner(lease.owner);
        if insist(shared, machine, asked).await.is_none() {
            return false;
        }
    }
    true
}

async fn insist(shared: &Shared, machine: MachineId, asked: Call) -> Option<Answer> {
    for _ in 0..FAILURES_MAX {
        if !shared.access.is_open(machine) {
            return None;
        }
        if let Some(answer) = call(shared, machine, asked, FORM).await {
            return Some(answer);
        }
        tokio::time::sleep(AGAIN).await;
    }
    event!(shared.trace, "machine {machine} does not answer {asked:?}");
    None
}
