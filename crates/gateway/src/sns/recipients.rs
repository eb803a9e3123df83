//! Who gets what is published: what publishing must know of a subscription, read once for each version of it, and the queues
//! that a message goes to.

use std::sync::Arc;

use bytes::Bytes;
use levada_cluster::{Audience, Broker, Destination, Queue, RouteError, Topic};
use levada_engine::Subscription;
use levada_types::limits::MESSAGE_ATTRIBUTES_MAX;
use levada_types::{AccountId, QueueArn, QueueId, QueueName, Region};
use levada_wire::sns::{PlatformEndpointArn, SubscriptionAttributes, SubscriptionProtocol};
use levada_wire::sqs::StoredMessage;

use super::crossing::Kept;
use super::forms::{Forms, TextFor};
use super::subscription_arn;

/// What finds a queue.
type QueueKey = (AccountId, Region, QueueName);

/// Where a subscription's messages go.
#[derive(Debug)]
enum Way {
    /// To a queue of a user's.
    Queue(QueueKey),
    /// To its delivery queue, out of which they are pushed.
    Pushed(QueueId),
}

/// What publishing must know of a subscription.
#[derive(Debug)]
struct Recipient {
    /// None if it is of a protocol that is not delivered to.
    way: Option<Way>,
    protocol: SubscriptionProtocol,
    /// Of an endpoint of a platform.
    platform: Option<Box<str>>,
    dead_letters: Option<QueueKey>,
    /// Of queues of other accounts.
    queue_says: Kept,
    dead_letters_say: Kept,
    /// Makes the message the document that it gets; empty if it gets the message as it is.
    suffix: Bytes,
}

impl Recipient {
    fn of(topic: &Topic, row: &Subscription) -> Self {
        let attributes = SubscriptionAttributes::from_stored(&row.to_row().attributes);
        // A newer version may know more of them.
        let protocol = SubscriptionProtocol::from_name(&row.protocol);
        let queue = || row.endpoint.parse().ok().map(key_of).map(Way::Queue);
        let way = match protocol {
            Some(SubscriptionProtocol::Sqs) => queue(),
            Some(_) if row.queue != 0 => Some(Way::Pushed(QueueId(row.queue))),
            _ => None,
        };
        let is_application = protocol == Some(SubscriptionProtocol::Application);
        let platform =
            is_application.then(|| PlatformEndpointArn::parse(&row.endpoint, "Endpoint"));
        let dead_letters = attributes.redrive_policy.as_ref();
        let suffix = if attributes.is_raw() {
            Bytes::new()
        } else {
            StoredMessage::document_suffix(&subscription_arn::of(topic, row), topic.is_fifo())
        };
        Self {
            way,
            protocol: protocol.unwrap_or(SubscriptionProtocol::Sqs),
            platform: platform
                .and_then(Result::ok)
                .map(|arn| arn.application.platform),
            dead_letters: dead_letters.map(|policy| key_of(policy.dead_letter_target.clone())),
            queue_says: Kept::default(),
            dead_letters_say: Kept::default(),
            suffix,
        }
    }

    const fn is_raw(&self) -> bool {
        self.suffix.is_empty()
    }

    fn text_for(&self) -> TextFor<'_> {
        match &self.platform {
            Some(platform) => TextFor::Platform(platform),
            None => TextFor::Protocol(self.protocol),
        }
    }
}

fn key_of(arn: QueueArn) -> QueueKey {
    (arn.account, arn.region, arn.name)
}

/// Where a message with so many attributes goes; the forms that it needs are put among `forms`. A subscription whose queue is
/// gone, or does not let the topic in, has its dead-letter queue get it.
pub(super) async fn of(
    broker: &Broker,
    audience: &Audience,
    attributes: usize,
    forms: &mut Forms<'_>,
) -> Result<Found, RouteError> {
    let mut found = look(broker, audience, attributes, forms);
    if found.missing + found.refused > 0 {
        // A queue is not said to be missing before this node has caught up, nor to be closed.
        broker.catch_up_catalog().await?;
        found = look(broker, audience, attributes, forms);
    }
    Ok(found)
}

/// What was found in this node's copy of the catalog.
#[derive(Default)]
pub(super) struct Found {
    pub(super) destinations: Vec<Destination>,
    /// Subscriptions whose queues are not there.
    missing: u64,
    /// Those whose queues do not let the topic in.
    pub(super) refused: u64,
}

fn look(broker: &Broker, audience: &Audience, attributes: usize, forms: &mut Forms<'_>) -> Found {
    let mut found = Found::default();
    let topic = &audience.topic;
    for subscription in &audience.subscriptions {
        let recipient = subscription.derived(|row| Recipient::of(topic, row));
        let Some((recipient, way)) = recipient.and_then(|of| Some((of, of.way.as_ref()?))) else {
            continue;
        };
        let (queue, is_pushed) = match way {
            Way::Queue(key) => (broker.known_queue(key), false),
            Way::Pushed(queue) => (broker.queue(*queue), true),
        };
        found.missing += u64::from(queue.is_none());
        let is_open = |queue: &Arc<Queue>| is_pushed || recipient.queue_says.may_send(topic, queue);
        let is_closed = queue.as_ref().is_some_and(|queue| !is_open(queue));
        found.refused += u64::from(is_closed);
        // As documented: with raw delivery, a message of more attributes than a queue takes cannot be delivered.
        let fits = is_pushed || !recipient.is_raw() || attributes <= MESSAGE_ATTRIBUTES_MAX;
        let queue = queue.filter(|_| fits && !is_closed);
        let queue = queue.or_else(|| dead_letters(broker, topic, recipient));
        let Some(queue) = queue else {
            continue;
        };
        let variant = forms.place(recipient.text_for());
        let has_document = !recipient.is_raw();
        // What is pushed is signed when it leaves, and not before a publisher is answered.
        let is_signed = has_document && !is_pushed && forms.signs_for_queues;
        forms.need(variant, is_pushed || has_document, is_signed);
        found.destinations.push(Destination {
            subscription: subscription.row.number,
            replay: subscription.row.replay,
            queue,
            variant,
            suffix: recipient.suffix.clone(),
            numbered: !recipient.is_raw() && topic.is_fifo(),
        });
    }
    found
}

/// A FIFO queue takes dead letters of FIFO topics only, as it needs their groups.
fn dead_letters(broker: &Broker, topic: &Topic, recipient: &Recipient) -> Option<Arc<Queue>> {
    let queue = broker.known_queue(recipient.dead_letters.as_ref()?)?;
    let is_fit = !queue.settings.fifo || topic.is_fifo();
    (is_fit && recipient.dead_letters_say.may_send(topic, &queue)).then_some(queue)
}
