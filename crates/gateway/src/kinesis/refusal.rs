//! AWS's words for what the catalog refused and the cluster did not carry out.

use levada_cluster::{RouteError, Stream};
use levada_engine::proto::CatalogRefusal;
use levada_types::AccountId;
use levada_wire::AwsError;
use levada_wire::kinesis::{KinesisError, KinesisErrorKind};
use tracing::error;

use crate::front::Failure;

/// The refusal of a change of a stream.
pub(super) fn of_stream(refusal: CatalogRefusal, stream: &str, account: AccountId) -> Failure {
    match refusal {
        CatalogRefusal::NoSuchStream => KinesisError::stream_not_found(stream, account).into(),
        CatalogRefusal::StreamExists => KinesisError::stream_exists(stream, account).into(),
        CatalogRefusal::StreamQueueExists => KinesisError::new(
            KinesisErrorKind::ResourceInUse,
            format!("A queue of that name exists already under account {account}."),
        )
        .into(),
        other => {
            error!(
                stream,
                ?other,
                "the catalog refused a change of a stream without a reason"
            );
            AwsError::internal_failure().into()
        }
    }
}

/// Why records were neither put nor read.
pub(super) fn of_route(error: RouteError, stream: &Stream) -> Failure {
    let (name, account) = (&stream.row.name, stream.account);
    match error {
        RouteError::NoSuchStream => KinesisError::stream_not_found(name, account).into(),
        RouteError::Overloaded => KinesisError::new(
            KinesisErrorKind::ProvisionedThroughputExceeded,
            format!("Rate exceeded for stream {name} under account {account}."),
        )
        .into(),
        other => other.into(),
    }
}

/// A record that was over its shard's limits.
pub(super) fn throttled(shard: &str, stream: &Stream) -> KinesisError {
    let (name, account) = (&stream.row.name, stream.account);
    KinesisError::new(
        KinesisErrorKind::ProvisionedThroughputExceeded,
        format!("Rate exceeded for shard {shard} in stream {name} under account {account}."),
    )
}

/// A shard of which it is said that it is one of the stream's.
pub(super) fn no_such_shard(shard: u64, stream: &Stream) -> KinesisError {
    use levada_wire::kinesis::ShardId;
    KinesisError::shard_does_not_exist(ShardId(shard), &stream.row.name, stream.account)
}
