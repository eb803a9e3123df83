//! A FIFO queue's part in one partition: groups in order, one in-flight batch a group.
//!
//! - A group is *blocked* while anything that was sent before its first waiting message is in flight;
//!   then nothing more of it is served. Free groups are served by the age of their first message, and a
//!   receive takes what it can of one group before it goes on to the next: up to what is in flight. What
//!   returns goes back to its place.
//! - A claim is named by position and generation (the receive count it was made with). Only the claim
//!   that holds the message can delete or change it: otherwise two consumers could work on one group.
//! - A message that was ever received has an entry in `flights` or in `returned`; one that has neither
//!   was never received or is gone.
//! - The delay is the queue's and applies from each message's send (`delay.rs`), so it keeps order.
//!
//! Payloads are in the log. Called by the partition, which also hands on the dead letters.

mod attempts;
pub(crate) mod dedup;
mod delay;
mod groups;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use levada_types::{Timestamp, limits};

use self::attempts::Attempts;
use self::dedup::Deduplication;
use self::delay::Delay;
use self::groups::{GroupNumber, Groups};
use crate::log::Log;
use crate::proto::{
    DeleteResult, NewMessage, NewVisibility, QueueConfig, ReceiptRef, Receive, Record, Sent,
    VisibilityResult,
};
use crate::transfer::spread_of_group;
use crate::turn::{
    CLAIM_MS_MAX, Claim, DEAD_LETTERS_PER_RECEIVE_MAX, DeadLetter, Received, Turn,
    beyond_twelve_hours,
};
use crate::view::{Counts, Waiting};

/// A message in flight.
#[derive(Clone, Debug)]
struct Flight {
    group: GroupNumber,
    /// With this claim; its generation.
    receive_count: u32,
    first_received_at: Timestamp,
    /// When this claim was made, or made again by its attempt.
    received_at: Timestamp,
    visible_at: Timestamp,
    /// The attempt that made it, as long as it may be repeated.
    attempt: Option<attempts::Key>,
}

/// A message that was received and waits again.
#[derive(Clone, Copy, Debug)]
struct Returned {
    receive_count: u32,
    first_received_at: Timestamp,
}

/// What a group could give to receives, before one of its messages ceased to be in flight.
#[derive(Clone, Copy, Debug)]
struct Offered {
    count: u32,
    /// The in-flight limit was reached.
    full: bool,
}

/// The index of a FIFO queue. Payloads are in the log.
#[derive(Debug, Default)]
pub(crate) struct FifoQueue {
    groups: Groups,
    delay: Delay,
    deduplication: Deduplication,
    attempts: Attempts,
    flights: BTreeMap<u64, Flight>,
    /// When each flight ends.
    timers: BTreeSet<(Timestamp, u64)>,
    returned: BTreeMap<u64, Returned>,
}

impl FifoQueue {
    /// Adds one message, or answers the one that it duplicates.
    pub(crate) fn send(&mut self, turn: &mut Turn<'_>, message: NewMessage) -> Sent {
        self.deduplication.forget(turn.at);
        let scope = turn.config.deduplicate_by_group.then_some(&*message.group);
        let key = dedup::key_of(&message.deduplication, scope);
        if let Some(first) = key.and_then(|key| self.deduplication.first(&key)) {
            let message_id = Bytes::copy_from_slice(&first.message_id);
            return Sent {
                position: first.position,
                duplicate: true,
                message_id,
            };
        }
        let message_id = message.message_id.clone();
        let record = Record {
            sent_at: turn.at.as_millis(),
            message_id: message.message_id,
            group: message.group,
            payload: message.payload,
            deduplication: message.deduplication,
            ..Record::default()
        };
        let position = self.append(turn, record);
        // An id of another length is no gateway's; without 16 bytes to answer with it is not noted.
        if let (Some(key), Ok(message_id)) = (key, message_id[..].try_into()) {
            self.deduplication.insert(
                turn.at,
                key,
                dedup::First {
                    position,
                    message_id,
                },
            );
        }
        Sent {
            position,
            duplicate: false,
            message_id,
        }
    }

    /// Adds what a transfer brought: a dead letter, or a message that a move task moved. It begins
    /// anew here (its time too), and is not deduplicated: that was done where it was sent.
    pub(crate) fn deliver(&mut self, turn: &mut Turn<'_>, mut record: Record) {
        record.sent_at = turn.at.as_millis();
        self.append(turn, record);
    }

    fn append(&mut self, turn: &mut Turn<'_>, record: Record) -> u64 {
        let position = turn.log.next_position();
        let free = self.groups.push(&record.group, position);
        self.delay.push(position, turn.at, turn.config.delay_ms);
        if free && position < self.delay.visible_below() {
            turn.wake(1);
        }
        turn.log.append(record, turn.at, turn.effects)
    }

