//! `ListQueueTags`.

use levada_wire::sqs::{ListQueueTagsRequest, ListQueueTagsResponse};

use super::context::Context;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ListQueueTagsRequest,
) -> Result<ListQueueTagsResponse, Failure> {
    let queue = cx.current_queue(&request.queue_url).await?;
    Ok(ListQueueTagsResponse {
        tags: queue.tags.clone(),
    })
}
