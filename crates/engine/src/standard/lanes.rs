//! Which tenant is served next.
//!
//! A message with a group on a standard queue belongs to that tenant; those without are one tenant
//! together, the *plain lane*. The tenant with the fewest messages in flight is served, of equals
//! the one whose head is oldest: a tenant with a large backlog or slow consumers does not keep the
//! others waiting. A queue that uses no groups has the plain lane only and pays nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::ready::{Past, Picked, Ready};

/// A tenant's lane. Numbers are given in order of arrival and not used again.
pub(super) type LaneId = u64;

/// The lane of messages without a group.
pub(super) const PLAIN: LaneId = 0;

/// One tenant's messages.
pub(super) struct Lane {
    pub(super) group: Box<str>,
    pub(super) ready: Ready,
    in_flight: u64,
    delayed: u64,
}

/// Tenants, on a queue that uses groups.
pub(super) struct Tenants {
    /// Every tenant that has a message, whatever its state. The plain lane is always among them,
    /// but its `ready` is in `Lanes::plain`.
    pub(super) lanes: BTreeMap<LaneId, Lane>,
    pub(super) by_group: BTreeMap<Box<str>, LaneId>,
    /// (in flight, head, lane) of each lane with something ready: the order of service.
    pub(super) order: BTreeSet<(u64, u64, LaneId)>,
    /// (lowest position, lane) of each lane with something ready.
    pub(super) heads: BTreeSet<(u64, LaneId)>,
    /// The lanes of returned messages that are not in the plain lane.
    pub(super) home: BTreeMap<u64, LaneId>,
}

/// A lane's places in `Tenants::order` and `Tenants::heads`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) order: (u64, u64, LaneId),
    pub(super) head: (u64, LaneId),
}

impl Tenants {
    fn new() -> Self {
        Self {
            lanes: BTreeMap::new(),
            by_group: BTreeMap::new(),
            order: BTreeSet::new(),
            heads: BTreeSet::new(),
            home: BTreeMap::new(),
        }
    }
}

/// The ready messages of a queue, by tenant.
#[derive(Default)]
pub(super) struct Lanes {
    pub(super) plain: Ready,
    plain_in_flight: u64,
    /// Ready messages in all lanes.
    ready: u64,
    /// The number that was given last.
    pub(super) last_lane: LaneId,
    pub(super) tenants: Option<Box<Tenants>>,
}

impl Lanes {
    /// The lane of a group's messages, made if there is none. The caller adds a message to it.
    pub(super) fn lane_of(&mut self, group: &str) -> LaneId {
        if group.is_empty() {
            return PLAIN;
        }
        let known = self.tenants.as_ref().and_then(|t| t.by_group.get(group));
        known
            .copied()
            .unwrap_or_else(|| self.add_lane(self.last_lane.saturating_add(1), group))
    }

    /// Makes a lane of a given number, above those that were.
    pub(super) fn add_lane(&mut self, lane: LaneId, group: &str) -> LaneId {
        self.last_lane = lane;
        let first = self.tenants.is_none();
        let tenants = self.tenants.get_or_insert_with(|| Box::new(Tenants::new()));
        tenants.by_group.insert(group.into(), lane);
        let new = Lane {
            group: group.into(),
            ready: Ready::default(),
            in_flight: 0,
            delayed: 0,
        };
        tenants.lanes.insert(lane, new);
        if first {
            self.reorder(PLAIN, None);
        }
        lane
    }

    /// The keys of `lane`, if something is ready in it.
    pub(super) fn keys(&self, lane: LaneId) -> Option<Keys> {
        let (in_flight, ready) = if lane == PLAIN {
            (self.plain_in_flight, &self.plain)
        } else {
            let of = self.tenants.as_ref()?.lanes.get(&lane)?;
            (of.in_flight, &of.ready)
        };
        let order = (in_flight, ready.head()?, lane);
        Some(Keys {
            order,
            head: (ready.lowest()?, lane),
        })
    }

    /// Changes one lane and keeps the orders. A tenant that has no message left is forgotten.
    fn change<T>(
        &mut self,
        lane: LaneId,
        f: impl FnOnce(&mut Ready, &mut u64, &mut u64) -> T,
    ) -> Option<T> {
        // Without tenants there is no order to keep.
        let before = if self.tenants.is_some() {
            self.keys(lane)
        } else {
            None
        };
        let tenant = self.tenants.as_mut().and_then(|t| t.lanes.get_mut(&lane));
        let (ready, in_flight, delayed) = match tenant {
            Some(of) => (&mut of.ready, &mut of.in_flight, &mut of.delayed),
            None if lane == PLAIN => (&mut self.plain, &mut self.plain_in_flight, &mut 0),
            None => return None,
        };
        let ready_before = ready.len();
        let result = f(ready, in_flight, delayed);
        self.ready = self
            .ready
            .saturating_sub(ready_before)
            .saturating_add(ready.len());
        self.reorder(lane, before);
        Some(result)
    }

