//! Records from shards, and from archives of topics: from this node's own copy as far as it has applied, else from the leader's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_engine::LogSlice;
use levada_engine::proto::{Record, ShardRow};
use levada_replica::{Group, block_id};
use levada_rpc::RemoteError;
use levada_types::{LogId, PartitionId, QueueId, Timestamp};
use prost::Message as _;
use tokio::time::Instant;

use super::{Stream, log_of};
use crate::ask::{Asked, UNREADABLE};
use crate::broker::Broker;
use crate::core::Core;
use crate::handler::malformed;
use crate::proposer::NOT_LEADER;
use crate::reader::Coming;
use crate::{RouteError, method, proto as peer};

/// How long a peer may take to answer a read.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// A shard that this node has no copy of is looked at this often by who waits for its next record.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The least that counts of each record against the bytes of an answer.
const RECORD_BYTES_MIN: usize = 32;

/// Shards that are looked at together: each look may read a record from the disk.
const LOOKED_AT_ONCE_MAX: usize = 64;

/// What a read found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardRead {
    /// Records in order: `group` is the partition key, `payload` the data, `sent_at` when it arrived.
    pub records: Vec<Record>,
    /// The position to go on from.
    pub next: u64,
    /// How far behind the shard's end that is, in milliseconds.
    pub behind_ms: u64,
    /// The shard is closed, and nothing of it is left to read.
    pub at_end: bool,
    /// The shard was read as much as its limits allow, and was not read.
    pub throttled: bool,
}

/// Where a shard begins and ends, as its leader knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardEnds {
    /// The first position that may be read, or `next`.
    pub horizon: u64,
    /// The position that the next record gets.
    pub next: u64,
    /// The first position of a record that arrived at the time that was asked for, or later; `next` if there is none.
    pub since: u64,
    /// Bytes that it has ever taken, partition keys included.
    pub bytes_taken: u64,
    /// When the last record arrived, if that was asked for, and can be read.
    pub newest_at: Option<Timestamp>,
}

