//! An operator: drains nodes, hands leaders over, adds a machine and takes one out, as `levada cluster` does. One thing at
//! a time; what was begun is seen to its end, after the faults too.
//!
//! One machine more than members is there. Who is taken out is the next to come back, with an empty disk.

use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use levada_cluster::{OperationError, Operator};
use levada_types::PartitionId;

use crate::machine::{Crash, Slot};
use crate::net::{MachineId, address};
use crate::random::Random;
use crate::trace::event;
use crate::workload::Shared;
use crate::world::{FIRST_MEMBERS, PARTITIONS, World};

/// Between two operations, in milliseconds.
const PAUSE_MS: RangeInclusive<u64> = 500..=8_000;
/// Between two tries of one that must be carried out.
const AGAIN: Duration = Duration::from_millis(300);
/// A member that joins is done when every node is ready; that is looked at this often, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;

/// What is going on.
enum State {
    /// Nothing, until then.
    Rest(u64),
    /// Somebody is told of it, and will have said so.
    Asked(Arc<Mutex<Option<bool>>>, Step),
    /// A machine was started and is to become a member.
    Joins,
    /// A machine is to hear that it is none any more.
    Leaves,
}

#[derive(Clone, Copy)]
enum Step {
    Lead,
    Add(MachineId),
    Remove,
}

/// The operator of a seed.
pub(crate) struct Changes {
    random: Random,
    state: State,
    /// Who was last to be taken out, unless it has heard of it.
    leaves: Option<MachineId>,
    /// Begins nothing any more.
    ends: bool,
}

