//! Settings of a stream: `UpdateStreamMode`, `UpdateMaxRecordSize`, `UpdateStreamWarmThroughput`,
//! `UpdateStreamRecordDistributionStrategy`.

use levada_cluster::Stream;
use levada_engine::proto::StreamRow;
use levada_wire::kinesis::{
    Empty, KinesisError, KinesisErrorKind, StreamMode, UpdateMaxRecordSizeRequest,
    UpdateStreamModeRequest, UpdateStreamRecordDistributionStrategyRequest,
    UpdateStreamWarmThroughputRequest, UpdateStreamWarmThroughputResponse, Values as _,
};

use super::context::{Context, Edit, arn_of, must_be_active, reference_of};
use super::describe::warm_throughput_of;
use super::queues::must_have_no_queues;
use crate::front::Failure;

pub(super) async fn mode(
    cx: &Context<'_>,
    request: UpdateStreamModeRequest,
) -> Result<Empty, Failure> {
    let details = request.stream_mode_details.as_ref();
    let mode = details.and_then(|details| StreamMode::from_name(details.stream_mode.as_deref()?));
    let on_demand = mode == Some(StreamMode::OnDemand);
    let warm = number(request.warm_throughput_mibps);
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        if !on_demand {
            must_have_no_queues(stream)?;
        }
        Ok(Edit::from(StreamRow {
            on_demand,
            warm_mib_per_s: warm.unwrap_or(stream.row.warm_mib_per_s),
            ..stream.row.clone()
        }))
    };
    cx.change(&reference_of(&request)?, edit).await?;
    Ok(Empty {})
}

pub(super) async fn max_record_size(
    cx: &Context<'_>,
    request: UpdateMaxRecordSizeRequest,
) -> Result<Empty, Failure> {
    let size = number(request.max_record_size_kib);
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        Ok(Edit::from(StreamRow {
            record_kib_max: size.unwrap_or(stream.row.record_kib_max),
            ..stream.row.clone()
        }))
    };
    cx.change(&reference_of(&request)?, edit).await?;
    Ok(Empty {})
}

pub(super) async fn warm_throughput(
    cx: &Context<'_>,
    request: UpdateStreamWarmThroughputRequest,
) -> Result<UpdateStreamWarmThroughputResponse, Failure> {
    let warm = number(request.warm_throughput_mibps);
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        must_be_on_demand(stream)?;
        Ok(Edit::from(StreamRow {
            warm_mib_per_s: warm.unwrap_or(stream.row.warm_mib_per_s),
            ..stream.row.clone()
        }))
    };
    let (_, after) = cx.change(&reference_of(&request)?, edit).await?;
    Ok(UpdateStreamWarmThroughputResponse {
        stream_arn: arn_of(&after).to_string(),
        stream_name: after.row.name.clone(),
        warm_throughput: warm_throughput_of(&after.row),
    })
}

pub(super) async fn distribution(
    cx: &Context<'_>,
    request: UpdateStreamRecordDistributionStrategyRequest,
) -> Result<Empty, Failure> {
    let strategy = request
        .record_distribution_strategy
        .clone()
        .unwrap_or_default();
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        must_be_on_demand(stream)?;
        Ok(Edit::from(StreamRow {
            distribution: strategy.clone(),
            ..stream.row.clone()
        }))
    };
    cx.change(&reference_of(&request)?, edit).await?;
    Ok(Empty {})
}

fn number(given: Option<i64>) -> Option<u32> {
    given.and_then(|n| u32::try_from(n).ok())
}

fn must_be_on_demand(stream: &Stream) -> Result<(), KinesisError> {
    if stream.row.on_demand {
        return Ok(());
    }
    let (name, account) = (&stream.row.name, stream.account);
    Err(KinesisError::new(
        KinesisErrorKind::Validation,
        format!(
            "Request is invalid. Stream {name} under account {account} is in Provisioned mode."
        ),
    ))
}
