//! `DescribeStream` and `DescribeStreamSummary`.

use levada_cluster::Stream;
use levada_engine::proto::{self, StreamRow};
use levada_wire::kinesis::{
    DescribeStreamRequest, DescribeStreamResponse, DescribeStreamSummaryRequest,
    DescribeStreamSummaryResponse, EncryptionType, EnhancedMetrics, MetricsName,
    RecordDistributionStrategy, StreamDescription, StreamDescriptionSummary, StreamMode,
    StreamModeDetails, StreamStatus, Values as _, WarmThroughput,
};

use super::context::{Context, arn_of, reference_of};
use super::{pages, shards};
use crate::front::Failure;

/// Shards of a page where the caller gives no number.
const SHARDS_DEFAULT: usize = 100;

pub(super) async fn stream(
    cx: &Context<'_>,
    request: DescribeStreamRequest,
) -> Result<DescribeStreamResponse, Failure> {
    let stream = cx.current(&reference_of(&request)?).await?;
    let after = pages::shard_after(request.exclusive_start_shard_id.as_deref(), &stream)?;
    let rows = stream
        .shards()
        .filter(|shard| after.is_none_or(|after| shard.number > after));
    let max = pages::size(request.limit, SHARDS_DEFAULT);
    let (rows, has_more_shards) = pages::cut(rows, max);
    let row = &stream.row;
    let description = StreamDescription {
        stream_name: row.name.clone(),
        stream_arn: arn_of(&stream).to_string(),
        stream_status: status_of(row),
        stream_mode_details: Some(mode_of(row)),
        shards: rows.into_iter().map(shards::describe).collect(),
        has_more_shards,
        retention_period_hours: row.retention_hours,
        stream_creation_timestamp: stream.created_at().into(),
        enhanced_monitoring: vec![metrics_of(row)],
        encryption_type: Some(encryption_of(row)),
        key_id: key_of(row),
    };
    Ok(DescribeStreamResponse {
        stream_description: description,
    })
}

pub(super) async fn summary(
    cx: &Context<'_>,
    request: DescribeStreamSummaryRequest,
) -> Result<DescribeStreamSummaryResponse, Failure> {
    let stream = cx.current(&reference_of(&request)?).await?;
    Ok(DescribeStreamSummaryResponse {
        stream_description_summary: summarize(&stream),
    })
}

fn summarize(stream: &Stream) -> StreamDescriptionSummary {
    let row = &stream.row;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    StreamDescriptionSummary {
        stream_name: row.name.clone(),
        stream_arn: arn_of(stream).to_string(),
        stream_status: status_of(row),
        stream_mode_details: Some(mode_of(row)),
        retention_period_hours: row.retention_hours,
        stream_creation_timestamp: stream.created_at().into(),
        enhanced_monitoring: vec![metrics_of(row)],
        encryption_type: Some(encryption_of(row)),
        key_id: key_of(row),
        open_shard_count: count(stream.open_shards().len()),
        consumer_count: Some(count(row.consumers.len())),
        warm_throughput: row.on_demand.then(|| warm_throughput_of(row)),
        max_record_size_kib: Some(row.record_kib_max),
        record_distribution_strategy: RecordDistributionStrategy::from_name(&row.distribution),
    }
}

/// What a stream is doing.
pub(super) fn status_of(row: &StreamRow) -> StreamStatus {
    match row.status() {
        proto::StreamStatus::Creating => StreamStatus::Creating,
        proto::StreamStatus::Active => StreamStatus::Active,
        proto::StreamStatus::Updating => StreamStatus::Updating,
        proto::StreamStatus::Deleting => StreamStatus::Deleting,
    }
}

/// Its mode.
pub(super) fn mode_of(row: &StreamRow) -> StreamModeDetails {
    let stream_mode = if row.on_demand {
        StreamMode::OnDemand
    } else {
        StreamMode::Provisioned
    };
    StreamModeDetails { stream_mode }
}

/// The rates that it is ready for: what was asked for, as there is nothing to warm.
pub(super) fn warm_throughput_of(row: &StreamRow) -> WarmThroughput {
    let open = row
        .shards
        .iter()
        .filter(|s| !s.pending && s.end == 0)
        .count();
    let open = u32::try_from(open).unwrap_or(u32::MAX);
    WarmThroughput {
        target_mibps: Some(row.warm_mib_per_s),
        // A shard takes one.
        current_mibps: Some(row.warm_mib_per_s.min(open)),
    }
}

/// The metrics that are kept for each of its shards, in AWS's order.
pub(super) fn metrics_of(row: &StreamRow) -> EnhancedMetrics {
    let kept = row.shard_metrics.iter();
    let mut names: Vec<_> = kept
        .filter_map(|name| MetricsName::from_name(name))
        .collect();
    names.sort_unstable();
    EnhancedMetrics {
        shard_level_metrics: names,
    }
}

fn encryption_of(row: &StreamRow) -> EncryptionType {
    if row.encryption_key.is_empty() {
        EncryptionType::None
    } else {
        EncryptionType::Kms
    }
}

fn key_of(row: &StreamRow) -> Option<String> {
    (!row.encryption_key.is_empty()).then(|| row.encryption_key.clone())
}
