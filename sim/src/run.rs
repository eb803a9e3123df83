//! One seed, from empty disks to the last look at the invariants.

use std::path::Path;

use crate::nemesis::Nemesis;
use crate::random::Random;
use crate::trace::event;
use crate::workload;
use crate::world::{Failure, MACHINES, World};

/// A cluster forms within this time, and comes back within it when all is healed.
const READY_MS_MAX: u64 = 120_000;
/// Every queue is empty this long after, at the latest.
const DRAINED_MS_MAX: u64 = 120_000;
/// Nothing was received for so long: the queues are empty. Longer than a visibility timeout.
const QUIET_MS: u64 = 5_000;

/// What a run is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Decides everything.
    pub(crate) seed: u64,
    /// For how long faults happen.
    pub(crate) fault_ms: u64,
    /// Print every event.
    pub(crate) prints: bool,
    /// Let every disk lie about its syncs: a bug that must be found.
    pub(crate) canary: bool,
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
pub(crate) fn run(options: Options, dir: &Path) -> Result<Report, Failure> {
    // Where clocks jump, less can be said of claims: half of the seeds go without.
    let clocks_are_right = Random::of(options.seed, "clocks").per_mille(500);
    let mut world = World::new(options.seed, dir, options.prints, clocks_are_right)?;
    let mut nemesis = if options.canary {
        Nemesis::of_power(options.seed)
    } else {
        Nemesis::new(options.seed, clocks_are_right)
    };
    if options.canary {
        world.machines.iter().for_each(|m| m.ignore_syncs());
    }
    for machine in 0..MACHINES {
        world.start(machine)?;
    }
    until_ready(&mut world, &mut nemesis)?;
    event!(world.trace, "the cluster is ready");
    workload::begin(&world.shared, &world.clients);
    let end = world.now_ms + options.fault_ms;
    while world.now_ms < end {
        tick(&mut world, &mut nemesis)?;
        nemesis.act(&mut world)?;
    }
    nemesis.relent(&mut world)?;
    until_ready(&mut world, &mut nemesis)?;
    event!(world.trace, "the cluster is whole again");
    drain(&mut world, &mut nemesis)?;
    world.end()?;
    Ok(Report {
        hash: world.trace.hash(),
        simulated_ms: world.now_ms,
        faults: nemesis.faults,
        events: world.events,
    })
}

fn tick(world: &mut World, nemesis: &mut Nemesis) -> Result<(), Failure> {
    for machine in world.tick()? {
        nemesis.ended(world, machine)?;
    }
    Ok(())
}

fn until_ready(world: &mut World, nemesis: &mut Nemesis) -> Result<(), Failure> {
    let deadline = world.now_ms + READY_MS_MAX;
    while let Err(why) = world.ready() {
        if world.now_ms >= deadline {
            return Err(Failure::Stuck(format!(
                "not ready after {READY_MS_MAX} ms without faults: {why}"
            )));
        }
        tick(world, nemesis)?;
        nemesis.mend(world)?;
    }
    Ok(())
}

/// Has every queue emptied, and waits until every replica has applied the same.
fn drain(world: &mut World, nemesis: &mut Nemesis) -> Result<(), Failure> {
    world.shared.drain();
    let deadline = world.now_ms + DRAINED_MS_MAX;
    loop {
        let quiet_since = world.shared.last_event_ms();
        let is_quiet = world.now_ms >= quiet_since + QUIET_MS;
        if is_quiet && world.is_level() {
            return Ok(());
        }
        if world.now_ms >= deadline {
            return Err(Failure::Stuck(format!(
                "the queues are not empty or the replicas not level {DRAINED_MS_MAX} ms after the last send; \
                 the last event was at {quiet_since} ms"
            )));
        }
        tick(world, nemesis)?;
        nemesis.mend(world)?;
    }
}
