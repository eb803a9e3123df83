//! `TagQueue`.

use levada_wire::sqs::{Empty, TagQueueRequest};

use super::context::Context;
use super::refusal;
use crate::front::Failure;

pub(super) async fn call(cx: &Context<'_>, request: TagQueueRequest) -> Result<Empty, Failure> {
    let queue = cx.current_queue(&request.queue_url).await?;
    let tagged = cx.broker.tag_queue(&queue, request.tags).await?;
    tagged.map_err(|refusal| refusal::of_queue(refusal, &queue.name))?;
    Ok(Empty {})
}
