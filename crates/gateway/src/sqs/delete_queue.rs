//! `DeleteQueue`.

use levada_wire::sqs::{DeleteQueueRequest, Empty};

use super::context::Context;
use super::refusal;
use crate::front::Failure;

pub(super) async fn call(cx: &Context<'_>, request: DeleteQueueRequest) -> Result<Empty, Failure> {
    let queue = cx.current_queue(&request.queue_url).await?;
    let deleted = cx.broker.delete_queue(&queue).await?;
    deleted.map_err(|refusal| refusal::of_queue(refusal, &queue.name))?;
    Ok(Empty {})
}