    fn reorder(&mut self, lane: LaneId, before: Option<Keys>) {
        if self.tenants.is_none() {
            return;
        }
        let after = self.keys(lane);
        let Some(tenants) = &mut self.tenants else {
            return;
        };
        if before != after {
            if let Some(keys) = before {
                tenants.order.remove(&keys.order);
                tenants.heads.remove(&keys.head);
            }
            if let Some(keys) = after {
                tenants.order.insert(keys.order);
                tenants.heads.insert(keys.head);
            }
        }
        let empty = |l: &Lane| l.in_flight == 0 && l.delayed == 0 && l.ready.len() == 0;
        if after.is_none() && tenants.lanes.get(&lane).is_some_and(empty) {
            if let Some(gone) = tenants.lanes.remove(&lane) {
                tenants.by_group.remove(&gone.group);
            }
            if tenants.lanes.is_empty() {
                self.tenants = None;
            }
        }
    }

    /// Adds `[first, end)`, never received.
    pub(super) fn add(&mut self, lane: LaneId, first: u64, end: u64) {
        self.change(lane, |ready, _, _| ready.untouched.add(first, end));
    }

    /// Adds `[first, end)` to the ready ones of a lane in which they were delayed.
    pub(super) fn delay_ended(&mut self, lane: LaneId, first: u64, end: u64) {
        self.change(lane, |ready, _, delayed| {
            ready.untouched.add(first, end);
            *delayed = delayed.saturating_sub(end - first);
        });
    }

    /// `count` messages of the lane are delayed.
    pub(super) fn delayed(&mut self, lane: LaneId, count: u64) {
        self.change(lane, |_, _, delayed| {
            *delayed = delayed.saturating_add(count)
        });
    }

    /// `count` delayed messages of the lane are gone.
    pub(super) fn undelayed(&mut self, lane: LaneId, count: u64) {
        self.change(lane, |_, _, delayed| {
            *delayed = delayed.saturating_sub(count)
        });
    }

    /// Takes the message that is to be served next. It is in flight then, until `ended` or
    /// `give_back`.
    pub(super) fn pick(&mut self) -> Option<Picked> {
        let tenants = self.tenants.as_ref();
        let lane = match tenants {
            Some(tenants) => tenants.order.first()?.2,
            None => PLAIN,
        };
        // Counted as in flight for as long as it is nowhere, so that its lane stays.
        let (position, past) = self.change(lane, |ready, in_flight, _| {
            let popped = ready.pop();
            *in_flight += u64::from(popped.is_some());
            popped
        })??;
        self.clear_home(position);
        Some(Picked {
            position,
            lane,
            past,
        })
    }

    /// A message in flight is gone.
    pub(super) fn ended(&mut self, lane: LaneId) {
        self.change(lane, |_, in_flight, _| {
            *in_flight = in_flight.saturating_sub(1)
        });
    }

    /// A message in flight is ready again.
    pub(super) fn give_back(&mut self, lane: LaneId, position: u64, past: Past) {
        self.change(lane, |ready, in_flight, _| {
            *in_flight = in_flight.saturating_sub(1);
            ready.returned.insert(position, past);
        });
        self.set_home(lane, position);
    }

    /// Adds a returned message that a snapshot has.
    pub(super) fn restore_returned(&mut self, lane: LaneId, position: u64, past: Past) {
        self.change(lane, |ready, _, _| ready.returned.insert(position, past));
        self.set_home(lane, position);
    }

    /// Counts a claim that a snapshot has.
    pub(super) fn restore_claim(&mut self, lane: LaneId) {
        self.change(lane, |_, in_flight, _| *in_flight += 1);
    }

    /// Where to find a returned message again.
    fn set_home(&mut self, lane: LaneId, position: u64) {
        if lane != PLAIN
            && let Some(tenants) = &mut self.tenants
        {
            tenants.home.insert(position, lane);
        }
    }

    /// Removes a ready message that had been received.
    pub(super) fn remove_returned(&mut self, position: u64) -> bool {
        let lane = self.home_of(position);
        let removed = self.change(lane, |ready, _, _| {
            ready.returned.remove(&position).is_some()
        });
        self.clear_home(position);
        removed.unwrap_or(false)
    }

