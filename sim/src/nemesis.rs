//! The faults of a seed: which, when, where and for how long. At most two at a time, and what destroys a disk only
//! when every node is whole: two copies of three lost at once are lost.

use std::io;
use std::ops::RangeInclusive;

use crate::machine::{Crash, DiskPace};
use crate::net::{Link, MachineId};
use crate::random::Random;
use crate::trace::event;
use crate::world::{MACHINES, World};

/// Between two faults, in milliseconds.
const PAUSE_MS: RangeInclusive<u64> = 300..=4_000;
/// A fault lasts so long.
const LASTS_MS: RangeInclusive<u64> = 50..=6_000;
/// Before a process that ended by itself is started again.
const RESTART_MS: RangeInclusive<u64> = 10..=2_000;
/// Faults at one time.
const AT_ONCE_MAX: usize = 2;
/// By how much a clock jumps at most.
const SKEW_MS_MAX: u64 = 90_000;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kill,
    PowerLoss,
    PowerLossOfAll,
    PowerCutInWrite,
    FailedSync,
    Stop,
    Isolate,
    OneWay,
    SlowLink,
    LossyLink,
    SlowDisk,
    NoSpace,
    Wipe,
    Clock,
    Checkpoint,
}

const KINDS: [Kind; 15] = [
    Kind::Kill,
    Kind::PowerLoss,
    Kind::PowerLossOfAll,
    Kind::PowerCutInWrite,
    Kind::FailedSync,
    Kind::Stop,
    Kind::Isolate,
    Kind::OneWay,
    Kind::SlowLink,
    Kind::LossyLink,
    Kind::SlowDisk,
    Kind::NoSpace,
    Kind::Wipe,
    Kind::Clock,
    Kind::Checkpoint,
];

/// How a fault ends.
#[derive(Clone, Copy, Debug)]
enum Remedy {
    Start(MachineId),
    Resume(MachineId),
    Heal,
    Pace(MachineId),
    Room(MachineId),
    SetClock(MachineId),
}

/// Who does it.
pub(crate) struct Nemesis {
    random: Random,
    next_ms: u64,
    remedies: Vec<(u64, Remedy)>,
    kinds: Vec<Kind>,
    pub(crate) faults: u64,
}

impl Nemesis {
    /// With the faults that a seed chooses: some seeds have few kinds, so that each meets the others unmixed too.
    pub(crate) fn new(seed: u64, clocks_are_right: bool) -> Self {
        let mut random = Random::of(seed, "nemesis");
        let share = random.within(200..=1_000);
        let mut kinds: Vec<Kind> = KINDS
            .into_iter()
            .filter(|_| random.per_mille(share))
            .filter(|kind| !clocks_are_right || *kind != Kind::Clock)
            .collect();
        if kinds.is_empty() {
            kinds.push(Kind::Kill);
        }
        let next_ms = random.within(PAUSE_MS);
        Self {
            random,
            next_ms,
            remedies: Vec::new(),
            kinds,
            faults: 0,
        }
    }

    /// One that only takes the power from all machines at once.
    pub(crate) fn of_power(seed: u64) -> Self {
        Self {
            kinds: vec![Kind::PowerLossOfAll],
            ..Self::new(seed, true)
        }
    }

    /// A process has ended by itself, its disk having failed.
    pub(crate) fn ended(&mut self, world: &mut World, machine: MachineId) -> io::Result<()> {
        let how = if world.machines[machine].has_power() {
            Crash::Kill
        } else {
            Crash::PowerLoss
        };
        world.crash(machine, how)?;
        let at = world.now_ms + self.random.within(RESTART_MS);
        self.remedies.push((at, Remedy::Start(machine)));
        Ok(())
    }

    /// Ends what is due to end, and starts again what did not start; does no harm.
    pub(crate) fn mend(&mut self, world: &mut World) -> io::Result<()> {
        let now_ms = world.now_ms;
        let (due, later) = std::mem::take(&mut self.remedies)
            .into_iter()
            .partition(|(at, _)| *at <= now_ms);
        self.remedies = later;
        for (_, remedy) in due {
            apply(world, remedy)?;
        }
        self.restart_the_failed(world)
    }

    /// Mends what is due, and does what is due.
    pub(crate) fn act(&mut self, world: &mut World) -> io::Result<()> {
        self.mend(world)?;
        let now_ms = world.now_ms;
        if now_ms < self.next_ms {
            return Ok(());
        }
        self.next_ms = now_ms + self.random.within(PAUSE_MS);
        if self.remedies.len() < AT_ONCE_MAX {
            self.strike(world)?;
        }
        Ok(())
    }

    /// A node that did not start is tried again, as whoever runs it would.
    fn restart_the_failed(&mut self, world: &mut World) -> io::Result<()> {
        for machine in 0..MACHINES {
            let failed = world.machines[machine]
                .slot()
                .is_some_and(|slot| slot.failure().is_some());
            if failed {
                world.crash(machine, Crash::Kill)?;
                let at = world.now_ms + self.random.within(RESTART_MS);
                self.remedies.push((at, Remedy::Start(machine)));
            }
        }
        Ok(())
    }

