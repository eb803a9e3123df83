//! `Subscribe`. A queue of the caller's own, a phone, a function or an app is subscribed at once; a queue of another account, a
//! mailbox or an HTTP endpoint is sent a token, by which whoever reads it confirms. What is pushed gets a delivery queue.

use std::collections::BTreeMap;

use levada_cluster::{Subscribed, Topic};
use levada_engine::proto::{CatalogRefusal, SubscriptionRow};
use levada_types::QueueArn;
use levada_types::limits::MESSAGE_RETENTION_SECS_MAX;
use levada_wire::sns::{
    PENDING_CONFIRMATION, SnsError, SubscribeRequest, SubscribeResponse, SubscriptionAttributes,
    SubscriptionProtocol,
};

use super::context::Context;
use super::{
    TopicOptions, confirmation, filters, platforms, refusal, replay_policies, subscription_arn,
};
use crate::front::Failure;
use crate::limits::CHANGE_ATTEMPTS_MAX;
use crate::random::Uuid;

pub(super) async fn call(
    cx: &Context<'_>,
    request: SubscribeRequest,
) -> Result<SubscribeResponse, Failure> {
    cx.broker.catch_up_catalog().await?;
    let keys = [
        ("sns:Endpoint", request.endpoint()),
        ("sns:Protocol", request.protocol.as_str()),
    ];
    let topic = cx.topic_for(&request.topic()?, "Subscribe", &keys).await?;
    let attributes = request.subscription_attributes()?;
    let protocol = request.subscription_protocol()?;
    check_served(protocol, &cx.gateway.options.topics)?;
    let checked = replay_policies::check(&topic, &attributes);
    checked.map_err(|why| SnsError::invalid_because("Attributes", why))?;
    filters::check(&attributes).map_err(|why| SnsError::invalid_because("Attributes", why))?;
    if protocol == SubscriptionProtocol::Application {
        platforms::check_endpoint(cx, request.endpoint()).await?;
    }
    let needs_token = needs_token(cx, protocol, request.endpoint())?;
    let row = SubscriptionRow {
        topic: topic.row.topic,
        account: cx.caller.account.to_string(),
        protocol: request.protocol.clone(),
        endpoint: request.endpoint().to_owned(),
        attributes: attributes.verbatim.clone(),
        token: if needs_token {
            Uuid::random().0.to_vec().into()
        } else {
            Vec::new().into()
        },
        confirmed_by_owner: !needs_token,
        replay: u64::from(attributes.replay_policy.is_some()),
        ..SubscriptionRow::default()
    };
    let subscribed = subscribe(cx, row, protocol, &attributes).await?;
    if !subscribed.row.token.is_empty() {
        confirmation::ask(cx, &topic, &subscribed.row).await?;
    }
    Ok(response(
        &topic,
        &subscribed,
        request.return_subscription_arn,
    ))
}

/// The subscription: a new one, or the one that there is. One that nobody has confirmed gives way to its owner's with other
/// attributes, and to one that needs nobody's word.
async fn subscribe(
    cx: &Context<'_>,
    row: SubscriptionRow,
    protocol: SubscriptionProtocol,
    attributes: &SubscriptionAttributes,
) -> Result<Subscribed, Failure> {
    for _ in 0..CHANGE_ATTEMPTS_MAX {
        let delivery = (protocol != SubscriptionProtocol::Sqs).then(delivery_queue);
        let subscribed = cx.broker.subscribe(row.clone(), delivery).await;
        let subscribed = subscribed
            .map_err(refusal::of_route)?
            .map_err(|other| refusal::of_change(other, &row.endpoint))?;
        if !subscribed.existed {
            return Ok(subscribed);
        }
        let found = &subscribed.row;
        let same = check_same(attributes, found);
        let is_owners = same.is_err() && found.account == row.account;
        if found.token.is_empty() || !(row.token.is_empty() || is_owners) {
            same?;
            return Ok(subscribed);
        }
        let (number, version) = (found.subscription, found.version);
        let gone = cx.broker.unsubscribe(found.topic, number, version).await;
        match gone.map_err(refusal::of_route)? {
            Ok(()) | Err(CatalogRefusal::Changed | CatalogRefusal::NoSuchSubscription) => {}
            Err(other) => return Err(refusal::of_change(other, &row.endpoint)),
        }
    }
    // Somebody else changed it at the same time, again and again.
    Err(SnsError::throttled().into())
}

/// Whether somebody else than the caller must say that the endpoint is to be subscribed.
fn needs_token(
    cx: &Context<'_>,
    protocol: SubscriptionProtocol,
    endpoint: &str,
) -> Result<bool, SnsError> {
    if protocol != SubscriptionProtocol::Sqs {
        return Ok(protocol.needs_confirmation());
    }
    let queue: Result<QueueArn, _> = endpoint.parse();
    let queue = queue.map_err(|_| SnsError::invalid_parameter("SQS endpoint ARN"))?;
    Ok(queue.account != cx.caller.account)
}

/// The attributes of a delivery queue: what cannot be brought to its endpoint waits as long as a queue lets it.
pub(super) fn delivery_queue() -> BTreeMap<String, String> {
    let retention = MESSAGE_RETENTION_SECS_MAX.to_string();
    BTreeMap::from([("MessageRetentionPeriod".to_owned(), retention)])
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
fn check_served(protocol: SubscriptionProtocol, options: &TopicOptions) -> Result<(), SnsError> {
    use SubscriptionProtocol as P;
    let (is_served, what) = match protocol {
        P::Sqs | P::Http | P::Https | P::Application => (true, ""),
        P::Email | P::EmailJson => (options.has_mail, "no mail server: see [delivery.mail]"),
        P::Sms => (
            options.has_sms,
            "no gateway for text messages: see [delivery.sms]",
        ),
        P::Lambda => (
            options.has_functions,
            "no endpoint for functions: see [delivery.lambda]",
        ),
        P::Firehose => (false, "no delivery streams"),
    };
    if is_served {
        return Ok(());
    }
    let reason = format!("this broker has {what}");
    Err(SnsError::invalid_because("Protocol", &reason))
}
