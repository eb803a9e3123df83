//! `DeleteStream`.

use levada_engine::proto::StreamStatus;
use levada_wire::kinesis::{DeleteStreamRequest, Empty, KinesisError, KinesisErrorKind};

use super::context::{Context, Edit, reference_of};
use super::queues::must_have_no_queues;
use crate::front::Failure;

pub(super) async fn call(cx: &Context<'_>, request: DeleteStreamRequest) -> Result<Empty, Failure> {
    let with_consumers = request.enforce_consumer_deletion == Some(true);
    let edit = |stream: &levada_cluster::Stream| {
        if stream.row.status() == StreamStatus::Deleting {
            return Ok(Edit::Nothing);
        }
        must_have_no_queues(stream)?;
        if !stream.row.consumers.is_empty() && !with_consumers {
            let (name, account) = (&stream.row.name, stream.account);
            // From memory.
            return Err(KinesisError::new(
                KinesisErrorKind::ResourceInUse,
                format!(
                    "Stream {name} under account {account} has registered consumers. Deregister them, or set \
                     EnforceConsumerDeletion to true."
                ),
            ));
        }
        Ok(Edit::Delete)
    };
    cx.change(&reference_of(&request)?, edit).await?;
    Ok(Empty {})
}
