//! `Subscribe`. A queue of the caller's own is subscribed at once; one of another account is sent a token, by which whoever
//! reads the queue confirms.

use levada_cluster::{Subscribed, Topic};
use levada_engine::proto::SubscriptionRow;
use levada_types::QueueArn;
use levada_wire::sns::{
    PENDING_CONFIRMATION, SnsError, SubscribeRequest, SubscribeResponse, SubscriptionAttributes,
    SubscriptionProtocol,
};

use super::context::Context;
use super::{confirmation, filters, refusal, subscription_arn};
use crate::front::Failure;
use crate::random::Uuid;

pub(super) async fn call(
    cx: &Context<'_>,
    request: SubscribeRequest,
) -> Result<SubscribeResponse, Failure> {
    let topic = cx.current_topic(&request.topic()?, "Subscribe").await?;
    let attributes = request.subscription_attributes()?;
    check_served(request.subscription_protocol()?, &attributes)?;
    filters::check(&attributes).map_err(|why| SnsError::invalid_because("Attributes", why))?;
    let queue: QueueArn = request
        .endpoint()
        .parse()
        .map_err(|_| SnsError::invalid_parameter("SQS endpoint ARN"))?;
    let is_own = queue.account == cx.caller.account;
    let row = SubscriptionRow {
        topic: topic.row.topic,
        account: cx.caller.account.to_string(),
        protocol: request.protocol.clone(),
        endpoint: request.endpoint().to_owned(),
        attributes: attributes.verbatim.clone(),
        token: if is_own {
            Vec::new().into()
        } else {
            Uuid::random().0.to_vec().into()
        },
        confirmed_by_owner: is_own,
        ..SubscriptionRow::default()
    };
    let subscribed = cx.broker.subscribe(row, None).await;
    let subscribed = subscribed
        .map_err(refusal::of_route)?
        .map_err(|other| refusal::of_change(other, request.endpoint()))?;
    if subscribed.existed {
        check_same(&attributes, &subscribed.row)?;
    }
    if !subscribed.row.token.is_empty() {
        confirmation::send_to_queue(cx, &topic, &subscribed.row, &queue).await?;
    }
    Ok(response(
        &topic,
        &subscribed,
        request.return_subscription_arn,
    ))
}

fn response(topic: &Topic, subscribed: &Subscribed, wants_arn: bool) -> SubscribeResponse {
    let row = &subscribed.row;
    let arn = if row.token.is_empty() || wants_arn {
        subscription_arn::written(topic, row.subscription, row.created_at)
    } else {
        PENDING_CONFIRMATION.to_owned()
    };
    SubscribeResponse {
        subscription_arn: arn,
    }
}

/// Whether the subscription that exists is what was asked for. What the request leaves out does not count.
fn check_same(wanted: &SubscriptionAttributes, row: &SubscriptionRow) -> Result<(), SnsError> {
    if wanted.differs_from(&SubscriptionAttributes::from_stored(&row.attributes)) {
        return Err(SnsError::subscription_has_other_attributes());
    }
    Ok(())
}

/// Refuses what would be kept and not done. The words are ours.
fn check_served(
    protocol: SubscriptionProtocol,
    attributes: &SubscriptionAttributes,
) -> Result<(), SnsError> {
    if protocol != SubscriptionProtocol::Sqs {
        let reason = "this broker delivers to SQS queues only";
        return Err(SnsError::invalid_because("Protocol", reason));
    }
    check_attributes_served(attributes)
}

/// The same of attributes alone.
pub(super) fn check_attributes_served(attributes: &SubscriptionAttributes) -> Result<(), SnsError> {
    if attributes.replay_policy.is_some() {
        let reason = "this broker does not replay messages";
        return Err(SnsError::invalid_because("ReplayPolicy", reason));
    }
    Ok(())
}
