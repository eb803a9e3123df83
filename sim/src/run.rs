//! One seed, from empty disks to the last look at the invariants.

use std::path::Path;

use crate::changes::Changes;
use crate::nemesis::{Canary, Kind, Nemesis};
use crate::random::Random;
use crate::standstill::Standstill;
use crate::trace::event;
use crate::workload;
use crate::world::{Failure, World};

/// A cluster forms within this time, and comes back within it when all is healed.
const READY_MS_MAX: u64 = 120_000;
/// Every queue is empty this long after, at the latest.
const DRAINED_MS_MAX: u64 = 120_000;
/// Nothing was received for so long: the queues are empty. Longer than a visibility timeout.
const QUIET_MS: u64 = 5_000;

/// What a run is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    /// Decides everything.
    pub(crate) seed: u64,
    /// For how long faults happen.
    pub(crate) fault_ms: u64,
    /// Print every event.
    pub(crate) prints: bool,
    /// A bug that must be found. Every promise that it breaks is gathered.
    pub(crate) canary: Option<Canary>,
    /// The faults to choose from; none for all.
    pub(crate) faults: &'a [Kind],
}

/// What a run was.
#[derive(Debug)]
pub(crate) struct Report {
    /// Over everything that happened.
    pub(crate) hash: u64,
    /// Simulated time.
    pub(crate) simulated_ms: u64,
    /// Faults.
    pub(crate) faults: u64,
    /// Events that the invariants saw.
    pub(crate) events: u64,
}

/// Runs a seed in an empty directory. Only once in a process: what is static would be another the second time.
pub(crate) fn run(options: Options<'_>, dir: &Path) -> Result<Report, Failure> {
    // Where clocks jump, less can be said of claims: half of the seeds go without.
    let clocks_are_right = Random::of(options.seed, "clocks").per_mille(500);
    let mut world = World::new(options.seed, dir, options.prints, clocks_are_right)?;
    let mut nemesis = match options.canary {
        Some(canary) => Nemesis::of_canary(options.seed, canary),
        None => Nemesis::new(options.seed, clocks_are_right, options.faults),
    };
    world.gathers = options.canary.is_some();
    match options.canary {
        Some(Canary::LyingDisks) => world.machines.iter().for_each(|m| m.ignore_syncs()),
        Some(Canary::EarlyAnswers) => {
            let machines = world.machines.iter_mut();
            machines.for_each(|m| m.keep_one_log_file());
        }
        None => {}
    }
    let mut changes = Changes::new(options.seed);
    if options.canary.is_some() {
        changes.end();
    }
    let ran = live(&mut world, &mut nemesis, &mut changes, options.fault_ms);
    match (ran, world.broken.is_empty()) {
        (Ok(()), true) => {}
        (Err(failure), true) => return Err(failure),
        (ran, false) => {
            let broken = std::mem::take(&mut world.broken);
            let ended = ran.err().map_or_else(String::new, |e| e.to_string());
            return Err(Failure::Gathered { broken, ended });
        }
    }
    Ok(Report {
        hash: world.trace.hash(),
        simulated_ms: world.now_ms,
        faults: nemesis.faults,
        events: world.events,
    })
}

/// From the first start to the last look.
fn live(
    world: &mut World,
    nemesis: &mut Nemesis,
    changes: &mut Changes,
    fault_ms: u64,
) -> Result<(), Failure> {
    for machine in world.members.clone() {
        world.start(machine)?;
    }
    until_ready(world, nemesis, changes)?;
    event!(world.trace, "the cluster is ready");
    workload::begin(&world.shared, &world.clients);
    let end = world.now_ms + fault_ms;
    while world.now_ms < end {
        tick(world, nemesis)?;
        nemesis.act(world)?;
        changes.act(world)?;
    }
    nemesis.relent(world)?;
    changes.end();
    until_ready(world, nemesis, changes)?;
    event!(world.trace, "the cluster is whole again");
    drain(world, nemesis)?;
    world.end()
}

fn tick(world: &mut World, nemesis: &mut Nemesis) -> Result<(), Failure> {
    for machine in world.tick()? {
        nemesis.ended(world, machine)?;
    }
    Ok(())
}

fn until_ready(
    world: &mut World,
    nemesis: &mut Nemesis,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let deadline = world.now_ms + READY_MS_MAX;
    let is_ready = |world: &World, changes: &Changes| {
        world.ready()?;
        let rests = changes.rests() && !world.is_changing();
        rests
            .then_some(())
            .ok_or("the members are changing".to_owned())
    };
    while let Err(why) = is_ready(world, changes) {
        if world.now_ms >= deadline {
            return Err(Failure::Stuck(format!(
                "not ready after {READY_MS_MAX} ms without faults: {why}\n{}",
                Standstill(world)
            )));
        }
        tick(world, nemesis)?;
        nemesis.mend(world)?;
        changes.act(world)?;
    }
    Ok(())
}

/// Has every queue emptied and the stream and the leases read, and waits until nothing is on its way between partitions and
/// every replica has applied the same.
fn drain(world: &mut World, nemesis: &mut Nemesis) -> Result<(), Failure> {
    world.shared.drain();
    let deadline = world.now_ms + DRAINED_MS_MAX;
    loop {
        let quiet_since = world.shared.last_event_ms();
        let is_quiet = world.now_ms >= quiet_since + QUIET_MS;
        let shared = &world.shared;
        let is_swept = shared.stream.is_swept() && shared.leases.is_swept();
        let is_over = is_swept && shared.topics.has_ended();
        if is_quiet && is_over && world.is_level() && world.is_shipped() {
            return Ok(());
        }
        if world.now_ms >= deadline {
            return Err(Failure::Stuck(format!(
                "the queues are not empty, the replicas not level, the outboxes not empty (they are: {}), the stream not \
                 read (it is: {}), the leases not (they are: {}) or the topics still worked on (they are not: {}) \
                 {DRAINED_MS_MAX} ms after the last send; the last event was at {quiet_since} ms\n{}",
                world.is_shipped(),
                world.shared.stream.is_swept(),
                world.shared.leases.is_swept(),
                world.shared.topics.has_ended(),
                Standstill(world)
            )));
        }
        tick(world, nemesis)?;
        nemesis.mend(world)?;
    }
}
