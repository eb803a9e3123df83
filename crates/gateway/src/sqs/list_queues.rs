//! `ListQueues`.

use levada_wire::sqs::{ListQueuesRequest, ListQueuesResponse};

use super::context::Context;
use super::page::Page;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ListQueuesRequest,
) -> Result<ListQueuesResponse, Failure> {
    let page = Page::of(request.max_results, request.next_token.as_deref())?;
    cx.broker.catch_up_catalog().await?;
    let prefix = request.queue_name_prefix.as_deref().unwrap_or("");
    let (account, region) = (cx.caller.account, &cx.caller.region);
    let queues = cx
        .broker
        .queues(account, region, prefix, page.after(), page.look_for());
    let (queue_urls, next_token) = page.finish(cx, queues);
    Ok(ListQueuesResponse {
        queue_urls,
        next_token,
    })
}
