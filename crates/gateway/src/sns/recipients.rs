//! Who gets what is published: what publishing must know of a subscription, read once for each version of it, and the queues
//! that a message goes to.

use std::sync::Arc;

use bytes::Bytes;
use levada_cluster::{Audience, Broker, Destination, Queue, RouteError, Topic};
use levada_engine::Subscription;
use levada_types::limits::MESSAGE_ATTRIBUTES_MAX;
use levada_types::{AccountId, QueueArn, QueueName, Region};
use levada_wire::sns::{SubscriptionAttributes, SubscriptionProtocol};
use levada_wire::sqs::StoredMessage;

use super::subscription_arn;

/// What finds a queue.
type QueueKey = (AccountId, Region, QueueName);

/// What publishing must know of a subscription.
#[derive(Debug)]
struct Recipient {
    /// None if it is of a protocol that is not delivered to.
    queue: Option<QueueKey>,
    dead_letters: Option<QueueKey>,
    /// Makes the message the document that it gets; empty if it gets the message as it is.
    suffix: Bytes,
}

impl Recipient {
    fn of(topic: &Topic, row: &Subscription) -> Self {
        let attributes = SubscriptionAttributes::from_stored(&row.to_row().attributes);
        let is_queue = *row.protocol == *SubscriptionProtocol::Sqs.as_str();
        let queue: Option<QueueArn> = row.endpoint.parse().ok().filter(|_| is_queue);
        let dead_letters = attributes.redrive_policy.as_ref();
        let suffix = if attributes.is_raw() {
            Bytes::new()
        } else {
            StoredMessage::document_suffix(&subscription_arn::of(topic, row), topic.is_fifo())
        };
        Self {
            queue: queue.map(key_of),
            dead_letters: dead_letters.map(|policy| key_of(policy.dead_letter_target.clone())),
            suffix,
        }
    }

    const fn is_raw(&self) -> bool {
        self.suffix.is_empty()
    }
}

fn key_of(arn: QueueArn) -> QueueKey {
    (arn.account, arn.region, arn.name)
}

/// Where one message goes.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    pub(super) destinations: Vec<Destination>,
    /// Whether one of them gets the document.
    pub(super) has_document: bool,
}

/// Where a message with so many attributes goes. A subscription whose queue is gone has its dead-letter queue get it.
pub(super) async fn of(
    broker: &Broker,
    audience: &Audience,
    attributes: usize,
) -> Result<Recipients, RouteError> {
    let (mut recipients, is_complete) = look(broker, audience, attributes);
    if !is_complete {
        // A queue is not said to be missing before this node has caught up.
        broker.catch_up_catalog().await?;
        (recipients, _) = look(broker, audience, attributes);
    }
    Ok(recipients)
}

/// By this node's copy of the catalog, and whether it has every queue that is named.
fn look(broker: &Broker, audience: &Audience, attributes: usize) -> (Recipients, bool) {
    let mut recipients = Recipients::default();
    let mut is_complete = true;
    let topic = &audience.topic;
    for subscription in &audience.subscriptions {
        let recipient = subscription.derived(|row| Recipient::of(topic, row));
        let Some((recipient, key)) = recipient.and_then(|of| Some((of, of.queue.as_ref()?))) else {
            continue;
        };
        let queue = broker.known_queue(key);
        is_complete &= queue.is_some();
        // As documented: with raw delivery, a message of more attributes than a queue takes cannot be delivered.
        let fits = !recipient.is_raw() || attributes <= MESSAGE_ATTRIBUTES_MAX;
        let (queue, number) = match queue.filter(|_| fits) {
            Some(queue) => (Some(queue), subscription.row.number),
            None => (dead_letters(broker, topic, recipient), 0),
        };
        let Some(queue) = queue else {
            continue;
        };
        recipients.has_document |= !recipient.is_raw();
        recipients.destinations.push(Destination {
            subscription: number,
            queue,
            // Only queues are delivered to, which all get the text for queues.
            variant: 0,
            suffix: recipient.suffix.clone(),
            numbered: !recipient.is_raw() && topic.is_fifo(),
        });
    }
    (recipients, is_complete)
}

/// A FIFO queue takes dead letters of FIFO topics only, as it needs their groups.
fn dead_letters(broker: &Broker, topic: &Topic, recipient: &Recipient) -> Option<Arc<Queue>> {
    let queue = broker.known_queue(recipient.dead_letters.as_ref()?)?;
    (!queue.settings.fifo || topic.is_fifo()).then_some(queue)
}