impl Changes {
    /// One that does nothing at all in some seeds, so that members stay what they are there.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::of(seed, "operator");
        let works = random.per_mille(600);
        let first = random.within(PAUSE_MS);
        Self {
            random,
            state: State::Rest(first),
            leaves: None,
            ends: !works,
        }
    }

    /// Nothing more is begun.
    pub(crate) fn end(&mut self) {
        self.ends = true;
    }

    /// Whether nothing is under way.
    pub(crate) fn rests(&self) -> bool {
        matches!(self.state, State::Rest(_))
    }

    /// Goes on with what is under way, or begins something.
    pub(crate) fn act(&mut self, world: &mut World) -> std::io::Result<()> {
        let now_ms = world.now_ms;
        self.bid_farewell(world)?;
        match &self.state {
            State::Rest(until) => {
                if now_ms >= *until && !self.ends {
                    self.begin(world);
                }
            }
            State::Asked(done, step) => {
                let done = *done.lock().unwrap_or_else(PoisonError::into_inner);
                match (done, *step) {
                    (None, _) => {}
                    (Some(true), Step::Add(machine)) => {
                        world.members.insert(machine);
                        world.start(machine)?;
                        self.state = State::Joins;
                    }
                    (Some(true), Step::Remove) => self.state = State::Leaves,
                    (Some(_), _) => self.rest(now_ms),
                }
            }
            State::Joins => {
                if now_ms.is_multiple_of(LOOK_EVERY_MS) && world.ready().is_ok() {
                    event!(world.trace, "the operator sees that the newcomer is ready");
                    self.rest(now_ms);
                }
            }
            // It has left, or was wiped meanwhile and has joined again.
            State::Leaves => {
                let is_over = now_ms.is_multiple_of(LOOK_EVERY_MS)
                    && world.ready().is_ok()
                    && !world.is_changing();
                if is_over {
                    event!(world.trace, "the operator sees that nobody leaves any more");
                    self.rest(now_ms);
                }
            }
        }
        Ok(())
    }

    fn rest(&mut self, now_ms: u64) {
        self.state = State::Rest(now_ms + self.random.within(PAUSE_MS));
    }

    fn begin(&mut self, world: &World) {
        let members: Vec<MachineId> = world.members.iter().copied().collect();
        let who = members[self.random.index(members.len())];
        let name = address(who).to_string();
        let spare = (0..world.machines.len()).find(|machine| !members.contains(machine));
        let done = Arc::default();
        let step = match self.random.within(0..=5) {
            0 | 1 => {
                let what = self.random.within(0..=3);
                let partition = PartitionId(self.random.within(0..=u64::from(PARTITIONS)) as u32);
                event!(world.trace, "the operator moves leaders: {what} of {name}");
                let lead = move |operator: Operator, _| {
                    let name = name.clone();
                    async move {
                        match what {
                            0 => operator.set_draining(&name, true).await.map(|_| ()),
                            1 => operator.set_draining(&name, false).await.map(|_| ()),
                            2 => operator.transfer(partition, &name).await.map(|_| ()),
                            _ => operator.rebalance().await,
                        }
                    }
                };
                self.ask(world, 1, &done, lead);
                Step::Lead
            }
            _ => match spare {
                Some(machine) if members.len() == FIRST_MEMBERS => {
                    event!(world.trace, "the operator adds machine {machine}");
                    let name = address(machine).to_string();
                    self.ask(world, 20, &done, move |operator: Operator, tries| {
                        let name = name.clone();
                        async move { done_before(operator.add(&name).await, tries) }
                    });
                    Step::Add(machine)
                }
                _ => {
                    event!(world.trace, "the operator takes machine {who} out");
                    self.leaves = Some(who);
                    self.ask(world, 20, &done, move |operator: Operator, tries| {
                        let name = name.clone();
                        async move { done_before(operator.remove(&name).await.map(|_| ()), tries) }
                    });
                    Step::Remove
                }
            },
        };
        self.state = State::Asked(done, step);
    }

    /// Takes away the machine that is no member any more: it has heard so, or can't hear it, having lost its disk meanwhile.
    fn bid_farewell(&mut self, world: &mut World) -> std::io::Result<()> {
        let gone = |machine: &MachineId| {
            let asks_to_join = Some(*machine) == self.leaves && is_stranger(world, *machine);
            world.machines[*machine].was_removed() || asks_to_join
        };
        let Some(machine) = world.members.iter().copied().find(gone) else {
            return Ok(());
        };
        event!(world.trace, "machine {machine} is no member any more");
        self.leaves = None;
        world.crash(machine, Crash::Kill)?;
        world.machines[machine].wipe()?;
        world.leave(machine);
        Ok(())
    }

    /// Asks one member after the other until one has done it; of an answer that tells nothing, or after so many tries
    /// without one, the next look tells.
    fn ask<F>(
        &mut self,
        world: &World,
        tries_max: u32,
        done: &Arc<Mutex<Option<bool>>>,
        what: impl Fn(Operator, u32) -> F + Send + Clone + 'static,
    ) where
        F: Future<Output = Result<(), OperationError>> + Send + 'static,
    {
        let (shared, done): (Arc<Shared>, _) = (world.shared.clone(), done.clone());
        let machines: Vec<MachineId> = world.members.iter().copied().collect();
        let first = self.random.index(machines.len());
        world.clients.spawn(async move {
            let mut unsure = 0;
            for turn in 0..tries_max as usize {
                let machine = machines[(first + turn) % machines.len()];
                let what = what.clone();
                let tried = unsure;
                let answer = shared
                    .access
                    .operate(machine, move |operator| what(operator, tried))
                    .await;
                event!(
                    shared.trace,
                    "the operation's answer of machine {machine}: {answer:?}"
                );
                match answer {
                    Some(Ok(())) => {
                        *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(true);
                        return;
                    }
                    None | Some(Err(OperationError::Unavailable(_))) => unsure += 1,
                    Some(Err(_)) => {}
                }
                tokio::time::sleep(AGAIN).await;
            }
            *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(false);
        });
    }
}

/// Whether the machine runs without being anybody, and every other one runs and knows of no member at its address.
fn is_stranger(world: &World, machine: MachineId) -> bool {
    let node = |machine: MachineId| world.machines[machine].slot().and_then(Slot::node);
    let slot = world.machines[machine].slot();
    if !slot.is_some_and(|slot| slot.node().is_none() && slot.failure().is_none()) {
        return false;
    }
    let address = address(machine).to_string();
    let mut others = world.members.iter().filter(|other| **other != machine);
    others.all(|other| {
        node(*other).is_some_and(|node| {
            let status = node.status();
            let knows = status.members.iter().any(|m| m.peer_address == address);
            status.change.is_none() && !knows
        })
    })
}

/// An operation that nobody answered may have been carried out: then it is refused the next time, for being under way.
fn done_before(answer: Result<(), OperationError>, tries: u32) -> Result<(), OperationError> {
    match answer {
        Err(OperationError::Refused(why)) if tries > 0 && why.contains("expected at") => Ok(()),
        Err(OperationError::Refused(why)) if tries > 0 && why.contains("still being taken out") => {
            Ok(())
        }
        other => other,
    }
}
