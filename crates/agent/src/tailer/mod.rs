//! Follows the files of one flow: finds them, reads them, and knows what was answered for.
//!
//! Synchronous, and given the time. A file is held open from when it is found until it is read to its end and let go, so
//! that a name can be taken from it or it can be deleted, and nothing is lost. Of a record that is not whole nothing is
//! kept: it is read again when the file has changed. So the memory of a flow does not depend on how many files it has.
//!
//! - `source` is one file that is open.
//! - `listing` is what there is by name.
//! - `discover` compares the two: new files, renamed ones, copies, ones that were emptied.
//! - `restore` begins with a checkpoint.
//!
//! `flow` calls [`Tailer::open`], [`Tailer::fill`], [`Tailer::commit`] and [`Tailer::save_if_due`].

mod discover;
mod listing;
mod restore;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing::{error, warn};

use crate::batch::{Batch, Record, SourceKey};
use crate::checkpoint::{Checkpoint, CheckpointError, FilePosition, Store};
use crate::config::{FlowConfig, KeyRule, Target};
use crate::convert::convert;
use crate::identity::{self, HeadSum};
use crate::limits;
use crate::sign::sha256_hex;
use crate::split::Ending;
use crate::status::Counters;
use source::{Change, Source, WaitRule};

/// Names of files of which a failure was told; each is told once.
const TOLD_MAX: usize = 1_000;

/// The files of a flow.
pub(crate) struct Tailer {
    flow: FlowConfig,
    poll: Duration,
    store: Store,
    counters: Arc<Counters>,
    /// In the order in which they were found.
    sources: Vec<Source>,
    next_key: SourceKey,
    /// Files that were gone when the agent began: by their names, when they were changed last.
    ghosts: BTreeMap<PathBuf, i64>,
    scanned: Option<Instant>,
    /// Whose turn it is.
    turn: usize,
    is_dirty: bool,
    saved: Option<Instant>,
    told: HashSet<PathBuf>,
}

/// What came of reading a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// There may be more.
    Some,
    /// All that is there was taken.
    AtEnd,
    /// The batch takes no more.
    BatchFull,
}

impl Tailer {
    /// Begins where the checkpoint says, or for the first time.
    pub(crate) fn open(
        flow: FlowConfig,
        poll: Duration,
        store: Store,
        counters: Arc<Counters>,
        now: Instant,
    ) -> Result<Self, CheckpointError> {
        let checkpoint = store.load()?;
        let mut tailer = Self {
            flow,
            poll,
            store,
            counters,
            sources: Vec::new(),
            next_key: 0,
            ghosts: BTreeMap::new(),
            scanned: None,
            turn: 0,
            is_dirty: true,
            saved: None,
            told: HashSet::new(),
        };
        match checkpoint {
            Some(checkpoint) => {
                tailer.restore(checkpoint, now);
                tailer.scan(now);
            }
            None => tailer.begin(now),
        }
        // What is written from now on is new, whatever happens to the agent.
        tailer.save()?;
        tailer.saved = Some(now);
        Ok(tailer)
    }

    /// Adds to a batch what there is, as long as it has room. Returns whether there may be more.
    pub(crate) fn fill(&mut self, batch: &mut Batch, now: Instant) -> bool {
        if self.scanned.is_none_or(|at| now >= at + self.poll) {
            self.scan(now);
        }
        let mut is_more = false;
        let count = self.sources.len();
        let mut rewritten = Vec::new();
        for step in 0..count {
            let index = (self.turn + step) % count;
            if self.waits(index, now) {
                continue;
            }
            match self.read(index, batch, now) {
                Ok(Some(Read::Some)) => is_more = true,
                Ok(Some(Read::AtEnd)) => self.sources[index].reached_end_at = Some(now),
                Ok(Some(Read::BatchFull)) => {
                    // The next batch begins with the next file, so that none is always the first.
                    self.turn = index + 1;
                    is_more = true;
                    break;
                }
                Ok(None) => rewritten.push(self.sources[index].key),
                Err(e) => {
                    let path = self.sources[index].home.clone();
                    self.tell(&path, "cannot be read", &e);
                }
            }
        }
        for key in rewritten {
            self.rewritten(key, now);
        }
        is_more
    }

    /// The next [`Tailer::fill`] looks at all files first, however short ago they were looked at.
    pub(crate) fn look_again(&mut self) {
        self.scanned = None;
    }

