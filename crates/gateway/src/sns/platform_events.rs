//! Events of applications of platforms: what becomes of their endpoints is published to the topics that the application names.
//!
//! Source: "Amazon SNS application event notifications". The event of a failure is as recorded of AWS; the others are the same without
//! what tells of a failure, which is from memory.

use levada_types::Timestamp;
use levada_types::limits::SUBJECT_LEN_MAX;
use levada_wire::sns::{
    self, MessageAttributeMap, PlatformApplicationAttributeName as Name, PlatformEndpointArn,
    TopicArn, timestamp,
};
use serde_json::{Value, json};
use tracing::debug;

use super::context::{Context, attributes_for_publishing};
use super::outgoing::{self, Message};
use super::platform_store::Attributes;
use crate::clock;
use crate::front::Failure;

/// What became of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Created,
    Deleted,
    Updated,
    /// A message that was published to it without a topic cannot be delivered.
    Failed {
        message_id: &'a str,
        why: PushFailure<'a>,
    },
}

/// Why a message will never be delivered.
#[derive(Clone, Copy, Debug)]
pub(super) enum PushFailure<'a> {
    /// The endpoint is switched off.
    Disabled,
    /// The platform says that the app is gone.
    Gone,
    /// The platform refuses the message. AWS's name for that is from memory.
    Refused(&'a str),
}

impl PushFailure<'_> {
    const fn kind_and_words(&self) -> (&'static str, &str) {
        match self {
            Self::Disabled => ("EndpointDisabled", "Endpoint is disabled"),
            Self::Gone => (
                "InvalidPlatformToken",
                "Platform token associated with the endpoint is not valid",
            ),
            Self::Refused(why) => ("InvalidNotification", why),
        }
    }
}

impl Event<'_> {
    const fn kind(&self) -> (Name, &'static str) {
        match self {
            Self::Created => (Name::EventEndpointCreated, "EndpointCreated"),
            Self::Deleted => (Name::EventEndpointDeleted, "EndpointDeleted"),
            Self::Updated => (Name::EventEndpointUpdated, "EndpointUpdated"),
            Self::Failed { .. } => (Name::EventDeliveryFailure, "DeliveryFailure"),
        }
    }

    fn subject(&self, endpoint: &PlatformEndpointArn) -> String {
        let (kind, of) = (self.kind().1, &endpoint.application);
        let subject = format!("{kind} event for app {} ({})", of.name, of.platform);
        subject.chars().take(SUBJECT_LEN_MAX).collect()
    }

    fn text(&self, endpoint: &PlatformEndpointArn, now_ms: u64) -> String {
        let mut event = json!({
            "EndpointArn": endpoint.to_string(),
            "EventType": self.kind().1,
            "Resource": endpoint.application.to_string(),
            "Service": "SNS",
            "Time": timestamp(Timestamp::from_millis(now_ms)).to_string(),
        });
        if let (Self::Failed { message_id, why }, Value::Object(event)) = (self, &mut event) {
            let (kind, words) = why.kind_and_words();
            event.insert("DeliveryAttempts".to_owned(), 1.into());
            event.insert("FailureMessage".to_owned(), words.into());
            event.insert("FailureType".to_owned(), kind.into());
            event.insert("MessageId".to_owned(), (*message_id).into());
        }
        event.to_string()
    }
}

/// Tells the topic that an application names for such events, if it names one. What the event is of was done, whether or not it
/// can be told.
pub(super) async fn tell(
    cx: &Context<'_>,
    application: &Attributes,
    endpoint: &PlatformEndpointArn,
    event: Event<'_>,
) {
    let topic = application.get(event.kind().0.as_str());
    let Some(topic) = topic.filter(|topic| !topic.is_empty()) else {
        return;
    };
    let (subject, text) = (
        event.subject(endpoint),
        event.text(endpoint, clock::now_ms()),
    );
    // Put aside, or every Publish would hold room for another.
    if let Err(failure) = Box::pin(publish(cx, topic, &subject, &text)).await {
        debug!(
            ?failure,
            topic, "an event of a platform's endpoint was not published"
        );
    }
}

/// As the application's owner, whom another account's topic must let in.
async fn publish(
    cx: &Context<'_>,
    topic_arn: &str,
    subject: &str,
    text: &str,
) -> Result<(), Failure> {
    let arn = TopicArn::parse(topic_arn, "TopicArn")?;
    let topic = cx.topic(&arn, "Publish").await?;
    let facts = attributes_for_publishing(&topic.row).facts();
    let none = MessageAttributeMap::new();
    let outgoing = sns::Outgoing {
        message: text,
        subject: Some(subject),
        structure: None,
        attributes: &none,
        deduplication_id: None,
        group_id: None,
        needs_default: false,
    };
    // A FIFO topic wants a group, which events have not.
    outgoing.check_against(&facts)?;
    let message = Message::new(outgoing, &facts)?;
    outgoing::publish(cx, &arn, topic, &[message])
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(name: &str) -> PlatformEndpointArn {
        let arn = format!("arn:aws:sns:us-east-1:000000000001:endpoint/APNS/{name}/3f08fd15");
        PlatformEndpointArn::parse(&arn, "EndpointArn").unwrap()
    }

    /// The members of one that AWS sent.
    #[test]
    fn a_failure_is_told_as_recorded() {
        let failed = Event::Failed {
            message_id: "4e658b3c",
            why: PushFailure::Gone,
        };
        let endpoint = endpoint("com.some.app");
        assert_eq!(
            failed.subject(&endpoint),
            "DeliveryFailure event for app com.some.app (APNS)"
        );
        assert_eq!(
            failed.text(&endpoint, 1_524_763_768_732),
            r#"{"DeliveryAttempts":1,"EndpointArn":"arn:aws:sns:us-east-1:000000000001:endpoint/APNS/com.some.app/3f08fd15","EventType":"DeliveryFailure","FailureMessage":"Platform token associated with the endpoint is not valid","FailureType":"InvalidPlatformToken","MessageId":"4e658b3c","Resource":"arn:aws:sns:us-east-1:000000000001:app/APNS/com.some.app","Service":"SNS","Time":"2018-04-26T17:29:28.732Z"}"#
        );
    }

    #[test]
    fn a_subject_is_no_longer_than_one_may_be() {
        let subject = Event::Created.subject(&endpoint(&"n".repeat(200)));
        assert_eq!(subject.len(), SUBJECT_LEN_MAX);
        let text = Event::Created.text(&endpoint("shop"), 0);
        assert!(text.contains(r#""EventType":"EndpointCreated""#) && !text.contains("Failure"));
    }
}
