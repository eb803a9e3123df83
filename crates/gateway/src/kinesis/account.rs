//! What an account may have and has: `DescribeLimits`, `DescribeAccountSettings`, `UpdateAccountSettings`.

use levada_cluster::StreamCounts;
use levada_types::limits::{ON_DEMAND_STREAMS_MAX, SHARDS_MAX};
use levada_wire::kinesis::{
    AccountSettingsResponse, Commitment, CommitmentInputStatus, DescribeAccountSettingsRequest,
    DescribeLimitsRequest, DescribeLimitsResponse, KinesisError, KinesisErrorKind,
    UpdateAccountSettingsRequest, Values as _,
};

use super::context::Context;
use crate::caller::Caller;
use crate::front::Failure;

pub(super) async fn describe_limits(
    cx: &Context<'_>,
    _: DescribeLimitsRequest,
) -> Result<DescribeLimitsResponse, Failure> {
    cx.broker.catch_up_catalog().await?;
    let counts = cx
        .broker
        .stream_counts(cx.caller.account, &cx.caller.region);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(DescribeLimitsResponse {
        shard_limit: SHARDS_MAX,
        open_shard_count: count(counts.open_shards),
        on_demand_stream_count: count(counts.on_demand),
        on_demand_stream_count_limit: ON_DEMAND_STREAMS_MAX,
    })
}

/// Refuses what would give the account more open shards than it may have.
pub(super) fn must_have_room(
    caller: &Caller,
    counts: StreamCounts,
    more: u32,
) -> Result<(), KinesisError> {
    let has = counts.open_shards as u64;
    if has + u64::from(more) <= u64::from(SHARDS_MAX) {
        return Ok(());
    }
    let (account, region) = (caller.account, caller.region.as_str());
    Err(KinesisError::new(
        KinesisErrorKind::LimitExceeded,
        format!(
            "This request would exceed the shard limit for the account {account} in {region}. Current shard count for \
             the account: {has}. Limit: {SHARDS_MAX}. Number of additional shards that would have resulted from this \
             request: {more}. Refer to the AWS Service Limits page \
             (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to \
             request higher limits."
        ),
    ))
}

/// There is no bill, and so nothing to commit to.
fn settings() -> AccountSettingsResponse {
    AccountSettingsResponse {
        minimum_throughput_billing_commitment: Some(Commitment::default()),
    }
}

pub(super) async fn describe_settings(
    _: &Context<'_>,
    _: DescribeAccountSettingsRequest,
) -> Result<AccountSettingsResponse, Failure> {
    Ok(settings())
}

pub(super) async fn update_settings(
    _: &Context<'_>,
    request: UpdateAccountSettingsRequest,
) -> Result<AccountSettingsResponse, Failure> {
    let commitment = request.minimum_throughput_billing_commitment;
    let status = commitment.and_then(|c| CommitmentInputStatus::from_name(c.status.as_deref()?));
    if status == Some(CommitmentInputStatus::Enabled) {
        let message = "A billing commitment cannot be made here: nothing is billed.";
        return Err(KinesisError::invalid_argument(message).into());
    }
    Ok(settings())
}
