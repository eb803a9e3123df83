//! What the block store knows: where each block is, what is in memory, what waits for the writer.
//!
//! Invariants: a block is in memory, on disk, or both, never neither; `unwritten` holds exactly the blocks
//! that have no place on disk; a segment's `live` holds exactly the blocks whose place is in it. A block
//! that was dropped while pinned stays until its last pin goes. No I/O in here.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;

use levada_types::PartitionId;

use super::format::Header;
use super::{BlockId, BlockOptions, BlockRecords, BlockStats};
use crate::disk::DiskFile;

/// What a record costs in memory beyond its bytes.
const RECORD_OVERHEAD_BYTES: usize = 48;
/// A segment is sparse if less than one in this many of its bytes is live.
const SPARSE_DIVISOR: u64 = 4;
/// Segments that are small but not sparse are left alone up to this many: each restart begins a new one.
const SMALL_SEGMENTS_MAX: usize = 32;

/// A block on disk.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) file: Arc<SegmentFile>,
    pub(super) offset: u64,
    pub(super) header: Header,
}

/// An open segment file. It stays readable after its name is gone.
pub(super) struct SegmentFile {
    pub(super) path: PathBuf,
    pub(super) salt: u64,
    pub(super) file: Arc<dyn DiskFile>,
}

/// A segment, as the index sees it.
pub(super) struct Segment {
    pub(super) file: Arc<SegmentFile>,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Bytes of the blocks that can still be read.
    live_bytes: u64,
    /// By offset: an old and a new copy of one block may be in one segment.
    live: BTreeMap<u64, BlockId>,
    /// Whether the writer is done with it.
    pub(super) sealed: bool,
    /// Set when it has been copied and something stayed, so that it isn't tried again and again.
    pub(super) stuck: bool,
}

impl Segment {
    pub(super) fn new(file: Arc<SegmentFile>, bytes: u64, sealed: bool) -> Self {
        Self {
            file,
            bytes,
            live_bytes: 0,
            live: BTreeMap::new(),
            sealed,
            stuck: false,
        }
    }
}

#[derive(Default)]
struct Block {
    /// Which `put` it came with: a write in flight must not be taken for a later block of the same name.
    put: u64,
    memory_bytes: usize,
    records: Option<BlockRecords>,
    place: Option<Place>,
    /// Where earlier blocks of the same name are, until this one is safe on disk.
    older: Vec<Place>,
    /// Its turn in the cache's order, if it is in the cache.
    turn: u64,
    pins: u32,
    dropped: bool,
}

/// Where a block was found.
pub(super) enum Found {
    Missing,
    Resident(BlockRecords),
    OnDisk { put: u64, place: Place },
}

/// A block that is to be written.
pub(super) struct ToWrite {
    pub(super) id: BlockId,
    pub(super) put: u64,
    pub(super) records: BlockRecords,
}

/// Someone who waits for blocks to be on disk.
pub(super) struct SyncRequest {
    pub(super) partition: Option<PartitionId>,
    pub(super) done: SyncSender<io::Result<()>>,
}

/// Everything that the store knows.
#[derive(Default)]
pub(super) struct Index {
    blocks: BTreeMap<BlockId, Block>,
    pub(super) segments: BTreeMap<u64, Segment>,
    /// Blocks that have no place on disk, oldest first.
    unwritten: BTreeMap<u64, BlockId>,
    unwritten_bytes: usize,
    /// Written blocks in memory, by turn.
    cached: BTreeMap<u64, BlockId>,
    cached_bytes: usize,
    /// Blocks that have older copies on disk.
    replacing: BTreeSet<BlockId>,
    disk_bytes: u64,
    live_bytes: u64,
    /// Whether a segment may have become empty or sparse since it was last looked for.
    look: bool,
    next_put: u64,
    next_turn: u64,
    /// The sequence of the next block to be written.
    pub(super) next_sequence: u64,
    pub(super) syncs: Vec<SyncRequest>,
    /// Set when the writer has failed: nothing more will be written.
    pub(super) failed: bool,
    pub(super) closed: bool,
}

