//! `PutRecord`.

use levada_cluster::{Put, Stream, StreamRecord};
use levada_wire::AwsError;
use levada_wire::kinesis::{
    HashKey, KinesisError, PutRecordRequest, PutRecordResponse, SequenceNumber,
};

use super::context::{Context, unless_rehearsed};
use super::{refusal, shards};
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    mut request: PutRecordRequest,
) -> Result<PutRecordResponse, Failure> {
    let stream = cx.stream(&request).await?;
    if let Some(after) = &request.sequence_number_for_ordering
        && after.parse::<SequenceNumber>().is_err()
    {
        let (name, account) = (&stream.row.name, stream.account);
        return Err(KinesisError::invalid_argument(format!(
            "ExclusiveMinimumSequenceNumber {after} used in PutRecord on stream {name} under account {account} is invalid."
        ))
        .into());
    }
    let explicit = request.hash_key()?;
    let data = request.data.take().unwrap_or_default().0;
    let record = record(&stream, request.partition_key.take(), explicit, data)?;
    unless_rehearsed(request.dry_run)?;
    let hash = record.hash;
    let put = cx.broker.put_records(&stream, vec![record]).await;
    let put = put.map_err(|error| refusal::of_route(error, &stream))?;
    match put.first() {
        Some(Put::Kept {
            shard,
            opened_at,
            position,
        }) => Ok(PutRecordResponse {
            shard_id: shards::id_of(*shard),
            sequence_number: shards::number_of(*shard, *opened_at, *position),
            encryption_type: shards::encryption_of(&stream),
        }),
        Some(Put::Throttled) => Err(throttled(&stream, hash).into()),
        Some(Put::Failed) | None => Err(AwsError::internal_failure().into()),
    }
}

/// A record that the stream takes.
pub(super) fn record(
    stream: &Stream,
    partition_key: Option<String>,
    explicit: Option<HashKey>,
    data: bytes::Bytes,
) -> Result<StreamRecord, KinesisError> {
    let partition_key = partition_key.unwrap_or_default();
    let (bytes, kib_max) = (data.len() + partition_key.len(), stream.row.record_kib_max);
    if bytes > kib_max as usize * 1_024 {
        let (name, account) = (&stream.row.name, stream.account);
        // What AWS says of it is not documented.
        return Err(KinesisError::invalid_argument(format!(
            "Record size of {bytes} bytes exceeds the maximum record size of {kib_max} KiB of stream {name} under account {account}."
        )));
    }
    let hash = explicit.unwrap_or_else(|| HashKey::of_partition_key(&partition_key));
    Ok(StreamRecord {
        hash: hash.0,
        partition_key,
        data,
    })
}

/// A record of this hash key was over its shard's limits.
pub(super) fn throttled(stream: &Stream, hash: u128) -> KinesisError {
    let shard = stream.shard_for(hash).map_or(0, |shard| shard.number);
    refusal::throttled(&shards::id_of(shard).to_string(), stream)
}
