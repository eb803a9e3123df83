//! A message out of a delivery queue, and what it becomes on its way out.

use std::sync::Arc;

use bytes::Bytes;
use levada_cluster::{Broker, RouteError, Topic};
use levada_delivery::{
    FunctionEvent, Invocation, Mail, Outbound, Post, PostKind, PushCredentials, PushMessage,
    PushText, Report, TextMessage,
};
use levada_engine::Subscription;
use levada_gateway::{PlatformEndpoint, find_platform_endpoint, subscription_arn, text_sender};
use levada_types::Timestamp;
use levada_wire::sns::{
    PlatformEndpointArn, Signature, StoredNotification, SubscriptionProtocol, phone_number,
    unsubscribe_url,
};
use levada_wire::sqs::StoredMessage;

use super::signer::Signing;

/// Of mails that ask to confirm.
const CONFIRMATION_SUBJECT: &str = "AWS Notification - Subscription Confirmation";
/// Characters of a topic's display name that a text message begins with. As documented.
const NAME_IN_TEXT_LEN_MAX: usize = 10;

/// A message, and the subscription that it is for.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) topic: Arc<Topic>,
    pub(super) row: Arc<Subscription>,
    /// Of posts.
    pub(super) content_type: String,
    pub(super) payload: Bytes,
}

/// What it becomes: something for a courier, and for an app its endpoint, whose fate the courier may tell.
pub(super) type Ready = (Outbound, Option<PlatformEndpoint>);

/// A letter that was read.
struct Opened<'a> {
    letter: &'a Letter,
    stored: StoredMessage,
    notification: StoredNotification,
}

/// Whether a payload asks to confirm.
pub(super) fn asks_to_confirm(payload: &Bytes) -> bool {
    let stored = StoredMessage::from_payload(payload.clone()).ok();
    let notification = stored.and_then(|stored| stored.notification);
    notification.is_some_and(|notification| !notification.subscribe_url.is_empty())
}

/// Whether anything of what it delivers has the signature in it: the rest is not signed for nothing.
fn shows_signature(protocol: SubscriptionProtocol) -> bool {
    use SubscriptionProtocol as P;
    match protocol {
        P::Http | P::Https | P::EmailJson | P::Lambda => true,
        P::Email | P::Sms | P::Application | P::Firehose | P::Sqs => false,
    }
}

impl Letter {
    /// Makes it ready, or says what is to become of it without an attempt.
    pub(super) async fn ready(&self, broker: &Broker, signing: &Signing) -> Result<Ready, Report> {
        let stored = StoredMessage::from_payload(self.payload.clone());
        let stored = stored.map_err(|error| Report::never(None, error))?;
        // A newer version may know more.
        let protocol = SubscriptionProtocol::from_name(&self.row.protocol);
        let stored = match protocol {
            Some(protocol) if shows_signature(protocol) => signing.signed(stored).await,
            _ => stored,
        };
        let notification = stored.notification.clone();
        let notification = notification
            .ok_or_else(|| Report::never(None, "the message does not say what it is of"))?;
        let opened = Opened {
            letter: self,
            stored,
            notification,
        };
        if opened.is_confirmation() && self.row.is_confirmed() {
            return Err(Report::delivered(None, "it was confirmed meanwhile"));
        }
        let protocol = protocol.ok_or_else(|| Report::never(None, "the protocol is not known"))?;
        let outbound = match protocol {
            SubscriptionProtocol::Http | SubscriptionProtocol::Https => opened.post(),
            SubscriptionProtocol::Email => opened.mail(),
            SubscriptionProtocol::EmailJson => opened.json_mail(),
            SubscriptionProtocol::Sms => opened.text_message(broker).await?,
            SubscriptionProtocol::Lambda => opened.invocation(),
            SubscriptionProtocol::Application => return opened.push(broker).await,
            SubscriptionProtocol::Firehose | SubscriptionProtocol::Sqs => Outbound::Firehose,
        };
        Ok((outbound, None))
    }
}