    /// Claims up to `messages_max`, at most 10; messages received too often are handed back as dead
    /// letters.
    pub(crate) fn receive(&mut self, turn: &mut Turn<'_>, receive: &Receive) -> Received {
        self.attempts.forget(turn.at);
        let default_ms = turn.config.visibility_timeout_ms;
        let visibility_ms = receive.visibility_timeout_ms.unwrap_or(default_ms);
        let visible_at = turn.at.plus_millis(visibility_ms.min(CLAIM_MS_MAX));
        let attempt: Option<attempts::Key> = receive.attempt[..].try_into().ok();
        let received = match attempt.and_then(|key| self.repeat(turn.at, visible_at, &key)) {
            Some(claimed) => Received {
                claimed,
                ..Received::default()
            },
            None => self.claim(turn, receive.messages_max, visible_at, attempt),
        };
        if visible_at <= turn.at {
            // Visible again, but not to this same receive.
            for claim in &received.claimed {
                self.give_back(turn, claim.position);
            }
        }
        received
    }

    fn claim(
        &mut self,
        turn: &mut Turn<'_>,
        messages_max: u32,
        visible_at: Timestamp,
        attempt: Option<attempts::Key>,
    ) -> Received {
        let room = turn
            .config
            .in_flight_max
            .saturating_sub(self.flights.len() as u64);
        // At most 10, so it fits.
        let max = u64::from(messages_max.min(limits::RECEIVE_MESSAGES_MAX)).min(room) as usize;
        let mut received = Received::default();
        while received.claimed.len() < max
            && received.dead.len() < DEAD_LETTERS_PER_RECEIVE_MAX
            && let Some(group) = self.first_claimable()
        {
            self.serve(turn, group, (max, visible_at, attempt), &mut received);
        }
        if let Some(key) = attempt
            && !received.claimed.is_empty()
        {
            let positions = received
                .claimed
                .iter()
                .map(|claim| claim.position)
                .collect();
            self.attempts.insert(turn.at, key, positions);
        }
        if received.dead.len() >= DEAD_LETTERS_PER_RECEIVE_MAX && self.has_claimable() {
            turn.wake(1); // the receive stopped for its cost, not for want of messages
        }
        received
    }

    /// The group that is served next.
    fn first_claimable(&self) -> Option<GroupNumber> {
        let (first, group) = self.groups.first_free()?;
        (first < self.delay.visible_below()).then_some(group)
    }

    /// Takes what it can of one group.
    fn serve(
        &mut self,
        turn: &Turn<'_>,
        group: GroupNumber,
        (max, visible_at, attempt): (usize, Timestamp, Option<attempts::Key>),
        received: &mut Received,
    ) {
        let end = self.groups.end_of(group).min(self.delay.visible_below());
        while received.claimed.len() < max
            && received.dead.len() < DEAD_LETTERS_PER_RECEIVE_MAX
            && let Some(position) = self.groups.first_of(group).filter(|first| *first < end)
        {
            self.delay.left(position);
            let before = self.returned.remove(&position);
            let received_before = before.map_or(0, |r| r.receive_count);
            if turn
                .receive_count_max()
                .is_some_and(|max| received_before >= max)
            {
                let spread = spread_of_group(self.groups.name(group));
                let dead = DeadLetter {
                    position,
                    receive_count: received_before,
                    spread,
                };
                received.dead.push(dead);
                if !self.groups.remove_first(group) {
                    return;
                }
                continue;
            }
            let flight = Flight {
                group,
                receive_count: received_before.saturating_add(1),
                first_received_at: before.map_or(turn.at, |r| r.first_received_at),
                received_at: turn.at,
                visible_at,
                attempt,
            };
            self.groups.claim_first(group);
            received.claimed.push(claim_of(position, &flight));
            self.timers.insert((visible_at, position));
            self.flights.insert(position, flight);
        }
    }

    /// The claims of an attempt that can be repeated, for another full visibility timeout.
    fn repeat(
        &mut self,
        at: Timestamp,
        visible_at: Timestamp,
        key: &attempts::Key,
    ) -> Option<Vec<Claim>> {
        let positions = self.attempts.positions(key)?;
        let mut claims = Vec::with_capacity(positions.len());
        for position in positions {
            let Some(flight) = self.flights.get_mut(&position) else {
                continue;
            };
            self.timers.remove(&(flight.visible_at, position));
            self.timers.insert((visible_at, position));
            flight.visible_at = visible_at;
            flight.received_at = at;
            claims.push(claim_of(position, flight));
        }
        Some(claims)
    }

