//! A published message as it is kept, and the document that is made of it where it arrives.
//!
//! What is kept is a [`StoredMessage`] of SQS, the same for all subscriptions: the text, the attributes, and what the
//! document around them says besides. A copy that is to be the document has the subscription's ARN behind the bytes that
//! it shares with the others, so that a message that goes to a thousand queues is written down once.

use bytes::Bytes;
use levada_types::Timestamp;
use prost::Message as _;

use super::{Notification, Outgoing, Signature};
use crate::sqs::{
    Md5, MessageAttributeMap, MessageAttributeValue, StoredAttribute, StoredMessage, digest,
};

/// The key of [`StoredMessage::topic_position`]: its tag, and that eight bytes follow.
const POSITION_KEY: u8 = 11 << 3 | 1;
/// [`StoredMessage::is_replayed`], set.
const REPLAYED: [u8; 2] = [12 << 3, 1];

/// What the document around a message says besides its text and its attributes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StoredNotification {
    /// The published message's id.
    #[prost(string, tag = "1")]
    pub message_id: String,
    /// The topic.
    #[prost(string, tag = "2")]
    pub topic_arn: String,
    /// If it has one.
    #[prost(string, optional, tag = "3")]
    pub subject: Option<String>,
    /// When it was published, in milliseconds since the epoch.
    #[prost(uint64, tag = "4")]
    pub time_ms: u64,
    /// What links begin with.
    #[prost(string, tag = "5")]
    pub base_url: String,
    /// 1 or 2; 0: it is not signed. With a version and no signature, whoever delivers it signs it.
    #[prost(uint32, tag = "6")]
    pub signature_version: u32,
    /// In base64.
    #[prost(string, tag = "7")]
    pub signature: String,
    /// Where the certificate is.
    #[prost(string, tag = "8")]
    pub signing_cert_url: String,
    /// Of a request to confirm: the link that confirms. The body is the whole document then.
    #[prost(string, tag = "9")]
    pub subscribe_url: String,
    /// The text is a platform's own document, and not one for all.
    #[prost(bool, tag = "10")]
    pub is_platforms: bool,
    /// Of what tells that a subscription has ended: its ARN. The link subscribes it again.
    #[prost(string, tag = "11")]
    pub ended_subscription_arn: String,
}

impl StoredNotification {
    fn notification<'a>(
        &'a self,
        message: &'a str,
        attributes: &'a MessageAttributeMap,
        sequence_number: Option<&'a str>,
    ) -> Notification<'a> {
        Notification {
            message_id: &self.message_id,
            sequence_number,
            topic_arn: &self.topic_arn,
            subject: self.subject.as_deref(),
            message,
            time: Timestamp::from_millis(self.time_ms),
            is_replayed: false,
            attributes,
        }
    }

    /// What is signed of the document, in both versions.
    pub fn string_to_sign(&self, message: &str) -> String {
        let none = MessageAttributeMap::new();
        self.notification(message, &none, None).string_to_sign()
    }

    /// The version by which it is yet to be signed, if it is.
    pub fn unsigned_version(&self) -> Option<u8> {
        let version = u8::try_from(self.signature_version).ok()?;
        (version != 0 && self.signature.is_empty()).then_some(version)
    }

    /// The signature, if it is signed.
    pub fn signature(&self) -> Option<Signature<'_>> {
        let version = u8::try_from(self.signature_version).ok()?;
        (version != 0 && !self.signature.is_empty()).then_some(Signature {
            version,
            signature: &self.signature,
            signing_cert_url: &self.signing_cert_url,
        })
    }
}

