//! From a checked message to what a topic's part is told. Shared by the two actions that publish.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use levada_cluster::{Audience, Outgoing, PublishError, RouteError, Topic};
use levada_engine::proto::Published;
use levada_wire::AwsError;
use levada_wire::sns::{
    self, Messages, SnsError, StoredNotification, TopicArn, TopicAttributes, TopicFacts,
};
use levada_wire::sqs::StoredMessage;
use levada_wire::sqs::paging::sequence_number;

use super::context::{Context, arn_of, attributes_for_publishing};
use super::forms::{Form, Forms};
use super::{SENDER_ID, filters, recipients, refusal, signer};
use crate::clock;
use crate::deduplication::{hash, sha256_hex};
use crate::front::Failure;
use crate::limits::PUBLISH_ATTEMPTS_MAX;
use crate::random::Uuid;

/// A message that was checked, under the id that it keeps in each try.
#[derive(Debug)]
pub(super) struct Message<'a> {
    outgoing: sns::Outgoing<'a>,
    texts: Messages<'a>,
    id: Uuid,
    deduplication_id: Option<Cow<'a, str>>,
    time_ms: u64,
}

impl<'a> Message<'a> {
    pub(super) fn new(outgoing: sns::Outgoing<'a>, topic: &TopicFacts) -> Result<Self, SnsError> {
        let deduplication_id = topic.fifo.then(|| match outgoing.deduplication_id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(sha256_hex(outgoing.message.as_bytes())),
        });
        Ok(Self {
            texts: outgoing.messages()?,
            outgoing,
            id: Uuid::random(),
            deduplication_id,
            time_ms: clock::now_ms(),
        })
    }
}

/// What is said of a message when it was published: its id, and on a FIFO topic its place.
pub(super) fn answer(topic: &Topic, published: &Published) -> (String, Option<String>) {
    (
        Uuid::from_stored(&published.message_id).text().to_string(),
        topic.is_fifo().then(|| sequence_number(published.position)),
    )
}

/// Publishes messages to a topic, all or none; what became of each. They go to the subscriptions that the topic has when its
/// part takes them: if this node did not know the last of them, it looks again.
pub(super) async fn publish(
    cx: &Context<'_>,
    arn: &TopicArn,
    mut topic: Arc<Topic>,
    messages: &[Message<'_>],
) -> Result<Vec<Published>, Failure> {
    for _ in 0..PUBLISH_ATTEMPTS_MAX {
        let error = match cx.broker.audience(topic.row.topic) {
            None => PublishError::Route(RouteError::NoSuchTopic),
            Some(audience) => {
                let of_topic = attributes_for_publishing(&audience.topic.row);
                let mut outgoing = Vec::with_capacity(messages.len());
                for message in messages {
                    let attributes = message.outgoing.attributes;
                    let audience = filters::narrowed(&audience, attributes, &message.texts).await?;
                    outgoing.push(addressed(cx, &audience, &of_topic, message).await?);
                }
                match cx.broker.publish(&audience.topic, &outgoing).await {
                    Ok(published) if published.len() == messages.len() => return Ok(published),
                    Ok(_) => return Err(AwsError::internal_failure().into()),
                    Err(error) => error,
                }
            }
        };
        match error {
            PublishError::Stale => {}
            PublishError::Full => return Err(SnsError::throttled().into()),
            PublishError::Route(RouteError::NoSuchTopic) => {
                // Another one may have its name by now.
                cx.broker.catch_up_catalog().await?;
                let now = cx.topic(arn, "Publish").await?;
                if now.row.topic == topic.row.topic {
                    return Err(SnsError::topic_does_not_exist().into());
                }
                topic = now;
            }
            PublishError::Route(other) => return Err(refusal::of_route(other)),
        }
    }
    // The topic changed again and again.
    Err(SnsError::throttled().into())
}

/// A message with all who get it, and in all forms in which they do.
async fn addressed(
    cx: &Context<'_>,
    audience: &Audience,
    of_topic: &TopicAttributes,
    message: &Message<'_>,
) -> Result<Outgoing, RouteError> {
    let topic = &audience.topic;
    let archives = of_topic.archive_retention_days.is_some();
    let signs_for_queues = !cx.gateway.options.topics.queues_unsigned;
    let mut forms = Forms::new(&message.texts, archives, signs_for_queues);
    let attributes = message.outgoing.attributes.len();
    let found = recipients::of(cx.broker, audience, attributes, &mut forms).await?;
    cx.gateway.metrics().count_refused_by_queues(found.refused);
    let version = of_topic.signature_version();
    let forms = forms.all.iter();
    Ok(Outgoing {
        message_id: message.id.0,
        group: message.outgoing.group_id.unwrap_or_default().to_owned(),
        deduplication: message
            .deduplication_id
            .as_ref()
            .map(|id| hash(id.as_bytes())),
        variants: forms
            .map(|form| kept(cx, topic, message, form, version))
            .collect(),
        destinations: found.destinations,
    })
}

/// A form as it is kept: with what a document says besides, if anybody must know.
fn kept(
    cx: &Context<'_>,
    topic: &Topic,
    message: &Message<'_>,
    form: &Form<'_>,
    version: u8,
) -> Bytes {
    let notification = form
        .has_notification
        .then(|| notification(cx, topic, message, form, version));
    let stored = StoredMessage::published(
        &message.outgoing,
        form.text,
        SENDER_ID,
        message.deduplication_id.as_deref(),
        notification,
    );
    stored.to_payload()
}

fn notification(
    cx: &Context<'_>,
    topic: &Topic,
    message: &Message<'_>,
    form: &Form<'_>,
    version: u8,
) -> StoredNotification {
    let mut notification = StoredNotification {
        message_id: message.id.text().to_string(),
        topic_arn: arn_of(topic),
        subject: message.outgoing.subject.map(str::to_owned),
        time_ms: message.time_ms,
        base_url: cx.caller.base_url(&cx.gateway.options),
        is_platforms: form.is_platforms,
        ..StoredNotification::default()
    };
    // AWS signs no messages of FIFO topics.
    if topic.is_fifo() {
        return notification;
    }
    notification.signature_version = u32::from(version);
    if let Some(signer) = cx.gateway.signer().filter(|_| form.is_signed) {
        signer::sign_notification(&**signer, &mut notification, form.text);
    }
    notification
}
