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
        if let Some(signature) = signature {
            out.signature(signature);
        }
        // The ARN stands within the text, so its end quote is part of the tail.
        out.text(
            "UnsubscribeURL",
            &format!("{base_url}/?Action=Unsubscribe&SubscriptionArn="),
        );
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
    pub fn body(&self, base_url: &str, signature: &Signature<'_>) -> Vec<u8> {
        let mut out = Document::new(2048);
        out.text("Type", self.type_name());
        out.text("MessageId", self.message_id);
        out.text("Token", self.token);
        out.text("TopicArn", self.topic_arn);
        out.text("Message", &self.message());
        out.text("SubscribeURL", &self.subscribe_url(base_url));
        out.plain("Timestamp", timestamp(self.time));
        out.signature(signature);
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
        let comma = if self.0.last() == Some(&b'{') { "" } else { "," };
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