    /// Ends a claim for good.
    pub(crate) fn delete(&mut self, turn: &mut Turn<'_>, receipt: &ReceiptRef) -> DeleteResult {
        match self.flights.get(&receipt.position) {
            Some(flight) if flight.receive_count == receipt.generation => {
                self.lose(turn, receipt.position);
                turn.mark_dead(receipt.position);
                DeleteResult::Deleted
            }
            Some(_) => DeleteResult::Expired,
            None if self.returned.contains_key(&receipt.position) => DeleteResult::Expired,
            None => DeleteResult::Deleted,
        }
    }

    /// Moves the end of a claim; 0 ends it now.
    pub(crate) fn change_visibility(
        &mut self,
        turn: &mut Turn<'_>,
        change: &NewVisibility,
    ) -> VisibilityResult {
        let receipt = change.receipt.unwrap_or_default();
        let position = receipt.position;
        let Some(flight) = self.flights.get_mut(&position) else {
            return match self.returned.contains_key(&position) {
                true => VisibilityResult::NotInFlight,
                false => VisibilityResult::Gone,
            };
        };
        if flight.receive_count != receipt.generation {
            return VisibilityResult::NotInFlight;
        }
        if beyond_twelve_hours(turn.at, flight.received_at, change.visibility_timeout_ms) {
            return VisibilityResult::TooLong;
        }
        if change.visibility_timeout_ms == 0 {
            self.give_back(turn, position);
            return VisibilityResult::Changed;
        }
        let visible_at = turn.at.plus_millis(change.visibility_timeout_ms);
        self.timers.remove(&(flight.visible_at, position));
        self.timers.insert((visible_at, position));
        flight.visible_at = visible_at;
        if let Some(key) = flight.attempt.take() {
            self.attempts.broken(&key, position);
        }
        VisibilityResult::Changed
    }

    /// The claim on `position` ended without a delete: the message waits again.
    fn give_back(&mut self, turn: &mut Turn<'_>, position: u64) {
        let before = self.offered(turn, position);
        let Some(flight) = self.end_flight(position) else {
            return;
        };
        let Flight {
            group,
            receive_count,
            first_received_at,
            ..
        } = flight;
        self.returned.insert(
            position,
            Returned {
                receive_count,
                first_received_at,
            },
        );
        self.groups.give_back(group, position);
        self.delay.waits(position);
        self.wake_after(turn, Some(group), before);
    }

    /// The message at `position`, which is in flight, is gone; its group may be free now.
    fn lose(&mut self, turn: &mut Turn<'_>, position: u64) {
        let before = self.offered(turn, position);
        let Some(flight) = self.end_flight(position) else {
            return;
        };
        let there = self.groups.end_flight(flight.group, position);
        self.wake_after(turn, there.then_some(flight.group), before);
    }

    /// What the group of the message in flight at `position` offers, while it is.
    fn offered(&self, turn: &Turn<'_>, position: u64) -> Offered {
        let end = self.delay.visible_below();
        let flight = self.flights.get(&position);
        Offered {
            count: flight.map_or(0, |flight| self.groups.claimable(flight.group, end)),
            full: self.flights.len() as u64 >= turn.config.in_flight_max,
        }
    }

    /// Something of `group`, which is there still, is no longer in flight. If the group has no more to
    /// offer than before, another one may have had to wait for room below the in-flight limit.
    fn wake_after(&self, turn: &mut Turn<'_>, group: Option<GroupNumber>, before: Offered) {
        let end = self.delay.visible_below();
        let count = group.map_or(0, |group| self.groups.claimable(group, end));
        let other = u32::from(before.full && self.has_claimable());
        turn.wake(count.saturating_sub(before.count).max(other));
    }

    fn end_flight(&mut self, position: u64) -> Option<Flight> {
        let flight = self.flights.remove(&position)?;
        self.timers.remove(&(flight.visible_at, position));
        if let Some(key) = &flight.attempt {
            self.attempts.broken(key, position);
        }
        Some(flight)
    }

