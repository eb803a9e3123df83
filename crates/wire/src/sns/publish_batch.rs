//! `PublishBatch`. What is wrong with one message fails the whole batch, unlike in SQS.

use levada_types::limits::TOPIC_MESSAGE_BYTES_MAX;

use super::message_attribute::{self, MessageAttributeMap};
use super::shape::{Answer, Members, Shape, write_list};
use super::{Outgoing, SnsError, SnsErrorKind, TopicFacts};
use crate::batch::{self, BatchFault};
use crate::protocol::xml::XmlWriter;
use crate::sqs::BatchResultErrorEntry;

/// Sends 1 to 10 messages to a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishBatchRequest {
    /// The topic.
    pub topic_arn: String,
    /// The messages.
    pub entries: Vec<PublishBatchRequestEntry>,
}

about_topic!(PublishBatchRequest, topic_arn, "TopicArn");

/// One message of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishBatchRequestEntry {
    /// What the answer names it by.
    pub id: String,
    /// The message.
    pub message: String,
    /// Of mails, and in the JSON of other deliveries.
    pub subject: Option<String>,
    /// `json`, if the message holds a text for each protocol.
    pub message_structure: Option<String>,
    /// Attributes.
    pub message_attributes: MessageAttributeMap,
    /// FIFO: what makes it the same as another.
    pub message_deduplication_id: Option<String>,
    /// FIFO: what it is ordered within. Standard: the tenant of fair queues.
    pub message_group_id: Option<String>,
}

impl PublishBatchRequestEntry {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            id: members.required("Id"),
            message: members.required("Message"),
            subject: members.text("Subject"),
            message_structure: members.text("MessageStructure"),
            message_attributes: message_attribute::read(members),
            message_deduplication_id: members.text("MessageDeduplicationId"),
            message_group_id: members.text("MessageGroupId"),
        }
    }

    /// The message in it.
    pub fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            message: &self.message,
            subject: self.subject.as_deref(),
            structure: self.message_structure.as_deref(),
            attributes: &self.message_attributes,
            deduplication_id: self.message_deduplication_id.as_deref(),
            group_id: self.message_group_id.as_deref(),
            needs_default: true,
        }
    }
}

impl PublishBatchRequest {
    /// What depends on the topic. `validate` comes first.
    pub fn check_against(&self, topic: &TopicFacts) -> Result<(), SnsError> {
        self.check_fits(topic.maximum_message_size_bytes)?;
        for entry in &self.entries {
            entry.outgoing().check_ids_for(topic)?;
        }
        Ok(())
    }

    /// Whether all messages together are no longer than one may be.
    fn check_fits(&self, bytes_max: u32) -> Result<(), SnsError> {
        let entries = self.entries.iter();
        let total: usize = entries.map(|entry| entry.outgoing().size_bytes()).sum();
        if total > bytes_max as usize {
            return Err(SnsError::new(
                SnsErrorKind::BatchRequestTooLong,
                "The length of all the messages put together is more than the limit.",
            ));
        }
        Ok(())
    }

    fn check_ids(&self) -> Result<(), SnsError> {
        let ids = self.entries.iter().map(|entry| &*entry.id);
        batch::check(ids).map_err(|fault| match fault {
            BatchFault::Empty => SnsError::new(
                SnsErrorKind::EmptyBatchRequest,
                "The batch request doesn't contain any entries.",
            ),
            BatchFault::TooMany(_) => SnsError::new(
                SnsErrorKind::TooManyEntriesInBatchRequest,
                "The batch request contains more entries than permissible.",
            ),
            BatchFault::InvalidId => SnsError::new(
                SnsErrorKind::InvalidBatchEntryId,
                "The Id of a batch entry in a batch request doesn't abide by the specification.",
            ),
            BatchFault::Repeated(_) => SnsError::new(
                SnsErrorKind::BatchEntryIdsNotDistinct,
                "Two or more batch entries in the request have the same Id.",
            ),
        })
    }
}

impl Shape for PublishBatchRequest {
    fn read(members: &mut Members<'_>) -> Self {
        const ENTRIES: &str = "PublishBatchRequestEntries";
        members.required_member(ENTRIES);
        Self {
            topic_arn: members.required("TopicArn"),
            entries: members.structures(ENTRIES, PublishBatchRequestEntry::read),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic()?;
        self.check_ids()?;
        self.check_fits(TOPIC_MESSAGE_BYTES_MAX)?;
        for entry in &self.entries {
            entry.outgoing().check()?;
        }
        Ok(())
    }
}

/// What became of the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishBatchResponse {
    /// Those that were taken.
    pub successful: Vec<PublishBatchResultEntry>,
    /// Those that were not, by a fault of ours.
    pub failed: Vec<BatchResultErrorEntry>,
}

/// A message that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishBatchResultEntry {
    /// The entry.
    pub id: String,
    /// The message's id.
    pub message_id: String,
    /// FIFO: its place.
    pub sequence_number: Option<String>,
}

impl Answer for PublishBatchResponse {
    fn size_hint(&self) -> usize {
        128 + 192 * (self.successful.len() + self.failed.len())
    }

    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        xml.open("Failed");
        for entry in &self.failed {
            entry.write("member", xml);
        }
        xml.close("Failed");
        write_list(xml, "Successful", &self.successful, |xml, entry| {
            xml.text_element("Id", &entry.id);
            xml.text_element("MessageId", &entry.message_id);
            xml.optional_element("SequenceNumber", entry.sequence_number.as_deref());
        });
    }
}
