//! `CreateStream`.

use levada_cluster::StreamCounts;
use levada_engine::proto::StreamRow;
use levada_types::limits::{
    MAX_RECORD_SIZE_KIB_MIN, ON_DEMAND_SHARDS, ON_DEMAND_STREAMS_MAX, STREAM_RETENTION_HOURS_MIN,
};
use levada_wire::kinesis::{
    CreateStreamRequest, Empty, KinesisError, KinesisErrorKind, StreamMode,
};

use super::context::Context;
use super::{account, refusal};
use crate::front::Failure;

pub(super) async fn call(cx: &Context<'_>, request: CreateStreamRequest) -> Result<Empty, Failure> {
    let (owner, region) = (cx.caller.account, &cx.caller.region);
    let name = request.stream_name.clone().unwrap_or_default();
    let on_demand = request.mode() == StreamMode::OnDemand;
    let shards = match request.shard_count {
        Some(count) if !on_demand => u32::try_from(count).unwrap_or(u32::MAX),
        _ => ON_DEMAND_SHARDS,
    };
    cx.broker.catch_up_catalog().await?;
    if cx.broker.find_stream(owner, region, &name).await?.is_some() {
        return Err(KinesisError::stream_exists(&name, owner).into());
    }
    let counts = cx.broker.stream_counts(owner, region);
    account::must_have_room(cx.caller, counts, shards)?;
    if on_demand {
        must_have_room_on_demand(counts)?;
    }
    let megabytes = |rate: i64| u32::try_from(rate).unwrap_or(u32::MAX);
    let row = StreamRow {
        account: owner.to_string(),
        region: region.as_str().to_owned(),
        name: name.clone(),
        on_demand,
        retention_hours: STREAM_RETENTION_HOURS_MIN,
        record_kib_max: request
            .max_record_size_kib
            .map_or(MAX_RECORD_SIZE_KIB_MIN, |kib| {
                u32::try_from(kib).unwrap_or(MAX_RECORD_SIZE_KIB_MIN)
            }),
        limited: cx.gateway.options.kinesis_limits,
        tags: request.tags.unwrap_or_default(),
        warm_mib_per_s: request.warm_throughput_mibps.map_or(0, megabytes),
        distribution: request.record_distribution_strategy.unwrap_or_default(),
        ..StreamRow::default()
    };
    match cx.broker.create_stream(row, shards).await? {
        Ok(_) => Ok(Empty {}),
        Err(refusal) => Err(refusal::of_stream(refusal, &name, owner)),
    }
}

fn must_have_room_on_demand(counts: StreamCounts) -> Result<(), KinesisError> {
    if counts.on_demand < ON_DEMAND_STREAMS_MAX as usize {
        return Ok(());
    }
    Err(KinesisError::new(
        KinesisErrorKind::LimitExceeded,
        format!(
            "This request would exceed the limit of on-demand streams for the account. Limit: {ON_DEMAND_STREAMS_MAX}."
        ),
    ))
}
