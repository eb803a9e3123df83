//! `GetRecords`. Any node answers it from its own copy of the shard, if it has one.

use levada_types::limits::{GET_RECORDS_MAX, RECORDS_BYTES_MAX};
use levada_wire::kinesis::{GetRecordsRequest, GetRecordsResponse, StreamReference};

use super::context::{Context, unless_rehearsed};
use super::sealed::ShardIterator;
use super::{refusal, shards};
use crate::clock;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: GetRecordsRequest,
) -> Result<GetRecordsResponse, Failure> {
    let seal = cx.seal();
    let text = request.shard_iterator.as_deref().unwrap_or_default();
    let iterator = ShardIterator::open(&seal, text, cx.caller.account, clock::now_ms())?;
    let reference = StreamReference {
        name: &iterator.name,
        arn: None,
    };
    let stream = cx.in_use(&reference).await?;
    let shard = stream.shard(iterator.shard);
    let shard = shard.filter(|_| stream.row.stream == iterator.stream);
    let shard = shard.ok_or_else(|| refusal::no_such_shard(u64::from(iterator.shard), &stream))?;
    unless_rehearsed(request.dry_run)?;
    let records_max = request.limit.and_then(|limit| usize::try_from(limit).ok());
    let records_max = records_max.unwrap_or(GET_RECORDS_MAX as usize);
    let (broker, from) = (cx.broker, iterator.position);
    let read = if stream.row.limited {
        let read = broker.read_shard_within_limits(shard, from, records_max, RECORDS_BYTES_MAX);
        read.await
    } else {
        let read = broker.read_shard(shard, from, records_max, RECORDS_BYTES_MAX);
        read.await
    };
    let read = read.map_err(|error| refusal::of_route(error, &stream))?;
    if read.throttled {
        return Err(refusal::throttled(&shards::id_of(shard.number).to_string(), &stream).into());
    }
    let child_shards = if read.at_end {
        shards::children_at_end(cx, &stream, shard.number).await?
    } else {
        None
    };
    let next = || {
        let next = ShardIterator {
            position: read.next,
            issued_ms: clock::now_ms(),
            ..iterator.clone()
        };
        next.seal(&seal)
    };
    Ok(GetRecordsResponse {
        next_shard_iterator: child_shards.is_none().then(next),
        millis_behind_latest: Some(read.behind_ms),
        child_shards,
        records: read
            .records
            .into_iter()
            .map(|stored| shards::record(&stream, shard, stored))
            .collect(),
    })
}
