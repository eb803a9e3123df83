//! The block writer: one thread that moves blocks to segment files, deletes empty segments, and copies the
//! last blocks out of sparse ones.
//!
//! It serves, in this order: callers that wait for a sync, empty segments, blocks beyond the budget, sparse
//! segments. A write or a sync that fails calls the fatal hook. A file is deleted only after the blocks that
//! were copied out of it are synced.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::format::encode;
use super::index::{Place, Segment, SegmentFile, SyncRequest, ToWrite};
use super::{Index, Shared, scan};
use crate::disk::sync_dir;

/// Bytes of one write.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes that may be written without a sync. More would make a sync of the log, which shares the disk, wait
/// behind them.
const UNSYNCED_BYTES_MAX: u64 = 8 << 20;
/// When the budget is passed, write until this part of it is left.
const BUDGET_LEFT_DIVISOR: usize = 2;

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// [`WRITE_BYTES`], or less if segments are smaller.
    write_bytes: usize,
    /// Who waits for the syncs that are being served.
    waiting: Vec<SyncRequest>,
    current: Option<Current>,
    /// Segments with bytes that are not synced.
    dirty: BTreeMap<u64, Arc<SegmentFile>>,
    unsynced_bytes: u64,
    next_segment: u64,
    buffer: Vec<u8>,
}

/// The segment that is being written.
struct Current {
    number: u64,
    file: Arc<SegmentFile>,
    offset: u64,
}

enum Job {
    Sync(Vec<SyncRequest>),
    Delete(Vec<Segment>),
    WriteBehind,
    Copy(u64),
    End,
}

/// What is next, if there is anything.
fn next_job(index: &mut MutexGuard<'_, Index>, shared: &Shared) -> Option<Job> {
    if !index.syncs.is_empty() {
        return Some(Job::Sync(std::mem::take(&mut index.syncs)));
    }
    if index.closed {
        return Some(Job::End);
    }
    let empty = index.take_empty();
    if !empty.is_empty() {
        return Some(Job::Delete(empty));
    }
    if index.over_budget(&shared.options) {
        return Some(Job::WriteBehind);
    }
    (index.sparse(shared.options.segment_bytes)).map(Job::Copy)
}