impl StoredMessage {
    /// A published message with the text for a protocol. `sender_id` and `deduplication_id` are what a receiver is told.
    pub fn published(
        outgoing: &Outgoing<'_>,
        text: &str,
        sender_id: &'static str,
        deduplication_id: Option<&str>,
        notification: Option<StoredNotification>,
    ) -> Self {
        let bytes = |text: Option<&str>| {
            text.map_or_else(Bytes::new, |text| Bytes::copy_from_slice(text.as_bytes()))
        };
        let attributes = outgoing.attributes.clone().into_iter();
        let attributes_md5 = digest::of_attribute_map(outgoing.attributes);
        Self {
            body: bytes(Some(text)),
            body_md5: Bytes::copy_from_slice(&Md5::of(text.as_bytes()).0),
            attributes: attributes.map(StoredAttribute::from_sent).collect(),
            attributes_md5: attributes_md5
                .map_or_else(Bytes::new, |md5| Bytes::copy_from_slice(&md5.0)),
            sender_id: Bytes::from_static(sender_id.as_bytes()),
            group_id: bytes(outgoing.group_id),
            deduplication_id: bytes(deduplication_id),
            notification,
            ..Self::default()
        }
    }

    /// What follows a published message's payload where it arrives as the document for a subscription. With `numbered` the
    /// eight bytes of its position are to follow, the lowest first.
    pub fn document_suffix(subscription_arn: &str, numbered: bool) -> Bytes {
        let suffix = Self {
            subscription_arn: Bytes::copy_from_slice(subscription_arn.as_bytes()),
            ..Self::default()
        };
        let mut suffix = suffix.encode_to_vec();
        suffix.extend(numbered.then_some(POSITION_KEY));
        suffix.into()
    }

    /// What follows a published message's payload of an archive, from what followed it, or would have, at first. A message that
    /// arrives as it is has no place for a mark.
    pub fn replayed_suffix(suffix: &Bytes) -> Bytes {
        if suffix.is_empty() {
            return Bytes::new();
        }
        // Before it, as bytes of a number may have to follow.
        [&REPLAYED, &suffix[..]].concat().into()
    }

    /// The message as its receiver gets it: the document, if it is to be that, and otherwise what it is.
    pub fn into_delivered(self) -> Self {
        let Some(notification) = &self.notification else {
            return self;
        };
        if self.subscription_arn.is_empty() {
            return self;
        }
        let sequence_number = (self.topic_position != 0)
            .then(|| crate::sqs::paging::sequence_number(self.topic_position));
        let attributes = self.attribute_map();
        let document = notification
            .notification(text(&self.body), &attributes, sequence_number.as_deref())
            .with_mark(self.is_replayed)
            .envelope(&notification.base_url, notification.signature().as_ref())
            .body(text(&self.subscription_arn));
        Self {
            body_md5: Bytes::copy_from_slice(&Md5::of(&document).0),
            body: document.into(),
            sender_id: self.sender_id,
            group_id: self.group_id,
            deduplication_id: self.deduplication_id,
            ..Self::default()
        }
    }
}

impl StoredMessage {
    /// Whether its receiver gets a document that is yet to be signed.
    pub fn lacks_signature(&self) -> bool {
        let notification = self.notification.as_ref();
        let is_unsigned = notification.is_some_and(|of| of.unsigned_version().is_some());
        is_unsigned && !self.subscription_arn.is_empty()
    }

    /// The attributes as they were sent.
    pub fn attribute_map(&self) -> MessageAttributeMap {
        self.attributes.iter().map(attribute).collect()
    }
}

fn attribute(stored: &StoredAttribute) -> (String, MessageAttributeValue) {
    let mut value = MessageAttributeValue {
        data_type: text(&stored.data_type).to_owned(),
        ..MessageAttributeValue::default()
    };
    if stored.is_binary {
        value.binary_value = Some(stored.value.clone());
    } else {
        value.string_value = Some(text(&stored.value).to_owned());
    }
    (text(&stored.name).to_owned(), value)
}

