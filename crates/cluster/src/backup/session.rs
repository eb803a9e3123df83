//! At the node: partitions that are frozen while somebody fetches them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use levada_replica::{Frozen, Group, proto};
use levada_types::{NodeId, PartitionId};
use prost::Message as _;

use super::Seen;
use super::elsewhere;
use crate::broker::Broker;
use crate::core::Core;
use crate::operations::{OperationError, Operator};

/// Partitions that may be frozen at one time: each holds its rows in memory.
const SESSIONS_MAX: usize = 4;
/// One that nobody has asked of for so long is let go.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// A chunk is full when it has gathered this many bytes.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The frozen partitions.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    last: u32,
    open: BTreeMap<u32, Session>,
}

struct Session {
    partition: PartitionId,
    held: Held,
    used: Instant,
}

/// Where the frozen partition is.
#[derive(Clone)]
enum Held {
    Here(Arc<Frozen>),
    /// At a member that has a copy, under that one's number.
    At(NodeId, u32),
}

/// A partition that was frozen.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Names it in what follows.
    pub session: u32,
    /// The last entry that it contains.
    pub applied_index: u64,
    /// How many rows it has.
    pub rows: usize,
    /// How many blocks it has.
    pub blocks: usize,
    /// What it says of transfers.
    pub seen: Seen,
}

/// Some rows, then some blocks, encoded as a part of a snapshot.
#[derive(Clone, Debug)]
pub struct Chunk(pub Bytes);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn open(&self, partition: PartitionId, held: Held) -> Option<u32> {
        let mut table = self.lock();
        table
            .open
            .retain(|_, session| session.used.elapsed() < IDLE_MAX);
        if table.open.len() >= SESSIONS_MAX {
            return None;
        }
        table.last = table.last.wrapping_add(1);
        let number = table.last;
        let session = Session {
            partition,
            held,
            used: Instant::now(),
        };
        table.open.insert(number, session);
        Some(number)
    }

    fn get(&self, number: u32) -> Option<(PartitionId, Held)> {
        let mut table = self.lock();
        let session = table.open.get_mut(&number)?;
        session.used = Instant::now();
        Some((session.partition, session.held.clone()))
    }

    fn close(&self, number: u32) -> Option<(PartitionId, Held)> {
        let closed = self.lock().open.remove(&number);
        closed.map(|session| (session.partition, session.held))
    }
}

impl Operator {
    /// What every partition says of transfers now, in order of partitions.
    pub async fn backup_begin(&self) -> Result<BTreeMap<u32, Seen>, OperationError> {
        let mut all = BTreeMap::new();
        for route in self.broker.core.routes() {
            let seen = match route.group() {
                Some(group) => seen_here(&self.broker, &group).await?,
                None => elsewhere::seen(&self.broker.core, &route).await?,
            };
            all.insert(route.partition().0, seen);
        }
        Ok(all)
    }

    /// Freezes a partition, with all that was acknowledged before the call.
    pub async fn backup_open(&self, partition: PartitionId) -> Result<Opened, OperationError> {
        let core = &self.broker.core;
        let unknown = || OperationError::Unknown(format!("there is no {partition}"));
        let route = core.route(partition).ok_or_else(unknown)?;
        if let Some(group) = route.group() {
            return open_here(&self.broker, group).await;
        }
        let (node, mut opened) = elsewhere::open(core, &route).await?;
        let held = Held::At(node, opened.session);
        opened.session = core.backups.open(partition, held).ok_or_else(too_many)?;
        Ok(opened)
    }

    /// What follows the first so many rows and blocks of a frozen partition.
    pub async fn backup_read(
        &self,
        session: u32,
        rows_from: usize,
        blocks_from: usize,
    ) -> Result<Chunk, OperationError> {
        read_session(&self.broker.core, session, rows_from, blocks_from).await
    }

    /// Lets a frozen partition go.
    pub async fn backup_close(&self, session: u32) {
        close_session(&self.broker.core, session).await;
    }
}

fn too_many() -> OperationError {
    OperationError::Refused(format!(
        "{SESSIONS_MAX} partitions are being fetched by other backups; wait for those, or ask another node by --endpoint"
    ))
}

/// So that what this node has is all that was acknowledged by now.
async fn catch_up(broker: &Broker, group: &Group) -> Result<(), OperationError> {
    let caught_up = broker.catch_up(group).await;
    caught_up.map_err(|e| {
        let partition = group.id();
        OperationError::Refused(format!(
            "{partition}: {e}, so that this node cannot know whether its copy is current; `levada doctor` says why. Try again, or through another node by --endpoint"
        ))
    })
}

