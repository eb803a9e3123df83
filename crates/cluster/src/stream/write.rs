//! Records to shards. Answered when they are on the disks of a majority.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use levada_engine::proto::{NewRecord, PutRecords, PutRecordsOutcome, ShardRow, command, outcome};
use levada_types::PartitionId;
use tokio::time::Instant;

use super::Stream;
use crate::RouteError;
use crate::broker::{Broker, REQUEST_TIMEOUT};

/// A record that is to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// Which shard it falls to.
    pub hash: u128,
    /// The user's key.
    pub partition_key: String,
    /// What it carries.
    pub data: Bytes,
}

/// A record with its place in the request.
type Placed = (usize, StreamRecord);

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is kept.
    Kept {
        /// The shard's number.
        shard: u32,
        /// Since when, in milliseconds since the epoch, the shard is open.
        opened_at: u64,
        /// The record's position in it, from 1.
        position: u64,
    },
    /// It was over the shard's limits, and is not kept.
    Throttled,
    /// It is not known whether it is kept.
    Failed,
}

impl Broker {
    /// Puts records; what became of each, in order. Records of one shard keep their order.
    ///
    /// # Errors
    /// When none of them is kept, as far as is known.
    pub async fn put_records(
        &self,
        stream: &Arc<Stream>,
        records: Vec<StreamRecord>,
    ) -> Result<Vec<Put>, RouteError> {
        self.refuse_when_full()?;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut stream = stream.clone();
        let mut became = vec![Put::Failed; records.len()];
        let mut left: Vec<Placed> = records.into_iter().enumerate().collect();
        let mut failed = None;
        loop {
            let mut shards: BTreeMap<u32, (&ShardRow, Vec<Placed>)> = BTreeMap::new();
            for (place, record) in left.drain(..) {
                let shard = stream
                    .shard_for(record.hash)
                    .ok_or(RouteError::Unavailable)?;
                let (_, records) = shards.entry(shard.number).or_insert((shard, Vec::new()));
                records.push((place, record));
            }
            let puts = shards.into_values().map(|(shard, records)| {
                let stream = &stream;
                async move { (shard, self.put_into(stream, shard, &records).await, records) }
            });
            let mut closed = Vec::new();
            for (shard, answer, records) in futures::future::join_all(puts).await {
                match answer {
                    Ok(outcome) if outcome.closed => closed.extend(records),
                    Ok(outcome) => {
                        for ((place, _), position) in records.iter().zip(outcome.positions) {
                            became[*place] = match position {
                                0 => Put::Throttled,
                                position => Put::Kept {
                                    shard: shard.number,
                                    opened_at: shard.opened_at,
                                    position,
                                },
                            };
                        }
                    }
                    Err(error) => failed = Some(error),
                }
            }
            if closed.is_empty() {
                break;
            }
            // The children take over when the parents' ends are written down.
            match tokio::time::timeout_at(deadline, self.newer(&stream)).await {
                Ok(newer) => stream = newer?,
                Err(_) => {
                    failed = Some(RouteError::Unavailable);
                    break;
                }
            }
            left = closed;
        }
        match failed {
            Some(error) if became.iter().all(|put| *put == Put::Failed) => Err(error),
            _ => Ok(became),
        }
    }

    /// A later version of the stream than this one, which this node's copy of the catalog may have already.
    async fn newer(&self, stream: &Stream) -> Result<Arc<Stream>, RouteError> {
        let mut changes = self.core.catalog.subscribe();
        loop {
            changes.mark_unchanged();
            let now = self.core.directory.stream(stream.row.stream);
            let now = now.ok_or(RouteError::NoSuchStream)?;
            if now.row.version > stream.row.version {
                return Ok(now);
            }
            // Its sender is this node's own.
            changes
                .changed()
                .await
                .map_err(|_| RouteError::Unavailable)?;
        }
    }

    async fn put_into(
        &self,
        stream: &Stream,
        shard: &ShardRow,
        records: &[Placed],
    ) -> Result<PutRecordsOutcome, RouteError> {
        for _ in 0..3 {
            // The caller keeps its own: it needs them when the shard is closed.
            let records = records.iter().map(|(_, record)| NewRecord {
                partition_key: record.partition_key.clone(),
                data: record.data.clone(),
            });
            let put = PutRecords {
                log: shard.log,
                records: records.collect(),
            };
            let kind = command::Kind::PutRecords(put);
            let (answer, _) = self.write(PartitionId(shard.partition), kind).await?;
            match answer.kind {
                Some(outcome::Kind::PutRecords(put)) => return Ok(put),
                // The shard is new and its leader has not seen it yet; or it is gone.
                Some(outcome::Kind::Misconfigured(m)) if !m.dropped => {
                    self.configure_shard(&stream.row, shard).await?;
                }
                Some(outcome::Kind::Misconfigured(_)) => return Err(RouteError::NoSuchStream),
                _ => break,
            }
        }
        Err(RouteError::Unavailable)
    }
}
