//! Receipt handles of one queue, and AWS's words for what became of the claims behind them.

use levada_cluster::Queue;
use levada_engine::proto::{DeleteResult, VisibilityResult};
use levada_types::Receipt;
use levada_wire::sqs::{SqsError, receipt};

/// The claim of a handle, if it is one on this queue.
pub(super) fn of_queue(handle: &str, queue: &Queue) -> Result<Receipt, SqsError> {
    let receipt = receipt::decode(handle)?;
    if receipt.queue != queue.id {
        return Err(SqsError::receipt_handle_is_invalid(handle));
    }
    Ok(receipt)
}

/// What a delete came to.
pub(super) fn deleted(result: DeleteResult, handle: &str) -> Result<(), SqsError> {
    match result {
        // The second is not said of queues.
        DeleteResult::Deleted | DeleteResult::NotFound => Ok(()),
        DeleteResult::Expired => Err(SqsError::receipt_handle_expired(handle)),
    }
}

/// What a change of visibility came to. A standard queue takes it, and does nothing, when the message is
/// visible again already: that is recorded of AWS, though `MessageNotInflight` is documented.
pub(super) fn changed(
    result: VisibilityResult,
    queue: &Queue,
    handle: &str,
    seconds: u32,
) -> Result<(), SqsError> {
    match result {
        VisibilityResult::Changed => Ok(()),
        VisibilityResult::NotInFlight if !queue.settings.fifo => Ok(()),
        VisibilityResult::NotInFlight | VisibilityResult::Gone => {
            Err(SqsError::message_not_inflight(handle))
        }
        VisibilityResult::TooLong => Err(SqsError::total_visibility_timeout(i64::from(seconds))),
    }
}
