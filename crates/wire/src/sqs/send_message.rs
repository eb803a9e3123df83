//! `SendMessage`.

use serde::{Deserialize, Serialize};

use super::message_attribute::{MessageAttributeMap, map_from_form};
use super::{Md5, Outgoing, QueueFacts, Shape, SqsError, StoredMessage, outgoing, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Sends one message.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendMessageRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The body.
    #[serde(default, deserialize_with = "json::text")]
    pub message_body: String,
    /// Instead of the queue's.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub delay_seconds: Option<i64>,
    /// Attributes.
    #[serde(default, deserialize_with = "json::map")]
    pub message_attributes: MessageAttributeMap,
    /// System attributes.
    #[serde(default, deserialize_with = "json::map")]
    pub message_system_attributes: MessageAttributeMap,
    /// FIFO: what makes it the same as another.
    #[serde(default, deserialize_with = "json::opt_text")]
    pub message_deduplication_id: Option<String>,
    /// FIFO: what it is ordered within. Standard: the tenant of a fair queue.
    #[serde(default, deserialize_with = "json::opt_text")]
    pub message_group_id: Option<String>,
}

impl SendMessageRequest {
    /// The message in it.
    pub fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            body: &self.message_body,
            delay_seconds: self.delay_seconds,
            attributes: &self.message_attributes,
            system_attributes: &self.message_system_attributes,
            deduplication_id: self.message_deduplication_id.as_deref(),
            group_id: self.message_group_id.as_deref(),
        }
    }

    /// What depends on the queue. `validate` comes first.
    pub fn check_against(&self, queue: &QueueFacts) -> Result<(), SqsError> {
        self.outgoing().check_against(queue)
    }

    /// The message as it is kept. The body is moved, not copied.
    pub fn into_stored(self, sender_id: &str) -> StoredMessage {
        outgoing::into_stored(
            self.message_body,
            self.message_attributes,
            self.message_system_attributes,
            self.message_deduplication_id,
            self.message_group_id,
            sender_id,
        )
    }
}

impl Shape for SendMessageRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            message_body: form.text("MessageBody"),
            delay_seconds: form.opt_int("DelaySeconds")?,
            message_attributes: map_from_form(form, "MessageAttribute")?,
            message_system_attributes: map_from_form(form, "MessageSystemAttribute")?,
            message_deduplication_id: form.opt_text("MessageDeduplicationId"),
            message_group_id: form.opt_text("MessageGroupId"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        validate::required(&self.message_body, "MessageBody")?;
        self.outgoing().check()
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

/// The message was sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendMessageResponse {
    /// Of the body.
    #[serde(rename = "MD5OfMessageBody")]
    pub md5_of_message_body: Md5,
    /// Of the attributes, if it has any.
    #[serde(
        rename = "MD5OfMessageAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    pub md5_of_message_attributes: Option<Md5>,
    /// Of the system attributes, if it has any.
    #[serde(
        rename = "MD5OfMessageSystemAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    pub md5_of_message_system_attributes: Option<Md5>,
    /// The message's id.
    pub message_id: String,
    /// FIFO: its place; see [`super::paging::sequence_number`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<String>,
}

impl Output for SendMessageResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        xml.plain_element("MD5OfMessageBody", self.md5_of_message_body);
        if let Some(md5) = self.md5_of_message_attributes {
            xml.plain_element("MD5OfMessageAttributes", md5);
        }
        if let Some(md5) = self.md5_of_message_system_attributes {
            xml.plain_element("MD5OfMessageSystemAttributes", md5);
        }
        xml.text_element("MessageId", &self.message_id);
        xml.optional_element("SequenceNumber", self.sequence_number.as_deref());
    }
}
