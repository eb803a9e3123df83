//! A topic's part in one partition: a log of what was published, from which outboxes take it to where it is to go.
//!
//! Who a message is for was decided before it came here, by a version of the topic that the part compares with the one that
//! it knows. A form of a message is kept while an outbox refers to it; the first form as long as the archive says, too. What
//! nobody is to get is only numbered.
//!
//! A replay hands the archive to one subscription, step by step. Until it has looked at everything, what is
//! published leaves that subscription out: the replay comes to it, in order. It begins with the first step, or with the first
//! message that was published by somebody who knew of it, whichever comes first.
//!
//! Called by the partition, which owns the outboxes.

use std::collections::BTreeMap;

use levada_types::{PartitionId, QueueId, Timestamp};

use crate::effects::Effects;
use crate::fifo::dedup::{self, Deduplication};
use crate::log::Log;
use crate::proto::{
    Destination, Published, PublishedMessage, Record, Replay, ReplayOutcome, ReplayStatus,
    TopicConfig,
};
use crate::snapshot::{QueueRows, Reader, RestoreError, Writer};
use crate::transfer::{OutboxKind, Transfers};
use crate::view::ShardView;

/// Messages that are published within this time leave the archive together, as records of a shard do.
const EXPIRY_QUANTUM_MS: u64 = 60_000;
/// Items in a partition's outboxes beyond which nothing more is published there: about 100 bytes each, on every replica.
/// One command may go beyond it.
pub(crate) const WAITING_ITEMS_MAX: usize = 500_000;

/// Parts of a topic's rows in a snapshot, beside its log's.
pub(crate) const PART_CONFIG: u8 = 0x00;
pub(crate) const PART_STATE: u8 = 0x01;
pub(crate) const PART_REPLAYS: u8 = 0x06;
pub(crate) const PART_DEDUPLICATION: u8 = 0x07;

/// How far a replay has come.
#[derive(Clone, Copy, Debug)]
struct Replaying {
    /// Its number among those of the subscription.
    replay: u64,
    /// The first position that was not looked at; 0: nobody has said yet where it begins.
    next: u64,
    /// What is published from here on was left to it.
    live_from: u64,
    is_done: bool,
}

impl Replaying {
    fn outcome(self) -> ReplayOutcome {
        let status = if self.is_done {
            ReplayStatus::Done
        } else {
            ReplayStatus::UnderWay
        };
        ReplayOutcome {
            status: status.into(),
            next: self.next,
            live_from: self.live_from,
            replay: self.replay,
        }
    }
}

/// One topic's part.
pub(crate) struct Topic {
    pub(crate) config: TopicConfig,
    pub(crate) log: Log,
    /// Positions before this one are not in the archive: never were, or have expired.
    archive_from: u64,
    deduplication: Deduplication,
    /// By subscription.
    replays: BTreeMap<u64, Replaying>,
    /// Mirrors the partition's `due`.
    pub(crate) due: Option<Timestamp>,
}

/// The outboxes, and what is to be done because of them.
pub(crate) struct Out<'a> {
    pub(crate) transfers: &'a mut Transfers,
    pub(crate) effects: &'a mut Effects,
}

impl Topic {
    pub(crate) fn new(config: TopicConfig) -> Self {
        Self {
            log: Log::with_quantum(QueueId(config.topic), EXPIRY_QUANTUM_MS),
            config,
            archive_from: 1,
            deduplication: Deduplication::default(),
            replays: BTreeMap::new(),
            due: None,
        }
    }

    fn archives(&self) -> bool {
        self.config.retention_ms > 0
    }

    /// Takes a newer configuration. An archive that ends is empty at once, one that begins is so at first.
    pub(crate) fn configure(&mut self, at: Timestamp, config: TopicConfig, effects: &mut Effects) {
        if config.version <= self.config.version {
            return;
        }
        let (before, now) = (self.archives(), config.retention_ms > 0);
        self.config = config;
        if before && !now {
            self.log.purge(effects);
            // They are remembered, or the next message would begin them anew.
            let end = self.log.next_position();
            for replaying in self.replays.values_mut() {
                replaying.next = end;
                replaying.is_done = true;
            }
        }
        if before != now {
            self.archive_from = self.log.next_position();
        }
        self.advance(at, effects);
    }