    /// Removes a ready message of a lane.
    pub(super) fn remove(&mut self, lane: LaneId, position: u64) -> bool {
        let removed = self.change(lane, |ready, _, _| ready.remove(position));
        if removed == Some(true) {
            self.clear_home(position);
        }
        removed.unwrap_or(false)
    }

    /// Removes a ready message, whichever lane it is in.
    pub(super) fn remove_anywhere(&mut self, position: u64) -> bool {
        self.lane_with(position)
            .is_some_and(|lane| self.remove(lane, position))
    }

    /// The lane in which `position` is ready.
    fn lane_with(&self, position: u64) -> Option<LaneId> {
        if self.plain.contains(position) {
            return Some(PLAIN);
        }
        // Only lanes whose lowest position is not above it can have it.
        let tenants = self.tenants.as_ref()?;
        let candidates = tenants.heads.range(..=(position, LaneId::MAX));
        candidates.map(|(_, lane)| *lane).find(|lane| {
            tenants
                .lanes
                .get(lane)
                .is_some_and(|of| of.ready.contains(position))
        })
    }

    /// Whether `position` is ready.
    pub(super) fn holds(&self, position: u64) -> bool {
        self.lane_with(position).is_some()
    }

    /// Removes every ready message up to `through`; returns them as ranges.
    pub(super) fn remove_through(&mut self, through: u64) -> Vec<(u64, u64)> {
        let mut gone = Vec::new();
        while let Some((lowest, lane)) = self.lowest_lane()
            && lowest <= through
        {
            self.change(lane, |ready, _, _| {
                ready.untouched.remove_through(through, &mut gone);
                let kept = ready.returned.split_off(&through.saturating_add(1));
                let returned = std::mem::replace(&mut ready.returned, kept);
                gone.extend(returned.into_keys().map(|p| (p, p + 1)));
            });
        }
        if let Some(tenants) = &mut self.tenants {
            tenants.home = tenants.home.split_off(&through.saturating_add(1));
        }
        gone
    }

    /// The lowest ready position and its lane.
    fn lowest_lane(&self) -> Option<(u64, LaneId)> {
        match &self.tenants {
            Some(tenants) => tenants.heads.first().copied(),
            None => Some((self.plain.lowest()?, PLAIN)),
        }
    }

    /// The lowest ready position.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.lowest_lane().map(|(position, _)| position)
    }

    /// Up to `max` ready positions, about the lowest, in order.
    pub(super) fn peek(&self, max: usize) -> Vec<u64> {
        let tenants = self
            .tenants
            .iter()
            .flat_map(|t| t.lanes.values().map(|of| &of.ready));
        let lanes = std::iter::once(&self.plain).chain(tenants);
        let mut positions: Vec<u64> = lanes.flat_map(Ready::positions).take(max).collect();
        positions.sort_unstable();
        positions
    }

    /// Up to `max` ready messages from a position on, by position. Looks into the lanes that begin before the last of
    /// them and into no others.
    pub(super) fn ready_from(&self, from: u64, max: usize) -> BTreeMap<u64, Past> {
        let mut found = BTreeMap::new();
        let Some(tenants) = &self.tenants else {
            self.plain.gather_from(from, max, &mut found);
            return found;
        };
        for (lowest, lane) in &tenants.heads {
            let last = found.last_key_value().map(|(position, _)| *position);
            if found.len() >= max && last.is_none_or(|last| last < *lowest) {
                break;
            }
            let of = tenants.lanes.get(lane).map(|of| &of.ready);
            let of = if *lane == PLAIN {
                Some(&self.plain)
            } else {
                of
            };
            if let Some(ready) = of {
                ready.gather_from(from, max, &mut found);
            }
        }
        found
    }

    /// Ready messages in all lanes.
    pub(super) fn ready(&self) -> u64 {
        self.ready
    }

    /// The same without any message; numbers of lanes still rise.
    pub(super) fn emptied(&self) -> Self {
        Self {
            last_lane: self.last_lane,
            ..Self::default()
        }
    }

    fn home_of(&self, position: u64) -> LaneId {
        let home = self.tenants.as_ref().and_then(|t| t.home.get(&position));
        home.copied().unwrap_or(PLAIN)
    }

    fn clear_home(&mut self, position: u64) {
        if let Some(tenants) = &mut self.tenants {
            tenants.home.remove(&position);
        }
    }
}