/// What the copy here says of transfers now.
pub(super) async fn seen_here(broker: &Broker, group: &Group) -> Result<Seen, OperationError> {
    catch_up(broker, group).await?;
    let acknowledged = group.read(|p| p.outbox_acknowledged());
    Ok(Seen {
        acknowledged: by_number(acknowledged),
        applied: BTreeMap::new(),
    })
}

/// Freezes the copy here.
pub(super) async fn open_here(
    broker: &Broker,
    group: Arc<Group>,
) -> Result<Opened, OperationError> {
    let partition = group.id();
    catch_up(broker, &group).await?;
    let frozen = tokio::task::spawn_blocking(move || {
        let frozen = group.freeze()?;
        // Of the frozen state, not of the one that goes on: read back from its rows.
        let state = levada_engine::Partition::restore(group.id(), frozen.rows.iter().cloned());
        Some((frozen, state))
    })
    .await
    .map_err(|e| OperationError::Refused(e.to_string()))?;
    let (frozen, state) = frozen.ok_or_else(|| {
        OperationError::Refused(format!(
            "{partition} has nothing yet; try again in a moment"
        ))
    })?;
    let state = state.map_err(|e| {
        OperationError::Refused(format!(
            "{partition} does not read back: {e}; this is a fault of Levada's"
        ))
    })?;
    let seen = Seen {
        acknowledged: by_number(state.outbox_acknowledged()),
        applied: by_number(state.inbox_applied()),
    };
    let (applied_index, rows, blocks) =
        (frozen.applied_index, frozen.rows.len(), frozen.blocks.len());
    let held = Held::Here(Arc::new(frozen));
    let session = broker
        .core
        .backups
        .open(partition, held)
        .ok_or_else(too_many)?;
    Ok(Opened {
        session,
        applied_index,
        rows,
        blocks,
        seen,
    })
}

/// Lets a frozen partition go, wherever it is.
pub(super) async fn close_session(core: &Core, session: u32) {
    if let Some((partition, Held::At(node, number))) = core.backups.close(session) {
        elsewhere::close(core, node, partition, number).await;
    }
}

/// A piece of a frozen partition, wherever it is.
pub(super) async fn read_session(
    core: &Core,
    session: u32,
    rows_from: usize,
    blocks_from: usize,
) -> Result<Chunk, OperationError> {
    let (partition, held) = core.backups.get(session).ok_or_else(|| {
        OperationError::Unknown(
            "this backup was not asked of for too long and has ended; begin again".into(),
        )
    })?;
    let frozen = match held {
        Held::Here(frozen) => frozen,
        Held::At(node, number) => {
            let from = (rows_from, blocks_from);
            return elsewhere::read(core, node, partition, number, from).await;
        }
    };
    let blocks = core.reader.blocks.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut part = proto::SnapshotPart::default();
        let mut bytes = 0;
        for (key, value) in frozen.rows.iter().skip(rows_from) {
            if bytes >= CHUNK_BYTES {
                break;
            }
            bytes += key.len() + value.len();
            part.rows.push(proto::Row {
                key: key.clone(),
                value: value.clone(),
            });
        }
        for id in frozen.blocks.iter().skip(blocks_from) {
            if bytes >= CHUNK_BYTES {
                break;
            }
            let records = blocks.read_block(*id).map_err(|e| e.to_string())?;
            bytes += records
                .iter()
                .map(|(_, record)| record.len())
                .sum::<usize>();
            part.blocks.push(proto::Block {
                name: Some(proto::BlockName {
                    queue: id.log,
                    first: id.first,
                }),
                records: records
                    .iter()
                    .map(|(position, record)| proto::BlockRecord {
                        position: *position,
                        record: record.clone(),
                    })
                    .collect(),
            });
        }
        Ok::<_, String>(part.encode_to_vec())
    });
    let read = read
        .await
        .map_err(|e| OperationError::Refused(e.to_string()))?;
    read.map(|bytes| Chunk(bytes.into())).map_err(|error| {
        OperationError::Refused(format!(
            "{partition}: {error}; make the backup from another node, by --endpoint"
        ))
    })
}

fn by_number(marks: BTreeMap<PartitionId, u64>) -> BTreeMap<u32, u64> {
    marks.into_iter().map(|(p, n)| (p.0, n)).collect()
}