    /// Does what time alone does, up to `turn.at`.
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        self.deduplication.forget(turn.at);
        self.attempts.forget(turn.at);
        // Retention before claims, so that what expired does not come back.
        if let Some(through) = turn.log.expired_through(turn.at, turn.config.retention_ms) {
            self.expire_through(turn, through);
        }
        while let Some((visible_at, position)) = self.timers.first().copied()
            && visible_at <= turn.at
        {
            self.give_back(turn, position);
        }
        let visible = self.delay.refresh(turn.at, turn.config.delay_ms);
        let end = visible.end;
        if !visible.is_empty() {
            let groups = self.groups.free_in(visible);
            let count = groups
                .map(|group| self.groups.claimable(group, end))
                .fold(0, u32::saturating_add);
            turn.wake(count);
        }
    }

    /// Every message up to `through` goes: waiting, delayed, returned, in flight.
    fn expire_through(&mut self, turn: &mut Turn<'_>, through: u64) {
        let straddling = turn
            .log
            .expire_through(through, turn.effects)
            .unwrap_or(u64::MAX);
        let end = through.saturating_add(1);
        let mut gone = Vec::new();
        self.groups
            .remove_below(end, |position| gone.push(position));
        for position in &gone {
            self.delay.left(*position);
            self.returned.remove(position);
        }
        let flying: Vec<u64> = self
            .flights
            .range(..end)
            .map(|(position, _)| *position)
            .collect();
        for position in &flying {
            self.lose(turn, *position);
        }
        for position in gone
            .into_iter()
            .chain(flying)
            .filter(|position| *position >= straddling)
        {
            turn.mark_dead(position);
        }
    }

    /// Removes every message, and what is known of earlier sends: so AWS does it.
    pub(crate) fn purge(&mut self, turn: &mut Turn<'_>) {
        self.deduplication = Deduplication::default();
        self.groups = Groups::default();
        self.delay = Delay::default();
        self.attempts.clear();
        self.flights.clear();
        self.timers.clear();
        self.returned.clear();
        turn.log.purge(turn.effects);
    }

    /// When `advance` has something to do next.
    pub(crate) fn next_due(&self, config: &QueueConfig, log: &Log) -> Option<Timestamp> {
        let claims = self.timers.first().map(|(visible_at, _)| *visible_at);
        let delays = self.delay.next_due(config.delay_ms);
        let expiry = log.next_expiry(config.retention_ms);
        // Not the first but the last end of a window: a send forgets what is old, so all that is left
        // for time to do is to free the table of a queue that nobody uses any more.
        let idle = self.deduplication.last_end();
        [claims, delays, expiry, idle].into_iter().flatten().min()
    }

    /// How many messages it holds. Those of a blocked group are ready, as AWS counts them.
    pub(crate) fn counts(&self) -> Counts {
        let delayed = self.delay.delayed();
        let ready = self.groups.waiting() - delayed;
        Counts {
            ready,
            in_flight: self.flights.len() as u64,
            delayed,
        }
    }

    /// Whether a receive would find something (the in-flight limit aside).
    pub(crate) fn has_claimable(&self) -> bool {
        self.first_claimable().is_some()
    }

    /// The lowest ready position.
    pub(crate) fn oldest_ready(&self) -> Option<u64> {
        self.groups
            .first_waiting()
            .filter(|first| *first < self.delay.visible_below())
    }

    /// Up to `max` positions that `take` would take, in the order in which they should move.
    pub(crate) fn peek_ready(&self, max: usize) -> Vec<u64> {
        let end = self.delay.visible_below();
        let groups = self.groups.free_in(0..end);
        groups
            .flat_map(|group| self.groups.claimable_below(group, end))
            .take(max)
            .collect()
    }

    /// Up to `max` ready messages from a position on, lowest first; those of a blocked group too.
    pub(crate) fn waiting(&self, from: u64, max: usize) -> Vec<Waiting> {
        let range = from..self.delay.visible_below();
        let found = self.groups.waiting_in(range, max).into_iter();
        let waiting = found.map(|position| {
            let before = self.returned.get(&position);
            Waiting {
                position,
                receive_count: before.map_or(0, |r| r.receive_count),
                first_received_at: before.map_or(Timestamp::ZERO, |r| r.first_received_at),
            }
        });
        waiting.collect()
    }

    /// Forgets the message at `position`, whose record stays live: a ready one, or with a `generation` the one of that claim.
    /// `false` if it is neither. Only the first message of a free group is ready: a move task keeps the order within a group.
    pub(crate) fn take(&mut self, turn: &mut Turn<'_>, position: u64, generation: u32) -> bool {
        if generation != 0 {
            let flight = self.flights.get(&position);
            let is_held = flight.is_some_and(|flight| flight.receive_count == generation);
            if is_held {
                self.lose(turn, position);
            }
            return is_held;
        }
        let group = self
            .groups
            .free_at(position)
            .filter(|_| position < self.delay.visible_below());
        let Some(group) = group else { return false };
        self.delay.left(position);
        self.returned.remove(&position);
        self.groups.remove_first(group);
        true
    }
}

fn claim_of(position: u64, flight: &Flight) -> Claim {
    let Flight {
        receive_count,
        first_received_at,
        ..
    } = *flight;
    Claim {
        position,
        receive_count,
        first_received_at,
    }
}