    /// Publishes one message, or answers the one that it duplicates.
    pub(crate) fn publish(
        &mut self,
        at: Timestamp,
        message: PublishedMessage,
        out: &mut Out<'_>,
    ) -> Published {
        self.deduplication.forget(at);
        let scope = self.config.deduplicate_by_group.then_some(&*message.group);
        let key = dedup::key_of(&message.deduplication, scope).filter(|_| self.config.fifo);
        if let Some(first) = key.and_then(|key| self.deduplication.first(&key)) {
            return Published {
                position: first.position,
                message_id: first.message_id.to_vec().into(),
                duplicate: true,
            };
        }
        let message_id = message.message_id.clone();
        let position = self.log.next_position();
        self.append(at, message, out);
        // An id of another length is no gateway's; without 16 bytes to answer with it is not noted.
        if let (Some(key), Ok(id)) = (key, message_id[..].try_into()) {
            let first = dedup::First {
                position,
                message_id: id,
            };
            self.deduplication.insert(at, key, first);
        }
        Published {
            position,
            message_id,
            duplicate: false,
        }
    }

    /// Appends each form that is needed, and has it held for each of its destinations.
    fn append(&mut self, at: Timestamp, mut message: PublishedMessage, out: &mut Out<'_>) {
        message.destinations.retain(|to| !self.leaves_to_replay(to));
        let mut is_kept = false;
        let number = self.log.next_position();
        for (variant, payload) in (0..).zip(message.variants) {
            let is_original = variant == 0;
            let mut destinations = message
                .destinations
                .iter_mut()
                .filter(|to| to.variant == variant)
                .peekable();
            if destinations.peek().is_none() && !(is_original && self.archives()) {
                continue;
            }
            is_kept = true;
            let record = Record {
                sent_at: at.as_millis(),
                message_id: message.message_id.clone(),
                group: message.group.clone(),
                payload,
                deduplication: message.deduplication.clone(),
                variant,
                ..Record::default()
            };
            let position = self.log.append(record, at, out.effects);
            for to in destinations {
                let to = numbered(std::mem::take(to), number);
                send_out(&mut self.log, position, to, is_original, out);
            }
        }
        if !is_kept {
            self.log.skip(out.effects);
        }
    }

    /// Whether the message that comes next is left to a replay of its subscription. One that is not known here yet begins now:
    /// where, whoever carries it out will say.
    fn leaves_to_replay(&mut self, to: &Destination) -> bool {
        let known = self.replays.get(&to.subscription).copied();
        let is_known = known.is_some_and(|known| known.replay >= to.replay);
        if to.replay == 0 || is_known || !self.archives() {
            return known.is_some_and(|known| !known.is_done);
        }
        let begun = self.begin(known, to.replay);
        self.replays.insert(to.subscription, begun);
        true
    }

    /// A replay in the place of the one before it. What that has left out and not come to is left to this one.
    fn begin(&self, before: Option<Replaying>, replay: u64) -> Replaying {
        let before = before.filter(|before| !before.is_done);
        let left_out = before.map(|before| before.live_from.max(before.next));
        Replaying {
            replay,
            next: 0,
            live_from: left_out.unwrap_or(self.log.next_position()),
            is_done: false,
        }
    }

    /// The outbox has let go of a position.
    pub(crate) fn let_go(&mut self, position: u64, is_original: bool, effects: &mut Effects) {
        let is_archived = is_original && self.archives() && position >= self.archive_from;
        if self.log.let_go(position) && !is_archived {
            self.log.mark_dead(position, effects);
        }
    }

    /// A step of a replay.
    pub(crate) fn replay(&mut self, c: Replay, out: &mut Out<'_>) -> ReplayOutcome {
        if c.forget {
            self.replays.remove(&c.subscription);
        }
        let end = self.log.next_position();
        let known = self.replays.get(&c.subscription).copied();
        let not_begun = ReplayOutcome {
            status: ReplayStatus::NotBegun.into(),
            ..ReplayOutcome::default()
        };
        let mut replaying = match known {
            Some(known) if known.replay == c.replay => known,
            Some(known) if known.replay > c.replay => return not_begun,
            before => {
                if c.begin_at.is_none() || c.forget || !self.archives() {
                    return not_begun;
                }
                self.begin(before, c.replay)
            }
        };
        if let Some(begin_at) = c.begin_at.filter(|_| replaying.next == 0) {
            let begin_at = begin_at.max(self.archive_from);
            replaying.next = begin_at.min(replaying.live_from);
            replaying.is_done = replaying.next == end;
        }
        let is_next = c.after != 0 && c.after == replaying.next && c.through >= c.after;
        if !replaying.is_done && is_next {
            if out.transfers.waiting() >= WAITING_ITEMS_MAX {
                return ReplayOutcome {
                    status: ReplayStatus::Full.into(),
                    ..replaying.outcome()
                };
            }
            let through = c.through.min(end - 1);
            let looked_at = replaying.next.max(self.archive_from)..=through;
            for message in c.messages {
                let Some(to) = message.destination else {
                    continue;
                };
                if looked_at.contains(&message.position) && self.log.is_live(message.position) {
                    let to = numbered(to, message.position);
                    send_out(&mut self.log, message.position, to, true, out);
                }
            }
            replaying.next = through + 1;
            replaying.is_done = replaying.next == end;
        }
        self.replays.insert(c.subscription, replaying);
        replaying.outcome()
    }

