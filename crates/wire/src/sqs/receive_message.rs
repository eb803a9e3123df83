//! `ReceiveMessage`.

use bytes::Bytes;
use levada_types::Timestamp;
use levada_types::limits::{RECEIVE_MESSAGES_MAX, WAIT_TIME_SECS_MAX};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::stored::{StoredAttribute, StoredMessage};
use super::{Md5, Shape, SqsError, digest, paging, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Claims messages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReceiveMessageRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// System attributes to answer; the older name of the next.
    #[serde(default, deserialize_with = "json::texts")]
    pub attribute_names: Vec<String>,
    /// System attributes to answer.
    #[serde(default, deserialize_with = "json::texts")]
    pub message_system_attribute_names: Vec<String>,
    /// Message attributes to answer: names, prefixes such as `a.*`, `All` or `.*`.
    #[serde(default, deserialize_with = "json::texts")]
    pub message_attribute_names: Vec<String>,
    /// 1 to 10.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub max_number_of_messages: Option<i64>,
    /// Instead of the queue's.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub visibility_timeout: Option<i64>,
    /// Instead of the queue's.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub wait_time_seconds: Option<i64>,
    /// FIFO: a receive with the same id gets the same messages.
    #[serde(default, deserialize_with = "json::opt_text")]
    pub receive_request_attempt_id: Option<String>,
}

impl ReceiveMessageRequest {
    /// How many messages to claim at most, once validated.
    pub fn messages_max(&self) -> u32 {
        self.max_number_of_messages
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(1)
            .clamp(1, RECEIVE_MESSAGES_MAX)
    }

    /// For how long to hide them, if the request says, once validated.
    pub fn visibility_timeout_secs(&self) -> Option<u32> {
        self.visibility_timeout.and_then(|n| u32::try_from(n).ok())
    }

    /// For how long to wait, if the request says, once validated.
    pub fn wait_time_secs(&self) -> Option<u32> {
        self.wait_time_seconds.and_then(|n| u32::try_from(n).ok())
    }

    /// Which attributes to answer.
    pub fn selection(&self) -> Selection {
        Selection::new(self)
    }

