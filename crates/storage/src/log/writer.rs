//! The writer: one thread that turns what has gathered into one batch, one write and one sync.
//!
//! While it waits for the disk, callers fill the queue, so the slower the disk, the larger the groups.
//! It is the only one that writes to raft-engine's append queue. Started and ended by `threads`.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Instant;

use raft_engine::{Command, LogBatch};

use super::entry::Records;
use super::memory::Purged;
use super::{KEY_END, KEY_FLOOR, NO_END, Operation, Shared, What, region};
use crate::fatal::panic_text;

/// Bytes of entries in one batch. More would make the first callers of a batch wait for the last.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// Every batch is synced, even one in which nobody waits: `tail` relies on it.
pub(super) const SYNC: bool = true;

/// What the writer keeps from one batch to the next.
#[derive(Default)]
pub(super) struct Writer {
    batch: LogBatch,
    operations: Vec<Operation>,
    disk_bytes: usize,
}

impl Writer {
    /// Writes until the store is closed and the queue is empty.
    pub(super) fn run(&mut self, shared: &Shared, purge: &dyn Fn()) {
        while wait(shared) && self.turn(shared, purge) {}
    }

    /// Writes what has gathered, up to [`BATCH_BYTES_MAX`]. Calls `purge` after a batch that purged or that began a
    /// new file. False if there was nothing, or if the log has failed.
    pub(super) fn turn(&mut self, shared: &Shared, purge: &dyn Fn()) -> bool {
        let operations = &mut self.operations;
        take(shared, operations);
        if operations.is_empty() {
            return false;
        }
        if shared.dead.load(Acquire) {
            fail(shared, std::mem::take(operations), "the log has failed");
            return false;
        }
        let purged = operations
            .iter()
            .any(|op| matches!(op.what, What::Purge(_)));
        if let Err(reason) = write(shared, &mut self.batch, operations) {
            fail(shared, std::mem::take(operations), &reason);
            return false;
        }
        finish(shared, operations);
        let used = shared.engine.get_used_size();
        shared.stats.disk_bytes.store(used as u64, Relaxed);
        if purged || used != self.disk_bytes {
            self.disk_bytes = used;
            purge();
        }
        true
    }
}

/// Waits for work. False at the end.
fn wait(shared: &Shared) -> bool {
    let mut front = shared.front();
    while front.queue.is_empty() {
        if front.closed {
            return false;
        }
        front = shared
            .work
            .wait(front)
            .unwrap_or_else(PoisonError::into_inner);
    }
    true
}

fn take(shared: &Shared, operations: &mut Vec<Operation>) {
    let mut front = shared.front();
    let mut bytes = 0;
    while let Some(op) = front.queue.pop_front() {
        bytes += op.bytes;
        operations.push(op);
        if bytes >= BATCH_BYTES_MAX {
            break;
        }
    }
}

fn write(
    shared: &Shared,
    batch: &mut LogBatch,
    operations: &mut [Operation],
) -> Result<(), String> {
    for op in operations.iter_mut() {
        add(shared, batch, op).map_err(|e| format!("the log can't take a batch: {e}"))?;
    }
    if batch.is_empty() {
        return Ok(());
    }
    let overwrites = operations.iter().any(|op| {
        matches!(
            op.what,
            What::Append {
                overwrites: true,
                ..
            } | What::Remove
        )
    });
    let _alone = overwrites.then(|| {
        shared
            .rewriting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    });
    let begun = Instant::now();
    // raft-engine panics when a sync fails.
    let bytes = catch_unwind(AssertUnwindSafe(|| shared.engine.write(batch, SYNC)))
        .map_err(|panic| format!("writing the log failed: {}", panic_text(&*panic)))?
        .map_err(|e| format!("writing the log failed: {e}"))?;
    shared.stats.count_write(begun.elapsed(), bytes);
    Ok(())
}

fn add(shared: &Shared, batch: &mut LogBatch, op: &mut Operation) -> raft_engine::Result<()> {
    let region = region(op.partition);
    match &mut op.what {
        What::Append {
            records,
            overwrites,
        } => {
            if *overwrites {
                batch.put(region, vec![KEY_END], NO_END.to_le_bytes().to_vec())?;
            }
            batch.add_entries::<Records>(region, records)?;
            shared.stats.appends.fetch_add(1, Relaxed);
            shared
                .stats
                .entries
                .fetch_add(records.len() as u64, Relaxed);
            // The callers' copies are in memory's cache; these would only hold on to evicted bytes.
            records.clear();
        }
        What::Truncate { last } => {
            batch.put(region, vec![KEY_END], last.to_le_bytes().to_vec())?;
        }
        What::Purge(Purged { first, empties }) => {
            batch.put(region, vec![KEY_FLOOR], first.to_le_bytes().to_vec())?;
            if *empties {
                // Entries that were overwritten may still stand in the rewrite queue. What overwrote them
                // would cover them when the log is read back, but it is purged.
                batch.put(region, vec![KEY_END], (*first - 1).to_le_bytes().to_vec())?;
            }
            batch.add_command(region, Command::Compact { index: *first });
        }
        What::Put { key, value } => batch.put(region, vec![*key], value.to_vec())?,
        What::Remove => batch.add_command(region, Command::Clean),
        What::Nothing => {}
    }
    Ok(())
}

/// Says `Ok` to everyone in the batch.
fn finish(shared: &Shared, operations: &mut Vec<Operation>) {
    let mut front = shared.front();
    if let Some(last) = operations.last() {
        front.memory.written(last.seq);
    }
    front.queue_bytes -= operations.iter().map(|op| op.bytes).sum::<usize>();
    shared
        .stats
        .queue_bytes
        .store(front.queue_bytes as u64, Relaxed);
    shared
        .stats
        .cache_bytes
        .store(front.memory.cache_bytes() as u64, Relaxed);
    drop(front);
    shared.room.notify_all();
    for op in operations.drain(..) {
        if let Some(done) = op.done {
            done(Ok(()));
        }
    }
}

/// Ends everything: the hook, which in production doesn't return, then an error to everyone who waits.
fn fail(shared: &Shared, operations: Vec<Operation>, reason: &str) {
    shared.fail(reason);
    let queued = {
        let mut front = shared.front();
        front.queue_bytes = 0;
        std::mem::take(&mut front.queue)
    };
    shared.room.notify_all();
    for op in operations.into_iter().chain(queued) {
        if let Some(done) = op.done {
            done(Err(io::Error::other(reason.to_owned())));
        }
    }
}

impl Shared {
    /// Calls the fatal hook, once.
    pub(super) fn fail(&self, reason: &str) {
        if !self.dead.load(Acquire) {
            (self.fatal)(reason);
            // Under the lock, so that a caller either sees it or is in the queue that is failed next.
            let _front = self.front();
            self.dead.store(true, Release);
        }
    }
}
