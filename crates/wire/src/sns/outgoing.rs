//! One message on its way in, from `Publish` or an entry of `PublishBatch`: what both check.

use levada_types::limits::{GROUP_ID_LEN_MAX, SUBJECT_LEN_MAX, TOPIC_MESSAGE_BYTES_MAX};

use super::message_attribute::{self, MessageAttributeMap};
use super::{Messages, SnsError};
use crate::sqs::is_message_text;

/// What validation of a message must know of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    /// Whether it is a FIFO topic.
    pub fifo: bool,
    /// Whether a deduplication id is made from the message where none is given.
    pub content_based_deduplication: bool,
    /// The longest message, and the longest batch: text and attributes.
    pub maximum_message_size_bytes: u32,
}

/// A borrowed view of one message to be published.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// `Message`.
    pub message: &'a str,
    /// `Subject`.
    pub subject: Option<&'a str>,
    /// `MessageStructure`.
    pub structure: Option<&'a str>,
    /// `MessageAttributes`.
    pub attributes: &'a MessageAttributeMap,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<&'a str>,
    /// `MessageGroupId`.
    pub group_id: Option<&'a str>,
    /// Whether a message of several texts must have one for all: it need not, to one endpoint of a platform.
    pub needs_default: bool,
}

impl<'a> Outgoing<'a> {
    /// Bytes that count against the limits: the message, and attributes' names, types and values.
    pub fn size_bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &super::MessageAttributeValue)| {
            name.len() + value.data_type.len() + value.value_bytes().len()
        };
        self.message.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    /// The texts of the message.
    pub fn messages(&self) -> Result<Messages<'a>, SnsError> {
        Messages::parse(self.message, self.structure, self.needs_default)
    }

    /// Everything that can be said against it without looking at the topic, but its size.
    pub(super) fn check(&self) -> Result<(), SnsError> {
        if self.message.is_empty() {
            return Err(SnsError::invalid_parameter("Empty message"));
        }
        if !is_message_text(self.message) {
            // From memory.
            return Err(SnsError::invalid_because(
                "Message",
                "Invalid characters found in the message",
            ));
        }
        self.subject.map_or(Ok(()), check_subject)?;
        message_attribute::check(self.attributes)?;
        self.messages()?;
        check_id(self.group_id, "MessageGroupId")?;
        check_id(self.deduplication_id, "MessageDeduplicationId")
    }

    /// That it is no longer than any topic allows.
    pub(super) fn check_size(&self) -> Result<(), SnsError> {
        self.check_fits(TOPIC_MESSAGE_BYTES_MAX)
    }

    fn check_fits(&self, bytes_max: u32) -> Result<(), SnsError> {
        if self.size_bytes() > bytes_max as usize {
            return Err(SnsError::invalid_parameter("Message too long"));
        }
        Ok(())
    }

    /// What depends on the topic. `check` comes first.
    pub fn check_against(&self, topic: &TopicFacts) -> Result<(), SnsError> {
        self.check_fits(topic.maximum_message_size_bytes)?;
        self.check_ids_for(topic)
    }

    /// Whether it has the ids that a FIFO topic needs, and none that a standard one must not have.
    pub(super) fn check_ids_for(&self, topic: &TopicFacts) -> Result<(), SnsError> {
        if !topic.fifo {
            if self.deduplication_id.is_some() {
                return Err(SnsError::invalid_because(
                    "MessageDeduplicationId",
                    "The request includes MessageDeduplicationId parameter that is not valid for this topic type",
                ));
            }
            return Ok(());
        }
        if self.group_id.is_none() {
            return Err(SnsError::invalid_parameter(
                "The MessageGroupId parameter is required for FIFO topics",
            ));
        }
        if self.deduplication_id.is_none() && !topic.content_based_deduplication {
            return Err(SnsError::invalid_parameter(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            ));
        }
        Ok(())
    }
}

/// 1 to 100 characters, no line breaks or other control characters.
fn check_subject(subject: &str) -> Result<(), SnsError> {
    let fits = (1..=SUBJECT_LEN_MAX).contains(&subject.chars().count());
    if fits && !subject.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(SnsError::invalid_parameter("Subject"))
    }
}

/// A group or deduplication id: 1 to 128 alphanumeric and punctuation characters of ASCII. Wording from memory.
fn check_id(id: Option<&str>, name: &str) -> Result<(), SnsError> {
    let Some(id) = id else { return Ok(()) };
    let ok = (1..=GROUP_ID_LEN_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if ok {
        return Ok(());
    }
    let reason = format!(
        "{name} can only include alphanumeric and punctuation characters. 1 to {GROUP_ID_LEN_MAX} in length"
    );
    Err(SnsError::invalid_because(name, reason))
}
