//! `ListSubscriptions` and `ListSubscriptionsByTopic`.

use std::sync::Arc;

use levada_engine::Subscription as Row;
use levada_types::limits::SNS_LIST_RESULTS;
use levada_wire::sns::paging::{decode_token, encode_token};
use levada_wire::sns::{
    ListSubscriptionsByTopicRequest, ListSubscriptionsRequest, ListSubscriptionsResponse, SnsError,
    Subscription, TopicArn,
};

use super::context::{Context, arn_of};
use super::subscription_arn;
use crate::front::Failure;

/// One more than a page holds tells whether there is another.
const LOOK_FOR: usize = SNS_LIST_RESULTS + 1;

pub(super) async fn call(
    cx: &Context<'_>,
    request: ListSubscriptionsRequest,
) -> Result<ListSubscriptionsResponse, Failure> {
    let after = after(request.next_token.as_deref())?;
    cx.broker.catch_up_catalog().await?;
    let (account, region) = (cx.caller.account, &cx.caller.region);
    let found = cx
        .broker
        .subscriptions_of_account(account, region, after, LOOK_FOR);
    Ok(page(cx, found))
}

pub(super) async fn by_topic(
    cx: &Context<'_>,
    request: ListSubscriptionsByTopicRequest,
) -> Result<ListSubscriptionsResponse, Failure> {
    let after = after(request.next_token.as_deref())?;
    let arn = TopicArn::parse(&request.topic_arn, "TopicArn")?;
    let topic = cx.current_topic(&arn, "ListSubscriptionsByTopic").await?;
    let found = cx
        .broker
        .subscriptions_of_topic(topic.row.topic, after, LOOK_FOR);
    Ok(page(cx, found))
}

/// The number after which the page begins.
fn after(token: Option<&str>) -> Result<u64, SnsError> {
    let last = decode_token(token)?;
    last.map_or(Ok(0), |last| {
        last.parse()
            .map_err(|_| SnsError::invalid_parameter("NextToken"))
    })
}

fn page(cx: &Context<'_>, mut found: Vec<Arc<Row>>) -> ListSubscriptionsResponse {
    let has_more = found.len() > SNS_LIST_RESULTS;
    found.truncate(SNS_LIST_RESULTS);
    let last = found.last().filter(|_| has_more);
    ListSubscriptionsResponse {
        next_token: last.map(|row| encode_token(&row.number.to_string())),
        subscriptions: found.iter().filter_map(|row| told(cx, row)).collect(),
    }
}

/// None if its topic was deleted a moment ago.
fn told(cx: &Context<'_>, row: &Row) -> Option<Subscription> {
    let topic = cx.broker.topic(row.topic)?;
    Some(Subscription {
        subscription_arn: if row.is_confirmed() {
            subscription_arn::of(&topic, row)
        } else {
            Subscription::PENDING.to_owned()
        },
        owner: row.account.to_string(),
        protocol: row.protocol.to_string(),
        endpoint: row.endpoint.to_string(),
        topic_arn: arn_of(&topic),
    })
}
