//! `PutRecords`. Some may succeed where others fail.

use levada_cluster::Put;
use levada_wire::kinesis::{
    KinesisError, KinesisErrorKind, PutRecordsRequest, PutRecordsResponse, PutRecordsResultEntry,
};

use super::context::{Context, unless_rehearsed};
use super::put_record::{record, throttled};
use super::{refusal, shards};
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    mut request: PutRecordsRequest,
) -> Result<PutRecordsResponse, Failure> {
    let stream = cx.stream(&request).await?;
    let entries = request.records.take().unwrap_or_default();
    let mut records = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let explicit = entry.hash_key()?;
        let data = entry.data.take().unwrap_or_default().0;
        records.push(record(&stream, entry.partition_key.take(), explicit, data)?);
    }
    unless_rehearsed(request.dry_run)?;
    let hashes: Vec<u128> = records.iter().map(|record| record.hash).collect();
    let puts = cx.broker.put_records(&stream, records).await;
    let puts = puts.map_err(|error| refusal::of_route(error, &stream))?;
    let entry = |(put, hash): (Put, u128)| match put {
        Put::Kept {
            shard,
            opened_at,
            position,
        } => PutRecordsResultEntry::kept(
            shards::id_of(shard),
            shards::number_of(shard, opened_at, position),
        ),
        Put::Throttled => PutRecordsResultEntry::failed(throttled(&stream, hash)),
        Put::Failed => PutRecordsResultEntry::failed(KinesisError::new(
            KinesisErrorKind::InternalFailure,
            "Internal service failure.",
        )),
    };
    let records: Vec<_> = puts.into_iter().zip(hashes).map(entry).collect();
    let failed = records.iter().filter(|entry| entry.error_code.is_some());
    Ok(PutRecordsResponse {
        failed_record_count: u32::try_from(failed.count()).unwrap_or(u32::MAX),
        records,
        encryption_type: shards::encryption_of(&stream),
    })
}