fn memory_bytes(records: &BlockRecords) -> usize {
    records
        .iter()
        .map(|(_, record)| record.len() + RECORD_OVERHEAD_BYTES)
        .sum()
}

impl Index {
    pub(super) fn put(&mut self, id: BlockId, records: BlockRecords) {
        let (mut older, mut pins) = (Vec::new(), 0);
        if let Some(mut old) = self.blocks.remove(&id) {
            self.forget_memory(&old);
            older = std::mem::take(&mut old.older);
            older.extend(old.place);
            pins = old.pins;
        }
        if !older.is_empty() {
            self.replacing.insert(id);
        }
        let memory_bytes = memory_bytes(&records);
        let put = self.insert(
            id,
            Block {
                records: Some(records),
                memory_bytes,
                older,
                pins,
                ..Block::default()
            },
        );
        self.unwritten.insert(put, id);
        self.unwritten_bytes += memory_bytes;
    }

    /// Adds a block that opening has found on disk.
    pub(super) fn add_found(&mut self, place: Place) {
        let id = place.header.id;
        self.insert(id, Block::default());
        self.settle(id, place);
    }

    fn insert(&mut self, id: BlockId, mut block: Block) -> u64 {
        block.put = self.next_put;
        self.next_put += 1;
        let put = block.put;
        self.blocks.insert(id, block);
        put
    }

    /// True if it had never been written.
    pub(super) fn drop_block(&mut self, id: BlockId) -> bool {
        let Some(block) = self.blocks.get_mut(&id) else {
            return false;
        };
        let unwritten = block.place.is_none() && !block.dropped;
        if block.pins > 0 {
            block.dropped = true;
        } else {
            self.remove(id);
        }
        unwritten
    }

    fn remove(&mut self, id: BlockId) {
        if let Some(block) = self.blocks.remove(&id) {
            self.forget_memory(&block);
            for place in block.older.iter().chain(&block.place) {
                self.unsettle(place);
            }
        }
    }

    /// Takes a block that is no longer in the index out of the counts of what is in memory.
    fn forget_memory(&mut self, block: &Block) {
        let counted = match block.place {
            Some(_) => self
                .cached
                .remove(&block.turn)
                .map(|_| &mut self.cached_bytes),
            None => self
                .unwritten
                .remove(&block.put)
                .map(|_| &mut self.unwritten_bytes),
        };
        if let Some(bytes) = counted {
            *bytes -= block.memory_bytes;
        }
    }

    fn unsettle(&mut self, place: &Place) {
        if let Some(segment) = self.segments.get_mut(&place.segment)
            && segment.live.remove(&place.offset).is_some()
        {
            segment.live_bytes -= place.header.footprint();
            self.live_bytes -= place.header.footprint();
            self.look = true;
        }
    }

