//! Which leases a worker takes. Pure: the time and the dice are given.
//!
//! - A lease is free if nobody has it, or if its counter has stood still for the lease's duration *by this worker's own clock*. No
//!   clock is compared with another one.
//! - The parents of a shard are processed to their ends before it is free.
//! - A worker takes free leases up to its fair share. If there is none, it takes a few from the worker that has most, as long as
//!   that one has at least two more: then each theft makes the shares more even, and it comes to an end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::lease::Lease;

/// What a worker has seen of the counters.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    seen: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    counter: u64,
    since: Instant,
}

impl Observed {
    /// Takes note of the leases as they are now; those that are gone are forgotten.
    pub(crate) fn observe(&mut self, leases: &[Lease], now: Instant) {
        let mut seen = HashMap::with_capacity(leases.len());
        for lease in leases {
            let before = self.seen.remove(&lease.key);
            let same = before.filter(|before| before.counter == lease.counter);
            let since = same.map_or(now, |before| before.since);
            seen.insert(
                lease.key.clone(),
                Seen {
                    counter: lease.counter,
                    since,
                },
            );
        }
        self.seen = seen;
    }

    /// Whether the counter has stood still for so long.
    fn stands_still(&self, lease: &Lease, now: Instant, duration: Duration) -> bool {
        let seen = self.seen.get(&lease.key);
        seen.is_some_and(|seen| now.duration_since(seen.since) >= duration)
    }
}

/// Who decides, and by what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) worker: &'a str,
    /// A lease that is not renewed for so long is free.
    pub(crate) lease_duration: Duration,
    /// Leases that this worker has at most.
    pub(crate) leases_max: usize,
    /// Leases that it takes from another worker at a time.
    pub(crate) steals_max: usize,
}

/// The leases to take, the whole of them at most once. `busy` are the shards that this worker reads, or is about to stop reading.
/// `below(n)` gives a number below n.
pub(crate) fn choose<'a>(
    leases: &'a [Lease],
    observed: &Observed,
    busy: &HashSet<String>,
    rules: Rules<'_>,
    now: Instant,
    below: &mut impl FnMut(usize) -> usize,
) -> Vec<&'a Lease> {
    let ready = ready(leases);
    let mut loads: HashMap<&str, usize> = HashMap::from([(rules.worker, 0)]);
    let (mut free, mut owned) = (Vec::new(), Vec::new());
    for lease in ready {
        if busy.contains(&lease.key) {
            *loads.entry(rules.worker).or_default() += 1;
            continue;
        }
        match lease.owner.as_deref() {
            Some(owner)
                if owner != rules.worker
                    && !observed.stands_still(lease, now, rules.lease_duration) =>
            {
                *loads.entry(owner).or_default() += 1;
                owned.push((owner, lease));
            }
            // Nobody's, a dead worker's, or this one's from before, which nobody renews.
            _ => free.push(lease),
        }
    }
    let mine = loads[rules.worker];
    let total = free.len() + loads.values().sum::<usize>();
    let fair = total.div_ceil(loads.len()).min(rules.leases_max);
    if !free.is_empty() {
        // In any order, so that workers that look at the same time do not all reach for the same one.
        shuffle(&mut free, below);
        free.truncate(fair.saturating_sub(mine));
        return free;
    }
    let room = rules.leases_max.saturating_sub(mine).min(rules.steals_max);
    steal(owned, loads, mine, room, below)
}

/// Leases that somebody may read now.
fn ready(leases: &[Lease]) -> impl Iterator<Item = &Lease> {
    let unended: HashSet<&str> = leases
        .iter()
        .filter(|lease| !lease.ended())
        .map(|lease| lease.key.as_str())
        .collect();
    leases.iter().filter(move |lease| {
        // A parent without a lease has expired, or lies before the position that the application began at.
        let waits = lease
            .parents
            .iter()
            .any(|parent| unended.contains(parent.as_str()));
        !lease.ended() && !waits
    })
}

fn steal<'a>(
    mut owned: Vec<(&'a str, &'a Lease)>,
    mut loads: HashMap<&str, usize>,
    mut mine: usize,
    room: usize,
    below: &mut impl FnMut(usize) -> usize,
) -> Vec<&'a Lease> {
    let mut stolen = Vec::new();
    shuffle(&mut owned, below);
    for _ in 0..room {
        // By the name too, or it would depend on the order of a map.
        let most = loads.iter().max_by_key(|(owner, load)| (**load, **owner));
        let Some((victim, load)) = most.map(|(victim, load)| (*victim, *load)) else {
            break;
        };
        if load < mine + 2 {
            break;
        }
        let Some(at) = owned.iter().position(|(owner, _)| *owner == victim) else {
            break;
        };
        stolen.push(owned.swap_remove(at).1);
        mine += 1;
        loads.insert(victim, load - 1);
    }
    stolen
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], below: &mut impl FnMut(usize) -> usize) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last + 1));
    }
}
