//! One queue's log in one partition: positions, the tail in memory, and what became of the rest.
//!
//! Positions rise from 1. The newest records, encoded, are the *tail*; when it grows past a bound
//! its live records are sealed into a block, which leaves the engine through `Effects::sealed`.
//! Of a block only its extent and its number of live records stay. When that reaches 0 the block
//! is dropped. The log never needs a payload again.
//!
//! A position is *live* from `append` until `mark_dead`, `expire_through` or `purge`; the queue's
//! index decides, the log counts. A position that is `hold`-en (it waits in an outbox, or as often in several)
//! stays live through retention and purge, until it is `release`d as often.
//!
//! Retention goes by a sparse index of time: messages appended within one second expire together,
//! when the last of them must (see [`expiry`]).

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use levada_types::{QueueId, Timestamp};
use prost::Message;

use crate::effects::{BlockRef, Effects, SealedBlock};
use crate::proto::Record;
use crate::snapshot::{QueueRows, Reader, RestoreError, Writer};
use crate::view::{Location, LogSlice};

/// Live bytes of a tail beyond which it is sealed: large enough that writing a block is a
/// sequential write, small enough that a thousand queues' tails fit in memory.
const SEAL_BYTES: usize = 256 * 1024;
/// Positions that a tail spans at most, so that one old message cannot keep a slot for each of
/// millions that came and went after it.
const TAIL_SPAN_MAX: usize = 16 * 1024;
/// Messages appended within this time expire together.
const EXPIRY_QUANTUM_MS: u64 = 1_000;

/// More positions than any log will have; a row with more is damaged.
const POSITION_MAX: u64 = 1 << 56;

/// Parts of the log's rows in a snapshot.
pub(crate) const PART_HEADER: u8 = 0x02;
pub(crate) const PART_BLOCKS: u8 = 0x03;
pub(crate) const PART_TIMES: u8 = 0x04;
pub(crate) const PART_TAIL: u8 = 0x05;

/// The second (since the epoch) that a stamp falls in.
pub(crate) fn quantum_of(at: Timestamp) -> u64 {
    at.as_millis() / EXPIRY_QUANTUM_MS
}

/// When messages of this second expire: `retention_ms` after its end.
pub(crate) fn expiry(quantum: u64, retention_ms: u64) -> Timestamp {
    end_of(quantum, EXPIRY_QUANTUM_MS).plus_millis(retention_ms)
}

fn end_of(quantum: u64, quantum_ms: u64) -> Timestamp {
    Timestamp::from_millis(quantum.saturating_add(1).saturating_mul(quantum_ms))
}

/// What the engine knows of a sealed block; its first position is its key.
#[derive(Clone, Copy, Debug)]
struct BlockMeta {
    last: u64,
    live: u32,
}

/// A queue's log, or a shard's.
pub(crate) struct Log {
    queue: QueueId,
    /// What is appended within this time expires together.
    quantum_ms: u64,
    /// The position that the next record gets.
    next: u64,
    /// The position of `tail[0]`, which is live; `next` if the tail is empty.
    tail_first: u64,
    /// Encoded records of `tail_first..next`; `None` is dead.
    tail: VecDeque<Option<Bytes>>,
    /// Bytes of the live records in the tail.
    tail_bytes: usize,
    /// Sealed blocks with something live, by first position.
    blocks: BTreeMap<u64, BlockMeta>,
    /// (first position, second) of each second in which something was appended; positions and
    /// seconds both rise. Entries of positions that are all dead are trimmed at the front.
    times: VecDeque<(u64, u64)>,
    /// Live positions that outboxes refer to, and how often.
    held: BTreeMap<u64, u32>,
}

impl Log {
    pub(crate) fn new(queue: QueueId) -> Self {
        Self::with_quantum(queue, EXPIRY_QUANTUM_MS)
    }

