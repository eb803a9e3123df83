//! At the node: partitions that are frozen while somebody fetches them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use levada_replica::{Frozen, Group, proto};
use levada_types::PartitionId;
use prost::Message as _;

use super::Seen;
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
    frozen: Arc<Frozen>,
    used: Instant,
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

    fn open(&self, partition: PartitionId, frozen: Frozen) -> Option<u32> {
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
            frozen: Arc::new(frozen),
            used: Instant::now(),
        };
        table.open.insert(number, session);
        Some(number)
    }

    fn get(&self, number: u32) -> Option<(PartitionId, Arc<Frozen>)> {
        let mut table = self.lock();
        let session = table.open.get_mut(&number)?;
        session.used = Instant::now();
        Some((session.partition, session.frozen.clone()))
    }

    fn close(&self, number: u32) {
        let closed = self.lock().open.remove(&number);
        drop(closed);
    }
}

impl Operator {
    /// What every partition says of transfers now, in order of partitions.
    pub async fn backup_begin(&self) -> Result<BTreeMap<u32, Seen>, OperationError> {
        let mut all = BTreeMap::new();
        for (partition, route) in &self.broker.core.partitions {
            self.catch_up(&route.group).await?;
            let acknowledged = route.group.read(|p| p.outbox_acknowledged());
            let seen = Seen {
                acknowledged: acknowledged.into_iter().map(|(p, n)| (p.0, n)).collect(),
                applied: BTreeMap::new(),
            };
            all.insert(partition.0, seen);
        }
        Ok(all)
    }

    /// So that what this node has is all that was acknowledged by now.
    async fn catch_up(&self, group: &Group) -> Result<(), OperationError> {
        let caught_up = self.broker.catch_up(group).await;
        caught_up.map_err(|e| {
            let partition = group.id();
            OperationError::Refused(format!(
                "{partition}: {e}, so that this node cannot know whether its copy is current; `levada doctor` says why. Try again, or through another node by --endpoint"
            ))
        })
    }

    /// Freezes a partition, with all that was acknowledged before the call.
    pub async fn backup_open(&self, partition: PartitionId) -> Result<Opened, OperationError> {
        let core = &self.broker.core;
        let unknown = || OperationError::Unknown(format!("there is no {partition}"));
        let route = core.route(partition).ok_or_else(unknown)?;
        self.catch_up(&route.group).await?;
        let group = route.group.clone();
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
        let session = core.backups.open(partition, frozen).ok_or_else(|| {
            OperationError::Refused(format!(
                "{SESSIONS_MAX} partitions are being fetched by other backups; wait for those, or ask another node by --endpoint"
            ))
        })?;
        Ok(Opened {
            session,
            applied_index,
            rows,
            blocks,
            seen,
        })
    }

    /// What follows the first so many rows and blocks of a frozen partition.
    pub async fn backup_read(
        &self,
        session: u32,
        rows_from: usize,
        blocks_from: usize,
    ) -> Result<Chunk, OperationError> {
        let core = &self.broker.core;
        let (partition, frozen) = core.backups.get(session).ok_or_else(|| {
            OperationError::Unknown(
                "this backup was not asked of for too long and has ended; begin again".into(),
            )
        })?;
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

    /// Lets a frozen partition go.
    pub fn backup_close(&self, session: u32) {
        self.broker.core.backups.close(session);
    }
}

fn by_number(marks: BTreeMap<PartitionId, u64>) -> BTreeMap<u32, u64> {
    marks.into_iter().map(|(p, n)| (p.0, n)).collect()
}
