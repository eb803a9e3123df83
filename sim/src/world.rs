//! The machines, the network between them and the clients before them, moved together one millisecond at a time.
//!
//! Within a tick the machines run in turn; what they send arrives in a later tick. Nothing here draws on real time.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};

use levada_replica::Group;
use levada_types::PartitionId;

use crate::event::Event;
use crate::invariants::{self, Invariant};
use crate::lease_event::LeaseEvent;
use crate::machine::{Crash, Machine};
use crate::net::{MachineId, Network};
use crate::random::Random;
use crate::stepped::Stepped;
use crate::trace::{self, Trace, event};
use crate::workload::{Access, Shared, held_by};

/// Machines of which a cluster is made.
pub(crate) const FIRST_MEMBERS: usize = 3;
/// All machines. The others are empty until an operator adds them.
const MACHINES: usize = 4;
/// Partitions beside the catalog.
pub(crate) const PARTITIONS: u32 = 3;
/// Replicas are looked at this often, in milliseconds.
const LOOK_EVERY_MS: u64 = 20;
/// The state is hashed at one entry of so many.
const HASH_EVERY: u64 = 4;

/// A promise that was broken, or a cluster that does not come back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An invariant does not hold.
    #[error("broken: {promise}: {what}")]
    Broken {
        /// The promise.
        promise: &'static str,
        /// What was seen.
        what: String,
    },
    /// What a canary broke, and what ended it.
    #[error("{list}{ended}", list = list(.broken))]
    Gathered {
        /// The promises, and what was seen of each.
        broken: Vec<(&'static str, String)>,
        /// What kept the run from its end, if anything did.
        ended: String,
    },
    /// All is healed and the cluster does not work.
    #[error("stuck: {0}")]
    Stuck(String),
    /// The simulator itself could not go on.
    #[error("the simulator failed: {0}")]
    Io(#[from] io::Error),
}

fn list(broken: &[(&'static str, String)]) -> String {
    let lines = broken.iter();
    lines
        .map(|(promise, what)| format!("broken: {promise}: {what}\n"))
        .collect()
}

/// Numbers a machine's copies of a partition, one after the other.
#[derive(Default)]
struct Copies {
    last: BTreeMap<(MachineId, PartitionId), (Weak<Group>, u64)>,
    here: BTreeMap<MachineId, BTreeSet<PartitionId>>,
}

impl Copies {
    fn number(&mut self, machine: MachineId, group: &Arc<Group>) -> u64 {
        let now = Arc::downgrade(group);
        let (last, number) = self.last.entry((machine, group.id())).or_default();
        if !last.ptr_eq(&now) {
            *last = now;
            *number += 1;
        }
        *number
    }

    /// What the machine had a copy of when it was last looked at, and has not now.
    fn gone(&mut self, machine: MachineId, groups: &[Arc<Group>]) -> Vec<PartitionId> {
        let now: BTreeSet<PartitionId> = groups.iter().map(|group| group.id()).collect();
        let here = self.here.entry(machine).or_default();
        let gone = here.difference(&now).copied().collect();
        *here = now;
        gone
    }
}

/// Everything that is simulated.
pub(crate) struct World {
    pub(crate) now_ms: u64,
    pub(crate) trace: Arc<Trace>,
    pub(crate) network: Arc<Network>,
    pub(crate) machines: Vec<Machine>,
    /// Those that are members of the cluster, or on their way in or out.
    pub(crate) members: BTreeSet<MachineId>,
    pub(crate) clients: Stepped,
    pub(crate) shared: Arc<Shared>,
    copies: Copies,
    invariants: Vec<Box<dyn Invariant>>,
    /// By machine, then by partition: the entry at which the state was last hashed.
    hashed: Vec<Vec<u64>>,
    /// Who has left since the last tick.
    left: Vec<MachineId>,
    pub(crate) events: u64,
    /// Broken promises are gathered, each once, and end nothing.
    pub(crate) gathers: bool,
    pub(crate) broken: Vec<(&'static str, String)>,
}

impl World {
    /// Machines with empty disks under `dir`.
    pub(crate) fn new(
        seed: u64,
        dir: &Path,
        prints: bool,
        clocks_are_right: bool,
    ) -> io::Result<Self> {
        let trace = Arc::new(Trace::new(prints));
        let network = Network::new(MACHINES, Random::of(seed, "network"), trace.clone());
        let machines = (0..MACHINES).map(|id| {
            let dir = dir.join(format!("n{id}"));
            Machine::new(
                id,
                if id < FIRST_MEMBERS {
                    FIRST_MEMBERS
                } else {
                    MACHINES
                },
                PARTITIONS,
                dir,
                network.clone(),
                trace.clone(),
                seed,
            )
        });
        let access = Access::new(MACHINES);
        Ok(Self {
            now_ms: 0,
            machines: machines.collect(),
            members: (0..FIRST_MEMBERS).collect(),
            clients: Stepped::new(0)?,
            shared: Shared::new(access, trace.clone(), seed),
            copies: Copies::default(),
            invariants: invariants::all(clocks_are_right),
            hashed: vec![vec![0; PARTITIONS as usize + 1]; MACHINES],
            trace,
            network,
            left: Vec::new(),
            events: 0,
            gathers: false,
            broken: Vec::new(),
        })
    }

    /// Starts a machine's process, if none runs.
    pub(crate) fn start(&mut self, machine: MachineId) -> io::Result<()> {
        self.machines[machine].start(self.now_ms)?;
        self.shared
            .access
            .set(machine, self.machines[machine].door());
        Ok(())
    }

    /// Ends a machine's process.
    pub(crate) fn crash(&mut self, machine: MachineId, how: Crash) -> io::Result<()> {
        self.shared.access.set(machine, None);
        self.machines[machine].crash(how)
    }

    /// A machine is no member any more.
    pub(crate) fn leave(&mut self, machine: MachineId) {
        self.members.remove(&machine);
        self.left.push(machine);
    }

    /// Moves time by a millisecond. Answers the machines whose processes have ended by themselves.
    pub(crate) fn tick(&mut self) -> Result<Vec<MachineId>, Failure> {
        self.now_ms += 1;
        trace::set_now(self.now_ms);
        self.network.deliver(self.now_ms);
        let mut ended = Vec::new();
        for machine in 0..MACHINES {
            if self.machines[machine].step(self.now_ms) {
                ended.push(machine);
            }
        }
        self.clients.step(self.now_ms);
        for event in self.shared.take_events() {
            self.see(&event)?;
        }
        for machine in std::mem::take(&mut self.left) {
            self.see(&Event::Left { machine })?;
        }
        if self.now_ms.is_multiple_of(LOOK_EVERY_MS) {
            self.look(HASH_EVERY)?;
        }
        Ok(ended)
    }

    /// Looks at every replica. The state is hashed where its last entry is a multiple of `hash_every`.
    fn look(&mut self, hash_every: u64) -> Result<(), Failure> {
        let mut seen = Vec::new();
        for (id, machine) in self.machines.iter().enumerate() {
            let Some(node) = machine.slot().and_then(|slot| slot.node()) else {
                continue;
            };
            let groups = node.replicas().groups();
            for partition in self.copies.gone(id, &groups) {
                let machine = id;
                seen.push(Event::CopyGone { machine, partition });
            }
            for group in groups {
                let applied_index = group.applied_index();
                let place = &mut self.hashed[id][group.id().0 as usize];
                let due = applied_index != *place && applied_index.is_multiple_of(hash_every);
                let state = due.then(|| {
                    *place = applied_index;
                    let mut hasher = DefaultHasher::new();
                    group
                        .read(|partition| partition.snapshot())
                        .hash(&mut hasher);
                    hasher.finish()
                });
                seen.push(Event::Replica {
                    machine: id,
                    boot: machine.boots(),
                    partition: group.id(),
                    copy: self.copies.number(id, &group),
                    applied_index,
                    committed_index: group.committed_index(),
                    leads_by_vote: group.leads_by_vote(),
                    state,
                });
            }
        }
        for event in seen {
            if let Event::Replica {
                applied_index,
                state: Some(state),
                ..
            } = &event
            {
                self.trace.bytes(*applied_index, &state.to_be_bytes());
            }
            self.see(&event)?;
        }
        Ok(())
    }

    /// What each replica of the leases' table holds.
    fn look_at_leases(&mut self) -> Result<(), Failure> {
        let mut seen = Vec::new();
        for &machine in &self.members {
            let slot = self.machines[machine].slot();
            let Some(node) = slot.and_then(|slot| slot.node()) else {
                continue;
            };
            for group in node.replicas().groups() {
                if let Some((items, indexed)) = group.read(held_by) {
                    seen.push(LeaseEvent::Replica {
                        machine,
                        items,
                        indexed,
                    });
                }
            }
        }
        let mut seen = seen.into_iter();
        seen.try_for_each(|event| {
            event!(self.trace, "{event:?}");
            self.see(&Event::Lease(event))
        })
    }

    fn see(&mut self, event: &Event) -> Result<(), Failure> {
        self.events += 1;
        self.judge(|invariant| invariant.see(event))
    }

    /// Asks every invariant for the last time.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        self.look(1)?;
        self.look_at_leases()?;
        self.judge(|invariant| invariant.end())?;
        event!(self.trace, "the end");
        Ok(())
    }

    /// Hears every invariant whose promise was not broken before.
    fn judge(
        &mut self,
        ask: impl Fn(&mut dyn Invariant) -> invariants::Verdict,
    ) -> Result<(), Failure> {
        for invariant in &mut self.invariants {
            let promise = invariant.promise();
            if self.broken.iter().any(|(broken, _)| *broken == promise) {
                continue;
            }
            let Err(what) = ask(&mut **invariant) else {
                continue;
            };
            if !self.gathers {
                return Err(Failure::Broken { promise, what });
            }
            self.broken.push((promise, what));
        }
        Ok(())
    }

    /// Whether every node runs, votes in each of its partitions, and knows a leader that lives. Else why not.
    pub(crate) fn ready(&self) -> Result<(), String> {
        for id in &self.members {
            let slot = self.machines[*id]
                .slot()
                .ok_or_else(|| format!("machine {id} is down"))?;
            if let Some(failure) = slot.failure() {
                return Err(format!("machine {id} did not start: {failure}"));
            }
            let node = slot
                .node()
                .ok_or_else(|| format!("machine {id} is starting"))?;
            node.ready().map_err(|why| format!("machine {id}: {why}"))?;
        }
        Ok(())
    }

    /// Whether every partition has a replica, and all of its replicas have applied the same entry.
    pub(crate) fn is_level(&self) -> bool {
        let mut indexes: BTreeMap<PartitionId, BTreeSet<u64>> = BTreeMap::new();
        for machine in &self.members {
            let slot = self.machines[*machine].slot();
            let Some(node) = slot.and_then(|slot| slot.node()) else {
                return false;
            };
            for group in node.replicas().groups() {
                let of_it = indexes.entry(group.id()).or_default();
                of_it.insert(group.applied_index());
            }
        }
        let count = usize::try_from(PARTITIONS).unwrap_or(usize::MAX) + 1;
        indexes.len() == count && indexes.values().all(|of_it| of_it.len() == 1)
    }

    /// Whether nothing is on its way from one partition to another, as far as any replica knows.
    pub(crate) fn is_shipped(&self) -> bool {
        self.members.iter().all(|machine| {
            let slot = self.machines[*machine].slot();
            let node = slot.and_then(|slot| slot.node());
            node.is_some_and(|node| {
                let groups = node.replicas().groups();
                groups
                    .iter()
                    .all(|group| group.read(|partition| partition.outbox_waiting()) == 0)
            })
        })
    }

    /// Whether a member knows of a change of members that is under way.
    pub(crate) fn is_changing(&self) -> bool {
        self.members.iter().any(|machine| {
            let slot = self.machines[*machine].slot();
            let node = slot.and_then(|slot| slot.node());
            node.is_some_and(|node| node.status().change.is_some())
        })
    }
}
