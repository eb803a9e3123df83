//! A standard queue's part in one partition: which messages are ready, claimed, or delayed.
//!
//! The backlog is ranges of positions, however long it is; a message has a row of its own only
//! while it is claimed, or after it came back from a claim. Every position that is in one of
//! `lanes`, `claims` or `delayed` is live in the log, and in exactly one of them; a position in
//! none of them is gone (deleted, expired, or on its way in an outbox).
//!
//! A receipt handle deletes its message whatever has happened to the claim since: nobody is shown a
//! message after its delete was acknowledged. It changes the visibility of whichever claim there is:
//! that is recorded of AWS.

mod delayed;
#[cfg(test)]
mod invariants;
mod kept;
mod lanes;
mod ready;
#[cfg(test)]
mod rig;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use levada_types::{Timestamp, limits};

use crate::log::{Log, quantum_of};
use crate::proto::{
    DeleteResult, NewMessage, NewVisibility, QueueConfig, ReceiptRef, Receive, Record, Sent,
    VisibilityResult,
};
use crate::transfer::spread_of_position;
use crate::turn::{
    CLAIM_MS_MAX, Claim, DEAD_LETTERS_PER_RECEIVE_MAX, DeadLetter, Received, Turn,
    beyond_twelve_hours,
};
use crate::view::{Counts, Waiting};
use delayed::Delayed;
use kept::KeptTimes;
use lanes::{LaneId, Lanes};
pub(crate) use ready::Ranges;
use ready::{Past, Picked};

/// Longest delay, in milliseconds.
const DELAY_MS_MAX: u64 = limits::DELAY_SECS_MAX as u64 * 1_000;

/// A claim: somebody has the message, until `visible_at`.
#[derive(Clone, Copy, Debug)]
struct Held {
    visible_at: Timestamp,
    received_at: Timestamp,
    past: Past,
    lane: LaneId,
}

/// The index of a standard queue. Payloads are in the log.
#[derive(Default)]
pub(crate) struct StandardQueue {
    /// What is ready, by tenant.
    lanes: Lanes,
    claims: BTreeMap<u64, Held>,
    /// The claims by the time at which they end.
    timers: BTreeSet<(Timestamp, u64)>,
    delayed: Delayed,
    /// When dead letters were sent, which was before they came here.
    kept: KeptTimes,
}

impl StandardQueue {
    /// Adds one message.
    pub(crate) fn send(&mut self, turn: &mut Turn<'_>, message: NewMessage) -> Sent {
        let delay_ms = message
            .delay_ms
            .unwrap_or(turn.config.delay_ms)
            .min(DELAY_MS_MAX);
        let record = Record {
            sent_at: turn.at.as_millis(),
            message_id: message.message_id.clone(),
            group: message.group,
            payload: message.payload,
            ..Record::default()
        };
        let lane = self.lanes.lane_of(&record.group);
        let position = turn.log.append(record, turn.at, turn.effects);
        if delay_ms > 0 {
            self.delayed
                .push(turn.at.plus_millis(delay_ms), position, lane);
            self.lanes.delayed(lane, 1);
        } else {
            self.lanes.add(lane, position, position + 1);
            turn.wake(1);
        }
        Sent {
            position,
            duplicate: false,
            message_id: message.message_id,
        }
    }

    /// Adds what a transfer brought. A dead letter was sent when it was sent: its retention goes
    /// on. A moved message is new.
    pub(crate) fn deliver(&mut self, turn: &mut Turn<'_>, mut record: Record) {
        let dead_letter = record.dead_letter_source != 0;
        if !dead_letter {
            record.sent_at = turn.at.as_millis();
        }
        let sent_at = Timestamp::from_millis(record.sent_at);
        let lane = self.lanes.lane_of(&record.group);
        let position = turn.log.append(record, turn.at, turn.effects);
        self.lanes.add(lane, position, position + 1);
        if quantum_of(sent_at) < quantum_of(turn.at) {
            self.kept.trim(turn.log.first_live_from());
            self.kept.push(quantum_of(sent_at), position, lane);
        }
        turn.wake(1);
    }

