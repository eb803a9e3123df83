//! Queues on streams: each has a part in every shard of its stream, and with that in the shard's partition. Receives
//! go the way that those of queues go.

use std::sync::Arc;

use levada_engine::proto::{
    self, DeleteResult, ReceiptRef, StreamQueueRow, StreamStatus, VisibilityResult, command,
    outcome,
};
use levada_types::limits::RECORDS_BYTES_MAX;
use levada_types::{AccountId, PartitionId, QueueId, Region};

use super::Stream;
use crate::broker::Broker;
use crate::messages::{by_partition, in_order};
use crate::queue::Parts;
use crate::{ReceiveOptions, Received, ReceivedMessage, RouteError};

/// A queue, and the stream that it is on.
#[derive(Clone, Debug)]
pub struct StreamQueue {
    /// The stream.
    pub stream: Arc<Stream>,
    /// Where in the stream's row the queue's is.
    place: usize,
}

/// Records of a queue that are asked for, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Letters {
    /// Its records.
    Live,
    /// Those that were received too often.
    Dead,
}

/// What a receipt handle of a queue on a stream stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamReceipt {
    /// The shard's number.
    pub shard: u32,
    /// The record's position in it.
    pub position: u64,
    /// Which of its receives.
    pub generation: u32,
}

impl StreamQueue {
    /// The queue of a stream that is meant, if there is one.
    pub fn find(stream: Arc<Stream>, is_it: impl Fn(&StreamQueueRow) -> bool) -> Option<Self> {
        let place = stream.row.queues.iter().position(is_it)?;
        Some(Self { stream, place })
    }

    /// The queue's row.
    pub fn row(&self) -> &StreamQueueRow {
        &self.stream.row.queues[self.place]
    }

    /// The number by which records are asked for and waited for.
    fn id(&self, letters: Letters) -> QueueId {
        QueueId(match letters {
            Letters::Live => self.row().queue,
            Letters::Dead => self.row().queue + 1,
        })
    }
}

/// Whether the queue gives records: it is there, and is not being made or deleted.
fn is_in_use(row: &StreamQueueRow) -> bool {
    matches!(row.status(), StreamStatus::Active | StreamStatus::Updating)
}

impl Broker {
    /// The queue of that number; asks the catalog's leader before it says that there is none, or none that gives
    /// records.
    pub async fn find_stream_queue(&self, queue: u64) -> Result<Option<StreamQueue>, RouteError> {
        let found = self.stream_queue(queue);
        if found.as_ref().is_some_and(|found| is_in_use(found.row())) {
            return Ok(found);
        }
        self.catch_up_catalog().await?;
        Ok(self.stream_queue(queue))
    }

    /// The queue of that number in this node's copy of the catalog.
    pub fn stream_queue(&self, queue: u64) -> Option<StreamQueue> {
        let directory = &self.core.directory;
        let (account, region, name) = directory.read(|catalog| {
            let (stream, row) = catalog.stream_queue(queue)?;
            let is_it = row.queue == queue;
            is_it.then(|| {
                (
                    stream.account.clone(),
                    stream.region.clone(),
                    stream.name.clone(),
                )
            })
        })?;
        let region = region.parse().ok()?;
        let stream = directory.stream_by_name(account.parse().ok()?, &region, &name)?;
        StreamQueue::find(stream, |row| row.queue == queue)
    }

    /// Up to `max` queues of an account in a region behind a name, by name, on streams that are `wanted`.
    pub fn stream_queues(
        &self,
        account: AccountId,
        region: &Region,
        after: Option<&str>,
        max: usize,
        wanted: impl Fn(&proto::StreamRow) -> bool,
    ) -> Vec<StreamQueue> {
        let rows: Vec<u64> = self.core.directory.read(|catalog| {
            let account = account.to_string();
            let found = catalog.stream_queues_after(&account, region.as_str(), after, max, wanted);
            found.into_iter().map(|(_, row)| row.queue).collect()
        });
        let queues = rows
            .into_iter()
            .filter_map(|queue| self.stream_queue(queue));
        queues.collect()
    }

