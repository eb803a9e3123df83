//! What applied entries leave for the leader to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use levada_engine::Effects;
use levada_storage::blocks::BlockId;
use levada_types::{PartitionId, QueueId, Timestamp};
use tokio::sync::Notify;

/// Blocks that could not be read and wait to be put back. More are found again by the next that reads them.
const UNREADABLE_MAX: usize = 64;

/// What applied entries left for the leader to do, gathered until it looks.
#[derive(Debug)]
pub struct Events {
    pending: Mutex<Pending>,
    notify: Notify,
    catalog_generation: AtomicU64,
    /// When the listener will look by itself, in milliseconds of the partition's time.
    armed_ms: AtomicU64,
}

/// The gathered effects; those of many entries fall together.
#[derive(Debug, Default)]
pub struct Pending {
    /// Queues in which messages became claimable, and how many.
    pub wake: BTreeMap<QueueId, u32>,
    /// Partitions for which the outbox holds items.
    pub outbox: BTreeSet<PartitionId>,
    /// Queues whose catalog row changed.
    pub catalog_queues: BTreeSet<QueueId>,
    /// Partitions whose catalog row changed.
    pub catalog_partitions: BTreeSet<PartitionId>,
    /// Something else in the catalog changed.
    pub catalog_other: bool,
    /// The whole state was replaced by a snapshot.
    pub replaced: bool,
    /// Blocks that this node could not read when it had to send them.
    pub unreadable: BTreeSet<BlockId>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            pending: Mutex::default(),
            notify: Notify::new(),
            catalog_generation: AtomicU64::new(0),
            armed_ms: AtomicU64::new(u64::MAX),
        }
    }
}

impl Events {
    /// The listener looks at `due` by itself; an earlier due time wakes it.
    pub fn arm(&self, due: Option<Timestamp>) {
        self.armed_ms.store(
            due.map_or(u64::MAX, Timestamp::as_millis),
            Ordering::Release,
        );
    }

    pub(crate) fn due(&self, due: Option<Timestamp>) {
        if due.is_some_and(|due| due.as_millis() < self.armed_ms.load(Ordering::Acquire)) {
            self.notify.notify_one();
        }
    }

    pub(crate) fn add(&self, effects: Effects) {
        let quiet = effects.wake.is_empty()
            && effects.outbox.is_empty()
            && effects.catalog_queues.is_empty()
            && effects.catalog_partitions.is_empty()
            && !effects.catalog_other;
        if quiet {
            return;
        }
        if !effects.catalog_queues.is_empty()
            || !effects.catalog_partitions.is_empty()
            || effects.catalog_other
        {
            self.catalog_generation.fetch_add(1, Ordering::Release);
        }
        let mut pending = self.pending.lock().unwrap_or_else(|e| e.into_inner());
        for (queue, count) in effects.wake {
            let sum = pending.wake.entry(queue).or_default();
            *sum = sum.saturating_add(count);
        }
        pending.outbox.extend(effects.outbox);
        pending.catalog_queues.extend(effects.catalog_queues);
        pending
            .catalog_partitions
            .extend(effects.catalog_partitions);
        pending.catalog_other |= effects.catalog_other;
        drop(pending);
        self.notify.notify_one();
    }

    /// Rises with each change of the catalog, before the change is answered.
    pub fn catalog_generation(&self) -> u64 {
        self.catalog_generation.load(Ordering::Acquire)
    }

    pub(crate) fn replaced(&self) {
        self.catalog_generation.fetch_add(1, Ordering::Release);
        self.pending
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .replaced = true;
        self.notify.notify_one();
    }

    /// A block of the partition could not be read.
    pub(crate) fn unreadable(&self, block: BlockId) {
        let mut pending = self.pending.lock().unwrap_or_else(|e| e.into_inner());
        if pending.unreadable.len() < UNREADABLE_MAX {
            pending.unreadable.insert(block);
        }
        drop(pending);
        self.notify.notify_one();
    }

    /// Waits until there is something or an earlier due time, and takes what there is. For one caller.
    pub async fn next(&self) -> Pending {
        self.notify.notified().await;
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(|e| e.into_inner()))
    }
}
