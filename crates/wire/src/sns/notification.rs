//! What subscribers are sent: the JSON around a message, and the requests to confirm.
//!
//! A message goes to many subscriptions, whose deliveries differ in nothing but the subscription's ARN in
//! `UnsubscribeURL`. So [`Notification::envelope`] writes all else once, as what comes before that ARN and what comes
//! after it, and [`Envelope::body`] puts the three together. SQS, HTTP and `email-json` are sent the same document.
//! Its layout is AWS's to the blank: some receivers cut it apart by hand.
//!
//! Signing is the caller's: `string_to_sign` gives what is signed.

use std::fmt::{self, Write as _};

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use levada_types::Timestamp;

use super::MessageAttributeMap;

/// A signature of what is sent, and where the certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// 1: SHA1withRSA. 2: SHA256withRSA.
    pub version: u8,
    /// In base64.
    pub signature: &'a str,
    /// Where the certificate is.
    pub signing_cert_url: &'a str,
}

/// A message of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Notification<'a> {
    /// Its id.
    pub message_id: &'a str,
    /// FIFO: its place.
    pub sequence_number: Option<&'a str>,
    /// The topic.
    pub topic_arn: &'a str,
    /// If it has one.
    pub subject: Option<&'a str>,
    /// The text for the protocol.
    pub message: &'a str,
    /// When it was published.
    pub time: Timestamp,
    /// It comes from the topic's archive. Where the document says so is not documented.
    pub is_replayed: bool,
    /// Its attributes.
    pub attributes: &'a MessageAttributeMap,
}

/// A document without the subscription's ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What comes before the ARN.
    pub prefix: Box<[u8]>,
    /// What comes after it.
    pub tail: Box<[u8]>,
}

impl Envelope {
    /// The document for a subscription. Its ARN is one of ours, and so needs no escaping.
    pub fn body(&self, subscription_arn: &str) -> Vec<u8> {
        let parts: [&[u8]; 3] = [&self.prefix, subscription_arn.as_bytes(), &self.tail];
        parts.concat()
    }
}

impl Notification<'_> {
    /// The same, with the mark of what is replayed or without it.
    pub(super) fn with_mark(self, is_replayed: bool) -> Self {
        Self {
            is_replayed,
            ..self
        }
    }

    /// What is signed, in both versions of signatures.
    pub fn string_to_sign(&self) -> String {
        let time = timestamp(self.time).to_string();
        let mut pairs = vec![("Message", self.message), ("MessageId", self.message_id)];
        pairs.extend(self.subject.map(|subject| ("Subject", subject)));
        pairs.extend([
            ("Timestamp", &*time),
            ("TopicArn", self.topic_arn),
            ("Type", "Notification"),
        ]);
        lines(&pairs)
    }

    /// The document for all subscriptions. `base_url` is the scheme and host that links begin with. AWS signs no
    /// messages of FIFO topics.
    pub fn envelope(&self, base_url: &str, signature: Option<&Signature<'_>>) -> Envelope {
        let mut out = Document::new(self.message.len() + 1024);
        out.text("Type", "Notification");
        out.text("MessageId", self.message_id);
        out.optional("SequenceNumber", self.sequence_number);
        out.text("TopicArn", self.topic_arn);
        out.optional("Subject", self.subject);
        out.text("Message", self.message);
        out.plain("Timestamp", timestamp(self.time));
        out.optional("Replayed", self.is_replayed.then_some("true"));
        if let Some(signature) = signature {
            out.signature(signature);
        }
        // The ARN stands within the text, so its end quote is part of the tail.
        out.text("UnsubscribeURL", &unsubscribe_url(base_url, ""));
        let mut prefix = out.0;
        prefix.pop();
        let mut tail = Document(vec![b'"']);
        tail.attributes(self.attributes);
        Envelope {
            prefix: prefix.into(),
            tail: tail.finish().into(),
        }
    }
}

/// The link that ends a subscription. `base_url` is the scheme and host that it begins with.
pub fn unsubscribe_url(base_url: &str, subscription_arn: &str) -> String {
    format!("{base_url}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}")
}

/// What an endpoint is asked to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmationKind {
    /// That it was subscribed.
    Subscription,
    /// That it was unsubscribed by whoever had the link; the token subscribes it again.
    Unsubscribe,
}

