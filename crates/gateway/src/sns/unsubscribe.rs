//! `Unsubscribe`. One that is not there is no error. A link without a signature ends a subscription, unless whoever
//! confirmed it wanted it otherwise; an HTTP endpoint is told of that, and can subscribe again.
//!
//! With a subscription goes its delivery queue. So what tells of the end is sent from a new subscription, to be confirmed with the
//! token that it tells; if nobody does, it ends like any that nobody has confirmed.

use levada_cluster::Topic;
use levada_engine::Subscription;
use levada_engine::proto::{CatalogRefusal, Replay, SubscriptionRow};
use levada_wire::sns::{NoResult, SubscriptionProtocol, UnsubscribeRequest};
use tracing::debug;

use super::context::Context;
use super::{confirmation, refusal, subscribe};
use crate::front::Failure;
use crate::random::Uuid;

const ACTION: &str = "Unsubscribe";

pub(super) async fn call(
    cx: &Context<'_>,
    request: UnsubscribeRequest,
) -> Result<NoResult, Failure> {
    let arn = request.subscription()?;
    let Some((topic, row)) = cx.find_subscription(&arn).await? else {
        return Ok(NoResult {});
    };
    let may = if cx.caller.is_signed {
        cx.owns(&topic, &row)
    } else {
        !row.confirmed_by_owner
    };
    if !may {
        return Err(cx.not_authorized(ACTION, &arn).into());
    }
    let gone = cx.broker.unsubscribe(row.topic, row.number, 0).await;
    match gone.map_err(refusal::of_route)? {
        Ok(()) => {
            if is_told(cx, &row)
                && let Err(failure) = tell(cx, &topic, &row, &arn.to_string()).await
            {
                debug!(
                    ?failure,
                    "an endpoint is not told that its subscription ended"
                );
            }
            if row.replay != 0 {
                let forget = Replay {
                    subscription: row.number,
                    replay: row.replay,
                    forget: true,
                    ..Replay::default()
                };
                // Without an answer the part remembers a few bytes as long as the topic is there.
                let _ = cx.broker.replay(&topic, forget).await;
            }
            Ok(NoResult {})
        }
        Err(CatalogRefusal::NoSuchSubscription | CatalogRefusal::NoSuchTopic) => Ok(NoResult {}),
        Err(other) => Err(refusal::of_change(other, "a subscription")),
    }
}

/// Whether AWS tells the endpoint: "if the call does not require authentication and the requester is not the subscription owner".
fn is_told(cx: &Context<'_>, row: &Subscription) -> bool {
    let is_owners = cx.caller.is_signed && *row.account == *cx.caller.account.to_string();
    let protocol = SubscriptionProtocol::from_name(&row.protocol);
    let is_http = matches!(
        protocol,
        Some(SubscriptionProtocol::Http | SubscriptionProtocol::Https)
    );
    is_http && row.is_confirmed() && !row.confirmed_by_owner && !is_owners
}

async fn tell(
    cx: &Context<'_>,
    topic: &Topic,
    ended: &Subscription,
    ended_arn: &str,
) -> Result<(), Failure> {
    let again = SubscriptionRow {
        token: Uuid::random().0.to_vec().into(),
        ..ended.to_row()
    };
    let delivery = Some(subscribe::delivery_queue());
    let subscribed = cx.broker.subscribe(again, delivery).await;
    let subscribed = subscribed
        .map_err(refusal::of_route)?
        .map_err(|other| refusal::of_change(other, "a subscription"))?;
    if subscribed.existed {
        // Somebody was faster, and it is subscribed again already.
        return Ok(());
    }
    confirmation::tell_of_end(cx, topic, &subscribed.row, ended_arn).await
}
