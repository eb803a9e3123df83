//! A queue on a stream, in one shard: claims on positions of the shard's log, which others read as well.
//!
//! As in a standard queue, what was never received is ranges of positions and has no row; a record has one while it is
//! claimed, after it came back, and as a dead letter. Nothing here ends a record's life: acknowledging forgets its
//! position, the log keeps it until it expires, and what has expired leaves the queue.
//!
//! A record becomes a dead letter when its last claim ends, and not at the next receive: whoever looks for dead letters
//! need not receive records first. Any handle that the queue gave since the record was last restored acknowledges
//! it; only that of the claim that there is changes when the claim ends.

use std::collections::{BTreeMap, BTreeSet};

use levada_types::limits::{RECEIVE_MESSAGES_MAX, STREAM_QUEUE_IN_FLIGHT_MAX};
use levada_types::{QueueId, Timestamp};

use crate::effects::Effects;
use crate::proto::{
    DeleteResult, NewVisibility, ReceiptRef, Receive, ShardQueueConfig, VisibilityResult,
};
use crate::snapshot::{QueueRows, Reader, RestoreError, Writer};
use crate::standard::Ranges;
use crate::turn::CLAIM_MS_MAX;
use crate::view::Counts;

/// Parts of a shard's rows in a snapshot, each entry of which begins with its queue's number.
pub(crate) const PART_EXPIRED: u8 = 0xc0;
/// Ranges never received: first, end.
const PART_UNTOUCHED: u8 = 0xc1;
/// What came back: side, position, past.
const PART_RETURNED: u8 = 0xc2;
/// Claims: side, position, visible at, past.
const PART_CLAIMS: u8 = 0xc3;

/// Which records of the queue are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Its records.
    Live,
    /// Those that were received too often.
    Dead,
}

impl Side {
    /// The number by which this side of the queue is asked for and waited for.
    pub(crate) fn id(self, queue: u64) -> QueueId {
        QueueId(match self {
            Self::Live => queue,
            Self::Dead => queue.saturating_add(1),
        })
    }
}

/// What a record has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Past {
    /// Receives in all: the generation of the latest receipt.
    generation: u32,
    /// Those before it was last restored.
    forgiven: u32,
    first_received_at: Timestamp,
}

impl Past {
    fn received(self, at: Timestamp) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            first_received_at: if self.generation == 0 {
                at
            } else {
                self.first_received_at
            },
            ..self
        }
    }

    fn receive_count(self) -> u32 {
        self.generation.saturating_sub(self.forgiven)
    }

    /// Whether the queue gave the receipt since the record was last restored.
    fn gave(self, receipt: &ReceiptRef) -> bool {
        self.forgiven < receipt.generation && receipt.generation <= self.generation
    }
}

#[derive(Clone, Copy, Debug)]
struct Held {
    visible_at: Timestamp,
    past: Past,
}

/// The records of one side. A position is in one of the three, or gone.
#[derive(Default)]
struct Records {
    /// Never received; none of these are dead letters.
    untouched: Ranges,
    returned: BTreeMap<u64, Past>,
    claims: BTreeMap<u64, Held>,
    /// The claims by the time at which they end.
    timers: BTreeSet<(Timestamp, u64)>,
}

impl Records {
    fn pop(&mut self) -> Option<(u64, Past)> {
        let returned = self.returned.pop_first();
        returned.or_else(|| Some((self.untouched.pop_first()?, Past::default())))
    }

    fn past(&self, position: u64) -> Option<Past> {
        let held = self.claims.get(&position).map(|held| held.past);
        held.or_else(|| self.returned.get(&position).copied())
    }

    fn holds(&self, position: u64) -> bool {
        self.past(position).is_some() || self.untouched.contains(position)
    }

    /// Forgets a record that was received.
    fn forget(&mut self, position: u64) {
        if let Some(held) = self.claims.remove(&position) {
            self.timers.remove(&(held.visible_at, position));
        }
        self.returned.remove(&position);
    }

