//! `UntagQueue`.

use levada_wire::sqs::{Empty, UntagQueueRequest};

use super::context::Context;
use super::refusal;
use crate::front::Failure;

pub(super) async fn call(cx: &Context<'_>, request: UntagQueueRequest) -> Result<Empty, Failure> {
    let queue = cx.current_queue(&request.queue_url).await?;
    let untagged = cx.broker.untag_queue(&queue, request.tag_keys).await?;
    untagged.map_err(|refusal| refusal::of_queue(refusal, &queue.name))?;
    Ok(Empty {})
}
