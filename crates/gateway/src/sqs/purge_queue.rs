//! `PurgeQueue`.

use levada_wire::sqs::{Empty, PurgeQueueRequest};

use super::context::Context;
use super::refusal;
use crate::front::Failure;

pub(super) async fn call(cx: &Context<'_>, request: PurgeQueueRequest) -> Result<Empty, Failure> {
    let queue = cx.current_queue(&request.queue_url).await?;
    let purged = cx.broker.purge_queue(&queue).await?;
    purged.map_err(|refusal| refusal::of_queue(refusal, &queue.name))?;
    Ok(Empty {})
}