    /// What was answered for.
    pub(crate) fn commit(&mut self, ends: &BTreeMap<SourceKey, u64>) {
        for source in &mut self.sources {
            if let Some(end) = ends.get(&source.key)
                && *end > source.acked
            {
                source.acked = *end;
                self.is_dirty = true;
            }
        }
        self.count();
    }

    /// Writes the checkpoint if something changed, and the last one is old enough or `is_last`.
    pub(crate) fn save_if_due(&mut self, now: Instant, is_last: bool) {
        let is_due = self
            .saved
            .is_none_or(|saved| now >= saved + limits::CHECKPOINT_EVERY);
        // What a file is known by is written down before it was read: its copy must be known after a kill.
        let is_head_new = |source: &Source| source.head.len() != source.saved_head_bytes;
        self.is_dirty |= self.sources.iter().any(is_head_new);
        if !self.is_dirty || !(is_due || is_last) {
            return;
        }
        self.saved = Some(now);
        if let Err(e) = self.save() {
            error!("the checkpoint cannot be written, it is tried again: {e}");
        }
    }

    fn save(&mut self) -> Result<(), CheckpointError> {
        let id_of = |key| self.sources.iter().find(|s| s.key == key).map(|s| s.id);
        // Of those that had one name the youngest is the last.
        let mut sources: Vec<&Source> = self.sources.iter().collect();
        sources.sort_by_key(|source| source.key);
        let files = sources.into_iter().map(|source| FilePosition {
            path: source.home.clone(),
            id: source.id,
            head: HeadSum::of(&source.head),
            offset: source.acked,
            generation: source.generation,
            modified_ns: source.modified_ns,
            waits_on: source.waits.and_then(|wait| id_of(wait.on)),
        });
        self.store.save(&Checkpoint {
            flow: self.flow.title.clone(),
            files: files.collect(),
        })?;
        for source in &mut self.sources {
            source.saved_head_bytes = source.head.len();
        }
        self.is_dirty = false;
        Ok(())
    }

    fn count(&self) {
        let behind = self.sources.iter().map(Source::behind).sum();
        self.counters.behind.store(behind, Ordering::Relaxed);
        let files = self.sources.len() as u64;
        self.counters.files.store(files, Ordering::Relaxed);
    }

    /// Whether another file must be read first.
    fn waits(&mut self, index: usize, now: Instant) -> bool {
        let Some(wait) = self.sources[index].waits else {
            return false;
        };
        let waits = match self.sources.iter().find(|source| source.key == wait.on) {
            None => false,
            Some(before) => match wait.rule {
                WaitRule::ReachedEnd => before.reached_end_at.is_none(),
                WaitRule::Ended => {
                    let patience_ends = wait.since + limits::ROTATED_WAIT_MAX;
                    let was_read = before.reached_end_at.is_some_and(|at| at >= wait.since);
                    !(before.has_ended(now) || was_read && now >= patience_ends)
                }
            },
        };
        if !waits {
            self.sources[index].waits = None;
            self.is_dirty = true;
        }
        waits
    }

    /// Reads on in a file. `None` if what stands there is no longer what stood there.
    fn read(&mut self, index: usize, batch: &mut Batch, now: Instant) -> io::Result<Option<Read>> {
        if batch.is_full() {
            return Ok(Some(Read::BatchFull));
        }
        if !self.sources[index].is_behind_of_reading() {
            return Ok(Some(Read::AtEnd));
        }
        let record_bytes_max = self.flow.splitter.record_bytes_max;
        let mut want = limits::READ_BYTES;
        loop {
            let source = &mut self.sources[index];
            let mut bytes = vec![0; want];
            let count = identity::read_at(&source.file, &mut bytes, source.offset)?;
            // Looked at after it was read: so what was read is what was there.
            if source.look(now)? == Change::Rewritten {
                return Ok(None);
            }
            bytes.truncate(count);
            let is_at_end = count < want && source.offset + count as u64 >= source.size;
            let Some(taken) = self.take(index, &bytes, is_at_end, batch, now) else {
                return Ok(Some(Read::BatchFull));
            };
            return Ok(Some(match (taken, is_at_end) {
                (_, true) => Read::AtEnd,
                (0, false) if want <= record_bytes_max => {
                    // A record that is longer than what was read.
                    want = record_bytes_max + 2;
                    continue;
                }
                _ => Read::Some,
            }));
        }
    }

