//! One of the workers that share the leases.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::calls::call;
use super::item::Form;
use crate::lease_event::{Answer, Call, LEASES, Lease, Write};
use crate::net::MachineId;
use crate::random::Random;
use crate::workload::Shared;

/// Pauses between calls, in milliseconds.
const PAUSE_MS_MAX: u64 = 240;
/// Of a thousand turns: a lease is read; all are scanned; the index is asked; a lease is taken or made. The others
/// are for the leases that it holds.
const READ_PER_MILLE: u64 = 120;
const SCAN_PER_MILLE: u64 = 60;
const QUERY_PER_MILLE: u64 = 120;
const TAKE_PER_MILLE: u64 = 150;
/// Of a thousand turns with a lease that it holds so many write a checkpoint, and the others renew it.
const CHECKPOINT_PER_MILLE: u64 = 600;

/// Runs until all is healed.
pub(super) async fn run(shared: Arc<Shared>, random: Random) {
    let mut worker = Worker {
        shared,
        random,
        seen: BTreeMap::new(),
        held: BTreeMap::new(),
    };
    while !worker.shared.drains() {
        let pause = worker.random.within(1..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        worker.turn().await;
    }
    worker.shared.leases.worker_ends();
}

struct Worker {
    shared: Arc<Shared>,
    random: Random,
    /// What it last saw of each lease; `None` for one that it saw to be missing.
    seen: BTreeMap<u64, Option<Lease>>,
    /// The owner that it is of the leases that it holds, as far as it knows.
    held: BTreeMap<u64, u64>,
}

impl Worker {
    async fn turn(&mut self) {
        let machine = self.random.index(self.shared.access.machines());
        let number = self.random.within(0..=LEASES - 1);
        let draw = self.random.within(0..=999);
        let asked = self.choose(number, draw);
        let form = Form {
            adds: self.random.per_mille(500),
            wants_before: self.random.per_mille(500),
        };
        // Where nothing can have been asked nothing need be taken anew.
        if !self.shared.access.is_open(machine) {
            return;
        }
        self.ask(machine, asked, form).await;
    }

    fn choose(&mut self, number: u64, draw: u64) -> Call {
        let seen = self.seen.get(&number).copied();
        let below = [
            READ_PER_MILLE,
            SCAN_PER_MILLE,
            QUERY_PER_MILLE,
            TAKE_PER_MILLE,
        ];
        let mut end = 0;
        let turn = below.iter().position(|per_mille| {
            end += per_mille;
            draw < end
        });
        match (turn, seen) {
            (Some(1), _) => Call::Scan,
            (Some(2), Some(Some(lease))) => Call::OfOwner(lease.owner),
            (Some(3), Some(lease)) => Call::Write(number, self.take(lease)),
            (None, _) if !self.held.is_empty() => self.hold(),
            (None, Some(None)) => Call::Write(number, self.take(None)),
            _ => Call::Read(number),
        }
    }

    /// From whoever has it.
    fn take(&self, lease: Option<Lease>) -> Write {
        let owner = self.shared.take_number();
        match lease {
            None => Write::Create { owner },
            Some(lease) => Write::Take {
                from: lease.owner,
                counter: lease.counter,
                owner,
            },
        }
    }

    /// Goes on with one of those that it has.
    fn hold(&mut self) -> Call {
        let of_them = self.random.index(self.held.len());
        let held = self.held.iter().nth(of_them);
        let (number, owner) = held.map_or((0, 0), |(number, owner)| (*number, *owner));
        let Some(Some(lease)) = self.seen.get(&number) else {
            return Call::Read(number);
        };
        let counter = lease.counter;
        if !self.random.per_mille(CHECKPOINT_PER_MILLE) {
            return Call::Write(number, Write::Renew { owner, counter });
        }
        // The numbers rise, whoever takes them.
        let position = self.shared.take_number();
        Call::Write(number, Write::Checkpoint { owner, position })
    }

    async fn ask(&mut self, machine: MachineId, asked: Call, form: Form) {
        let Some(answer) = call(&self.shared, machine, asked, form).await else {
            if let Call::Write(number, _) = asked {
                self.seen.remove(&number);
                self.held.remove(&number);
            }
            return;
        };
        if let Call::Write(number, write) = asked {
            match (&answer, write) {
                (Answer::Refused(_), _) => {
                    self.held.remove(&number);
                }
                (_, Write::Create { owner } | Write::Take { owner, .. }) => {
                    self.held.insert(number, owner);
                }
                _ => {}
            }
        }
        for (number, lease) in asked.shown(&answer) {
            // Whose lease was taken finds that out when it writes the next time.
            let mine = self.held.get(&number);
            if mine.is_none() || lease.is_some_and(|lease| Some(&lease.owner) == mine) {
                self.seen.insert(number, lease);
            }
        }
    }
}