fn wait(shared: &Shared) -> Job {
    let mut index = shared.index();
    loop {
        if let Some(job) = next_job(&mut index, shared) {
            return job;
        }
        index = shared
            .work
            .wait(index)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

/// The hook first: whoever waits must not act on the error before it.
fn fail(shared: &Shared, e: &io::Error, waiting: Vec<SyncRequest>) {
    (shared.options.fatal)(&format!("writing blocks failed: {e}"));
    let more = {
        let mut index = shared.index();
        index.failed = true;
        std::mem::take(&mut index.syncs)
    };
    for requests in [waiting, more] {
        answer(requests, || Err(io::Error::other(e.to_string())));
    }
}

fn answer(requests: Vec<SyncRequest>, result: impl Fn() -> io::Result<()>) {
    for request in requests {
        // A caller waits without a limit, so it is there unless its thread has died.
        let _gone = request.done.send(result());
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let next_segment = shared
            .index()
            .segments
            .keys()
            .last()
            .map_or(1, |last| last + 1);
        let segment_bytes = usize::try_from(shared.options.segment_bytes).unwrap_or(WRITE_BYTES);
        Self {
            shared,
            write_bytes: WRITE_BYTES.min(segment_bytes),
            waiting: Vec::new(),
            current: None,
            dirty: BTreeMap::new(),
            unsynced_bytes: 0,
            next_segment,
            buffer: Vec::new(),
        }
    }

    /// Works until the store is closed.
    pub(super) fn run(mut self) {
        loop {
            let job = wait(&self.shared);
            if !self.serve(job) {
                return;
            }
        }
    }

    /// Does one piece of work, if there is any. False if there is none, or no more ever.
    pub(super) fn turn(&mut self) -> bool {
        let job = next_job(&mut self.shared.index(), &self.shared);
        job.is_some_and(|job| self.serve(job))
    }

    fn serve(&mut self, job: Job) -> bool {
        let result = match job {
            Job::End => return false,
            Job::Sync(requests) => {
                self.waiting = requests;
                self.serve_syncs()
            }
            Job::Delete(segments) => self.delete(&segments),
            Job::WriteBehind => self.write_behind(),
            Job::Copy(segment) => self.copy(segment),
        };
        if let Err(e) = result {
            fail(&self.shared, &e, std::mem::take(&mut self.waiting));
            return false;
        }
        true
    }

    fn serve_syncs(&mut self) -> io::Result<()> {
        let requests = std::mem::take(&mut self.waiting);
        let result = requests
            .iter()
            .try_for_each(|r| self.write_all(r))
            .and_then(|()| self.sync_dirty());
        match result {
            Ok(()) => answer(requests, || Ok(())),
            Err(_) => self.waiting = requests,
        }
        result
    }

    /// Writes every block that a request names and that was there when this began.
    fn write_all(&mut self, request: &SyncRequest) -> io::Result<()> {
        let mut after = None;
        loop {
            let chunk =
                self.shared
                    .index()
                    .take_unwritten(after, request.partition, self.write_bytes);
            let Some(last) = chunk.last() else {
                return Ok(());
            };
            after = Some(last.put);
            self.write(&chunk)?;
        }
    }

    fn write_behind(&mut self) -> io::Result<()> {
        let left = self.shared.options.unwritten_bytes / BUDGET_LEFT_DIVISOR;
        loop {
            let chunk = {
                let index = self.shared.index();
                // Somebody who waits goes first.
                if index.unwritten_bytes() <= left || !index.syncs.is_empty() || index.closed {
                    return Ok(());
                }
                index.take_unwritten(None, None, self.write_bytes)
            };
            self.write(&chunk)?;
        }
    }

    /// Writes blocks to the end of the current segment.
    fn write(&mut self, blocks: &[ToWrite]) -> io::Result<()> {
        if blocks.is_empty() {
            return Ok(());
        }
        let (number, file, begin) = self.segment()?;
        let first_sequence = {
            let mut index = self.shared.index();
            let first = index.next_sequence;
            index.next_sequence += blocks.len() as u64;
            first
        };
        self.buffer.clear();
        let mut places = Vec::with_capacity(blocks.len());
        for (sequence, block) in (first_sequence..).zip(blocks) {
            let offset = begin + self.buffer.len() as u64;
            let header = encode(
                &mut self.buffer,
                file.salt,
                sequence,
                block.id,
                &block.records,
            );
            places.push(Place {
                segment: number,
                file: file.clone(),
                offset,
                header,
            });
        }
        file.file.write_at(&self.buffer, begin)?;
        let written = self.buffer.len() as u64;
        // A block of unusual size must not keep its memory for ever.
        self.buffer.shrink_to(2 * WRITE_BYTES);
        self.dirty.insert(number, file);
        self.unsynced_bytes += written;
        let end = begin + written;
        let full = end >= self.shared.options.segment_bytes;
        self.note(blocks, places, number, end, full);
        match &mut self.current {
            Some(current) if !full => current.offset = end,
            _ => self.current = None,
        }
        if self.unsynced_bytes >= UNSYNCED_BYTES_MAX {
            self.sync_dirty()?;
        }
        Ok(())
    }

    fn note(&self, blocks: &[ToWrite], places: Vec<Place>, number: u64, end: u64, full: bool) {
        let stats = &self.shared.stats;
        stats.written_blocks.fetch_add(blocks.len() as u64, Relaxed);
        stats
            .written_bytes
            .fetch_add(self.buffer.len() as u64, Relaxed);
        let mut index = self.shared.index();
        index.extend_segment(number, end, full);
        for (block, place) in blocks.iter().zip(places) {
            index.written(block.id, block.put, place, self.shared.options.cache_bytes);
        }
        index.publish(stats);
    }

    /// The segment to write to, and where in it. A new one after a start: what an old one ends with may be
    /// torn.
    fn segment(&mut self) -> io::Result<(u64, Arc<SegmentFile>, u64)> {
        if let Some(current) = &self.current {
            return Ok((current.number, current.file.clone(), current.offset));
        }
        let number = self.next_segment;
        self.next_segment += 1;
        let salt = rand::random();
        let path = self.shared.dir.join(scan::file_name(number, salt));
        let file = self.shared.options.disk.create(&path)?;
        sync_dir(&self.shared.dir)?;
        let file = Arc::new(SegmentFile { path, salt, file });
        self.shared
            .index()
            .add_segment(number, Segment::new(file.clone(), 0, false));
        self.current = Some(Current {
            number,
            file: file.clone(),
            offset: 0,
        });
        Ok((number, file, 0))
    }

    fn sync_dirty(&mut self) -> io::Result<()> {
        for (_, file) in std::mem::take(&mut self.dirty) {
            file.file.sync()?;
            self.shared.stats.syncs.fetch_add(1, Relaxed);
        }
        self.unsynced_bytes = 0;
        self.shared.index().release_replaced();
        Ok(())
    }

    /// Deletes segments in which nothing is live. What was copied out of them must be safe first.
    fn delete(&mut self, segments: &[Segment]) -> io::Result<()> {
        self.sync_dirty()?;
        for segment in segments {
            let path = &segment.file.path;
            // A file that stays behind is found again, and found to be empty, at the next start.
            if let Err(e) = self.shared.options.disk.delete(path) {
                tracing::warn!(path = %path.display(), error = %e, "a segment can't be deleted");
            }
        }
        Ok(())
    }

    /// Writes the live blocks of a segment again. One that can't be read stays where it is, for its caller
    /// to find.
    fn copy(&mut self, segment: u64) -> io::Result<()> {
        let live = self.shared.index().live_in(segment);
        for (put, place) in live {
            let id = place.header.id;
            match scan::read_block(id, &place) {
                Ok(records) => {
                    self.write(&[ToWrite { id, put, records }])?;
                    self.shared.stats.copied_blocks.fetch_add(1, Relaxed);
                }
                Err(e) => tracing::warn!(error = %e, "a block can't be moved"),
            }
        }
        if let Some(segment) = self.shared.index().segments.get_mut(&segment) {
            segment.stuck = true;
        }
        Ok(())
    }
}