    fn strike(&mut self, world: &mut World) -> io::Result<()> {
        let kind = self.kinds[self.random.index(self.kinds.len())];
        let machine = self.random.index(MACHINES);
        let until = world.now_ms + self.random.within(LASTS_MS);
        if !world.machines[machine].runs() {
            return Ok(());
        }
        let mut ends_by = |remedy| self.remedies.push((until, remedy));
        match kind {
            Kind::Kill => {
                world.crash(machine, Crash::Kill)?;
                ends_by(Remedy::Start(machine));
            }
            Kind::PowerLoss => {
                world.crash(machine, Crash::PowerLoss)?;
                ends_by(Remedy::Start(machine));
            }
            Kind::PowerLossOfAll => {
                for machine in 0..MACHINES {
                    world.crash(machine, Crash::PowerLoss)?;
                    ends_by(Remedy::Start(machine));
                }
            }
            Kind::PowerCutInWrite => {
                let calls = self.random.within(0..=12);
                world.machines[machine].cut_power_in_write(calls);
            }
            Kind::FailedSync => world.machines[machine].fail_sync(),
            // No fault, but what faults are to meet: a purged log, and snapshots instead of entries.
            Kind::Checkpoint => world.machines[machine].checkpoint(),
            Kind::Stop => {
                world.machines[machine].stop();
                ends_by(Remedy::Resume(machine));
            }
            Kind::Isolate | Kind::OneWay | Kind::SlowLink | Kind::LossyLink => {
                self.harm_links(world, kind, machine);
                self.remedies.push((until, Remedy::Heal));
            }
            Kind::SlowDisk => {
                let max_ms = self.random.within(20..=300);
                world.machines[machine].set_pace(DiskPace { min_ms: 10, max_ms });
                self.remedies.push((until, Remedy::Pace(machine)));
            }
            Kind::NoSpace => {
                world.machines[machine].set_free(Some(0));
                ends_by(Remedy::Room(machine));
            }
            Kind::Wipe => {
                if self.remedies.is_empty() && world.ready().is_ok() {
                    world.crash(machine, Crash::Kill)?;
                    world.machines[machine].wipe()?;
                    self.remedies.push((until, Remedy::Start(machine)));
                }
            }
            Kind::Clock => {
                let ahead = self.random.within(0..=2 * SKEW_MS_MAX).cast_signed();
                world.machines[machine].set_skew(ahead - SKEW_MS_MAX.cast_signed());
                self.remedies.push((until, Remedy::SetClock(machine)));
            }
        }
        self.faults += 1;
        Ok(())
    }

    fn harm_links(&mut self, world: &World, kind: Kind, machine: MachineId) {
        let to_all = self.random.per_mille(500);
        let one = (machine + 1 + self.random.index(MACHINES - 1)) % MACHINES;
        let outwards = self.random.per_mille(500);
        let harm = match kind {
            Kind::SlowLink => Link {
                delay_ms_min: 5,
                delay_ms_max: self.random.within(20..=400),
                ..Link::default()
            },
            Kind::LossyLink => Link {
                lost_per_mille: self.random.within(10..=300),
                ..Link::default()
            },
            _ => Link {
                cut: true,
                ..Link::default()
            },
        };
        let others = (0..MACHINES).filter(|other| *other != machine);
        for other in others.filter(|other| to_all || *other == one) {
            let both = kind != Kind::OneWay;
            if both || outwards {
                world.network.set_link(machine, other, |link| *link = harm);
            }
            if both || !outwards {
                world.network.set_link(other, machine, |link| *link = harm);
            }
            event!(
                world.trace,
                "links of {machine} and {other}: {kind:?} {harm:?}, outwards {outwards}"
            );
        }
    }

    /// Ends every fault.
    pub(crate) fn relent(&mut self, world: &mut World) -> io::Result<()> {
        event!(world.trace, "no more faults");
        for (_, remedy) in std::mem::take(&mut self.remedies) {
            apply(world, remedy)?;
        }
        for machine in 0..MACHINES {
            world.machines[machine].disarm();
            world.start(machine)?;
        }
        world.network.heal();
        Ok(())
    }
}

fn apply(world: &mut World, remedy: Remedy) -> io::Result<()> {
    let now_ms = world.now_ms;
    match remedy {
        Remedy::Start(machine) => world.start(machine)?,
        Remedy::Resume(machine) => world.machines[machine].resume(now_ms),
        Remedy::Heal => {
            event!(world.trace, "every link is whole");
            world.network.heal();
        }
        Remedy::Pace(machine) => world.machines[machine].set_pace(DiskPace::default()),
        Remedy::Room(machine) => world.machines[machine].set_free(None),
        Remedy::SetClock(machine) => world.machines[machine].set_skew(0),
    }
    Ok(())
}
