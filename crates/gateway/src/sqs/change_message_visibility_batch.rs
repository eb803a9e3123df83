//! `ChangeMessageVisibilityBatch`.

use levada_wire::AwsError;
use levada_wire::sqs::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequest,
    ChangeMessageVisibilityBatchResponse, IdEntry,
};

use super::context::Context;
use super::receipts;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ChangeMessageVisibilityBatchRequest,
) -> Result<ChangeMessageVisibilityBatchResponse, Failure> {
    let queue = cx.queue(&request.queue_url).await?;
    let (tried, failed) = request.triage();
    let mut answer = ChangeMessageVisibilityBatchResponse {
        successful: Vec::new(),
        failed,
    };
    let mut changes = Vec::with_capacity(tried.len());
    let mut entries = Vec::with_capacity(tried.len());
    for entry in tried {
        match receipts::of_queue(&entry.receipt_handle, &queue) {
            Ok(claim) => {
                changes.push((claim, u64::from(entry.visibility_timeout_secs()) * 1_000));
                entries.push(entry);
            }
            Err(e) => answer
                .failed
                .push(BatchResultErrorEntry::refused(entry.id, &e)),
        }
    }
    if changes.is_empty() {
        return Ok(answer);
    }
    let results = cx.broker.change_visibility(&queue, &changes).await?;
    if results.len() != entries.len() {
        return Err(AwsError::internal_failure().into());
    }
    for (entry, result) in entries.into_iter().zip(results) {
        match receipts::changed(
            result,
            &queue,
            &entry.receipt_handle,
            entry.visibility_timeout_secs(),
        ) {
            Ok(()) => answer.successful.push(IdEntry { id: entry.id }),
            Err(e) => answer
                .failed
                .push(BatchResultErrorEntry::refused(entry.id, &e)),
        }
    }
    Ok(answer)
}