/// A request to an endpoint to confirm.
#[derive(Clone, Copy, Debug)]
pub struct Confirmation<'a> {
    /// Of what.
    pub kind: ConfirmationKind,
    /// Its id.
    pub message_id: &'a str,
    /// What confirms, in `ConfirmSubscription`.
    pub token: &'a str,
    /// The topic.
    pub topic_arn: &'a str,
    /// The subscription. Only what is said of an end names it.
    pub subscription_arn: &'a str,
    /// When it is sent.
    pub time: Timestamp,
}

impl Confirmation<'_> {
    /// `Type`, and the value of `x-amz-sns-message-type`.
    pub const fn type_name(&self) -> &'static str {
        match self.kind {
            ConfirmationKind::Subscription => "SubscriptionConfirmation",
            ConfirmationKind::Unsubscribe => "UnsubscribeConfirmation",
        }
    }

    fn message(&self) -> String {
        match self.kind {
            ConfirmationKind::Subscription => format!(
                "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
                self.topic_arn
            ),
            ConfirmationKind::Unsubscribe => format!(
                "You have chosen to deactivate subscription {}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.",
                self.subscription_arn
            ),
        }
    }

    /// The link that confirms. `base_url` is the scheme and host that links begin with.
    pub fn subscribe_url(&self, base_url: &str) -> String {
        format!(
            "{base_url}/?Action=ConfirmSubscription&TopicArn={}&Token={}",
            self.topic_arn, self.token
        )
    }

    /// What is signed, in both versions of signatures.
    pub fn string_to_sign(&self, base_url: &str) -> String {
        lines(&[
            ("Message", &self.message()),
            ("MessageId", self.message_id),
            ("SubscribeURL", &self.subscribe_url(base_url)),
            ("Timestamp", &timestamp(self.time).to_string()),
            ("Token", self.token),
            ("TopicArn", self.topic_arn),
            ("Type", self.type_name()),
        ])
    }

    /// The document.
    pub fn body(&self, base_url: &str, signature: Option<&Signature<'_>>) -> Vec<u8> {
        let mut out = Document::new(2048);
        out.text("Type", self.type_name());
        out.text("MessageId", self.message_id);
        out.text("Token", self.token);
        out.text("TopicArn", self.topic_arn);
        out.text("Message", &self.message());
        out.text("SubscribeURL", &self.subscribe_url(base_url));
        out.plain("Timestamp", timestamp(self.time));
        if let Some(signature) = signature {
            out.signature(signature);
        }
        out.finish()
    }
}

/// Names and values, each on a line of its own.
fn lines(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push_str(name);
        text.push('\n');
        text.push_str(value);
        text.push('\n');
    }
    text
}

/// A JSON object in AWS's layout, under way.
struct Document(Vec<u8>);

impl Document {
    fn new(size_hint: usize) -> Self {
        let mut out = Vec::with_capacity(size_hint);
        out.push(b'{');
        Self(out)
    }

    /// The name of a member.
    fn name(&mut self, name: &str) {
        let comma = if self.0.last() == Some(&b'{') {
            ""
        } else {
            ","
        };
        self.0
            .extend_from_slice(format!("{comma}\n  \"{name}\" : ").as_bytes());
    }

    /// A JSON text.
    fn string(&mut self, text: &str) {
        // Writing to a Vec does not fail.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A text that needs no escaping.
    fn plain(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        self.0.extend_from_slice(format!("\"{value}\"").as_bytes());
    }

    fn signature(&mut self, signature: &Signature<'_>) {
        self.plain("SignatureVersion", signature.version);
        self.text("Signature", signature.signature);
        self.text("SigningCertURL", signature.signing_cert_url);
    }

    fn attributes(&mut self, attributes: &MessageAttributeMap) {
        if attributes.is_empty() {
            return;
        }
        self.name("MessageAttributes");
        let mut separator = "{\n    ";
        for (name, value) in attributes {
            self.0.extend_from_slice(separator.as_bytes());
            separator = ",\n    ";
            self.string(name);
            self.0.extend_from_slice(b" : {\"Type\":");
            self.string(&value.data_type);
            self.0.extend_from_slice(b",\"Value\":");
            if value.is_binary() {
                let base64 = Base64Display::new(value.value_bytes(), &BASE64_STANDARD);
                self.0.extend_from_slice(format!("\"{base64}\"").as_bytes());
            } else {
                self.string(value.string_value.as_deref().unwrap_or(""));
            }
            self.0.push(b'}');
        }
        self.0.extend_from_slice(b"\n  }");
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"\n}");
        self.0
    }
}

