//! One message on its way in, from `SendMessage` or an entry of `SendMessageBatch`: what both check,
//! and how it becomes a [`StoredMessage`].

use bytes::Bytes;
use levada_types::limits::DELAY_SECS_MAX;

use super::digest::{self, Md5};
use super::message_attribute::{MessageAttributeMap, check_attributes, check_system_attributes};
use super::stored::StoredAttribute;
use super::{QueueFacts, SqsError, SqsErrorKind, StoredMessage, validate};

/// A borrowed view of one message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// `MessageBody`.
    pub body: &'a str,
    /// `DelaySeconds`.
    pub delay_seconds: Option<i64>,
    /// `MessageAttributes`.
    pub attributes: &'a MessageAttributeMap,
    /// `MessageSystemAttributes`.
    pub system_attributes: &'a MessageAttributeMap,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<&'a str>,
    /// `MessageGroupId`.
    pub group_id: Option<&'a str>,
}

/// The characters that a message may hold, in AWS's words.
pub(super) const VALID_CHARACTERS: &str =
    "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";

/// Whether every character is one that a message may hold: `#x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD
/// #x10000-#x10FFFF`.
pub(crate) fn is_message_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    // U+FFFE and U+FFFF are EF BF BE and EF BF BF.
    let mut allowed = true;
    for &b in bytes {
        allowed &= b >= 0x20 || b == b'\t' || b == b'\n' || b == b'\r';
    }
    allowed && !(bytes.contains(&0xEF) && (text.contains('\u{FFFE}') || text.contains('\u{FFFF}')))
}

impl Outgoing<'_> {
    /// Bytes that count against the limits: body, and attributes' names, types and values. System
    /// attributes do not count.
    pub fn size_bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &super::MessageAttributeValue)| {
            name.len() + value.data_type.len() + value.value_bytes().len()
        };
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    /// Everything that can be said against it without looking at the queue.
    pub fn check(&self) -> Result<(), SqsError> {
        if let Some(delay) = self.delay_seconds
            && !(0..=i64::from(DELAY_SECS_MAX)).contains(&delay)
        {
            let reason = "DelaySeconds must be >= 0 and <= 900.";
            return Err(SqsError::invalid_value(delay, "DelaySeconds", reason));
        }
        if !is_message_text(self.body) {
            let message = format!(
                "Invalid characters found. Valid unicode characters are {VALID_CHARACTERS}"
            );
            return Err(SqsError::new(SqsErrorKind::InvalidMessageContents, message));
        }
        check_attributes(self.attributes)?;
        check_system_attributes(self.system_attributes)
    }

    /// What depends on the queue. `check` comes first.
    pub fn check_against(&self, queue: &QueueFacts) -> Result<(), SqsError> {
        if self.size_bytes() > queue.maximum_message_size_bytes as usize {
            return Err(too_long(queue.maximum_message_size_bytes as usize));
        }
        if let Some(group) = self.group_id {
            validate::fifo_id(group, "MessageGroupId")?;
        }
        if let Some(id) = self.deduplication_id {
            validate::fifo_id(id, "MessageDeduplicationId")?;
        }
        if queue.fifo {
            self.check_against_fifo(queue)
        } else {
            self.check_against_standard()
        }
    }

    fn check_against_standard(&self) -> Result<(), SqsError> {
        if self.deduplication_id.is_some() {
            let message = "The request include parameter MessageDeduplicationId which is not valid for this queue type";
            return Err(SqsError::invalid_parameter(message));
        }
        Ok(())
    }

    fn check_against_fifo(&self, queue: &QueueFacts) -> Result<(), SqsError> {
        if let Some(delay) = self.delay_seconds.filter(|delay| *delay != 0) {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(SqsError::invalid_value(delay, "DelaySeconds", reason));
        }
        self.check_ids_for(queue)
    }

    /// Whether it has the ids that a FIFO queue needs.
    pub(super) fn check_ids_for(&self, queue: &QueueFacts) -> Result<(), SqsError> {
        if !queue.fifo {
            return Ok(());
        }
        if self.group_id.is_none() {
            return Err(SqsError::missing_parameter("MessageGroupId"));
        }
        if self.deduplication_id.is_none() && !queue.content_based_deduplication {
            let message = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
            return Err(SqsError::invalid_parameter(message));
        }
        Ok(())
    }

    /// MD5 of the attributes; `None` if there are none.
    pub fn attributes_md5(&self) -> Option<Md5> {
        digest::of_attribute_map(self.attributes)
    }

    /// MD5 of the system attributes; `None` if there are none.
    pub fn system_attributes_md5(&self) -> Option<Md5> {
        digest::of_attribute_map(self.system_attributes)
    }
}

/// A message of which the parts are already checked, as it is kept. `body` is moved, not copied.
pub(super) fn into_stored(
    body: String,
    attributes: MessageAttributeMap,
    mut system_attributes: MessageAttributeMap,
    deduplication_id: Option<String>,
    group_id: Option<String>,
    sender_id: &str,
) -> StoredMessage {
    let body_md5 = Md5::of(body.as_bytes());
    let attributes_md5 = digest::of_attribute_map(&attributes);
    let trace = system_attributes
        .remove("AWSTraceHeader")
        .and_then(|value| value.string_value);
    StoredMessage {
        body: Bytes::from(body),
        body_md5: Bytes::copy_from_slice(&body_md5.0),
        attributes: attributes
            .into_iter()
            .map(StoredAttribute::from_sent)
            .collect(),
        attributes_md5: attributes_md5
            .map(|md5| Bytes::copy_from_slice(&md5.0))
            .unwrap_or_default(),
        trace_header: trace.map(Bytes::from).unwrap_or_default(),
        sender_id: Bytes::copy_from_slice(sender_id.as_bytes()),
        group_id: group_id.map(Bytes::from).unwrap_or_default(),
        deduplication_id: deduplication_id.map(Bytes::from).unwrap_or_default(),
        ..StoredMessage::default()
    }
}

/// A message is longer than the queue, or the service, allows.
pub(super) fn too_long(limit_bytes: usize) -> SqsError {
    SqsError::invalid_parameter(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than {limit_bytes} bytes."
    ))
}
