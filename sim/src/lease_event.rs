//! What was seen of the leases, as the invariants are told of it.

use crate::net::MachineId;

/// Leases of the table; they are numbered from 0.
pub(crate) const LEASES: u64 = 4;
/// The counter of a lease that was just made.
pub(crate) const FIRST_COUNTER: u64 = 1;

/// One thing that was seen.
#[derive(Clone, Debug)]
pub(crate) enum LeaseEvent {
    /// A call leaves its worker.
    Begun {
        /// Its number.
        call: u64,
        /// What is asked.
        asked: Call,
    },
    /// A call was answered.
    Answered {
        /// Its number.
        call: u64,
        /// What was asked.
        asked: Call,
        /// What the answer says.
        answer: Answer,
    },
    /// Nobody answered a call: what it asked for may be done at any later time, or never.
    Unanswered {
        /// Its number.
        call: u64,
    },
    /// A node says that there is no such table, though it was made and nobody dropped it.
    NoTable {
        /// Which node's machine.
        machine: MachineId,
    },
    /// All is healed, and every lease was read at one machine.
    Swept {
        /// Which.
        machine: MachineId,
    },
    /// All is healed and level: what the replica on a machine holds.
    Replica {
        /// Which machine.
        machine: MachineId,
        /// The table's items, by number.
        items: Vec<Lease>,
        /// The items of the index, by number.
        indexed: Vec<Lease>,
    },
}

/// What a worker asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A conditional write of a lease.
    Write(u64, Write),
    /// A consistent read of a lease.
    Read(u64),
    /// A scan of the table.
    Scan,
    /// A query of the index: what has this owner.
    OfOwner(u64),
}

/// A write, and its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// If there is none: a lease with the first counter.
    Create {
        /// Who will own it.
        owner: u64,
    },
    /// If owner and counter are these: another owner, and the next counter.
    Take {
        /// Who owns it.
        from: u64,
        /// Its counter.
        counter: u64,
        /// Who will own it.
        owner: u64,
    },
    /// If owner and counter are these: the next counter.
    Renew {
        /// Who owns it.
        owner: u64,
        /// Its counter.
        counter: u64,
    },
    /// If the owner is this: another checkpoint.
    Checkpoint {
        /// Who owns it.
        owner: u64,
        /// How far it has come.
        position: u64,
    },
}

/// What a call was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The write was done, on this.
    DoneOn(Option<Lease>),
    /// The write was done, and this came out.
    DoneTo(Lease),
    /// The write's condition did not hold of this.
    Refused(Option<Lease>),
    /// What a read, a scan or a query found, by number.
    Found(Vec<Lease>),
}

/// A lease as it is in the table. An owner is the number of one tenure: who takes a lease again is another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lease {
    /// Which.
    pub(crate) number: u64,
    /// Who has it.
    pub(crate) owner: u64,
    /// Rises with every change but that of the checkpoint.
    pub(crate) counter: u64,
    /// How far its owners have come; 0 at first.
    pub(crate) checkpoint: u64,
}

impl Write {
    /// Whether its condition holds of a lease.
    pub(crate) fn may_be_done_on(&self, lease: Option<&Lease>) -> bool {
        match (self, lease) {
            (Self::Create { .. }, lease) => lease.is_none(),
            (_, None) => false,
            (Self::Take { from, counter, .. }, Some(lease)) => {
                (lease.owner, lease.counter) == (*from, *counter)
            }
            (Self::Renew { owner, counter }, Some(lease)) => {
                (lease.owner, lease.counter) == (*owner, *counter)
            }
            (Self::Checkpoint { owner, .. }, Some(lease)) => lease.owner == *owner,
        }
    }

    /// What it makes of a lease of which its condition holds.
    pub(crate) fn done_on(&self, number: u64, lease: Option<&Lease>) -> Lease {
        let lease = lease.copied().unwrap_or(Lease {
            number,
            owner: 0,
            counter: FIRST_COUNTER - 1,
            checkpoint: 0,
        });
        let counter = lease.counter + 1;
        match *self {
            Self::Create { owner } | Self::Take { owner, .. } => Lease {
                owner,
                counter,
                ..lease
            },
            Self::Renew { .. } => Lease { counter, ..lease },
            Self::Checkpoint { position, .. } => Lease {
                checkpoint: position,
                ..lease
            },
        }
    }

    /// The owner and the counter that it leaves; none if it leaves them alone.
    pub(crate) fn tenure(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Create { owner } => Some((owner, FIRST_COUNTER)),
            Self::Take { counter, owner, .. } | Self::Renew { owner, counter } => {
                Some((owner, counter + 1))
            }
            Self::Checkpoint { .. } => None,
        }
    }
}

impl Call {
    /// What an answer shows of leases, each as it was at some moment between the call and its answer: there, or not
    /// there. A write that was done shows what it was done on, if that was told, and what came out.
    pub(crate) fn shown(&self, answer: &Answer) -> Vec<(u64, Option<Lease>)> {
        match (self, answer) {
            (Self::Write(number, write), Answer::DoneOn(before)) => vec![
                (*number, *before),
                (*number, Some(write.done_on(*number, before.as_ref()))),
            ],
            (Self::Write(number, _), Answer::DoneTo(after)) => vec![(*number, Some(*after))],
            (Self::Write(number, _), Answer::Refused(lease)) => vec![(*number, *lease)],
            (Self::Read(number), Answer::Found(found)) => {
                vec![(*number, found.first().copied())]
            }
            (Self::Scan, Answer::Found(found)) => {
                let of = |number| found.iter().find(|lease| lease.number == number).copied();
                (0..LEASES).map(|number| (number, of(number))).collect()
            }
            (_, Answer::Found(found)) => {
                let found = found.iter();
                found.map(|lease| (lease.number, Some(*lease))).collect()
            }
            _ => Vec::new(),
        }
    }
}
