//! The state machine of one group: applies entries to the core, and keeps its checkpoints.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::{Stream, TryStreamExt};
use levada_engine::proto::Outcome;
use levada_engine::{BlockRef, Effects, Partition, read_proposal};
use levada_storage::blocks::{BlockId, BlockStore};
use levada_storage::checkpoint::{CheckpointMeta, CheckpointStore};
use levada_types::{NodeId, PartitionId, Timestamp};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot};
use prost::Message as _;

use crate::codec::{self, LogId, Stored};
use crate::config::{Command, TypeConfig};
use crate::group::Events;
use crate::host::Host;
use crate::proto;
use crate::snapshot::{Captured, PartitionSnapshot};
use crate::time::PartitionClock;

type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
type RaftSnapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, PartitionSnapshot>;

/// The applied state of one group, shared between openraft's worker and the group's readers.
pub(crate) struct Applied {
    id: PartitionId,
    state: Mutex<State>,
    events: Arc<Events>,
    blocks: Arc<BlockStore>,
    checkpoints: Arc<CheckpointStore>,
    bytes_since_checkpoint: AtomicU64,
    applied_bytes: AtomicU64,
    host: Host,
}

struct State {
    partition: Partition,
    last: Option<LogId>,
    membership: Stored,
    clock: PartitionClock,
}