    fn claim(&mut self, position: u64, held: Held) {
        self.claims.insert(position, held);
        self.timers.insert((held.visible_at, position));
    }

    fn ready(&self) -> u64 {
        let returned = self.returned.len() as u64;
        self.untouched.len().saturating_add(returned)
    }

    /// Forgets everything up to a position; how many that were.
    fn expire_through(&mut self, through: u64) -> u64 {
        let mut gone = Vec::new();
        self.untouched.remove_through(through, &mut gone);
        let mut count: u64 = gone.iter().map(|(first, end)| end - first).sum();
        let claimed = self.claims.range(..=through).map(|(position, _)| *position);
        let returned = self
            .returned
            .range(..=through)
            .map(|(position, _)| *position);
        let received: Vec<u64> = claimed.chain(returned).collect();
        count += received.len() as u64;
        for position in received {
            self.forget(position);
        }
        count
    }
}

/// One claim that a receive made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueClaim {
    pub(crate) position: u64,
    pub(crate) generation: u32,
    pub(crate) receive_count: u32,
    pub(crate) first_received_at: Timestamp,
}

/// A queue's part in one shard.
pub(crate) struct ShardQueue {
    pub(crate) config: ShardQueueConfig,
    live: Records,
    dead: Records,
    /// Records that expired before they were acknowledged.
    expired: u64,
}

impl ShardQueue {
    /// One that has nothing yet.
    pub(crate) fn new(config: ShardQueueConfig) -> Self {
        Self {
            config,
            live: Records::default(),
            dead: Records::default(),
            expired: 0,
        }
    }

    fn side(&mut self, side: Side) -> &mut Records {
        match side {
            Side::Live => &mut self.live,
            Side::Dead => &mut self.dead,
        }
    }

    /// Takes what is in the log, from where the queue begins.
    pub(crate) fn arrived(&mut self, first: u64, end: u64, effects: &mut Effects) {
        let first = first.max(self.config.from);
        if first < end {
            self.live.untouched.add(first, end);
            let count = u32::try_from(end - first).unwrap_or(u32::MAX);
            effects.add_wake(Side::Live.id(self.config.queue), count);
        }
    }

    /// Takes newer settings. What has been received too often by them is a dead letter from now on; what is one stays
    /// one.
    pub(crate) fn configure(&mut self, config: ShardQueueConfig, effects: &mut Effects) {
        self.config = config;
        let returned = self.live.returned.iter();
        let too_often = returned.filter(|(_, past)| self.is_too_often(**past));
        let too_often: Vec<(u64, Past)> = too_often.map(|(p, past)| (*p, *past)).collect();
        for (position, past) in too_often {
            self.live.returned.remove(&position);
            self.come_back(Side::Live, position, past, effects);
        }
    }

    fn is_too_often(&self, past: Past) -> bool {
        let max = self.config.receive_count_max;
        max > 0 && past.receive_count() >= max
    }

    /// A record's claim has ended.
    fn come_back(&mut self, side: Side, position: u64, past: Past, effects: &mut Effects) {
        let to = if self.is_too_often(past) {
            Side::Dead
        } else {
            side
        };
        self.side(to).returned.insert(position, past);
        effects.add_wake(to.id(self.config.queue), 1);
    }

