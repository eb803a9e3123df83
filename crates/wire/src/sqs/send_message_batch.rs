//! `SendMessageBatch`.

use levada_types::limits::MESSAGE_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::batch::{check_ids, triage, write_failed};
use super::message_attribute::{MessageAttributeMap, map_from_form};
use super::{
    BatchResultErrorEntry, Outgoing, QueueFacts, SendMessageResponse, Shape, SqsError,
    SqsErrorKind, StoredMessage, outgoing, validate,
};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json::JsonStructure;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

const ENTRY: &str = "SendMessageBatchRequestEntry";

/// Sends 1 to 10 messages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendMessageBatchRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The messages.
    #[serde(default, deserialize_with = "json::list")]
    pub entries: Vec<SendMessageBatchRequestEntry>,
}

/// One message of a batch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendMessageBatchRequestEntry {
    /// What the answer names it by.
    #[serde(default, deserialize_with = "json::text")]
    pub id: String,
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

impl JsonStructure for SendMessageBatchRequestEntry {}

impl SendMessageBatchRequestEntry {
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

    /// Everything that can be said against this message, the `nth` from 1.
    fn check_against(&self, queue: &QueueFacts, nth: usize) -> Result<(), SqsError> {
        validate::required(&self.message_body, &format!("{ENTRY}.{nth}.MessageBody"))?;
        let outgoing = self.outgoing();
        outgoing.check()?;
        outgoing.check_against(queue)
    }

    /// The message as it is kept, and the entry's id. The body is moved, not copied.
    pub fn into_stored(self, sender_id: &str) -> (String, StoredMessage) {
        let stored = outgoing::into_stored(
            self.message_body,
            self.message_attributes,
            self.message_system_attributes,
            self.message_deduplication_id,
            self.message_group_id,
            sender_id,
        );
        (self.id, stored)
    }

    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            id: form.text("Id"),
            message_body: form.text("MessageBody"),
            delay_seconds: form.opt_int("DelaySeconds")?,
            message_attributes: map_from_form(form, "MessageAttribute")?,
            message_system_attributes: map_from_form(form, "MessageSystemAttribute")?,
            message_deduplication_id: form.opt_text("MessageDeduplicationId"),
            message_group_id: form.opt_text("MessageGroupId"),
        })
    }
}

impl SendMessageBatchRequest {
    /// Parts the messages that can be sent from those that fail alone. On a FIFO queue the request
    /// fails if one of them lacks a group or a deduplication id. `validate` comes first.
    pub fn triage(
        self,
        queue: &QueueFacts,
    ) -> Result<
        (
            Vec<SendMessageBatchRequestEntry>,
            Vec<BatchResultErrorEntry>,
        ),
        SqsError,
    > {
        for entry in &self.entries {
            // Recorded of AWS: in a batch a missing group is an invalid value.
            entry
                .outgoing()
                .check_ids_for(queue)
                .map_err(|e| SqsError::invalid_parameter(e.message))?;
        }
        Ok(triage(
            self.entries,
            |e| e.id.clone(),
            |e, nth| e.check_against(queue, nth),
        ))
    }
}

impl Shape for SendMessageBatchRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        let entries = form
            .list(ENTRY)
            .into_iter()
            .map(SendMessageBatchRequestEntry::from_form)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            entries,
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        check_ids(self.entries.iter().map(|e| &*e.id), ENTRY)?;
        let total_bytes: usize = self.entries.iter().map(|e| e.outgoing().size_bytes()).sum();
        if total_bytes > MESSAGE_BYTES_MAX {
            let message = format!(
                "Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {total_bytes} bytes."
            );
            return Err(SqsError::new(SqsErrorKind::BatchRequestTooLong, message));
        }
        Ok(())
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

/// What became of the messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendMessageBatchResponse {
    /// Those that were sent.
    pub successful: Vec<SendMessageBatchResultEntry>,
    /// Those that were not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<BatchResultErrorEntry>,
}

/// One message that was sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendMessageBatchResultEntry {
    /// The entry.
    pub id: String,
    /// As for a single message.
    #[serde(flatten)]
    pub sent: SendMessageResponse,
}

impl Output for SendMessageBatchResponse {
    fn size_hint(&self) -> usize {
        64 + self.successful.len() * 320 + self.failed.len() * 512
    }

    fn write_xml(&self, xml: &mut XmlWriter) {
        for entry in &self.successful {
            xml.open("SendMessageBatchResultEntry");
            xml.text_element("Id", &entry.id);
            entry.sent.write_xml(xml);
            xml.close("SendMessageBatchResultEntry");
        }
        write_failed(&self.failed, xml);
    }
}
