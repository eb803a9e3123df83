//! The groups of a FIFO queue: which positions wait in each, and which groups may be served.
//!
//! Invariants, for each group that is here:
//! - something of it waits or is in flight (else it is forgotten),
//! - its waiting positions ascend, and so do those in flight,
//! - if something waits, its first position stands in exactly one of `free` (nothing that was sent
//!   before it is in flight) and `blocked` (something is).
//!
//! Numbers of groups are reused and depend on history: they never leave this file's callers, and no
//! snapshot shows them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A group's place in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupNumber(u32);

#[derive(Debug)]
struct Group {
    name: Arc<str>,
    waiting: VecDeque<u64>,
    /// Few: what a receive takes at once, mostly.
    in_flight: Vec<u64>,
}

impl Group {
    /// Below what the group may be served: messages behind one in flight wait for it.
    fn end(&self) -> u64 {
        self.in_flight.first().copied().unwrap_or(u64::MAX)
    }

    fn take_off(&mut self, position: u64) {
        let place = self.in_flight.partition_point(|p| *p < position);
        self.in_flight.insert(place, position);
    }

    fn land(&mut self, position: u64) {
        self.in_flight.retain(|p| *p != position);
    }
}

/// Every group that has a message.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_name: BTreeMap<Arc<str>, GroupNumber>,
    slab: Vec<Option<Group>>,
    unused: Vec<GroupNumber>,
    free: BTreeMap<u64, GroupNumber>,
    blocked: BTreeMap<u64, GroupNumber>,
    waiting: u64,
}

impl Groups {
    /// Messages that wait, in all groups.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// The group whose first waiting message is the oldest of all that nothing blocks.
    pub(super) fn first_free(&self) -> Option<(u64, GroupNumber)> {
        self.free
            .first_key_value()
            .map(|(position, group)| (*position, *group))
    }

    /// The oldest waiting position, blocked or not.
    pub(super) fn first_waiting(&self) -> Option<u64> {
        let first = |heads: &BTreeMap<u64, GroupNumber>| heads.first_key_value().map(|(p, _)| *p);
        first(&self.free)
            .into_iter()
            .chain(first(&self.blocked))
            .min()
    }

    /// The free group whose first waiting message this is.
    pub(super) fn free_at(&self, position: u64) -> Option<GroupNumber> {
        self.free.get(&position).copied()
    }

