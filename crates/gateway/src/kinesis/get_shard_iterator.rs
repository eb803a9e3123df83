//! `GetShardIterator`.

use levada_wire::kinesis::{GetShardIteratorRequest, GetShardIteratorResponse};

use super::context::{Context, unless_rehearsed};
use super::sealed::ShardIterator;
use super::{shards, start};
use crate::clock;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: GetShardIteratorRequest,
) -> Result<GetShardIteratorResponse, Failure> {
    let stream = cx.stream(&request).await?;
    let shard = shards::find(&stream, request.shard_id.as_deref().unwrap_or_default())?;
    let (member, action) = ("StartingSequenceNumber", "GetShardIterator");
    let position =
        start::position_of(cx, &stream, shard, request.position()?, member, action).await?;
    unless_rehearsed(request.dry_run)?;
    let iterator = ShardIterator {
        account: stream.account,
        stream: stream.row.stream,
        name: stream.row.name.clone(),
        shard: shard.number,
        position,
        issued_ms: clock::now_ms(),
    };
    Ok(GetShardIteratorResponse {
        shard_iterator: iterator.seal(&cx.seal()),
    })
}