    /// What depends on the queue. Wording from memory.
    pub fn check_against(&self, fifo: bool) -> Result<(), SqsError> {
        match &self.receive_request_attempt_id {
            Some(id) if !fifo => {
                let reason = "The request include parameter that is not valid for this queue type.";
                Err(SqsError::invalid_value(
                    id,
                    "ReceiveRequestAttemptId",
                    reason,
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Shape for ReceiveMessageRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            attribute_names: form.texts("AttributeName"),
            message_system_attribute_names: form.texts("MessageSystemAttributeName"),
            message_attribute_names: form.texts("MessageAttributeName"),
            max_number_of_messages: form.opt_int("MaxNumberOfMessages")?,
            visibility_timeout: form.opt_int("VisibilityTimeout")?,
            wait_time_seconds: form.opt_int("WaitTimeSeconds")?,
            receive_request_attempt_id: form.opt_text("ReceiveRequestAttemptId"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        for name in self
            .attribute_names
            .iter()
            .chain(&self.message_system_attribute_names)
        {
            if name != "All" && SystemAttributeName::from_name(name).is_none() {
                return Err(SqsError::unknown_attribute(name));
            }
        }
        match self.max_number_of_messages {
            Some(n) if !(1..=i64::from(RECEIVE_MESSAGES_MAX)).contains(&n) => {
                let reason = "Must be between 1 and 10, if provided.";
                return Err(SqsError::invalid_value(n, "MaxNumberOfMessages", reason));
            }
            _ => {}
        }
        match self.wait_time_seconds {
            Some(n) if !(0..=i64::from(WAIT_TIME_SECS_MAX)).contains(&n) => {
                return Err(SqsError::invalid_value(
                    n,
                    "WaitTimeSeconds",
                    "Must be >= 0 and <= 20, if provided.",
                ));
            }
            _ => {}
        }
        if let Some(seconds) = self.visibility_timeout {
            validate::receive_visibility_timeout(seconds)?;
        }
        if let Some(id) = &self.receive_request_attempt_id {
            validate::fifo_id(id, "ReceiveRequestAttemptId")?;
        }
        Ok(())
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

names! {
    /// The name of a message's system attribute. `All` is not one.
    SystemAttributeName {
        SenderId, SentTimestamp, ApproximateReceiveCount, ApproximateFirstReceiveTimestamp, SequenceNumber,
        MessageDeduplicationId, MessageGroupId, AWSTraceHeader, DeadLetterQueueSourceArn,
    }
}

/// Which attributes a receive wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Bit n: the n-th of [`SystemAttributeName::ALL`].
    system: u16,
    all: bool,
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl Selection {
    fn new(request: &ReceiveMessageRequest) -> Self {
        let mut selection = Self::default();
        for name in request
            .attribute_names
            .iter()
            .chain(&request.message_system_attribute_names)
        {
            if name == "All" {
                selection.system = u16::MAX;
            } else if let Some(known) = SystemAttributeName::from_name(name) {
                selection.system |= 1 << known as u16;
            }
        }
        for name in &request.message_attribute_names {
            if name == "All" || name == ".*" || name == "*" {
                selection.all = true;
            } else if let Some(prefix) = name.strip_suffix(".*") {
                selection.prefixes.push(prefix.to_owned());
            } else {
                selection.names.push(name.clone());
            }
        }
        selection
    }

    fn wants_system(&self, name: SystemAttributeName) -> bool {
        self.system & (1 << name as u16) != 0
    }

    fn wants(&self, attribute: &StoredAttribute) -> bool {
        let name = &*attribute.name;
        self.all
            || self.names.iter().any(|n| n.as_bytes() == name)
            || self.prefixes.iter().any(|p| name.starts_with(p.as_bytes()))
    }
}

/// What a receive knows of a message besides what was stored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFacts {
    /// The message's id.
    pub message_id: String,
    /// The claim; see [`super::receipt`].
    pub receipt_handle: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was first received.
    pub first_received_at: Timestamp,
    /// FIFO: its place in the queue.
    pub sequence: Option<u64>,
    /// The queue that it died in.
    pub dead_letter_source: Option<String>,
}

/// The messages that were claimed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReceiveMessageResponse {
    /// Left out of the answer if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<ReceivedMessage>,
}

/// One message that was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedMessage {
    message_id: String,
    receipt_handle: String,
    md5_of_body: Md5,
    body: Bytes,
    attributes: Vec<(SystemAttributeName, String)>,
    md5_of_message_attributes: Option<Md5>,
    message_attributes: Vec<StoredAttribute>,
}

impl ReceivedMessage {
    /// From what was stored and what the receive knows.
    pub fn new(stored: StoredMessage, facts: MessageFacts, selection: &Selection) -> Self {
        let attributes = system_attributes(&stored, &facts, selection);
        let md5_of_body = stored.body_digest();
        let sent = stored.attributes.len();
        let mut message_attributes = stored.attributes;
        message_attributes.retain(|a| selection.wants(a));
        // Clients check the digest against what they were given, not against what was sent.
        let md5_of_message_attributes = match Md5::from_slice(&stored.attributes_md5) {
            Some(md5) if message_attributes.len() == sent => Some(md5),
            _ => digest::of_stored_attributes(message_attributes.iter()),
        };
        Self {
            message_id: facts.message_id,
            receipt_handle: facts.receipt_handle,
            md5_of_body,
            body: stored.body,
            attributes,
            md5_of_message_attributes,
            message_attributes,
        }
    }

    fn size_hint(&self) -> usize {
        let message_attributes = self
            .message_attributes
            .iter()
            .map(|a| a.value.len() * 4 / 3 + 160)
            .sum::<usize>();
        self.body.len()
            + self.body.len() / 8
            + self.attributes.len() * 96
            + message_attributes
            + 384
    }
}

fn system_attributes(
    stored: &StoredMessage,
    facts: &MessageFacts,
    selection: &Selection,
) -> Vec<(SystemAttributeName, String)> {
    use SystemAttributeName as Name;
    let stored_text = |bytes: &Bytes| (!bytes.is_empty()).then(|| text(bytes).to_owned());
    let value = |name: Name| match name {
        Name::SenderId => stored_text(&stored.sender_id),
        Name::SentTimestamp => Some(facts.sent_at.as_millis().to_string()),
        Name::ApproximateReceiveCount => Some(facts.receive_count.to_string()),
        Name::ApproximateFirstReceiveTimestamp => {
            Some(facts.first_received_at.as_millis().to_string())
        }
        Name::SequenceNumber => facts.sequence.map(paging::sequence_number),
        Name::MessageDeduplicationId => stored_text(&stored.deduplication_id),
        Name::MessageGroupId => stored_text(&stored.group_id),
        Name::AWSTraceHeader => stored_text(&stored.trace_header),
        Name::DeadLetterQueueSourceArn => facts.dead_letter_source.clone(),
    };
    if selection.system == 0 {
        return Vec::new();
    }
    let wanted = Name::ALL
        .iter()
        .filter(|name| selection.wants_system(**name));
    wanted
        .filter_map(|&name| Some((name, value(name)?)))
        .collect()
}

/// Text that was UTF-8 when it was stored; a checksum below us guards it since.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

struct SystemAttributes<'a>(&'a [(SystemAttributeName, String)]);

impl Serialize for SystemAttributes<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name.as_str(), value)?;
        }
        map.end()
    }
}