impl Broker {
    /// Reads from a position on: up to so many records, and bytes (but one record).
    pub async fn read_shard(
        &self,
        shard: &ShardRow,
        from: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<ShardRead, RouteError> {
        self.read(shard, from, records_max, bytes_max, false).await
    }

    /// The same within AWS's limits of reading a shard: its leader counts, and so it is the leader that is read.
    pub async fn read_shard_within_limits(
        &self,
        shard: &ShardRow,
        from: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<ShardRead, RouteError> {
        self.read(shard, from, records_max, bytes_max, true).await
    }

    async fn read(
        &self,
        shard: &ShardRow,
        from: u64,
        records_max: usize,
        bytes_max: usize,
        limited: bool,
    ) -> Result<ShardRead, RouteError> {
        let partition = PartitionId(shard.partition);
        let route = self.core.route(partition).ok_or(RouteError::Unavailable)?;
        if let Some(group) = route.group().filter(|_| !limited) {
            let found = read_here(
                &self.core,
                &group,
                log_of(shard),
                from,
                records_max,
                bytes_max,
            );
            if let Some(found) = found.await? {
                return Ok(found);
            }
        }
        let request = peer::ReadShardRequest {
            log: shard.log,
            from,
            records_max: u32::try_from(records_max).unwrap_or(u32::MAX),
            bytes_max: bytes_max as u64,
            limited,
        };
        let reply = self
            .ask_leader(Asked::Shard, partition, method::READ_SHARD, &request)
            .await?;
        let reply = peer::ReadShardReply::decode(reply).map_err(|_| RouteError::Unavailable)?;
        let records = reply.records.into_iter().map(decode);
        Ok(ShardRead {
            records: records.collect::<Result<_, _>>()?,
            next: reply.next,
            behind_ms: reply.behind_ms,
            at_end: reply.at_end,
            throttled: reply.throttled,
        })
    }

    /// The same, which waits for a first record, or the shard's end, for so long.
    pub async fn await_shard(
        &self,
        shard: &ShardRow,
        from: u64,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<ShardRead, RouteError> {
        let deadline = Instant::now() + wait;
        let listener = self.core.waiters.listen(log_of(shard));
        loop {
            let mut heard = std::pin::pin!(listener.heard.notified());
            heard.as_mut().enable();
            let read = self.read_shard(shard, from, records_max, bytes_max).await?;
            if !read.records.is_empty() || read.at_end || Instant::now() >= deadline {
                return Ok(read);
            }
            let route = self.core.route(PartitionId(shard.partition));
            let has_copy = route.is_some_and(|route| route.group().is_some());
            let until = if has_copy {
                deadline
            } else {
                deadline.min(Instant::now() + LOOK_EVERY)
            };
            // Either way it is looked at again.
            let _ = tokio::time::timeout_at(until, heard).await;
        }
    }

    /// The shard's ends as its leader knows them, and where the records since `at` begin.
    pub async fn shard_ends(
        &self,
        shard: &ShardRow,
        at: Option<Timestamp>,
    ) -> Result<ShardEnds, RouteError> {
        let request = peer::ShardEndsRequest {
            log: shard.log,
            since: at.map(Timestamp::as_millis),
            newest: false,
        };
        self.ask_ends(shard, &request).await
    }

    /// The shard's ends, and when its last record arrived.
    async fn look_at_shard(&self, shard: &ShardRow) -> Result<ShardEnds, RouteError> {
        let request = peer::ShardEndsRequest {
            log: shard.log,
            since: None,
            newest: true,
        };
        self.ask_ends(shard, &request).await
    }

    /// The same of every shard that users can see, by number; `None` of one whose leader does not answer.
    pub async fn look_at_shards(&self, stream: &Stream) -> Vec<(ShardRow, Option<ShardEnds>)> {
        let shards: Vec<ShardRow> = stream.shards().cloned().collect();
        let mut looked = Vec::with_capacity(shards.len());
        for some in shards.chunks(LOOKED_AT_ONCE_MAX) {
            let asked = some.iter().map(|shard| self.look_at_shard(shard));
            let ends = futures::future::join_all(asked).await;
            looked.extend(some.iter().cloned().zip(ends.into_iter().map(Result::ok)));
        }
        looked
    }

    async fn ask_ends(
        &self,
        shard: &ShardRow,
        request: &peer::ShardEndsRequest,
    ) -> Result<ShardEnds, RouteError> {
        let partition = PartitionId(shard.partition);
        let reply = self
            .ask_leader(Asked::Shard, partition, method::SHARD_ENDS, request)
            .await?;
        let reply = peer::ShardEndsReply::decode(reply).map_err(|_| RouteError::Unavailable)?;
        Ok(ShardEnds {
            horizon: reply.horizon,
            next: reply.next,
            since: reply.since,
            bytes_taken: reply.bytes_taken,
            newest_at: reply.newest_at.map(Timestamp::from_millis),
        })
    }

    /// The position that an open shard's next record gets, and how many bytes it has ever taken: as this node's copy
    /// has it, or else the leader's.
    pub(super) async fn shard_progress(&self, shard: &ShardRow) -> Result<(u64, u64), RouteError> {
        let partition = PartitionId(shard.partition);
        let group = self.core.route(partition).and_then(|route| route.group());
        let view = group.and_then(|group| group.read(|p| p.shard(log_of(shard))));
        if let Some(view) = view {
            return Ok((view.next, view.bytes_taken));
        }
        let ends = self.shard_ends(shard, None).await?;
        Ok((ends.next, ends.bytes_taken))
    }
}

/// Answers a peer that reads a shard, or asks for its ends.
pub(crate) async fn answer(
    core: &Core,
    method: u32,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    match method {
        method::READ_SHARD => answer_read(core, partition, body).await,
        method::SHARD_ENDS => answer_ends(core, partition, body).await,
        other => Err(malformed(format!("no such method of a shard: {other}"))),
    }
}

async fn answer_read(
    core: &Core,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = peer::ReadShardRequest::decode(body).map_err(malformed)?;
    let group = led(core, partition).await?;
    let log = QueueId(request.log);
    if request.limited && !core.read_budgets.takes_call(log, group.now()) {
        let reply = peer::ReadShardReply {
            next: request.from,
            throttled: true,
            ..peer::ReadShardReply::default()
        };
        return Ok(reply.encode_to_vec().into());
    }
    let read = read_here(
        core,
        &group,
        log,
        request.from,
        request.records_max as usize,
        usize::try_from(request.bytes_max).unwrap_or(usize::MAX),
    );
    let read = read
        .await
        .map_err(|e| RemoteError::new(UNREADABLE, e.to_string()))?;
    // Not configured yet: as good as empty.
    let read = read.unwrap_or(ShardRead {
        next: request.from,
        ..ShardRead::default()
    });
    if request.limited {
        let bytes = read.records.iter().map(|r| r.payload.len() as u64).sum();
        core.read_budgets.count_bytes(log, bytes);
    }
    let reply = peer::ReadShardReply {
        records: read
            .records
            .iter()
            .map(|r| r.encode_to_vec().into())
            .collect(),
        next: read.next,
        behind_ms: read.behind_ms,
        at_end: read.at_end,
        throttled: false,
    };
    Ok(reply.encode_to_vec().into())
}

async fn answer_ends(
    core: &Core,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = peer::ShardEndsRequest::decode(body).map_err(malformed)?;
    let log = QueueId(request.log);
    let group = led_for_certain(core, partition).await?;
    let view = group.read(|p| p.readable(log));
    let (horizon, next) = view.map_or((1, 1), |view| (view.horizon, view.next));
    let bytes_taken = view.map_or(0, |view| view.bytes_taken);
    let since = match request.since {
        Some(at) => first_since(core, &group, log, Timestamp::from_millis(at)).await,
        None => next,
    };
    let newest = (request.newest && horizon < next).then(|| next - 1);
    let newest_at = match newest {
        Some(newest) => core.reader.record(&group, log, newest).await,
        None => None,
    };
    let newest_at = newest_at.map(|record| record.sent_at);
    let reply = peer::ShardEndsReply {
        horizon,
        next,
        since: since.clamp(horizon, next),
        bytes_taken,
        newest_at,
    };
    Ok(reply.encode_to_vec().into())
}

/// The group, if this node leads it and has applied what was committed before. A node that is cut off may take itself
/// for the leader for a while, and then knows less than there is.
async fn led(core: &Core, partition: PartitionId) -> Result<Arc<Group>, RemoteError> {
    let group = core.route(partition).and_then(|route| route.led_group());
    match group {
        Some(group) if group.leads_with_all_applied() => Ok(group),
        _ => led_for_certain(core, partition).await,
    }
}

/// The group, if this node leads it still, by its lease or the word of a majority, and has applied all that was
/// acknowledged before the call.
async fn led_for_certain(core: &Core, partition: PartitionId) -> Result<Arc<Group>, RemoteError> {
    let group = core.route(partition).and_then(|route| route.led_group());
    let not_leader = || RemoteError::new(NOT_LEADER, "this node does not lead the partition");
    let group = group.ok_or_else(not_leader)?;
    let index = group.read_index().await.map_err(|_| not_leader())?;
    if group.wait_applied(index, READ_TIMEOUT).await {
        Ok(group)
    } else {
        Err(not_leader())
    }
}

/// Reads from this node's copy; `None` if the shard is not in it.
async fn read_here(
    core: &Core,
    group: &Group,
    log: LogId,
    from: u64,
    records_max: usize,
    bytes_max: usize,
) -> Result<Option<ShardRead>, RouteError> {
    let Some(view) = group.read(|p| p.readable(log)) else {
        return Ok(None);
    };
    let mut next = from.max(view.horizon);
    let mut records: Vec<Record> = Vec::new();
    let mut bytes = 0;
    let mut is_full = false;
    let mut ahead: Option<Coming> = None;
    while !is_full && next < view.next {
        let (max, bytes_left) = (records_max - records.len(), bytes_max.saturating_sub(bytes));
        if max == 0 {
            break;
        }
        let slice = group.read(|p| p.shard_slice(log, next, max, bytes_left));
        let encoded = match slice {
            Some(LogSlice::Tail(encoded)) => encoded,
            Some(LogSlice::Block(block)) => {
                let id = block_id(group.id(), block);
                let this = ahead.take().filter(|read| read.id == id);
                let this = this.unwrap_or_else(|| core.reader.begin(id));
                // Who wanted more than one block wants another, and if not now then with the next call.
                if !records.is_empty() {
                    let behind = group.read(|p| p.block_behind(block));
                    ahead = behind.map(|block| core.reader.begin(block_id(group.id(), block)));
                }
                let read = core.reader.block_from(group, this, next).await;
                read.ok_or_else(|| RouteError::Unreadable(format!("shard {log}, position {next}")))?
            }
            None => Vec::new(),
        };
        if encoded.is_empty() {
            // Of the rest nothing is kept, as in a topic's archive.
            next = view.next;
        }
        for record in encoded {
            let size = record.len().max(RECORD_BYTES_MIN);
            is_full =
                records.len() == records_max || (bytes + size > bytes_max && !records.is_empty());
            if is_full {
                break;
            }
            let record = decode(record)?;
            next = record.position + 1;
            bytes += size;
            records.push(record);
        }
    }
    let behind_ms = match records.last() {
        Some(last) if next < view.next => group
            .now()
            .millis_since(Timestamp::from_millis(last.sent_at)),
        _ => 0,
    };
    Ok(Some(ShardRead {
        records,
        next,
        behind_ms,
        at_end: view.closed && next >= view.next,
        throttled: false,
    }))
}

/// The position of the first record that arrived at `at` or later: the index knows it to the minute, the records
/// themselves exactly.
async fn first_since(core: &Core, group: &Group, log: LogId, at: Timestamp) -> u64 {
    let Some((mut first, mut behind)) = group.read(|p| p.shard_since(log, at)) else {
        return 1;
    };
    while first < behind {
        let middle = first + (behind - first) / 2;
        let record = core.reader.record(group, log, middle).await;
        // What can't be read is not waited for: a reader would find it so itself.
        if record.is_some_and(|record| record.sent_at < at.as_millis()) {
            first = middle + 1;
        } else {
            behind = middle;
        }
    }
    first
}

fn decode(encoded: Bytes) -> Result<Record, RouteError> {
    Record::decode(encoded).map_err(|error| RouteError::Unreadable(error.to_string()))
}