impl Applied {
    /// From the newest checkpoint that verifies, or empty. The log holds nothing below `floor`.
    pub(crate) fn load(
        id: PartitionId,
        events: Arc<Events>,
        blocks: Arc<BlockStore>,
        checkpoints: Arc<CheckpointStore>,
        floor: u64,
        host: Host,
    ) -> io::Result<Self> {
        let mut state = State {
            partition: Partition::new(id),
            last: None,
            membership: Stored::default(),
            clock: PartitionClock::new(host.clone()),
        };
        // sled can come up with an older state and not say so: the log must go on from what is found.
        let found = checkpoints
            .load_reaching(id, floor)
            .map_err(io::Error::other)?;
        if let Some(checkpoint) = found {
            let meta: proto::CheckpointMeta = codec::decode(checkpoint.meta.opaque, "checkpoint")?;
            state.last = meta.last.as_ref().map(codec::log_id_from);
            state.membership = codec::stored_from(meta.membership)?;
            state.partition = Partition::restore(id, checkpoint.rows).map_err(io::Error::other)?;
        }
        let live = state
            .partition
            .blocks()
            .into_iter()
            .map(|b| block_id(id, b))
            .collect();
        blocks.retain(id, &live);
        Ok(Self {
            id,
            state: Mutex::new(state),
            events,
            blocks,
            checkpoints,
            bytes_since_checkpoint: AtomicU64::new(0),
            applied_bytes: AtomicU64::new(0),
            host,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while applying leaves a state that no other replica has: going on would be worse.
        self.state
            .lock()
            .expect("a panic while applying ended this replica")
    }

    /// Reads the state. `read` must be short: it holds up applying.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Partition) -> T) -> T {
        read(&self.lock().partition)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.lock().clock.now()
    }

    pub(crate) fn last_index(&self) -> Option<u64> {
        self.lock().last.map(|id| id.index)
    }

    pub(crate) fn bytes_since_checkpoint(&self) -> u64 {
        self.bytes_since_checkpoint.load(Ordering::Relaxed)
    }

    pub(crate) fn applied_bytes(&self) -> u64 {
        self.applied_bytes.load(Ordering::Relaxed)
    }

    /// The vote, as a term and a node, by which the last applied entry was written.
    pub(crate) fn last_vote(&self) -> Option<(u64, NodeId)> {
        let leader = self.lock().last.map(|id| id.leader_id);
        leader.map(|leader| (leader.term, NodeId(leader.node_id)))
    }

    /// An error ends the replica, and the process with it: what cannot be read must not be skipped.
    fn apply_command(&self, state: &mut State, command: Command) -> io::Result<Vec<Vec<Outcome>>> {
        let bytes = command.len() as u64;
        self.bytes_since_checkpoint
            .fetch_add(bytes, Ordering::Relaxed);
        self.applied_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut effects = Effects::default();
        let mut outcomes = Vec::with_capacity(command.proposals.len());
        for proposal in command.proposals {
            let proposal = read_proposal(proposal).map_err(io::Error::other)?;
            outcomes.push(state.partition.apply(command.at, proposal, &mut effects));
        }
        state.clock.observe(state.partition.last_applied_at());
        // Under the lock, so that no reader looks for a block that has left the core's memory and
        // not yet come here. Both are moves in memory.
        for sealed in std::mem::take(&mut effects.sealed) {
            self.blocks
                .put(block_id(self.id, sealed.block), sealed.records);
        }
        for dropped in std::mem::take(&mut effects.dropped) {
            self.blocks.drop_block(block_id(self.id, dropped));
        }
        self.events.add(effects);
        self.events.due(state.partition.next_due());
        Ok(outcomes)
    }

    pub(crate) fn capture(&self) -> Captured {
        let state = self.lock();
        let blocks: Vec<BlockId> = state
            .partition
            .blocks()
            .into_iter()
            .map(|b| block_id(self.id, b))
            .collect();
        let pin = self.blocks.pin(&blocks);
        let rows = state.partition.snapshot();
        Captured {
            last: state.last,
            membership: state.membership.clone(),
            snapshot: PartitionSnapshot {
                rows,
                blocks,
                _pin: Some(Arc::new(pin)),
            },
        }
    }

    /// Writes the state as a checkpoint; afterwards a restart needs only the log behind it. Blocking.
    fn save(&self, captured: &Captured) -> io::Result<()> {
        let Some(last) = captured.last else {
            return Ok(());
        };
        self.blocks
            .sync_partition(self.id)
            .map_err(io::Error::other)?;
        let meta = proto::CheckpointMeta {
            last: Some(codec::log_id_to(&last)),
            membership: Some(codec::stored_to(&captured.membership)),
        };
        let meta = CheckpointMeta {
            // As the log counts.
            applied_index: last.index + 1,
            opaque: meta.encode_to_vec().into(),
        };
        let report = self
            .checkpoints
            .save(self.id, meta, &captured.snapshot.rows)
            .map_err(io::Error::other)?;
        tracing::debug!(partition = %self.id, index = last.index, ?report, "wrote a checkpoint");
        Ok(())
    }

    fn install(&self, meta: &SnapshotMeta, snapshot: PartitionSnapshot) -> io::Result<()> {
        let partition =
            Partition::restore(self.id, snapshot.rows.iter().cloned()).map_err(io::Error::other)?;
        let captured = Captured {
            last: meta.last_log_id,
            membership: meta.last_membership.clone(),
            snapshot,
        };
        self.save(&captured)?;
        let live = captured.snapshot.blocks.iter().copied().collect();
        let mut state = self.lock();
        state.clock.observe(partition.last_applied_at());
        state.partition = partition;
        state.last = meta.last_log_id;
        state.membership = meta.last_membership.clone();
        drop(state);
        self.blocks.retain(self.id, &live);
        self.events.replaced();
        Ok(())
    }
}

/// What the store calls a block of a partition.
pub fn block_id(partition: PartitionId, block: BlockRef) -> BlockId {
    BlockId {
        partition,
        log: block.queue.0,
        first: block.first,
    }
}

/// openraft's handle on the applied state.
#[derive(Clone)]
pub(crate) struct Machine {
    applied: Arc<Applied>,
}

impl Machine {
    pub(crate) fn new(applied: Arc<Applied>) -> Self {
        Self { applied }
    }
}

fn raft_snapshot(captured: Captured) -> RaftSnapshot {
    Snapshot {
        meta: SnapshotMeta {
            last_log_id: captured.last,
            last_membership: captured.membership,
        },
        snapshot: captured.snapshot,
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = PartitionSnapshot;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Stored)> {
        let state = self.applied.lock();
        Ok((state.last, state.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let outcomes = {
                let mut state = self.applied.lock();
                let outcomes = match entry.payload {
                    EntryPayload::Blank => Vec::new(),
                    EntryPayload::Normal(command) => {
                        self.applied.apply_command(&mut state, command)?
                    }
                    EntryPayload::Membership(m) => {
                        state.membership = Stored::new(Some(entry.log_id), m);
                        Vec::new()
                    }
                };
                state.last = Some(entry.log_id);
                outcomes
            };
            if let Some(responder) = responder {
                responder.send(outcomes);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: PartitionSnapshot,
    ) -> io::Result<()> {
        let applied = self.applied.clone();
        let meta = meta.clone();
        let blocking = self.applied.host.blocking;
        blocking
            .run(move || applied.install(&meta, snapshot))
            .await?
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        // Captured anew, rather than read back: it is never behind what was purged.
        let captured = self.applied.capture();
        Ok(captured.last.is_some().then(|| raft_snapshot(captured)))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = PartitionSnapshot;

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        let applied = self.applied.clone();
        let blocking = self.applied.host.blocking;
        blocking
            .run(move || {
                let captured = applied.capture();
                applied.bytes_since_checkpoint.store(0, Ordering::Relaxed);
                applied.save(&captured)?;
                Ok(raft_snapshot(captured))
            })
            .await?
    }
}