    /// Makes records of bytes that were read; how many bytes were taken. `None` if the batch takes no more.
    fn take(
        &mut self,
        index: usize,
        bytes: &[u8],
        is_at_end: bool,
        batch: &mut Batch,
        now: Instant,
    ) -> Option<usize> {
        let source = &self.sources[index];
        let quiet = source.quiet(now);
        let ending = if !is_at_end {
            Ending::Open
        } else if source.is_final(now) || quiet >= self.flow.torn_line_wait {
            Ending::Final
        } else if quiet >= self.flow.multiline_wait {
            Ending::Lines
        } else {
            Ending::Open
        };
        let mut taken = 0;
        if source.offset == 0 && self.flow.skip_header_lines > 0 {
            match after_lines(bytes, self.flow.skip_header_lines) {
                Some(after) => taken = after,
                // Header lines that are not all there, or that are no header at all.
                None if is_at_end => return Some(0),
                None => {}
            }
            self.advance(index, taken, batch);
        }
        while let Some(cut) = self.flow.splitter.next(&bytes[taken..], ending) {
            let whole = &bytes[taken..taken + cut.len];
            if let Some(record) = self.record(index, whole, cut.body.clone(), cut.is_piece)
                && batch.add(record, now).is_err()
            {
                return None;
            }
            taken += cut.len;
            self.advance(index, cut.len, batch);
            if batch.is_full() {
                return None;
            }
        }
        Some(taken)
    }

    fn advance(&mut self, index: usize, bytes: usize, batch: &mut Batch) {
        let source = &mut self.sources[index];
        source.offset += bytes as u64;
        batch.reaches(source.key, source.offset);
    }

    /// A record as it is sent; `None` for one that cannot be: an empty one to a queue.
    fn record(
        &self,
        index: usize,
        whole: &[u8],
        body: std::ops::Range<usize>,
        is_piece: bool,
    ) -> Option<Record> {
        let source = &self.sources[index];
        let raw = &whole[body];
        if is_piece {
            Counters::add(&self.counters.pieces, 1);
        }
        let mut data = match convert(&self.flow.conversions, raw) {
            Ok(data) if data.len() <= self.flow.splitter.record_bytes_max => data.into_owned(),
            _ => {
                Counters::add(&self.counters.unfit, 1);
                raw.to_vec()
            }
        };
        let is_queue = matches!(self.flow.target, Target::Queue(_));
        if is_queue && data.is_empty() {
            return None;
        }
        let key = self.key(source, &data);
        if self.flow.keeps_line_ends && whole.ends_with(b"\n") {
            data.push(b'\n');
        }
        let deduplication_id = self.flow.target.is_fifo().then(|| {
            let place = format!(
                "{} {} {} {} ",
                source.id.device, source.id.inode, source.generation, source.offset
            );
            sha256_hex(&[place.as_bytes(), &data].concat())
        });
        Some(Record {
            data,
            key,
            deduplication_id,
        })
    }

    fn key(&self, source: &Source, data: &[u8]) -> Option<String> {
        let of_file = || {
            let path = source.home.to_string_lossy();
            // Groups of messages are of fewer letters.
            let is_group = matches!(self.flow.target, Target::Queue(_));
            if is_group || path.chars().count() > limits::PARTITION_KEY_CHARS_MAX {
                sha256_hex(path.as_bytes())
            } else {
                path.into_owned()
            }
        };
        match &self.flow.key {
            KeyRule::Absent => None,
            KeyRule::Random => Some(format!("{:016x}", rand::random::<u64>())),
            KeyRule::File => Some(of_file()),
            KeyRule::Record => Some(sha256_hex(data)),
            KeyRule::Field(name) => Some(field(data, name).map_or_else(of_file, |value| {
                // Of any value a key of letters that every service takes.
                let is_plain = !value.is_empty()
                    && value.len() <= 128
                    && value.chars().all(|c| c.is_ascii_graphic());
                if is_plain {
                    value
                } else {
                    sha256_hex(value.as_bytes())
                }
            })),
        }
    }

    fn tell(&mut self, path: &Path, what: &str, error: &io::Error) {
        if self.told.len() < TOLD_MAX && self.told.insert(path.to_owned()) {
            warn!(
                "{}: {} {what}, it is tried again: {error}",
                self.flow.title,
                path.display()
            );
        }
    }
}

/// Where the line behind so many lines begins.
fn after_lines(bytes: &[u8], count: u32) -> Option<usize> {
    let last = usize::try_from(count).ok()?.checked_sub(1)?;
    memchr::memchr_iter(b'\n', bytes).nth(last).map(|at| at + 1)
}

/// A member of a record that is a JSON object.
fn field(data: &[u8], name: &str) -> Option<String> {
    let record: Value = serde_json::from_slice(data).ok()?;
    match record.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
