//! `EnableEnhancedMonitoring` and `DisableEnhancedMonitoring`: which metrics are kept for each shard.

use std::collections::BTreeSet;

use levada_cluster::Stream;
use levada_engine::proto::StreamRow;
use levada_wire::kinesis::{
    DisableEnhancedMonitoringRequest, EnableEnhancedMonitoringRequest, EnhancedMonitoringResponse,
    MetricsName, StreamReference, Values as _,
};

use super::context::{Context, Edit, arn_of, must_be_active, reference_of};
use super::describe::metrics_of;
use crate::front::Failure;

pub(super) async fn enable(
    cx: &Context<'_>,
    request: EnableEnhancedMonitoringRequest,
) -> Result<EnhancedMonitoringResponse, Failure> {
    let named = named(request.shard_level_metrics.as_deref());
    set(cx, &reference_of(&request)?, |kept| {
        kept.union(&named).copied().collect()
    })
    .await
}

pub(super) async fn disable(
    cx: &Context<'_>,
    request: DisableEnhancedMonitoringRequest,
) -> Result<EnhancedMonitoringResponse, Failure> {
    let named = named(request.shard_level_metrics.as_deref());
    set(cx, &reference_of(&request)?, |kept| {
        kept.difference(&named).copied().collect()
    })
    .await
}

/// The metrics that a request names; `ALL` is each of them.
fn named(names: Option<&[String]>) -> BTreeSet<MetricsName> {
    let names = names.unwrap_or_default().iter();
    let mut named: BTreeSet<_> = names
        .filter_map(|name| MetricsName::from_name(name))
        .collect();
    if named.remove(&MetricsName::All) {
        named = MetricsName::ALL.iter().copied().collect();
        named.remove(&MetricsName::All);
    }
    named
}

async fn set(
    cx: &Context<'_>,
    reference: &StreamReference<'_>,
    become_: impl Fn(&BTreeSet<MetricsName>) -> BTreeSet<MetricsName> + Send + Sync,
) -> Result<EnhancedMonitoringResponse, Failure> {
    let edit = |stream: &Stream| {
        must_be_active(stream)?;
        let kept = metrics_of(&stream.row).shard_level_metrics;
        let kept = become_(&kept.into_iter().collect());
        Ok(Edit::from(StreamRow {
            shard_metrics: kept
                .into_iter()
                .map(|name| name.as_str().to_owned())
                .collect(),
            ..stream.row.clone()
        }))
    };
    let (before, after) = cx.change(reference, edit).await?;
    Ok(EnhancedMonitoringResponse {
        stream_name: after.row.name.clone(),
        current_shard_level_metrics: metrics_of(&before.row).shard_level_metrics,
        desired_shard_level_metrics: metrics_of(&after.row).shard_level_metrics,
        stream_arn: arn_of(&after).to_string(),
    })
}