    /// One whose records expire by so many milliseconds together; its index of time is that much smaller.
    pub(crate) fn with_quantum(queue: QueueId, quantum_ms: u64) -> Self {
        Self {
            queue,
            quantum_ms,
            next: 1,
            tail_first: 1,
            tail: VecDeque::new(),
            tail_bytes: 0,
            blocks: BTreeMap::new(),
            times: VecDeque::new(),
            held: BTreeMap::new(),
        }
    }

    /// Whose log it is.
    pub(crate) fn queue(&self) -> QueueId {
        self.queue
    }

    /// Whether a position is live, as far as can be told: of one in a block only what may be.
    pub(crate) fn is_live(&self, position: u64) -> bool {
        match position.checked_sub(self.tail_first) {
            Some(slot) => {
                let slot = usize::try_from(slot)
                    .ok()
                    .and_then(|slot| self.tail.get(slot));
                slot.is_some_and(Option::is_some)
            }
            None => self.block_of(position).is_some(),
        }
    }

    /// The position that the next `append` will return.
    pub(crate) fn next_position(&self) -> u64 {
        self.next
    }

    /// Appends a record, setting its `position`, which it returns. May seal the tail.
    /// `at` never runs back.
    pub(crate) fn append(
        &mut self,
        mut record: Record,
        at: Timestamp,
        effects: &mut Effects,
    ) -> u64 {
        let position = self.next;
        record.position = position;
        let encoded = Bytes::from(record.encode_to_vec());
        let quantum = at.as_millis() / self.quantum_ms;
        if self.times.back().is_none_or(|(_, q)| *q < quantum) {
            self.times.push_back((position, quantum));
        }
        self.next += 1;
        self.tail_bytes += encoded.len();
        self.tail.push_back(Some(encoded));
        if self.tail_bytes > SEAL_BYTES || self.tail.len() >= TAIL_SPAN_MAX {
            self.seal(effects);
        }
        position
    }

    /// Gives a position to what is not kept. May seal the tail.
    pub(crate) fn skip(&mut self, effects: &mut Effects) -> u64 {
        let position = self.next;
        self.next += 1;
        if self.tail.is_empty() {
            self.tail_first = self.next;
            return position;
        }
        self.tail.push_back(None);
        if self.tail.len() >= TAIL_SPAN_MAX {
            self.seal(effects);
        }
        position
    }

    /// Moves the tail's live records into a block.
    fn seal(&mut self, effects: &mut Effects) {
        let first = self.tail_first;
        let records: Vec<_> = (first..)
            .zip(self.tail.drain(..))
            .filter_map(|(position, record)| Some((position, record?)))
            .collect();
        self.tail_first = self.next;
        self.tail_bytes = 0;
        let Some((last, _)) = records.last() else {
            return;
        };
        // At most `TAIL_SPAN_MAX` records.
        let meta = BlockMeta {
            last: *last,
            live: records.len() as u32,
        };
        self.blocks.insert(first, meta);
        effects.sealed.push(SealedBlock {
            block: self.block(first),
            records,
        });
    }

    /// The record at `position`, if it is in memory.
    pub(crate) fn record(&self, position: u64) -> Option<Record> {
        let slot = usize::try_from(position.checked_sub(self.tail_first)?).ok()?;
        let encoded = self.tail.get(slot)?.clone()?;
        Record::decode(encoded).ok()
    }

    /// Where the payload of `position` is; `None` if it is certainly gone.
    pub(crate) fn locate(&self, position: u64) -> Option<Location> {
        if position >= self.tail_first {
            return self.record(position).map(Location::Tail);
        }
        let first = self.block_of(position)?;
        Some(Location::Block(self.block(first)))
    }

    /// The first position of the block that spans `position`.
    fn block_of(&self, position: u64) -> Option<u64> {
        let (first, meta) = self.blocks.range(..=position).next_back()?;
        (meta.last >= position).then_some(*first)
    }

