//! `CancelMessageMoveTask`.

use levada_wire::sqs::paging::TaskHandle;
use levada_wire::sqs::{CancelMessageMoveTaskRequest, CancelMessageMoveTaskResponse, SqsError};

use super::context::Context;
use super::refusal;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: CancelMessageMoveTaskRequest,
) -> Result<CancelMessageMoveTaskResponse, Failure> {
    let handle = TaskHandle::decode(&request.task_handle)?;
    cx.broker.catch_up_catalog().await?;
    let source = cx
        .queue_of_arn(&handle.source)
        .await?
        .ok_or_else(|| SqsError::resource_not_found("SourceArn"))?;
    // A handle is text that anyone can make: the task must be one of the queue that the caller owns.
    let task = handle
        .task
        .and_then(|task| cx.broker.move_task(task))
        .filter(|task| task.source == source.id.0);
    let task = task.ok_or_else(TaskHandle::not_running)?;
    let cancelled = cx.broker.cancel_move_task(task.task).await?;
    let row = cancelled.map_err(|refusal| refusal::of_queue(refusal, &source.name))?;
    Ok(CancelMessageMoveTaskResponse {
        approximate_number_of_messages_moved: row.moved,
    })
}