impl Opened<'_> {
    fn is_confirmation(&self) -> bool {
        !self.notification.subscribe_url.is_empty()
    }

    fn arn(&self) -> String {
        subscription_arn(&self.letter.topic, &self.letter.row)
    }

    fn endpoint(&self) -> String {
        (*self.letter.row.endpoint).to_owned()
    }

    /// The text, as published.
    fn text(&self) -> &str {
        std::str::from_utf8(&self.stored.body).unwrap_or_default()
    }

    /// The text, or the document around it if the subscription gets that.
    fn document(&self) -> Bytes {
        self.stored.clone().into_delivered().body
    }

    fn display_name(&self) -> Option<&str> {
        let name = self.letter.topic.row.attributes.get("DisplayName");
        name.map(String::as_str).filter(|name| !name.is_empty())
    }

    fn unsubscribe_url(&self) -> String {
        unsubscribe_url(&self.notification.base_url, &self.arn())
    }

    fn post(&self) -> Outbound {
        let is_confirmation = self.is_confirmation();
        let ended = &self.notification.ended_subscription_arn;
        Outbound::Http(Post {
            url: self.endpoint(),
            kind: match (is_confirmation, ended.is_empty()) {
                (true, true) => PostKind::SubscriptionConfirmation,
                (true, false) => PostKind::UnsubscribeConfirmation,
                (false, _) => PostKind::Notification,
            },
            message_id: self.notification.message_id.clone(),
            topic_arn: self.notification.topic_arn.clone(),
            subscription_arn: if is_confirmation {
                Some(ended.clone()).filter(|arn| !arn.is_empty())
            } else {
                Some(self.arn())
            },
            raw: !is_confirmation && self.stored.subscription_arn.is_empty(),
            content_type: self.letter.content_type.clone(),
            body: self.document(),
        })
    }

    fn mail(&self) -> Outbound {
        let to = self.endpoint();
        let name = self.display_name();
        let of = &self.notification;
        Outbound::Mail(if self.is_confirmation() {
            Mail::confirmation(&to, name, &of.topic_arn, &of.subscribe_url)
        } else {
            let link = self.unsubscribe_url();
            Mail::notification(&to, name, of.subject.as_deref(), self.text(), &link)
        })
    }

    fn json_mail(&self) -> Outbound {
        let subject = if self.is_confirmation() {
            Some(CONFIRMATION_SUBJECT)
        } else {
            self.notification.subject.as_deref()
        };
        let document = self.document();
        let document = String::from_utf8_lossy(&document);
        Outbound::Mail(Mail::json(
            &self.endpoint(),
            self.display_name(),
            subject,
            &document,
        ))
    }

    async fn text_message(&self, broker: &Broker) -> Result<Outbound, Report> {
        let (topic, attributes) = (&self.letter.topic, self.stored.attribute_map());
        let sender = text_sender(broker, topic.account, &topic.region, &attributes);
        let name = self.display_name().map(|name| {
            let begin: String = name.chars().take(NAME_IN_TEXT_LEN_MAX).collect();
            begin + "> "
        });
        let endpoint = self.endpoint();
        Ok(Outbound::Sms(TextMessage {
            to: phone_number(&endpoint).map_or(endpoint.clone(), Into::into),
            message: name.unwrap_or_default() + self.text(),
            sender: sender.await.map_err(not_now)?,
        }))
    }

    fn invocation(&self) -> Outbound {
        let attributes = self.stored.attribute_map();
        let unsigned = Signature {
            version: 1,
            signature: "",
            signing_cert_url: "",
        };
        let event = FunctionEvent {
            subscription_arn: &self.arn(),
            message_id: &self.notification.message_id,
            topic_arn: &self.notification.topic_arn,
            subject: self.notification.subject.as_deref(),
            message: self.text(),
            time: Timestamp::from_millis(self.notification.time_ms),
            signature: self.notification.signature().unwrap_or(unsigned),
            unsubscribe_url: &self.unsubscribe_url(),
            attributes: &attributes,
        };
        Outbound::Lambda(Invocation {
            function_arn: self.endpoint(),
            payload: event.payload().into(),
        })
    }

    async fn push(&self, broker: &Broker) -> Result<Ready, Report> {
        let arn = PlatformEndpointArn::parse(&self.letter.row.endpoint, "Endpoint")
            .map_err(|error| Report::never(None, error.message))?;
        let found = find_platform_endpoint(broker, &arn).await;
        let endpoint = found
            .map_err(not_now)?
            .ok_or_else(|| Report::never(None, "the endpoint of the platform is gone"))?;
        if !endpoint.is_enabled {
            return Err(Report::never(None, "the endpoint is disabled"));
        }
        let message = push_message(
            &endpoint,
            self.text().to_owned(),
            self.notification.is_platforms,
            self.stored.attribute_map(),
            self.notification.message_id.clone(),
            Timestamp::from_millis(self.notification.time_ms),
        );
        Ok((Outbound::Push(message), Some(endpoint)))
    }
}

/// What cannot be looked up now.
fn not_now(error: RouteError) -> Report {
    Report::not_tried(error)
}

/// A message for an app on a phone.
pub(super) fn push_message(
    endpoint: &PlatformEndpoint,
    text: String,
    is_platforms: bool,
    attributes: levada_wire::sns::MessageAttributeMap,
    message_id: String,
    time: Timestamp,
) -> PushMessage {
    let of = |name: &str| endpoint.application.get(name).cloned().unwrap_or_default();
    PushMessage {
        platform: endpoint.arn.application.platform.to_string(),
        credentials: Arc::new(PushCredentials {
            principal: of("PlatformPrincipal"),
            credential: of("PlatformCredential"),
            team_id: of("ApplePlatformTeamID"),
            bundle_id: of("ApplePlatformBundleID"),
        }),
        token: endpoint.token.clone(),
        text: if is_platforms {
            PushText::Structured(text)
        } else {
            PushText::Plain(text)
        },
        attributes: Arc::new(attributes),
        message_id,
        time,
    }
}
