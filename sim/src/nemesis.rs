//! The faults of a seed: which, when, where and for how long. At most two at a time, and what destroys a copy only
//! while every node says that it is ready: that is what an operator goes by, and two copies of three lost at once
//! are lost.

use std::io;
use std::ops::RangeInclusive;

use crate::machine::{Crash, DiskPace};
use crate::net::{Link, MachineId};
use crate::random::Random;
use crate::trace::event;
use crate::world::World;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
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
    FlippedBit,
    Clock,
    Checkpoint,
    /// No fault of the world but of a broker: see [`Canary::EarlyAnswers`].
    #[value(skip)]
    EarlyAnswers,
}

/// A bug that is put in, and must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Canary {
    /// No sync ever does anything, so that a power loss leaves any mixture.
    LyingDisks,
    /// For some seconds all nodes answer before they sync; then the power goes, and each has lost the end of its log
    /// and nothing else. Raft finds nothing wrong: only who remembers the answers does.
    EarlyAnswers,
}

const KINDS: [Kind; 16] = [
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
    Kind::FlippedBit,
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
    /// Takes the power from all.
    Reckon,
}

/// Who does it.
pub(crate) struct Nemesis {
    random: Random,
    next_ms: u64,
    remedies: Vec<(u64, Remedy)>,
    kinds: Vec<Kind>,
    /// What destroys copies waits until every node says that another can be spared, and comes at that very moment.
    waiting: Option<(Kind, MachineId)>,
    pub(crate) faults: u64,
}

impl Nemesis {
    /// With the faults that a seed chooses of `of`, or of all: some seeds have few kinds, so that each meets the others
    /// unmixed too.
    pub(crate) fn new(seed: u64, clocks_are_right: bool, of: &[Kind]) -> Self {
        let mut random = Random::of(seed, "nemesis");
        let share = random.within(200..=1_000);
        let chosen = KINDS
            .into_iter()
            .filter(|_| random.per_mille(share))
            .collect();
        let mut kinds = if of.is_empty() { chosen } else { of.to_vec() };
        kinds.retain(|kind| !clocks_are_right || *kind != Kind::Clock);
        if kinds.is_empty() {
            kinds.push(Kind::Kill);
        }
        let next_ms = random.within(PAUSE_MS);
        Self {
            random,
            next_ms,
            remedies: Vec::new(),
            kinds,
            waiting: None,
            faults: 0,
        }
    }

    /// The one that brings a canary's bug to light.
    pub(crate) fn of_canary(seed: u64, canary: Canary) -> Self {
        let kind = match canary {
            Canary::LyingDisks => Kind::PowerLossOfAll,
            Canary::EarlyAnswers => Kind::EarlyAnswers,
        };
        Self::new(seed, true, &[kind])
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
        self.destroy(world)?;
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
        for machine in 0..world.machines.len() {
            let failed = world.machines[machine]
                .slot()
                .is_some_and(|slot| slot.failure().is_some());
            if failed && !world.machines[machine].was_removed() {
                world.crash(machine, Crash::Kill)?;
                let at = world.now_ms + self.random.within(RESTART_MS);
                self.remedies.push((at, Remedy::Start(machine)));
            }
        }
        Ok(())
    }

    fn strike(&mut self, world: &mut World) -> io::Result<()> {
        let kind = self.kinds[self.random.index(self.kinds.len())];
        let members: Vec<MachineId> = world.members.iter().copied().collect();
        let machine = members[self.random.index(members.len())];
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
                for machine in members {
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
            Kind::Wipe | Kind::FlippedBit => {
                self.waiting = Some((kind, machine));
                return self.destroy(world);
            }
            Kind::EarlyAnswers => {
                // What comes after it is honest, or the others would find more than the lost end.
                if self.remedies.is_empty() && world.ready().is_ok() {
                    event!(world.trace, "every node answers before it syncs");
                    world.machines.iter().for_each(|m| m.ignore_syncs());
                    self.remedies.push((until, Remedy::Reckon));
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

    /// Destroys a copy if one is to be, and each node says that it can be spared.
    fn destroy(&mut self, world: &mut World) -> io::Result<()> {
        let is_time = self.waiting.is_some() && self.remedies.is_empty() && world.ready().is_ok();
        let Some((kind, machine)) = self.waiting.take_if(|_| is_time) else {
            return Ok(());
        };
        if !world.members.contains(&machine) {
            return Ok(());
        }
        world.crash(machine, Crash::Kill)?;
        if kind == Kind::Wipe {
            world.machines[machine].wipe()?;
        } else {
            world.machines[machine].flip_bit(&mut self.random)?;
        }
        let until = world.now_ms + self.random.within(LASTS_MS);
        self.remedies.push((until, Remedy::Start(machine)));
        self.faults += 1;
        Ok(())
    }

    fn harm_links(&mut self, world: &World, kind: Kind, machine: MachineId) {
        let to_all = self.random.per_mille(500);
        let machines = world.machines.len();
        let one = (machine + 1 + self.random.index(machines - 1)) % machines;
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
        let others = (0..machines).filter(|other| *other != machine);
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
        world.machines.iter().for_each(|m| m.disarm());
        for machine in world.members.clone() {
            world.start(machine)?;
        }
        world.network.heal();
        Ok(())
    }
}

fn apply(world: &mut World, remedy: Remedy) -> io::Result<()> {
    let now_ms = world.now_ms;
    match remedy {
        // Unless it has left meanwhile.
        Remedy::Start(machine) => {
            if world.members.contains(&machine) {
                world.start(machine)?;
            }
        }
        Remedy::Resume(machine) => world.machines[machine].resume(now_ms),
        Remedy::Heal => {
            event!(world.trace, "every link is whole");
            world.network.heal();
        }
        Remedy::Pace(machine) => world.machines[machine].set_pace(DiskPace::default()),
        Remedy::Room(machine) => world.machines[machine].set_free(None),
        Remedy::SetClock(machine) => world.machines[machine].set_skew(0),
        Remedy::Reckon => {
            for machine in world.members.clone() {
                world.crash(machine, Crash::PowerLoss)?;
                world.machines[machine].heed_syncs();
                world.start(machine)?;
            }
        }
    }
    Ok(())
}
