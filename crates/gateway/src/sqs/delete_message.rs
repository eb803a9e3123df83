//! `DeleteMessage`.

use levada_wire::AwsError;
use levada_wire::sqs::{DeleteMessageRequest, Empty};

use super::context::Context;
use super::receipts;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: DeleteMessageRequest,
) -> Result<Empty, Failure> {
    let queue = cx.queue(&request.queue_url).await?;
    let receipt = receipts::of_queue(&request.receipt_handle, &queue)?;
    let results = cx.broker.delete(&queue, &[receipt]).await?;
    let result = results.first().ok_or_else(AwsError::internal_failure)?;
    receipts::deleted(*result, &request.receipt_handle)?;
    Ok(Empty {})
}