    /// The live message at `position` is gone for good.
    pub(crate) fn mark_dead(&mut self, position: u64, effects: &mut Effects) {
        if position >= self.tail_first {
            self.kill_in_tail(position);
            self.pop_dead_front();
        } else if let Some(first) = self.block_of(position)
            && let Some(meta) = self.blocks.get_mut(&first)
        {
            meta.live = meta.live.saturating_sub(1);
            if meta.live == 0 {
                self.drop_block(first, effects);
            }
        }
        self.trim_times();
    }

    fn kill_in_tail(&mut self, position: u64) {
        let slot = (position - self.tail_first) as usize;
        if let Some(record) = self.tail.get_mut(slot).and_then(Option::take) {
            self.tail_bytes -= record.len();
        }
    }

    fn pop_dead_front(&mut self) {
        while let Some(None) = self.tail.front() {
            self.tail.pop_front();
            self.tail_first += 1;
        }
    }

    fn drop_block(&mut self, first: u64, effects: &mut Effects) {
        self.blocks.remove(&first);
        effects.dropped.push(self.block(first));
    }

    /// Forgets the times of positions before everything that is live.
    fn trim_times(&mut self) {
        let live_from = self.first_live_from();
        if live_from == self.next {
            self.times.clear();
        }
        while self
            .times
            .get(1)
            .is_some_and(|(first, _)| *first <= live_from)
        {
            self.times.pop_front();
        }
    }

    /// No live position is lower than this one.
    pub(crate) fn first_live_from(&self) -> u64 {
        self.blocks
            .keys()
            .next()
            .copied()
            .unwrap_or(self.tail_first)
    }

    /// From now on an outbox keeps `position` live, or one more item of one does.
    pub(crate) fn hold(&mut self, position: u64) {
        let count = self.held.entry(position).or_default();
        *count = count.saturating_add(1);
    }

    /// The outbox has let go of `position`.
    pub(crate) fn release(&mut self, position: u64, effects: &mut Effects) {
        if self.let_go(position) {
            self.mark_dead(position, effects);
        }
    }