    fn settle(&mut self, id: BlockId, place: Place) {
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.live.insert(place.offset, id);
            segment.live_bytes += place.header.footprint();
            self.live_bytes += place.header.footprint();
        }
        if let Some(block) = self.blocks.get_mut(&id) {
            block.place = Some(place);
        }
    }

    /// Lets go of the old copies of blocks whose new one is on disk. To be called after a sync.
    pub(super) fn release_replaced(&mut self) {
        let mut old = Vec::new();
        let blocks = &mut self.blocks;
        self.replacing.retain(|id| match blocks.get_mut(id) {
            Some(block) if block.place.is_none() => true,
            Some(block) => {
                old.append(&mut block.older);
                false
            }
            None => false,
        });
        for place in &old {
            self.unsettle(place);
        }
    }

    pub(super) fn contains(&self, id: BlockId) -> bool {
        self.blocks.get(&id).is_some_and(|block| !block.dropped)
    }

    pub(super) fn ids(&self, partition: PartitionId) -> Vec<BlockId> {
        let from = BlockId {
            partition,
            log: 0,
            first: 0,
        };
        let to = BlockId {
            partition,
            log: u64::MAX,
            first: u64::MAX,
        };
        self.blocks
            .range(from..=to)
            .filter(|(_, b)| !b.dropped)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(super) fn partitions(&self) -> Vec<PartitionId> {
        let all: BTreeSet<_> = self.blocks.keys().map(|id| id.partition).collect();
        all.into_iter().collect()
    }

    pub(super) fn resident(&mut self, id: BlockId) -> Option<BlockRecords> {
        let records = self.blocks.get(&id)?.records.clone()?;
        self.touch(id);
        Some(records)
    }

    /// Moves a cached block to the end of the order.
    fn touch(&mut self, id: BlockId) {
        if let Some(block) = self.blocks.get_mut(&id)
            && self.cached.remove(&block.turn).is_some()
        {
            self.next_turn += 1;
            block.turn = self.next_turn;
            self.cached.insert(block.turn, id);
        }
    }

    pub(super) fn find(&mut self, id: BlockId) -> Found {
        if let Some(records) = self.resident(id) {
            return Found::Resident(records);
        }
        match self.blocks.get(&id) {
            Some(Block {
                put,
                place: Some(place),
                ..
            }) => Found::OnDisk {
                put: *put,
                place: place.clone(),
            },
            _ => Found::Missing,
        }
    }

    /// Keeps a block that was read from disk.
    pub(super) fn cache(&mut self, id: BlockId, put: u64, records: BlockRecords, budget: usize) {
        if let Some(block) = self.blocks.get_mut(&id)
            && block.put == put
            && block.records.is_none()
        {
            block.memory_bytes = memory_bytes(&records);
            block.records = Some(records);
            self.enter_cache(id, budget);
        }
    }

    fn enter_cache(&mut self, id: BlockId, budget: usize) {
        if let Some(block) = self.blocks.get_mut(&id) {
            self.next_turn += 1;
            block.turn = self.next_turn;
            self.cached.insert(block.turn, id);
            self.cached_bytes += block.memory_bytes;
        }
        while self.cached_bytes > budget
            && let Some((_, id)) = self.cached.pop_first()
        {
            if let Some(block) = self.blocks.get_mut(&id) {
                block.records = None;
                self.cached_bytes -= block.memory_bytes;
            }
        }
    }

    pub(super) fn pin(&mut self, ids: &[BlockId]) -> Vec<BlockId> {
        let mut pinned = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(block) = self.blocks.get_mut(id).filter(|block| !block.dropped) {
                block.pins += 1;
                pinned.push(*id);
            }
        }
        pinned
    }

    pub(super) fn unpin(&mut self, ids: &[BlockId]) {
        for id in ids {
            if let Some(block) = self.blocks.get_mut(id) {
                block.pins = block.pins.saturating_sub(1);
                if block.dropped && block.pins == 0 {
                    self.remove(*id);
                }
            }
        }
    }

    pub(super) fn ask_sync(
        &mut self,
        partition: Option<PartitionId>,
        done: SyncSender<io::Result<()>>,
    ) {
        if self.failed {
            // The receiver is the caller, who is still on the way to wait.
            let _waiting = done.send(Err(io::Error::other("the block writer has failed")));
        } else {
            self.syncs.push(SyncRequest { partition, done });
        }
    }

    pub(super) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Blocks that wait to be written, oldest first, up to `max_bytes` but at least one; of one partition
    /// or of all.
    pub(super) fn take_unwritten(
        &self,
        after: Option<u64>,
        partition: Option<PartitionId>,
        max_bytes: usize,
    ) -> Vec<ToWrite> {
        let from = after.map_or(0, |put| put + 1);
        let mut bytes = 0;
        self.unwritten
            .range(from..)
            .filter(|(_, id)| partition.is_none_or(|p| p == id.partition))
            .map_while(|(put, id)| {
                let block = self.blocks.get(id)?;
                let fits = bytes == 0 || bytes + block.memory_bytes <= max_bytes;
                bytes += block.memory_bytes.max(1);
                let records = block.records.clone()?;
                fits.then_some(ToWrite {
                    id: *id,
                    put: *put,
                    records,
                })
            })
            .collect()
    }

    /// Notes where a block was written. If it was dropped or replaced meanwhile, the bytes are dead.
    pub(super) fn written(&mut self, id: BlockId, put: u64, place: Place, cache_bytes: usize) {
        let Some(block) = self.blocks.get(&id).filter(|block| block.put == put) else {
            return;
        };
        let memory_bytes = block.memory_bytes;
        match block.place.clone() {
            Some(old) => {
                self.unsettle(&old);
                self.settle(id, place);
            }
            None => {
                self.unwritten.remove(&put);
                self.unwritten_bytes -= memory_bytes;
                self.settle(id, place);
                self.enter_cache(id, cache_bytes);
            }
        }
    }

    pub(super) fn add_segment(&mut self, number: u64, segment: Segment) {
        self.disk_bytes += segment.bytes;
        self.look |= segment.sealed;
        self.segments.insert(number, segment);
    }

    /// Notes how long a segment has become.
    pub(super) fn extend_segment(&mut self, number: u64, bytes: u64, sealed: bool) {
        if let Some(segment) = self.segments.get_mut(&number) {
            self.disk_bytes += bytes - segment.bytes;
            segment.bytes = bytes;
            segment.sealed = sealed;
            self.look |= sealed;
        }
    }

    /// Takes the sealed segments in which nothing is live.
    pub(super) fn take_empty(&mut self) -> Vec<Segment> {
        let empty: Vec<_> = self
            .segments
            .extract_if(.., |_, s| s.sealed && s.live.is_empty())
            .map(|(_, s)| s)
            .collect();
        self.disk_bytes -= empty.iter().map(|s| s.bytes).sum::<u64>();
        empty
    }

    fn has_empty(&self) -> bool {
        self.segments
            .values()
            .any(|s| s.sealed && s.live.is_empty())
    }

    /// The segment that is most worth copying, if any is.
    pub(super) fn sparse(&self, segment_bytes: u64) -> Option<u64> {
        let movable = || self.segments.iter().filter(|(_, s)| s.sealed && !s.stuck);
        let sparse = movable()
            .filter(|(_, s)| s.live_bytes.saturating_mul(SPARSE_DIVISOR) < s.bytes)
            .min_by_key(|(_, s)| s.live_bytes);
        if let Some((number, _)) = sparse {
            return Some(*number);
        }
        let small =
            || movable().filter(|(_, s)| s.bytes.saturating_mul(SPARSE_DIVISOR) < segment_bytes);
        if small().count() <= SMALL_SEGMENTS_MAX {
            return None;
        }
        small()
            .min_by_key(|(_, s)| s.bytes)
            .map(|(number, _)| *number)
    }

    /// The blocks of a segment that have no newer copy.
    pub(super) fn live_in(&self, segment: u64) -> Vec<(u64, Place)> {
        let live = self.segments.get(&segment).map(|s| s.live.iter());
        live.into_iter()
            .flatten()
            .filter_map(|(offset, id)| {
                let block = self.blocks.get(id)?;
                let place = block.place.clone()?;
                (place.segment == segment && place.offset == *offset).then_some((block.put, place))
            })
            .collect()
    }

    pub(super) fn over_budget(&self, options: &BlockOptions) -> bool {
        self.unwritten_bytes > options.unwritten_bytes
    }

    /// Whether the writer has anything to do.
    pub(super) fn has_work(&mut self, options: &BlockOptions) -> bool {
        if self.failed {
            return false;
        }
        self.look = self.look && (self.has_empty() || self.sparse(options.segment_bytes).is_some());
        self.look || self.over_budget(options) || !self.syncs.is_empty()
    }

    pub(super) fn publish(&self, stats: &BlockStats) {
        stats.blocks.store(self.blocks.len() as u64, Relaxed);
        stats
            .unwritten_bytes
            .store(self.unwritten_bytes as u64, Relaxed);
        stats.cached_bytes.store(self.cached_bytes as u64, Relaxed);
        stats.segments.store(self.segments.len() as u64, Relaxed);
        stats.disk_bytes.store(self.disk_bytes, Relaxed);
        stats.live_bytes.store(self.live_bytes, Relaxed);
    }
}
