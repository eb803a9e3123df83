//! `ChangeMessageVisibility`.

use levada_wire::AwsError;
use levada_wire::sqs::{ChangeMessageVisibilityRequest, Empty};

use super::context::Context;
use super::receipts;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ChangeMessageVisibilityRequest,
) -> Result<Empty, Failure> {
    let queue = cx.queue(&request.queue_url).await?;
    let receipt = receipts::of_queue(&request.receipt_handle, &queue)?;
    let seconds = request.visibility_timeout_secs();
    let results = cx
        .broker
        .change_visibility(&queue, &[(receipt, u64::from(seconds) * 1_000)])
        .await?;
    let result = results.first().ok_or_else(AwsError::internal_failure)?;
    receipts::changed(*result, &queue, &request.receipt_handle, seconds)?;
    Ok(Empty {})
}
