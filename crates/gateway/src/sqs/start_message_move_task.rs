//! `StartMessageMoveTask`.

use levada_engine::proto::StartMoveTask;
use levada_wire::sqs::paging::TaskHandle;
use levada_wire::sqs::{SqsError, StartMessageMoveTaskRequest, StartMessageMoveTaskResponse};

use super::context::Context;
use super::refusal;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: StartMessageMoveTaskRequest,
) -> Result<StartMessageMoveTaskResponse, Failure> {
    let source_arn = request.source()?;
    let source = cx
        .queue_of_arn(&source_arn)
        .await?
        .ok_or_else(|| SqsError::resource_not_found("SourceArn"))?;
    cx.broker.catch_up_catalog().await?;
    if cx.broker.dead_letter_sources(source.id, None, 1).is_empty() {
        return Err(StartMessageMoveTaskRequest::source_is_no_dead_letter_queue().into());
    }
    let mut destination = 0;
    if let Some(arn) = request.destination()? {
        let found = cx.queue_of_arn(&arn).await?;
        let queue = found.ok_or_else(|| SqsError::resource_not_found("DestinationArn"))?;
        if queue.id == source.id {
            let message = "The source queue and the destination queue can't be the same.";
            return Err(SqsError::invalid_parameter(message).into());
        }
        if queue.settings.fifo != source.settings.fifo {
            let message = "The source queue and the destination queue must be of the same type.";
            return Err(SqsError::invalid_parameter(message).into());
        }
        destination = queue.id.0;
    }
    let command = StartMoveTask {
        source: source.id.0,
        destination,
        rate_max: request
            .max_number_of_messages_per_second
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        to_move: 0,
        source_arn: request.source_arn,
        destination_arn: request.destination_arn.unwrap_or_default(),
    };
    let started = cx.broker.start_move_task(command).await?;
    let task = started.map_err(|refusal| refusal::of_queue(refusal, &source.name))?;
    Ok(StartMessageMoveTaskResponse {
        task_handle: TaskHandle {
            task: Some(task.task),
            source: source_arn,
        }
        .encode(),
    })
}