    /// The same, where something else may keep the position live; whether no outbox does any more.
    pub(crate) fn let_go(&mut self, position: u64) -> bool {
        match self.held.get_mut(&position) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            Some(_) => {
                self.held.remove(&position);
                true
            }
            None => false,
        }
    }

    /// The last position whose retention has ended at `at`, if that is news.
    pub(crate) fn expired_through(&self, at: Timestamp, retention_ms: u64) -> Option<u64> {
        let expired = self
            .times
            .partition_point(|(_, q)| self.expiry(*q, retention_ms) <= at);
        if expired == 0 {
            return None;
        }
        Some(
            self.times
                .get(expired)
                .map_or(self.next, |(first, _)| *first)
                - 1,
        )
    }

    /// When `expired_through` has news at the earliest.
    pub(crate) fn next_expiry(&self, retention_ms: u64) -> Option<Timestamp> {
        let (_, quantum) = self.times.front()?;
        Some(self.expiry(*quantum, retention_ms))
    }

    fn expiry(&self, quantum: u64, retention_ms: u64) -> Timestamp {
        end_of(quantum, self.quantum_ms).plus_millis(retention_ms)
    }

    /// Where the first record is that was appended at `at` or later: at the first of the two positions or behind it,
    /// and before the second one or there.
    pub(crate) fn first_since(&self, at: Timestamp) -> (u64, u64) {
        let quantum = at.as_millis() / self.quantum_ms;
        let place = self.times.partition_point(|(_, q)| *q < quantum);
        let first = |place: usize| self.times.get(place).map_or(self.next, |(first, _)| *first);
        match self.times.get(place) {
            Some((_, q)) if *q == quantum => (first(place), first(place + 1)),
            _ => (first(place), first(place)),
        }
    }

    /// Encoded records in memory from `position` on: so many, and of so many bytes, or one.
    pub(crate) fn tail_from(&self, position: u64, max: usize, bytes_max: usize) -> Vec<Bytes> {
        let from = position.saturating_sub(self.tail_first) as usize;
        let mut bytes = 0;
        let mut found = Vec::new();
        for record in self.tail.iter().skip(from).flatten() {
            bytes += record.len();
            if found.len() == max || (bytes > bytes_max && !found.is_empty()) {
                break;
            }
            found.push(record.clone());
        }
        found
    }

    /// Records from `position` on: those in memory as `tail_from` has them, or the block in which they begin. Positions
    /// of which nothing is kept are passed over.
    pub(crate) fn slice(&self, position: u64, max: usize, bytes_max: usize) -> LogSlice {
        let begins_in = self.block_of(position).map(|first| self.block(first));
        match begins_in.or_else(|| self.block_behind(position)) {
            Some(block) => LogSlice::Block(block),
            None => LogSlice::Tail(self.tail_from(position, max, bytes_max)),
        }
    }

    /// The next block that begins behind `position`.
    pub(crate) fn block_behind(&self, position: u64) -> Option<BlockRef> {
        let behind = (Bound::Excluded(position), Bound::Unbounded);
        let (first, _) = self.blocks.range(behind).next()?;
        Some(self.block(*first))
    }

    fn block(&self, first: u64) -> BlockRef {
        BlockRef {
            queue: self.queue,
            first,
        }
    }

    /// Everything up to `position` dies, but what is held. Whole blocks and the tail are dealt with
    /// here; if a block goes on beyond `position`, its first position is returned, and the queue
    /// calls `mark_dead` for what was live in it from there up to `position`.
    #[must_use]
    pub(crate) fn expire_through(&mut self, position: u64, effects: &mut Effects) -> Option<u64> {
        let mut straddling = None;
        let firsts: Vec<u64> = self
            .blocks
            .range(..=position)
            .map(|(first, _)| *first)
            .collect();
        for first in firsts {
            let Some(meta) = self.blocks.get_mut(&first) else {
                continue;
            };
            if meta.last > position {
                straddling = Some(first);
                continue;
            }
            meta.live = self.held.range(first..=meta.last).count() as u32;
            if meta.live == 0 {
                self.drop_block(first, effects);
            }
        }
        for dying in self.tail_first..self.next.min(position.saturating_add(1)) {
            if !self.held.contains_key(&dying) {
                self.kill_in_tail(dying);
            }
        }
        self.pop_dead_front();
        while self.times.front().is_some() {
            let end = self.times.get(1).map_or(self.next, |(first, _)| *first);
            if end - 1 > position {
                break;
            }
            self.times.pop_front();
        }
        self.trim_times();
        straddling
    }

    /// Everything dies, but what is held.
    pub(crate) fn purge(&mut self, effects: &mut Effects) {
        let straddling = self.expire_through(self.next - 1, effects);
        debug_assert!(
            straddling.is_none(),
            "no block goes on beyond the last position"
        );
    }

    /// Everything goes, what is held too: the queue was dropped.
    pub(crate) fn drop_all(self, effects: &mut Effects) {
        effects.dropped.extend(self.blocks());
    }

    /// When the message at `position` was appended, to the second; `None` if that is forgotten.
    pub(crate) fn time_of(&self, position: u64) -> Option<Timestamp> {
        let after = self.times.partition_point(|(first, _)| *first <= position);
        let (_, quantum) = self.times.get(after.checked_sub(1)?)?;
        Some(Timestamp::from_millis(
            quantum.saturating_mul(self.quantum_ms),
        ))
    }

    /// How many positions are live.
    #[cfg(test)]
    pub(crate) fn live_count(&self) -> u64 {
        let sealed: u64 = self.blocks.values().map(|meta| u64::from(meta.live)).sum();
        sealed + self.tail.iter().flatten().count() as u64
    }

    /// How many of them are held.
    #[cfg(test)]
    pub(crate) fn held_count(&self) -> u64 {
        self.held.len() as u64
    }

    /// Every sealed block with something live.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = BlockRef> + '_ {
        self.blocks.keys().map(|first| self.block(*first))
    }

    pub(crate) fn encode(&self, rows: &mut QueueRows<'_>) {
        let mut header = Writer::default();
        header.u64(self.next);
        rows.put(PART_HEADER, 0, header.finish());
        rows.put_all(PART_BLOCKS, &self.blocks, |w, (first, meta)| {
            w.u64(*first);
            w.u64(meta.last);
            w.u64(u64::from(meta.live));
        });
        rows.put_all(PART_TIMES, &self.times, |w, (first, quantum)| {
            w.u64(*first);
            w.u64(*quantum);
        });
        for (position, record) in (self.tail_first..).zip(&self.tail) {
            if let Some(record) = record {
                rows.put(PART_TAIL, position, record.clone());
            }
        }
    }

    /// Reads one row of `encode`; they come in order. `suffix` is the row's number or position.
    pub(crate) fn load(
        &mut self,
        part: u8,
        suffix: u64,
        value: &Bytes,
    ) -> Result<(), RestoreError> {
        let mut r = Reader::new(value, "log");
        match part {
            PART_HEADER => {
                let next = Some(r.u64()?).filter(|n| (1..POSITION_MAX).contains(n));
                self.next = next.ok_or(RestoreError::Row("log"))?;
                self.tail_first = self.next;
            }
            PART_BLOCKS => {
                while !r.is_empty() {
                    self.load_block(r.u64()?, r.u64()?, r.u32()?)?;
                }
            }
            PART_TIMES => {
                while !r.is_empty() {
                    self.load_time(r.u64()?, r.u64()?)?;
                }
            }
            PART_TAIL => self.load_tail(suffix, value)?,
            _ => return Err(RestoreError::Row("log")),
        }
        Ok(())
    }

    fn load_block(&mut self, first: u64, last: u64, live: u32) -> Result<(), RestoreError> {
        let before = self
            .blocks
            .last_key_value()
            .map_or(0, |(_, meta)| meta.last);
        if !(before < first && first <= last && last < self.next && live > 0) {
            return Err(RestoreError::Row("block"));
        }
        self.blocks.insert(first, BlockMeta { last, live });
        Ok(())
    }

    fn load_time(&mut self, first: u64, quantum: u64) -> Result<(), RestoreError> {
        let rises = self
            .times
            .back()
            .is_none_or(|(f, q)| *f < first && *q < quantum);
        if !(rises && (1..self.next).contains(&first)) {
            return Err(RestoreError::Row("time"));
        }
        self.times.push_back((first, quantum));
        Ok(())
    }

    fn load_tail(&mut self, position: u64, record: &Bytes) -> Result<(), RestoreError> {
        if self.tail.is_empty() {
            if self.block_of(position).is_some() {
                return Err(RestoreError::Row("tail"));
            }
            self.tail_first = position;
        }
        let span = position
            .checked_sub(self.tail_first)
            .and_then(|s| usize::try_from(s).ok());
        let slot = span.filter(|s| (self.tail.len()..TAIL_SPAN_MAX).contains(s));
        let slot = slot
            .filter(|_| position < self.next)
            .ok_or(RestoreError::Row("tail"))?;
        self.tail.resize(slot, None);
        self.tail_bytes += record.len();
        self.tail.push_back(Some(record.clone()));
        Ok(())
    }

    /// After the last row.
    pub(crate) fn finish_load(&mut self) -> Result<(), RestoreError> {
        let span = self
            .next
            .checked_sub(self.tail_first)
            .ok_or(RestoreError::Row("log"))?;
        let span = usize::try_from(span).ok().filter(|s| *s <= TAIL_SPAN_MAX);
        self.tail
            .resize(span.ok_or(RestoreError::Row("tail"))?, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