    /// Claims records, waiting for a first one if asked. Dropping the future ends the wait. Of a message that this
    /// gives, the receipt's queue is its shard's log.
    pub async fn receive_from_stream(
        &self,
        queue: &StreamQueue,
        letters: Letters,
        options: ReceiveOptions,
    ) -> Result<Received, RouteError> {
        let (id, number) = (queue.id(letters), queue.row().queue);
        // Looked up anew for each round, as shards come and go.
        let parts = || {
            let now = self.stream_queue(number);
            let stream = now.as_ref().map_or(&queue.stream, |now| &now.stream);
            parts_of(stream, id)
        };
        let mut received = self.receive_from(&parts, options).await?;
        for message in &mut received.messages {
            if message.record.position == 0 {
                // Too much for one answer of its leader: it is read by itself.
                let receipt = &message.receipt;
                let record = self.read_one(receipt.queue, receipt.position).await;
                message.record = record.unwrap_or_default();
            }
        }
        // Unreadable now: its claim ends and it is tried again.
        let is_read = |message: &ReceivedMessage| message.record.position != 0;
        received.messages.retain(is_read);
        Ok(received)
    }

    async fn read_one(&self, log: QueueId, position: u64) -> Option<proto::Record> {
        let shard = self.core.directory.read(|catalog| {
            let found = catalog.shard_of(log);
            found.map(|(_, shard)| shard.clone())
        });
        let shard = shard?;
        let read = self.read_shard(&shard, position, 1, RECORDS_BYTES_MAX);
        let record = read.await.ok()?.records.into_iter().next();
        record.filter(|record| record.position == position)
    }

    /// Forgets records for good; answers in the order of the receipts.
    pub async fn acknowledge_in_stream(
        &self,
        queue: &StreamQueue,
        letters: Letters,
        receipts: &[StreamReceipt],
    ) -> Result<Vec<DeleteResult>, RouteError> {
        let id = queue.id(letters).0;
        let delete = |receipts| {
            command::Kind::Delete(proto::Delete {
                queue: id,
                receipts,
            })
        };
        self.end_claims(queue, receipts, delete).await
    }

    /// Makes dead letters records again; answers in the order of the receipts.
    pub async fn restore_in_stream(
        &self,
        queue: &StreamQueue,
        receipts: &[StreamReceipt],
    ) -> Result<Vec<DeleteResult>, RouteError> {
        let queue_number = queue.row().queue;
        let restore = |receipts| {
            command::Kind::RestoreRecords(proto::RestoreRecords {
                queue: queue_number,
                receipts,
            })
        };
        self.end_claims(queue, receipts, restore).await
    }

    async fn end_claims(
        &self,
        queue: &StreamQueue,
        receipts: &[StreamReceipt],
        command: impl Fn(Vec<ReceiptRef>) -> command::Kind,
    ) -> Result<Vec<DeleteResult>, RouteError> {
        let found = receipts.iter().map(|r| (partition_of(queue, r), *r));
        let groups = by_partition(found);
        let all = groups.iter().map(|(partition, receipts)| {
            let references = receipts.iter().map(|(_, r)| reference(queue, r)).collect();
            let kind = command(references);
            async move {
                match self.on_stream_queue(queue, *partition, kind).await? {
                    outcome::Kind::Delete(outcome) => Ok(outcome.results),
                    _ => Err(RouteError::Unavailable),
                }
            }
        });
        let results = futures::future::try_join_all(all).await?;
        Ok(in_order(receipts.len(), groups.values(), results, |r| {
            DeleteResult::try_from(r).unwrap_or(DeleteResult::NotFound)
        }))
    }

