//! `ListTopics`.

use levada_types::limits::SNS_LIST_RESULTS;
use levada_wire::sns::paging::{decode_token, encode_token};
use levada_wire::sns::{ListTopicsRequest, ListTopicsResponse};

use super::context::{Context, arn_of};
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ListTopicsRequest,
) -> Result<ListTopicsResponse, Failure> {
    let after = decode_token(request.next_token.as_deref())?;
    cx.broker.catch_up_catalog().await?;
    let (account, region) = (cx.caller.account, &cx.caller.region);
    // One more tells whether there is another page.
    let mut topics = cx
        .broker
        .topics(account, region, after.as_deref(), SNS_LIST_RESULTS + 1);
    let has_more = topics.len() > SNS_LIST_RESULTS;
    topics.truncate(SNS_LIST_RESULTS);
    let last = topics.last().filter(|_| has_more);
    Ok(ListTopicsResponse {
        next_token: last.map(|topic| encode_token(&topic.row.name)),
        topic_arns: topics.iter().map(arn_of).collect(),
    })
}
