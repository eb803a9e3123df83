//! `ListMessageMoveTasks`.

use levada_engine::proto::{MoveTaskRow, MoveTaskStatus};
use levada_types::QueueArn;
use levada_wire::sqs::paging::TaskHandle;
use levada_wire::sqs::{
    ListMessageMoveTasksRequest, ListMessageMoveTasksResponse, MessageMoveTask, SqsError,
};

use super::context::Context;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ListMessageMoveTasksRequest,
) -> Result<ListMessageMoveTasksResponse, Failure> {
    let arn = request.source()?;
    cx.broker.catch_up_catalog().await?;
    let source = cx
        .queue_of_arn(&arn)
        .await?
        .ok_or_else(|| SqsError::resource_not_found("SourceArn"))?;
    let rows = cx.broker.move_tasks(source.id, request.tasks_max());
    Ok(ListMessageMoveTasksResponse {
        results: rows.into_iter().map(|row| describe(row, &arn)).collect(),
    })
}

fn describe(row: MoveTaskRow, source: &QueueArn) -> MessageMoveTask {
    let status = row.status();
    let handle = || {
        TaskHandle {
            task: Some(row.task),
            source: source.clone(),
        }
        .encode()
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    MessageMoveTask {
        task_handle: (status == MoveTaskStatus::Running).then(handle),
        status: word(status).to_owned(),
        source_arn: row.source_arn.clone(),
        destination_arn: text(&row.destination_arn),
        max_number_of_messages_per_second: (row.rate_max > 0).then_some(row.rate_max),
        approximate_number_of_messages_moved: row.moved,
        approximate_number_of_messages_to_move: Some(row.to_move),
        failure_reason: text(&row.failure_reason),
        started_timestamp: row.started_at,
    }
}

const fn word(status: MoveTaskStatus) -> &'static str {
    match status {
        MoveTaskStatus::Running => "RUNNING",
        MoveTaskStatus::Completed => "COMPLETED",
        MoveTaskStatus::Cancelling => "CANCELLING",
        MoveTaskStatus::Cancelled => "CANCELLED",
        MoveTaskStatus::Failed => "FAILED",
    }
}