    /// Claims up to `messages_max`, at most 10; messages received too often are handed back as dead
    /// letters.
    pub(crate) fn receive(&mut self, turn: &mut Turn<'_>, receive: &Receive) -> Received {
        let mut received = Received::default();
        let timeout_ms = receive
            .visibility_timeout_ms
            .unwrap_or(turn.config.visibility_timeout_ms);
        let visible_at = turn.at.plus_millis(timeout_ms.min(CLAIM_MS_MAX));
        let wanted = receive.messages_max.min(limits::RECEIVE_MESSAGES_MAX) as usize;
        let count_max = turn.receive_count_max();
        let mut at_once = Vec::new();
        while received.claimed.len() < wanted {
            if (self.claims.len() + at_once.len()) as u64 >= turn.config.in_flight_max {
                received.over_limit = received.claimed.is_empty();
                break;
            }
            if received.dead.len() >= DEAD_LETTERS_PER_RECEIVE_MAX {
                // Whoever waits should ask again: there may be messages behind these.
                turn.wake(u32::from(self.has_claimable()));
                break;
            }
            let Some(Picked {
                position,
                lane,
                past,
            }) = self.lanes.pick()
            else {
                break;
            };
            if count_max.is_some_and(|max| past.receive_count >= max) {
                let spread = spread_of_position(position);
                let receive_count = past.receive_count;
                received.dead.push(DeadLetter {
                    position,
                    receive_count,
                    spread,
                });
                self.lanes.ended(lane);
                continue;
            }
            let past = past.received(turn.at);
            received.claimed.push(Claim {
                position,
                receive_count: past.receive_count,
                first_received_at: past.first_received_at,
            });
            let held = Held {
                visible_at,
                received_at: turn.at,
                past,
                lane,
            };
            if visible_at > turn.at {
                self.claims.insert(position, held);
                self.timers.insert((visible_at, position));
            } else {
                // Visible again, but not to this same receive.
                at_once.push((position, held));
            }
        }
        for (position, held) in &at_once {
            self.lanes.give_back(held.lane, *position, held.past);
        }
        // At most 10.
        turn.wake(at_once.len() as u32);
        received
    }

    /// Deletes the message if it was ever received; otherwise, and if it is gone, there is nothing
    /// to do, which succeeds too.
    pub(crate) fn delete(&mut self, turn: &mut Turn<'_>, receipt: &ReceiptRef) -> DeleteResult {
        let position = receipt.position;
        if self.end_claim(position) || self.lanes.remove_returned(position) {
            turn.mark_dead(position);
        }
        DeleteResult::Deleted
    }

    /// Moves the end of the message's claim; 0 ends it now.
    pub(crate) fn change_visibility(
        &mut self,
        turn: &mut Turn<'_>,
        change: &NewVisibility,
    ) -> VisibilityResult {
        let Some(receipt) = &change.receipt else {
            return VisibilityResult::Gone;
        };
        let position = receipt.position;
        let Some(held) = self.claims.get_mut(&position) else {
            // One that is delayed was never received, so this is nobody's receipt for it.
            let here = self.lanes.holds(position);
            return if here {
                VisibilityResult::NotInFlight
            } else {
                VisibilityResult::Gone
            };
        };
        if beyond_twelve_hours(turn.at, held.received_at, change.visibility_timeout_ms) {
            return VisibilityResult::TooLong;
        }
        let visible_at = turn.at.plus_millis(change.visibility_timeout_ms);
        self.timers.remove(&(held.visible_at, position));
        if visible_at > turn.at {
            held.visible_at = visible_at;
            self.timers.insert((visible_at, position));
        } else {
            let (lane, past) = (held.lane, held.past);
            self.claims.remove(&position);
            self.lanes.give_back(lane, position, past);
            turn.wake(1);
        }
        VisibilityResult::Changed
    }

