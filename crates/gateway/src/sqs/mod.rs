//! The actions of SQS: one file each, thin. Each finds its queue, checks what needs the queue, and asks
//! the broker.

mod add_permission;
mod cancel_message_move_task;
mod change_message_visibility;
mod change_message_visibility_batch;
mod context;
mod create_queue;
mod declared;
mod delete_message;
mod delete_message_batch;
mod delete_queue;
mod get_queue_attributes;
mod get_queue_url;
mod list_dead_letter_source_queues;
mod list_message_move_tasks;
mod list_queue_tags;
mod list_queues;
mod outgoing;
mod page;
mod policy;
mod purge_queue;
mod receipts;
mod receive_message;
mod redrive;
mod refusal;
mod remove_permission;
mod send_message;
mod send_message_batch;
mod set_queue_attributes;
mod shown;
mod start_message_move_task;
mod tag_queue;
mod untag_queue;

pub use declared::{EnsureQueueError, QueueDeclaration};
pub use shown::shown_message;

use levada_wire::sqs::{Request, Response};

use crate::caller::Caller;
use crate::front::{Failure, Gateway};
use context::Context;

/// Answers a request.
pub(crate) async fn call(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
) -> Result<Response, Failure> {
    request.validate()?;
    let cx = Context {
        gateway,
        broker: gateway.broker()?,
        caller,
        action: request.action(),
    };
    match request {
        Request::SendMessage(r) => send_message::call(&cx, r).await.map(Response::SendMessage),
        Request::SendMessageBatch(r) => send_message_batch::call(&cx, r)
            .await
            .map(Response::SendMessageBatch),
        Request::ReceiveMessage(r) => receive_message::call(&cx, r)
            .await
            .map(Response::ReceiveMessage),
        Request::DeleteMessage(r) => delete_message::call(&cx, r)
            .await
            .map(Response::DeleteMessage),
        Request::DeleteMessageBatch(r) => delete_message_batch::call(&cx, r)
            .await
            .map(Response::DeleteMessageBatch),
        // What is called seldom is put aside, or every connection would hold room for the largest of it.
        other => Box::pin(seldom(&cx, other)).await,
    }
}

async fn seldom(cx: &Context<'_>, request: Request) -> Result<Response, Failure> {
    Ok(match request {
        Request::AddPermission(r) => Response::AddPermission(add_permission::call(cx, r).await?),
        Request::CancelMessageMoveTask(r) => {
            Response::CancelMessageMoveTask(cancel_message_move_task::call(cx, r).await?)
        }
        Request::ChangeMessageVisibility(r) => {
            Response::ChangeMessageVisibility(change_message_visibility::call(cx, r).await?)
        }
        Request::ChangeMessageVisibilityBatch(r) => Response::ChangeMessageVisibilityBatch(
            change_message_visibility_batch::call(cx, r).await?,
        ),
        Request::CreateQueue(r) => Response::CreateQueue(create_queue::call(cx, r).await?),
        Request::DeleteMessage(r) => Response::DeleteMessage(delete_message::call(cx, r).await?),
        Request::DeleteMessageBatch(r) => {
            Response::DeleteMessageBatch(delete_message_batch::call(cx, r).await?)
        }
        Request::DeleteQueue(r) => Response::DeleteQueue(delete_queue::call(cx, r).await?),
        Request::GetQueueAttributes(r) => {
            Response::GetQueueAttributes(get_queue_attributes::call(cx, r).await?)
        }
        Request::GetQueueUrl(r) => Response::GetQueueUrl(get_queue_url::call(cx, r).await?),
        Request::ListDeadLetterSourceQueues(r) => {
            Response::ListDeadLetterSourceQueues(list_dead_letter_source_queues::call(cx, r).await?)
        }
        Request::ListMessageMoveTasks(r) => {
            Response::ListMessageMoveTasks(list_message_move_tasks::call(cx, r).await?)
        }
        Request::ListQueueTags(r) => Response::ListQueueTags(list_queue_tags::call(cx, r).await?),
        Request::ListQueues(r) => Response::ListQueues(list_queues::call(cx, r).await?),
        Request::PurgeQueue(r) => Response::PurgeQueue(purge_queue::call(cx, r).await?),
        Request::ReceiveMessage(r) => Response::ReceiveMessage(receive_message::call(cx, r).await?),
        Request::RemovePermission(r) => {
            Response::RemovePermission(remove_permission::call(cx, r).await?)
        }
        Request::SendMessage(r) => Response::SendMessage(send_message::call(cx, r).await?),
        Request::SendMessageBatch(r) => {
            Response::SendMessageBatch(send_message_batch::call(cx, r).await?)
        }
        Request::SetQueueAttributes(r) => {
            Response::SetQueueAttributes(set_queue_attributes::call(cx, r).await?)
        }
        Request::StartMessageMoveTask(r) => {
            Response::StartMessageMoveTask(start_message_move_task::call(cx, r).await?)
        }
        Request::TagQueue(r) => Response::TagQueue(tag_queue::call(cx, r).await?),
        Request::UntagQueue(r) => Response::UntagQueue(untag_queue::call(cx, r).await?),
    })
}