    /// Claims so many, in order: what came back first. `None`: too many are in flight.
    pub(crate) fn receive(
        &mut self,
        at: Timestamp,
        side: Side,
        receive: &Receive,
        effects: &mut Effects,
    ) -> Option<Vec<QueueClaim>> {
        let timeout_ms = receive.visibility_timeout_ms;
        let timeout_ms = timeout_ms.unwrap_or(self.config.visibility_timeout_ms);
        let visible_at = at.plus_millis(timeout_ms.min(CLAIM_MS_MAX));
        let wanted = receive.messages_max.min(RECEIVE_MESSAGES_MAX) as usize;
        let records = self.side(side);
        let room = STREAM_QUEUE_IN_FLIGHT_MAX.saturating_sub(records.claims.len());
        if room == 0 && wanted > 0 {
            return None;
        }
        let mut claimed = Vec::new();
        let mut at_once = Vec::new();
        while claimed.len() < wanted.min(room) {
            let Some((position, past)) = records.pop() else {
                break;
            };
            let past = past.received(at);
            claimed.push(QueueClaim {
                position,
                generation: past.generation,
                receive_count: past.receive_count(),
                first_received_at: past.first_received_at,
            });
            if visible_at > at {
                records.claim(position, Held { visible_at, past });
            } else {
                // Visible again, but not to this same receive.
                at_once.push((position, past));
            }
        }
        for (position, past) in at_once {
            self.come_back(side, position, past, effects);
        }
        Some(claimed)
    }

    /// Forgets a record for good. One that was acknowledged before is so again; `is_there` says whether the log has it.
    pub(crate) fn acknowledge(
        &mut self,
        side: Side,
        receipt: &ReceiptRef,
        is_there: bool,
    ) -> DeleteResult {
        let position = receipt.position;
        match self.side(side).past(position) {
            Some(past) if past.gave(receipt) => {
                self.side(side).forget(position);
                DeleteResult::Deleted
            }
            None if is_there && !self.live.holds(position) && !self.dead.holds(position) => {
                DeleteResult::Deleted
            }
            _ => DeleteResult::NotFound,
        }
    }

    /// Moves the end of a claim; 0 ends it now.
    pub(crate) fn change_visibility(
        &mut self,
        at: Timestamp,
        side: Side,
        change: &NewVisibility,
        effects: &mut Effects,
    ) -> VisibilityResult {
        let Some(receipt) = &change.receipt else {
            return VisibilityResult::Gone;
        };
        let position = receipt.position;
        let records = self.side(side);
        let Some(past) = records.past(position) else {
            return VisibilityResult::Gone;
        };
        let held = records.claims.get(&position);
        let Some(held) = held.filter(|_| past.generation == receipt.generation) else {
            return VisibilityResult::NotInFlight;
        };
        records.timers.remove(&(held.visible_at, position));
        let visible_at = at.plus_millis(change.visibility_timeout_ms.min(CLAIM_MS_MAX));
        if visible_at > at {
            records.claim(position, Held { visible_at, past });
        } else {
            records.claims.remove(&position);
            self.come_back(side, position, past, effects);
        }
        VisibilityResult::Changed
    }

    /// A dead letter becomes a record that was never received. One that this receipt restored before is so again.
    pub(crate) fn restore(&mut self, receipt: &ReceiptRef, effects: &mut Effects) -> DeleteResult {
        let position = receipt.position;
        if let Some(past) = self.dead.past(position).filter(|past| past.gave(receipt)) {
            self.dead.forget(position);
            let past = Past {
                forgiven: past.generation,
                ..past
            };
            self.come_back(Side::Live, position, past, effects);
            return DeleteResult::Deleted;
        }
        let is_restored = |past: Past| (1..=past.forgiven).contains(&receipt.generation);
        if self.live.past(position).is_some_and(is_restored) {
            return DeleteResult::Deleted;
        }
        DeleteResult::NotFound
    }

    /// Ends claims up to `at`, and forgets what is before the log's horizon.
    pub(crate) fn advance(&mut self, at: Timestamp, horizon: u64, effects: &mut Effects) {
        self.expired += self.live.expire_through(horizon.saturating_sub(1));
        self.expired += self.dead.expire_through(horizon.saturating_sub(1));
        for side in [Side::Live, Side::Dead] {
            while let Some((visible_at, position)) = self.side(side).timers.first().copied()
                && visible_at <= at
            {
                self.side(side).timers.pop_first();
                if let Some(held) = self.side(side).claims.remove(&position) {
                    self.come_back(side, position, held.past, effects);
                }
            }
        }
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let of = |records: &Records| records.timers.first().map(|(at, _)| *at);
        [of(&self.live), of(&self.dead)].into_iter().flatten().min()
    }

