//! What an endpoint is sent, or a queue of another account, so that whoever reads it can confirm its subscription, or subscribe it
//! again. It waits in a queue as messages do: so a node that dies takes none with it, and an endpoint that fails is asked again by its
//! policy.

use std::sync::Arc;

use levada_cluster::{Queue, RouteError, Topic};
use levada_engine::proto::{NewMessage, SubscriptionRow};
use levada_types::{QueueArn, QueueId, Timestamp};
use levada_wire::sns::{
    Confirmation, ConfirmationKind, MessageAttributeMap, Outgoing, StoredNotification,
};
use levada_wire::sqs::StoredMessage;

use super::context::{Context, arn_of, attributes_of};
use super::crossing::topic_may_send;
use super::{SENDER_ID, signer, subscription_arn};
use crate::clock;
use crate::deduplication::hash;
use crate::front::Failure;
use crate::random::Uuid;

/// A token as its text.
pub(super) fn token_text(token: &[u8]) -> String {
    token.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A token from its text; `None` if it is none.
pub(super) fn token_of(text: &str) -> Option<[u8; 16]> {
    let is_one = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let token = u128::from_str_radix(text, 16).ok().filter(|_| is_one)?;
    Some(token.to_be_bytes())
}

/// Asks whoever is at a subscription's endpoint to confirm it.
pub(super) async fn ask(
    cx: &Context<'_>,
    topic: &Topic,
    row: &SubscriptionRow,
) -> Result<(), Failure> {
    send(cx, topic, row, None).await
}

/// Tells whoever is at an endpoint that its subscription, which had this ARN, was ended. Confirming `row` subscribes it again.
pub(super) async fn tell_of_end(
    cx: &Context<'_>,
    topic: &Topic,
    row: &SubscriptionRow,
    ended_arn: &str,
) -> Result<(), Failure> {
    send(cx, topic, row, Some(ended_arn)).await
}

async fn send(
    cx: &Context<'_>,
    topic: &Topic,
    row: &SubscriptionRow,
    ended_arn: Option<&str>,
) -> Result<(), Failure> {
    let Some(queue) = queue_of(cx, topic, row).await? else {
        return Ok(());
    };
    let id = Uuid::random().text();
    let own_arn = subscription_arn::written(topic, row.subscription, row.created_at);
    let confirmation = Confirmation {
        kind: if ended_arn.is_some() {
            ConfirmationKind::Unsubscribe
        } else {
            ConfirmationKind::Subscription
        },
        message_id: id.as_str(),
        token: &token_text(&row.token),
        topic_arn: &arn_of(topic),
        subscription_arn: ended_arn.unwrap_or(&own_arn),
        time: Timestamp::from_millis(clock::now_ms()),
    };
    let base_url = cx.caller.base_url(&cx.gateway.options);
    let text = confirmation.string_to_sign(&base_url);
    let version = attributes_of(&topic.row).signature_version();
    let signed = signer::sign(cx.gateway, &base_url, &text, version);
    let body = confirmation.body(
        &base_url,
        signed.as_ref().map(signer::Signed::signature).as_ref(),
    );
    let pushed = queue.subscription.map(|_| StoredNotification {
        message_id: id.to_string(),
        topic_arn: confirmation.topic_arn.to_owned(),
        time_ms: confirmation.time.as_millis(),
        subscribe_url: confirmation.subscribe_url(&base_url),
        base_url,
        ended_subscription_arn: ended_arn.unwrap_or_default().to_owned(),
        ..StoredNotification::default()
    });
    let text = String::from_utf8(body).unwrap_or_default();
    let message = message(&queue, &text, &token_text(&row.token), id.as_str(), pushed);
    cx.broker.send(&queue, vec![message]).await?;
    Ok(())
}

/// What a request to confirm is put into: the queue that was subscribed, or the subscription's delivery queue. A queue that is
/// not there, or that does not let the topic in, is as one whose owner does not answer. This node has just caught up.
async fn queue_of(
    cx: &Context<'_>,
    topic: &Topic,
    row: &SubscriptionRow,
) -> Result<Option<Arc<Queue>>, RouteError> {
    if row.queue == 0 {
        let Ok(arn) = row.endpoint.parse::<QueueArn>() else {
            return Ok(None);
        };
        let found = cx
            .broker
            .find_queue(arn.account, &arn.region, &arn.name)
            .await?;
        let is_closed = found
            .as_ref()
            .is_some_and(|queue| !topic_may_send(topic, queue));
        cx.gateway
            .metrics()
            .count_refused_by_queues(u64::from(is_closed));
        return Ok(found.filter(|_| !is_closed));
    }
    if let Some(queue) = cx.broker.queue(QueueId(row.queue)) {
        return Ok(Some(queue));
    }
    cx.broker.catch_up_catalog().await?;
    Ok(cx.broker.queue(QueueId(row.queue)))
}

fn message(
    queue: &Queue,
    text: &str,
    group: &str,
    id: &str,
    pushed: Option<StoredNotification>,
) -> NewMessage {
    let none = MessageAttributeMap::new();
    let fifo = queue.settings.fifo;
    let outgoing = Outgoing {
        message: text,
        subject: None,
        structure: None,
        attributes: &none,
        deduplication_id: None,
        group_id: fifo.then_some(group),
        needs_default: false,
    };
    let deduplication = fifo.then_some(id);
    let stored = StoredMessage::published(&outgoing, text, SENDER_ID, deduplication, pushed);
    NewMessage {
        message_id: Uuid::random().0.to_vec().into(),
        payload: stored.to_payload(),
        group: outgoing.group_id.unwrap_or_default().to_owned(),
        deduplication: deduplication
            .map_or_else(Default::default, |id| hash(id.as_bytes()).to_vec().into()),
        delay_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_text() {
        let token = std::array::from_fn(|n| n as u8);
        assert_eq!(token_of(&token_text(&token)), Some(token));
        for other in [
            "",
            "00",
            "+0000000000000000000000000000001",
            "0001020304050607 8090a0b0c0d0e0f",
        ] {
            assert_eq!(token_of(other), None, "{other}");
        }
    }
}