    /// The free groups whose first waiting message lies in the range, oldest first.
    pub(super) fn free_in(
        &self,
        range: std::ops::Range<u64>,
    ) -> impl Iterator<Item = GroupNumber> + '_ {
        self.free.range(range).map(|(_, group)| *group)
    }

    /// Up to `max` waiting positions in the range, blocked or not, lowest first. Looks into the groups that begin before
    /// the last of them and into no others.
    pub(super) fn waiting_in(&self, range: std::ops::Range<u64>, max: usize) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        for heads in [&self.free, &self.blocked] {
            for (head, group) in heads.range(..range.end) {
                if found.len() >= max && found.last().is_none_or(|last| last < head) {
                    break;
                }
                let waiting = &self.get(*group).waiting;
                let skipped = waiting.partition_point(|p| *p < range.start);
                let here = waiting.range(skipped..).take(max);
                found.extend(here.copied().take_while(|p| *p < range.end));
                while found.len() > max {
                    found.pop_last();
                }
            }
        }
        found
    }

    /// The group's name.
    pub(super) fn name(&self, group: GroupNumber) -> &Arc<str> {
        &self.get(group).name
    }

    /// The group's first waiting position.
    pub(super) fn first_of(&self, group: GroupNumber) -> Option<u64> {
        self.get(group).waiting.front().copied()
    }

    /// The last waiting position of the group of this name.
    pub(super) fn last_waiting(&self, name: &str) -> Option<u64> {
        self.get(*self.by_name.get(name)?).waiting.back().copied()
    }

    /// Below what the group may be served now.
    pub(super) fn end_of(&self, group: GroupNumber) -> u64 {
        self.get(group).end()
    }

    /// The group's positions below `end` that nothing blocks.
    pub(super) fn claimable_below(
        &self,
        group: GroupNumber,
        end: u64,
    ) -> impl Iterator<Item = u64> + '_ {
        let group = self.get(group);
        let end = end.min(group.end());
        group.waiting.iter().copied().take_while(move |p| *p < end)
    }

    /// How many of the group's messages below `end` a receive could claim now; 0 if it is blocked.
    pub(super) fn claimable(&self, group: GroupNumber, end: u64) -> u32 {
        let group = self.get(group);
        let end = end.min(group.end());
        u32::try_from(group.waiting.partition_point(|p| *p < end)).unwrap_or(u32::MAX)
    }

    /// Adds a message behind all others of its group. Says whether nothing of the group is in flight.
    pub(super) fn push(&mut self, name: &str, position: u64) -> bool {
        let number = self.number_of(name);
        let group = self.get_mut(number);
        assert!(
            group.waiting.back().is_none_or(|last| *last < position),
            "positions ascend"
        );
        group.waiting.push_back(position);
        let (first, free) = (group.waiting.len() == 1, group.in_flight.is_empty());
        self.waiting += 1;
        if first {
            self.enter(number);
        }
        free
    }

    /// Takes the first waiting message out; it is in flight from now on.
    pub(super) fn claim_first(&mut self, number: GroupNumber) {
        self.leave(number);
        let group = self.get_mut(number);
        if let Some(position) = group.waiting.pop_front() {
            group.take_off(position);
            self.waiting -= 1;
        }
        self.enter(number);
    }

    /// Takes the first waiting message out for good. Says whether the group still exists.
    pub(super) fn remove_first(&mut self, number: GroupNumber) -> bool {
        self.leave(number);
        let removed = self.get_mut(number).waiting.pop_front();
        self.waiting -= u64::from(removed.is_some());
        self.enter_or_forget(number)
    }

    /// A message that was in flight waits again, at its place in the order.
    pub(super) fn give_back(&mut self, number: GroupNumber, position: u64) {
        self.leave(number);
        let group = self.get_mut(number);
        let place = group.waiting.partition_point(|p| *p < position);
        group.waiting.insert(place, position);
        group.land(position);
        self.waiting += 1;
        self.enter(number);
    }

    /// The message at `position`, which was in flight, is gone. Says whether the group still exists.
    pub(super) fn end_flight(&mut self, number: GroupNumber, position: u64) -> bool {
        self.leave(number);
        self.get_mut(number).land(position);
        self.enter_or_forget(number)
    }

    /// Takes every waiting message below `end` out, oldest group first.
    pub(super) fn remove_below(&mut self, end: u64, mut removed: impl FnMut(u64)) {
        while let Some(first) = self.first_waiting().filter(|p| *p < end) {
            let heads = if self.free.contains_key(&first) {
                &mut self.free
            } else {
                &mut self.blocked
            };
            let Some(number) = heads.remove(&first) else {
                return;
            };
            let group = self.get_mut(number);
            let count = group.waiting.partition_point(|p| *p < end);
            group.waiting.drain(..count).for_each(&mut removed);
            self.waiting -= count as u64;
            self.enter_or_forget(number);
        }
    }

    /// Each group's name and waiting positions, by name; groups that have messages only in flight too.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &VecDeque<u64>)> + '_ {
        self.by_name
            .iter()
            .map(|(name, number)| (&**name, &self.get(*number).waiting))
    }

    /// For restoring: the message at `position` is of this group and in flight.
    pub(super) fn add_in_flight(&mut self, name: &str, position: u64) -> GroupNumber {
        let number = self.number_of(name);
        self.leave(number);
        self.get_mut(number).take_off(position);
        self.enter(number);
        number
    }

    fn get(&self, number: GroupNumber) -> &Group {
        self.slab[number.0 as usize]
            .as_ref()
            .expect("a number is held only while the group is there")
    }

    fn get_mut(&mut self, number: GroupNumber) -> &mut Group {
        self.slab[number.0 as usize]
            .as_mut()
            .expect("a number is held only while the group is there")
    }

    fn number_of(&mut self, name: &str) -> GroupNumber {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let name: Arc<str> = name.into();
        let group = Group {
            name: name.clone(),
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
        };
        let number = self.unused.pop().unwrap_or_else(|| {
            self.slab.push(None);
            GroupNumber(u32::try_from(self.slab.len() - 1).expect("fewer groups than 2^32"))
        });
        self.slab[number.0 as usize] = Some(group);
        self.by_name.insert(name, number);
        number
    }

    fn heads(&mut self, number: GroupNumber) -> Option<(u64, &mut BTreeMap<u64, GroupNumber>)> {
        let group = self.get(number);
        let first = *group.waiting.front()?;
        Some((
            first,
            if first < group.end() {
                &mut self.free
            } else {
                &mut self.blocked
            },
        ))
    }

    /// Before a group changes: takes it out of `free` or `blocked`.
    fn leave(&mut self, number: GroupNumber) {
        if let Some((first, heads)) = self.heads(number) {
            heads.remove(&first);
        }
    }

    /// After a group changed: puts it where it belongs.
    fn enter(&mut self, number: GroupNumber) {
        if let Some((first, heads)) = self.heads(number) {
            heads.insert(first, number);
        }
    }

    fn enter_or_forget(&mut self, number: GroupNumber) -> bool {
        let group = self.get(number);
        if group.waiting.is_empty() && group.in_flight.is_empty() {
            let name = group.name.clone();
            self.by_name.remove(&name);
            self.slab[number.0 as usize] = None;
            self.unused.push(number);
            return false;
        }
        self.enter(number);
        true
    }
}