    /// Sets visibility timeouts, in milliseconds from now; answers in the order of the receipts.
    pub async fn change_in_stream(
        &self,
        queue: &StreamQueue,
        letters: Letters,
        changes: &[(StreamReceipt, u64)],
    ) -> Result<Vec<VisibilityResult>, RouteError> {
        let found = changes
            .iter()
            .map(|(r, ms)| (partition_of(queue, r), (*r, *ms)));
        let groups = by_partition(found);
        let all = groups.iter().map(|(partition, changes)| {
            let changes = changes
                .iter()
                .map(|(_, (receipt, ms))| proto::NewVisibility {
                    receipt: Some(reference(queue, receipt)),
                    visibility_timeout_ms: *ms,
                });
            let kind = command::Kind::ChangeVisibility(proto::ChangeVisibility {
                queue: queue.id(letters).0,
                changes: changes.collect(),
            });
            async move {
                match self.on_stream_queue(queue, *partition, kind).await? {
                    outcome::Kind::ChangeVisibility(outcome) => Ok(outcome.results),
                    _ => Err(RouteError::Unavailable),
                }
            }
        });
        let results = futures::future::try_join_all(all).await?;
        Ok(in_order(changes.len(), groups.values(), results, |r| {
            VisibilityResult::try_from(r).unwrap_or(VisibilityResult::Gone)
        }))
    }

    /// Has a command on a queue applied by a partition, configuring its shards there first if it must.
    async fn on_stream_queue(
        &self,
        queue: &StreamQueue,
        partition: PartitionId,
        kind: command::Kind,
    ) -> Result<outcome::Kind, RouteError> {
        for _ in 0..3 {
            let (answer, _) = self.write(partition, kind.clone()).await?;
            match answer.kind {
                Some(outcome::Kind::Misconfigured(_)) => {
                    self.bring_up_stream_queue(queue.row().queue, partition)
                        .await?;
                }
                Some(kind) => return Ok(kind),
                None => break,
            }
        }
        Err(RouteError::Unavailable)
    }

    /// A partition did not know the queue: it has shards that do not know of it yet, or the queue is gone.
    pub(crate) async fn bring_up_stream_queue(
        &self,
        queue: u64,
        partition: PartitionId,
    ) -> Result<(), RouteError> {
        self.catch_up_catalog().await?;
        let found = self.core.directory.read(|catalog| {
            let (stream, row) = catalog.stream_queue(queue)?;
            is_in_use(row).then(|| stream.clone())
        });
        let stream = found.ok_or(RouteError::NoSuchQueue)?;
        let shards = stream.shards.iter();
        let here = shards.filter(|shard| shard.partition == partition.0);
        for shard in here {
            self.configure_shard(&stream, shard).await?;
        }
        Ok(())
    }
}

/// The partitions with shards of the stream, each once, those of the oldest shards first.
fn parts_of(stream: &Stream, id: QueueId) -> Parts {
    let mut partitions: Vec<PartitionId> = Vec::new();
    for shard in stream.shards() {
        let partition = PartitionId(shard.partition);
        if !partitions.contains(&partition) {
            partitions.push(partition);
        }
    }
    Parts {
        id,
        version: 0,
        partitions,
    }
}

/// Where the record of a receipt is. One whose shard has expired is asked for where the queue's first shard is, which
/// knows no such log.
fn partition_of(queue: &StreamQueue, receipt: &StreamReceipt) -> PartitionId {
    let shard = queue.stream.shard(receipt.shard);
    let shard = shard.or_else(|| queue.stream.shards().next());
    shard.map_or(PartitionId(u32::MAX), |shard| PartitionId(shard.partition))
}

fn reference(queue: &StreamQueue, receipt: &StreamReceipt) -> ReceiptRef {
    let shard = queue.stream.shard(receipt.shard);
    ReceiptRef {
        position: receipt.position,
        generation: receipt.generation,
        log: shard.map_or(0, |shard| shard.log),
    }
}