/// A time as SNS writes it: `2012-05-02T00:54:06.655Z`.
pub fn timestamp(time: Timestamp) -> impl fmt::Display {
    Iso8601(time)
}

struct Iso8601(Timestamp);

impl fmt::Display for Iso8601 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_MS: u64 = 86_400_000;
        let (days, of_day_ms) = (self.0.as_millis() / DAY_MS, self.0.as_millis() % DAY_MS);
        let (year, month, day) = date(days);
        write!(f, "{year:04}-{month:02}-{day:02}T")?;
        let secs = of_day_ms / 1000;
        write!(
            f,
            "{:02}:{:02}:{:02}.{:03}",
            secs / 3600,
            secs / 60 % 60,
            secs % 60,
            of_day_ms % 1000
        )?;
        f.write_char('Z')
    }
}

/// Year, month and day of a day since 1970-01-01. Years begin in March here, so that a leap day ends one.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    const DAYS_TO_1970: u64 = 719_468;
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let (month, next_year) = if march_month < 10 {
        (march_month + 3, 0)
    } else {
        (march_month - 9, 1)
    };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sns::MessageAttributeValue;

    const TOPIC: &str = "arn:aws:sns:us-west-2:123456789012:MyTopic";
    const SUBSCRIPTION: &str =
        "arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0-26c4-47ec-8998-413945fb5a96";
    const BASE: &str = "https://sns.us-west-2.amazonaws.com";
    const SIGNATURE: Signature<'_> = Signature {
        version: 1,
        signature: "EXAMPLEw6JRN",
        signing_cert_url: "https://sns.us-west-2.amazonaws.com/cert.pem",
    };
    /// 2012-05-02T00:54:06.655Z
    const TIME: Timestamp = Timestamp::from_millis(1_335_920_046_655);

    fn notification<'a>(attributes: &'a MessageAttributeMap) -> Notification<'a> {
        Notification {
            message_id: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            sequence_number: None,
            topic_arn: TOPIC,
            subject: Some("My First Message"),
            message: "Hello world!",
            time: TIME,
            is_replayed: false,
            attributes,
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    /// The example of AWS's documentation.
    #[test]
    fn a_message_is_laid_out_as_documented() {
        let none = MessageAttributeMap::new();
        let envelope = notification(&none).envelope(BASE, Some(&SIGNATURE));
        assert_eq!(
            text(envelope.body(SUBSCRIPTION)),
            r#"{
  "Type" : "Notification",
  "MessageId" : "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
  "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Subject" : "My First Message",
  "Message" : "Hello world!",
  "Timestamp" : "2012-05-02T00:54:06.655Z",
  "SignatureVersion" : "1",
  "Signature" : "EXAMPLEw6JRN",
  "SigningCertURL" : "https://sns.us-west-2.amazonaws.com/cert.pem",
  "UnsubscribeURL" : "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0-26c4-47ec-8998-413945fb5a96"
}"#
        );
        assert!(envelope.prefix.ends_with(b"&SubscriptionArn="));
        assert_eq!(&*envelope.tail, b"\"\n}");
    }

    #[test]
    fn attributes_come_last_and_fifo_messages_are_not_signed() {
        let binary = MessageAttributeValue {
            data_type: "Binary".into(),
            binary_value: Some(vec![2, 3, 4].into()),
            ..MessageAttributeValue::default()
        };
        let attributes = MessageAttributeMap::from([
            (
                "attr1".to_owned(),
                MessageAttributeValue::string("a \"b\"\n"),
            ),
            ("attr2".to_owned(), binary),
        ]);
        let fifo = Notification {
            sequence_number: Some("10000000000000003000"),
            subject: None,
            ..notification(&attributes)
        };
        assert_eq!(
            text(fifo.envelope(BASE, None).body(SUBSCRIPTION)),
            r#"{
  "Type" : "Notification",
  "MessageId" : "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
  "SequenceNumber" : "10000000000000003000",
  "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Message" : "Hello world!",
  "Timestamp" : "2012-05-02T00:54:06.655Z",
  "UnsubscribeURL" : "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0-26c4-47ec-8998-413945fb5a96",
  "MessageAttributes" : {
    "attr1" : {"Type":"String","Value":"a \"b\"\n"},
    "attr2" : {"Type":"Binary","Value":"AgME"}
  }
}"#
        );
    }

    #[test]
    fn any_text_comes_back() {
        let message = "ö§a1\"_!?,. £$- \\ \u{8}\t\r\n 🦀 {\"a\":1}";
        let attributes =
            MessageAttributeMap::from([("a".to_owned(), MessageAttributeValue::string(message))]);
        let sent = Notification {
            message,
            subject: Some(message),
            ..notification(&attributes)
        };
        let body = sent.envelope(BASE, Some(&SIGNATURE)).body(SUBSCRIPTION);
        let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(read["Message"], message);
        assert_eq!(read["Subject"], message);
        assert_eq!(read["MessageAttributes"]["a"]["Value"], message);
        let url = format!("{BASE}/?Action=Unsubscribe&SubscriptionArn={SUBSCRIPTION}");
        assert_eq!(read["UnsubscribeURL"], url);
    }

    #[test]
    fn what_is_signed_of_a_message() {
        let none = MessageAttributeMap::new();
        assert_eq!(
            notification(&none).string_to_sign(),
            "Message\nHello world!\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nMy First Message\n\
             Timestamp\n2012-05-02T00:54:06.655Z\nTopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\n\
             Type\nNotification\n"
        );
        let without = Notification {
            subject: None,
            ..notification(&none)
        };
        assert!(!without.string_to_sign().contains("Subject"));
    }

    fn confirmation(kind: ConfirmationKind) -> Confirmation<'static> {
        Confirmation {
            kind,
            message_id: "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
            token: "2336412f37",
            topic_arn: TOPIC,
            subscription_arn: SUBSCRIPTION,
            time: TIME,
        }
    }

    #[test]
    fn confirmations_are_laid_out_as_documented() {
        let subscribed = confirmation(ConfirmationKind::Subscription);
        assert_eq!(
            text(subscribed.body(BASE, Some(&SIGNATURE))),
            r#"{
  "Type" : "SubscriptionConfirmation",
  "MessageId" : "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
  "Token" : "2336412f37",
  "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Message" : "You have chosen to subscribe to the topic arn:aws:sns:us-west-2:123456789012:MyTopic.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
  "SubscribeURL" : "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-west-2:123456789012:MyTopic&Token=2336412f37",
  "Timestamp" : "2012-05-02T00:54:06.655Z",
  "SignatureVersion" : "1",
  "Signature" : "EXAMPLEw6JRN",
  "SigningCertURL" : "https://sns.us-west-2.amazonaws.com/cert.pem"
}"#
        );
        let ended = confirmation(ConfirmationKind::Unsubscribe);
        let read: serde_json::Value =
            serde_json::from_slice(&ended.body(BASE, Some(&SIGNATURE))).unwrap();
        assert_eq!(read["Type"], "UnsubscribeConfirmation");
        assert_eq!(
            read["Message"],
            format!(
                "You have chosen to deactivate subscription {SUBSCRIPTION}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
            )
        );
        assert_eq!(
            ended.string_to_sign(BASE),
            format!(
                "Message\n{}\nMessageId\n{}\nSubscribeURL\n{}\nTimestamp\n2012-05-02T00:54:06.655Z\nToken\n2336412f37\nTopicArn\n{TOPIC}\nType\nUnsubscribeConfirmation\n",
                read["Message"].as_str().unwrap(),
                ended.message_id,
                read["SubscribeURL"].as_str().unwrap()
            )
        );
    }

    #[test]
    fn times() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_077_926_399_999, "2004-02-27T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            let time = timestamp(Timestamp::from_millis(millis));
            assert_eq!(time.to_string(), expected);
        }
        // Far beyond, it is still a text.
        assert!(timestamp(Timestamp::NEVER).to_string().ends_with('Z'));
    }
}
