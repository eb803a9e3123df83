//! `DeleteMessageBatch`.

use levada_wire::AwsError;
use levada_wire::sqs::{
    BatchResultErrorEntry, DeleteMessageBatchRequest, DeleteMessageBatchResponse, IdEntry,
};

use super::context::Context;
use super::receipts;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: DeleteMessageBatchRequest,
) -> Result<DeleteMessageBatchResponse, Failure> {
    let queue = cx.queue(&request.queue_url).await?;
    let (tried, failed) = request.triage();
    let mut answer = DeleteMessageBatchResponse {
        successful: Vec::new(),
        failed,
    };
    let mut claims = Vec::with_capacity(tried.len());
    let mut entries = Vec::with_capacity(tried.len());
    for entry in tried {
        match receipts::of_queue(&entry.receipt_handle, &queue) {
            Ok(claim) => {
                claims.push(claim);
                entries.push(entry);
            }
            Err(e) => answer
                .failed
                .push(BatchResultErrorEntry::refused(entry.id, &e)),
        }
    }
    if claims.is_empty() {
        return Ok(answer);
    }
    let results = cx.broker.delete(&queue, &claims).await?;
    if results.len() != entries.len() {
        return Err(AwsError::internal_failure().into());
    }
    for (entry, result) in entries.into_iter().zip(results) {
        match receipts::deleted(result, &entry.receipt_handle) {
            Ok(()) => answer.successful.push(IdEntry { id: entry.id }),
            Err(e) => answer
                .failed
                .push(BatchResultErrorEntry::refused(entry.id, &e)),
        }
    }
    Ok(answer)
}