/// Text that was UTF-8 when it was stored; a checksum below us guards it since.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:us-east-1:000000000001:orders.fifo";

    fn payload() -> Bytes {
        let attributes =
            MessageAttributeMap::from([("kind".into(), MessageAttributeValue::string("new"))]);
        let outgoing = Outgoing {
            message: "hello \"you\"",
            subject: Some("s"),
            structure: None,
            attributes: &attributes,
            deduplication_id: Some("d"),
            group_id: Some("g"),
            needs_default: true,
        };
        let notification = StoredNotification {
            message_id: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324".into(),
            topic_arn: TOPIC.into(),
            subject: Some("s".into()),
            time_ms: 1_335_920_046_655,
            base_url: "http://127.0.0.1:4566".into(),
            signature_version: 2,
            signature: "c2ln".into(),
            signing_cert_url: "http://127.0.0.1:4566/c.pem".into(),
            ..StoredNotification::default()
        };
        StoredMessage::published(
            &outgoing,
            outgoing.message,
            "SENDER",
            Some("d"),
            Some(notification),
        )
        .to_payload()
    }

    #[test]
    fn a_copy_is_the_message_or_the_document_by_what_follows_it() {
        let raw = StoredMessage::from_payload(payload()).unwrap();
        let raw = raw.into_delivered();
        assert_eq!(
            (&raw.body[..], raw.attributes.len()),
            (&b"hello \"you\""[..], 1)
        );
        let suffix = StoredMessage::document_suffix("arn:of:subscription", true);
        let arrived = [&payload()[..], &suffix, &7_u64.to_le_bytes()].concat();
        let document = StoredMessage::from_payload(arrived.into()).unwrap();
        assert_eq!(document.topic_position, 7);
        let document = document.into_delivered();
        assert_eq!(document.body_digest(), Md5::of(&document.body));
        assert!(document.attributes.is_empty() && document.attributes_md5.is_empty());
        assert_eq!(
            (&document.group_id[..], &document.deduplication_id[..]),
            (&b"g"[..], &b"d"[..])
        );
        let body: serde_json::Value = serde_json::from_slice(&document.body).unwrap();
        let sequence_number = crate::sqs::paging::sequence_number(7);
        for (name, value) in [
            ("Message", "hello \"you\""),
            ("Subject", "s"),
            ("TopicArn", TOPIC),
            ("SequenceNumber", &*sequence_number),
            ("Timestamp", "2012-05-02T00:54:06.655Z"),
            ("SignatureVersion", "2"),
            ("Signature", "c2ln"),
        ] {
            assert_eq!(body[name], value, "{name}");
        }
        assert_eq!(body["MessageAttributes"]["kind"]["Value"], "new");
        assert!(body.get("Replayed").is_none());
        let unsubscribe = body["UnsubscribeURL"].as_str().unwrap();
        assert!(unsubscribe.ends_with("&SubscriptionArn=arn:of:subscription"));
    }

    #[test]
    fn a_document_is_signed_once_and_what_is_raw_never() {
        let mut document = StoredMessage::from_payload(payload()).unwrap();
        document.subscription_arn = Bytes::from_static(b"arn:of:subscription");
        assert!(!document.lacks_signature(), "it is signed");
        let notification = document.notification.as_mut().unwrap();
        notification.signature.clear();
        assert_eq!(notification.unsigned_version(), Some(2));
        let text = notification.string_to_sign("hello \"you\"");
        assert!(text.starts_with("Message\nhello \"you\"\nMessageId\n"));
        assert!(document.lacks_signature());
        document.subscription_arn = Bytes::new();
        assert!(!document.lacks_signature(), "it is raw");
    }

    #[test]
    fn a_document_that_is_replayed_says_so() {
        let suffix = StoredMessage::document_suffix("arn:of:subscription", true);
        let suffix = StoredMessage::replayed_suffix(&suffix);
        let arrived = [&payload()[..], &suffix, &7_u64.to_le_bytes()].concat();
        let document = StoredMessage::from_payload(arrived.into()).unwrap();
        assert!(document.is_replayed && document.topic_position == 7);
        let document = document.into_delivered();
        let body: serde_json::Value = serde_json::from_slice(&document.body).unwrap();
        assert_eq!(body["Replayed"], "true");
        assert_eq!(StoredMessage::replayed_suffix(&Bytes::new()), Bytes::new());
    }

    #[test]
    fn without_a_number_no_bytes_are_to_follow() {
        let suffix = StoredMessage::document_suffix("arn:of:subscription", false);
        let arrived = [&payload()[..], &suffix].concat();
        let document = StoredMessage::from_payload(arrived.into()).unwrap();
        let body: serde_json::Value =
            serde_json::from_slice(&document.into_delivered().body).unwrap();
        assert!(body.get("SequenceNumber").is_none());
    }
}
