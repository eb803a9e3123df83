//! `ListDeadLetterSourceQueues`.

use levada_wire::sqs::{ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResponse};

use super::context::Context;
use super::page::Page;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ListDeadLetterSourceQueuesRequest,
) -> Result<ListDeadLetterSourceQueuesResponse, Failure> {
    let page = Page::of(request.max_results, request.next_token.as_deref())?;
    let target = cx.current_queue(&request.queue_url).await?;
    let queues = cx
        .broker
        .dead_letter_sources(target.id, page.after(), page.look_for());
    let (queue_urls, next_token) = page.finish(cx, queues);
    Ok(ListDeadLetterSourceQueuesResponse {
        queue_urls,
        next_token,
    })
}
