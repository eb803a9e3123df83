//! What every action has at hand: the caller, the broker, how to find a stream and how to change it.

use std::sync::Arc;

use levada_cluster::{Broker, Resharding, Stream};
use levada_engine::proto::{CatalogRefusal, StreamRow, StreamStatus};
use levada_types::AccountId;
use levada_wire::AwsError;
use levada_wire::kinesis::{
    KinesisError, KinesisErrorKind, Shape, StreamArn, StreamReference, Values as _,
};

use super::refusal;
use super::sealed::Seal;
use crate::caller::Caller;
use crate::front::{Failure, Gateway};
use crate::limits::CHANGE_ATTEMPTS_MAX;

/// One request's surroundings.
pub(super) struct Context<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) broker: &'a Broker,
    pub(super) caller: &'a Caller,
}

/// What is to become of a stream.
pub(super) enum Edit {
    /// It is as it should be.
    Nothing,
    /// It gets this row.
    Row(Box<StreamRow>),
    /// Shards are split or merged.
    Reshard(Resharding),
    /// It gets so many open shards.
    ShardCount(u32),
    /// It is deleted.
    Delete,
}

impl From<StreamRow> for Edit {
    fn from(row: StreamRow) -> Self {
        Self::Row(Box::new(row))
    }
}

impl Context<'_> {
    /// The key of this cluster's opaque texts.
    pub(super) fn seal(&self) -> Seal {
        Seal::of_cluster(self.broker.cluster())
    }

    /// The stream of a request that puts or reads records.
    pub(super) async fn stream(
        &self,
        request: &(impl Shape + Sync),
    ) -> Result<Arc<Stream>, Failure> {
        self.in_use(&reference_of(request)?).await
    }

    /// A stream that takes and gives records. One that is being made or deleted does not.
    pub(super) async fn in_use(
        &self,
        reference: &StreamReference<'_>,
    ) -> Result<Arc<Stream>, Failure> {
        let mut stream = self.find(reference).await?;
        if !is_in_use(&stream) {
            // It may be otherwise by now.
            self.broker.catch_up_catalog().await?;
            stream = self.find(reference).await?;
        }
        if is_in_use(&stream) {
            Ok(stream)
        } else {
            Err(KinesisError::stream_not_found(reference.name, stream.account).into())
        }
    }

    /// The stream as the catalog's leader has it: for what shows or changes it.
    pub(super) async fn current(
        &self,
        reference: &StreamReference<'_>,
    ) -> Result<Arc<Stream>, Failure> {
        self.broker.catch_up_catalog().await?;
        self.find(reference).await
    }

    /// A stream of the caller's. Those of other accounts are closed until policies are obeyed.
    async fn find(&self, reference: &StreamReference<'_>) -> Result<Arc<Stream>, Failure> {
        let (account, region) = (self.caller.account, &self.caller.region);
        if let Some(arn) = &reference.arn {
            if arn.account != account {
                return Err(access_denied(account, arn).into());
            }
            if arn.region != *region {
                return Err(KinesisError::stream_not_found(reference.name, account).into());
            }
        }
        let found = self.broker.find_stream(account, region, reference.name);
        let found = found.await?;
        Ok(found.ok_or_else(|| KinesisError::stream_not_found(reference.name, account))?)
    }

    /// Changes a stream on the version that was read, and anew when somebody else was faster. Answers the stream before
    /// and after.
    pub(super) async fn change(
        &self,
        reference: &StreamReference<'_>,
        edit: impl Fn(&Stream) -> Result<Edit, KinesisError> + Send + Sync,
    ) -> Result<(Arc<Stream>, Arc<Stream>), Failure> {
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let before = self.current(reference).await?;
            let changed = match edit(&before)? {
                Edit::Nothing => return Ok((before.clone(), before)),
                Edit::Row(row) if *row == before.row => return Ok((before.clone(), before)),
                Edit::Row(row) => self.broker.change_stream(*row).await?,
                Edit::Reshard(step) => self.broker.reshard(&before, step).await?,
                Edit::ShardCount(wanted) => self.broker.update_shard_count(&before, wanted).await?,
                Edit::Delete => self.broker.delete_stream(&before).await?,
            };
            match changed {
                Ok(after) => return Ok((before, after)),
                Err(CatalogRefusal::Changed) => {}
                Err(refusal) => {
                    return Err(refusal::of_stream(refusal, reference.name, before.account));
                }
            }
        }
        // Somebody else changed the stream at the same time, again and again.
        Err(KinesisError::new(KinesisErrorKind::LimitExceeded, "Rate exceeded").into())
    }
}

/// The stream that a request names.
pub(super) fn reference_of<T: Shape>(request: &T) -> Result<StreamReference<'_>, Failure> {
    match request.stream() {
        Some(reference) => Ok(reference?),
        // Asked only of requests that name one.
        None => Err(AwsError::internal_failure().into()),
    }
}

/// The stream of an ARN.
pub(super) fn reference_to(arn: &StreamArn) -> StreamReference<'_> {
    StreamReference {
        name: &arn.name,
        arn: Some(arn.clone()),
    }
}

fn is_in_use(stream: &Stream) -> bool {
    matches!(
        stream.row.status(),
        StreamStatus::Active | StreamStatus::Updating
    )
}

/// What AWS tells of what is another account's.
pub(super) fn access_denied(account: AccountId, arn: &impl std::fmt::Display) -> KinesisError {
    KinesisError::new(
        KinesisErrorKind::AccessDenied,
        format!(
            "User: arn:aws:iam::{account}:root is not authorized to access resource: {arn} because no resource-based \
             policy allows the action"
        ),
    )
}

/// A stream's ARN.
pub(super) fn arn_of(stream: &Stream) -> StreamArn {
    StreamArn {
        region: stream.region.clone(),
        account: stream.account,
        name: stream.row.name.as_str().into(),
    }
}

/// Refuses a change of a stream that another one is being made of.
pub(super) fn must_be_active(stream: &Stream) -> Result<(), KinesisError> {
    if stream.row.status() == StreamStatus::Active {
        return Ok(());
    }
    let status = super::describe::status_of(&stream.row).as_str();
    let (name, account) = (&stream.row.name, stream.account);
    Err(KinesisError::new(
        KinesisErrorKind::ResourceInUse,
        format!("Stream {name} under account {account} not ACTIVE, instead in state {status}"),
    ))
}

/// For requests that say `DryRun`: it would have been done.
pub(super) fn unless_rehearsed(dry_run: Option<bool>) -> Result<(), KinesisError> {
    if dry_run == Some(true) {
        return Err(KinesisError::new(
            KinesisErrorKind::DryRunOperation,
            "Request would have succeeded, but DryRun flag is set.",
        ));
    }
    Ok(())
}