    /// Ends claims and delays, then retention, up to `turn.at`.
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        let mut woken = 0;
        while let Some((visible_at, position)) = self.timers.first().copied()
            && visible_at <= turn.at
        {
            self.timers.pop_first();
            if let Some(held) = self.claims.remove(&position) {
                self.lanes.give_back(held.lane, position, held.past);
                woken += 1;
            }
        }
        while let Some(run) = self.delayed.pop_due(turn.at) {
            self.lanes.delay_ended(run.lane, run.first, run.end);
            woken += run.end - run.first;
        }
        self.expire(turn);
        turn.wake(u32::try_from(woken).unwrap_or(u32::MAX));
    }

    fn expire(&mut self, turn: &mut Turn<'_>) {
        let retention_ms = turn.config.retention_ms;
        if let Some(through) = turn.log.expired_through(turn.at, retention_ms) {
            let from = turn.log.expire_through(through, turn.effects);
            self.forget_through(turn, through, from);
        }
        while let Some(run) = self.kept.pop_expired(turn.at, retention_ms) {
            for position in run.first..run.end {
                self.forget(turn, position, run.lane);
            }
        }
        self.kept.trim(turn.log.first_live_from());
    }

    /// Forgets every message up to `through`; marks dead those from `from` on, if there is one.
    fn forget_through(&mut self, turn: &mut Turn<'_>, through: u64, from: Option<u64>) {
        let mut gone = self.lanes.remove_through(through);
        let claimed: Vec<u64> = self.claims.range(..=through).map(|(p, _)| *p).collect();
        for position in claimed {
            if let Some(held) = self.claims.remove(&position) {
                self.timers.remove(&(held.visible_at, position));
                self.lanes.ended(held.lane);
                gone.push((position, position + 1));
            }
        }
        for run in self.delayed.remove_through(through) {
            self.lanes.undelayed(run.lane, run.end - run.first);
            gone.push((run.first, run.end));
        }
        let Some(from) = from else { return };
        for (first, end) in gone {
            for position in first.max(from)..end {
                turn.mark_dead(position);
            }
        }
    }

    /// Forgets one message, if it is here.
    fn forget(&mut self, turn: &mut Turn<'_>, position: u64, lane: LaneId) {
        if let Some(held) = self.claims.remove(&position) {
            self.timers.remove(&(held.visible_at, position));
            self.lanes.ended(held.lane);
        } else if !self.lanes.remove(lane, position) {
            return;
        }
        turn.mark_dead(position);
    }

    /// Removes every message.
    pub(crate) fn purge(&mut self, turn: &mut Turn<'_>) {
        turn.log.purge(turn.effects);
        *self = Self {
            lanes: self.lanes.emptied(),
            ..Self::default()
        };
    }

    /// When `advance` has something to do next.
    pub(crate) fn next_due(&self, config: &QueueConfig, log: &Log) -> Option<Timestamp> {
        let claim = self.timers.first().map(|(at, _)| *at);
        let retention_ms = config.retention_ms;
        let expiry = [
            log.next_expiry(retention_ms),
            self.kept.next_expiry(retention_ms),
        ];
        [claim, self.delayed.next_due()]
            .into_iter()
            .chain(expiry)
            .flatten()
            .min()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            ready: self.lanes.ready(),
            in_flight: self.claims.len() as u64,
            delayed: self.delayed.len(),
        }
    }

    /// Whether a receive would find something (the in-flight limit aside).
    pub(crate) fn has_claimable(&self) -> bool {
        self.lanes.ready() > 0
    }

    /// The lowest ready position.
    pub(crate) fn oldest_ready(&self) -> Option<u64> {
        self.lanes.lowest()
    }

    /// Up to `max` positions that `take` would take, lowest first.
    pub(crate) fn peek_ready(&self, max: usize) -> Vec<u64> {
        self.lanes.peek(max)
    }

    /// Up to `max` ready messages from a position on, lowest first.
    pub(crate) fn waiting(&self, from: u64, max: usize) -> Vec<Waiting> {
        let found = self.lanes.ready_from(from, max).into_iter();
        let waiting = found.map(|(position, past)| Waiting {
            position,
            receive_count: past.receive_count,
            first_received_at: past.first_received_at,
        });
        waiting.collect()
    }

    /// Forgets the message at `position`, whose record stays live: a ready one, or with a `generation` the one of that claim.
    /// `false` if it is neither.
    pub(crate) fn take(&mut self, _turn: &mut Turn<'_>, position: u64, generation: u32) -> bool {
        if generation == 0 {
            return self.lanes.remove_anywhere(position);
        }
        let held = self.claims.get(&position);
        if held.is_none_or(|held| held.past.receive_count != generation) {
            return false;
        }
        self.end_claim(position)
    }

    /// Forgets a claim and its message; `false` if there is none.
    fn end_claim(&mut self, position: u64) -> bool {
        let Some(held) = self.claims.remove(&position) else {
            return false;
        };
        self.timers.remove(&(held.visible_at, position));
        self.lanes.ended(held.lane);
        true
    }
}