struct MessageAttributes<'a>(&'a [StoredAttribute]);

impl Serialize for MessageAttributes<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for attribute in self.0 {
            map.serialize_entry(text(&attribute.name), &AttributeValue(attribute))?;
        }
        map.end()
    }
}

struct AttributeValue<'a>(&'a StoredAttribute);

impl Serialize for AttributeValue<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        let mut map = s.serialize_map(Some(2))?;
        if self.0.is_binary {
            map.serialize_entry(
                "BinaryValue",
                &base64::prelude::BASE64_STANDARD.encode(&self.0.value),
            )?;
        } else {
            map.serialize_entry("StringValue", text(&self.0.value))?;
        }
        map.serialize_entry("DataType", text(&self.0.data_type))?;
        map.end()
    }
}

impl Serialize for ReceivedMessage {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("MessageId", &self.message_id)?;
        map.serialize_entry("ReceiptHandle", &self.receipt_handle)?;
        map.serialize_entry("MD5OfBody", &self.md5_of_body)?;
        map.serialize_entry("Body", text(&self.body))?;
        if !self.attributes.is_empty() {
            map.serialize_entry("Attributes", &SystemAttributes(&self.attributes))?;
        }
        if let Some(md5) = self.md5_of_message_attributes {
            map.serialize_entry("MD5OfMessageAttributes", &md5)?;
            map.serialize_entry(
                "MessageAttributes",
                &MessageAttributes(&self.message_attributes),
            )?;
        }
        map.end()
    }
}

impl Output for ReceiveMessageResponse {
    fn size_hint(&self) -> usize {
        32 + self
            .messages
            .iter()
            .map(ReceivedMessage::size_hint)
            .sum::<usize>()
    }

    fn write_xml(&self, xml: &mut XmlWriter) {
        for message in &self.messages {
            xml.open("Message");
            xml.text_element("MessageId", &message.message_id);
            xml.text_element("ReceiptHandle", &message.receipt_handle);
            xml.plain_element("MD5OfBody", message.md5_of_body);
            xml.text_element("Body", text(&message.body));
            for (name, value) in &message.attributes {
                xml.open("Attribute");
                xml.text_element("Name", name.as_str());
                xml.text_element("Value", value);
                xml.close("Attribute");
            }
            if let Some(md5) = message.md5_of_message_attributes {
                xml.plain_element("MD5OfMessageAttributes", md5);
            }
            for attribute in &message.message_attributes {
                write_message_attribute(attribute, xml);
            }
            xml.close("Message");
        }
    }
}

fn write_message_attribute(attribute: &StoredAttribute, xml: &mut XmlWriter) {
    xml.open("MessageAttribute");
    xml.text_element("Name", text(&attribute.name));
    xml.open("Value");
    if attribute.is_binary {
        xml.base64_element("BinaryValue", &attribute.value);
    } else {
        xml.text_element("StringValue", text(&attribute.value));
    }
    xml.text_element("DataType", text(&attribute.data_type));
    xml.close("Value");
    xml.close("MessageAttribute");
}