    pub(crate) fn counts(&self, side: Side) -> Counts {
        let records = match side {
            Side::Live => &self.live,
            Side::Dead => &self.dead,
        };
        Counts {
            ready: records.ready(),
            in_flight: records.claims.len() as u64,
            delayed: 0,
        }
    }

    /// Records that expired before they were acknowledged.
    pub(crate) fn expired(&self) -> u64 {
        self.expired
    }
}

/// Writes the rows of a shard's queues.
pub(super) fn encode(queues: &BTreeMap<u64, ShardQueue>, rows: &mut QueueRows<'_>) {
    rows.put_all(PART_EXPIRED, queues, |w, (queue, of)| {
        w.u64(*queue);
        w.u64(of.expired);
    });
    let untouched = queues.iter().flat_map(|(queue, of)| {
        let ranges = of.live.untouched.iter();
        ranges.map(move |range| (*queue, range))
    });
    rows.put_all(PART_UNTOUCHED, untouched, |w, (queue, (first, end))| {
        w.u64(queue);
        w.u64(first);
        w.u64(end);
    });
    let sides = || {
        queues
            .iter()
            .flat_map(|(queue, of)| [(*queue, 0, &of.live), (*queue, 1, &of.dead)])
    };
    let returned =
        sides().flat_map(|(queue, side, of)| of.returned.iter().map(move |r| (queue, side, r)));
    rows.put_all(
        PART_RETURNED,
        returned,
        |w, (queue, side, (position, past))| {
            w.u64(queue);
            w.u64(side);
            w.u64(*position);
            write_past(w, past);
        },
    );
    let claims =
        sides().flat_map(|(queue, side, of)| of.claims.iter().map(move |c| (queue, side, c)));
    rows.put_all(PART_CLAIMS, claims, |w, (queue, side, (position, held))| {
        w.u64(queue);
        w.u64(side);
        w.u64(*position);
        w.time(held.visible_at);
        write_past(w, &held.past);
    });
}

/// Reads one row that `encode` wrote.
pub(super) fn load(
    queues: &mut BTreeMap<u64, ShardQueue>,
    part: u8,
    value: &[u8],
) -> Result<(), RestoreError> {
    let r = &mut Reader::new(value, "queue on a stream");
    let bad = RestoreError::Row("queue on a stream");
    while !r.is_empty() {
        let queue = queues.get_mut(&r.u64()?).ok_or(bad.clone())?;
        if part == PART_EXPIRED {
            queue.expired = r.u64()?;
            continue;
        }
        if part == PART_UNTOUCHED {
            let (first, end) = (r.u64()?, r.u64()?);
            if first >= end {
                return Err(bad);
            }
            queue.live.untouched.add(first, end);
            continue;
        }
        let side = match r.u64()? {
            0 => Side::Live,
            1 => Side::Dead,
            _ => return Err(bad),
        };
        let position = r.u64()?;
        match part {
            PART_RETURNED => {
                let past = read_past(r)?;
                queue.side(side).returned.insert(position, past);
            }
            PART_CLAIMS => {
                let visible_at = r.time()?;
                let past = read_past(r)?;
                queue.side(side).claim(position, Held { visible_at, past });
            }
            _ => return Err(bad),
        }
    }
    Ok(())
}

fn write_past(w: &mut Writer, past: &Past) {
    w.u64(u64::from(past.generation));
    w.u64(u64::from(past.forgiven));
    w.time(past.first_received_at);
}

fn read_past(r: &mut Reader<'_>) -> Result<Past, RestoreError> {
    Ok(Past {
        generation: r.u32()?,
        forgiven: r.u32()?,
        first_received_at: r.time()?,
    })
}