    /// Does what time alone does.
    pub(crate) fn advance(&mut self, at: Timestamp, effects: &mut Effects) {
        self.deduplication.forget(at);
        if !self.archives() {
            return;
        }
        if let Some(through) = self.log.expired_through(at, self.config.retention_ms) {
            // Of a block that goes on beyond it the rest is live, and so is the block.
            let _ = self.log.expire_through(through, effects);
            self.archive_from = self.archive_from.max(through + 1);
        }
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let expiry = self.log.next_expiry(self.config.retention_ms);
        // Not the first but the last end of a window: a publish forgets what is old.
        let idle = self.deduplication.last_end();
        expiry
            .filter(|_| self.archives())
            .into_iter()
            .chain(idle)
            .min()
    }

    /// The archive, as a log that is read.
    pub(crate) fn view(&self) -> ShardView {
        let next = self.log.next_position();
        ShardView {
            config_version: self.config.version,
            horizon: if self.archives() {
                self.archive_from
            } else {
                next
            },
            next,
            closed: false,
            bytes_taken: 0,
        }
    }

    /// How far a subscription's latest replay has come.
    pub(crate) fn replay_of(&self, subscription: u64) -> Option<ReplayOutcome> {
        Some(self.replays.get(&subscription)?.outcome())
    }

    pub(crate) fn encode(&self, rows: &mut QueueRows<'_>) {
        rows.put(PART_CONFIG, 0, prost::Message::encode_to_vec(&self.config));
        let mut state = Writer::default();
        state.u64(self.archive_from);
        rows.put(PART_STATE, 0, state.finish());
        self.log.encode(rows);
        rows.put_all(PART_REPLAYS, &self.replays, |w, (subscription, of)| {
            w.u64(*subscription);
            w.u64(of.replay);
            w.u64(of.next);
            w.u64(of.live_from);
            w.u64(u64::from(of.is_done));
        });
        rows.put_all(
            PART_DEDUPLICATION,
            self.deduplication.iter(),
            Deduplication::write,
        );
    }

    /// Reads one row that `encode` wrote, but the first.
    pub(crate) fn load(
        &mut self,
        part: u8,
        suffix: u64,
        value: &bytes::Bytes,
    ) -> Result<(), RestoreError> {
        let mut r = Reader::new(value, "topic");
        match part {
            PART_STATE => self.archive_from = r.u64()?,
            PART_REPLAYS => {
                while !r.is_empty() {
                    let subscription = r.u64()?;
                    let replaying = Replaying {
                        replay: r.u64()?,
                        next: r.u64()?,
                        live_from: r.u64()?,
                        is_done: r.u64()? != 0,
                    };
                    self.replays.insert(subscription, replaying);
                }
            }
            PART_DEDUPLICATION => {
                while !r.is_empty() {
                    self.deduplication.restore(&mut r)?;
                }
            }
            _ => self.log.load(part, suffix, value)?,
        }
        Ok(())
    }

    /// After the last row.
    pub(crate) fn finish_load(&mut self) -> Result<(), RestoreError> {
        self.log.finish_load()?;
        let ends = 1..=self.log.next_position();
        let is_there = |position: &u64| ends.contains(position);
        let are_there = self.replays.values().all(|of| {
            let has_a_place = of.next != 0 || !of.is_done;
            has_a_place && is_there(&of.next.max(1)) && is_there(&of.live_from)
        });
        (is_there(&self.archive_from) && are_there)
            .then_some(())
            .ok_or(RestoreError::Row("topic"))
    }
}

/// A destination whose copy says the message's number, if it is to.
fn numbered(mut to: Destination, number: u64) -> Destination {
    if to.numbered {
        to.suffix = [&to.suffix[..], &number.to_le_bytes()].concat().into();
    }
    to
}

/// Puts an item for a destination into the outbox of its partition.
fn send_out(log: &mut Log, position: u64, to: Destination, is_original: bool, out: &mut Out<'_>) {
    log.hold(position);
    let partition = PartitionId(to.partition);
    let kind = OutboxKind::Publish {
        suffix: to.suffix,
        is_original,
    };
    let from = (log.queue(), position);
    out.transfers.push(partition, QueueId(to.queue), from, kind);
    out.effects.add_outbox(partition);
}
