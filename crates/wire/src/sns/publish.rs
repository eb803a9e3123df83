//! `Publish`.

use levada_types::limits::SMS_LEN_MAX;

use super::endpoint::is_e164;
use super::message_attribute::{self, MessageAttributeMap};
use super::shape::{Answer, Members, Shape};
use super::{Outgoing, PlatformEndpointArn, SnsError, TopicArn, TopicFacts};
use crate::protocol::xml::XmlWriter;

/// Sends a message to a topic, to one endpoint of a platform, or to one phone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishRequest {
    /// The topic.
    pub topic_arn: Option<String>,
    /// A topic, or an endpoint of a platform.
    pub target_arn: Option<String>,
    /// A phone's number.
    pub phone_number: Option<String>,
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

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishTarget<'a> {
    /// The subscribers of a topic.
    Topic(TopicArn),
    /// One endpoint of a platform.
    Endpoint(PlatformEndpointArn),
    /// One phone.
    PhoneNumber(&'a str),
}

impl PublishRequest {
    /// Whom the message is for.
    pub fn target(&self) -> Result<PublishTarget<'_>, SnsError> {
        match (&self.topic_arn, &self.target_arn, &self.phone_number) {
            (Some(topic), None, None) => {
                TopicArn::parse(topic, "TopicArn").map(PublishTarget::Topic)
            }
            (None, Some(target), None) if is_endpoint(target) => {
                PlatformEndpointArn::parse(target, "TargetArn").map(PublishTarget::Endpoint)
            }
            (None, Some(target), None) => {
                TopicArn::parse(target, "TargetArn").map(PublishTarget::Topic)
            }
            (None, None, Some(number)) if is_e164(number) => Ok(PublishTarget::PhoneNumber(number)),
            (None, None, Some(number)) => Err(SnsError::invalid_because(
                "PhoneNumber",
                format_args!("{number} is not valid to publish to"),
            )),
            (None, None, None) => Err(SnsError::invalid_because(
                "TopicArn or TargetArn",
                "no value for required parameter",
            )),
            // From memory.
            _ => Err(SnsError::invalid_parameter(
                "Only one of TopicArn, TargetArn and PhoneNumber can be specified",
            )),
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
            needs_default: !self.target_arn.as_deref().is_some_and(is_endpoint),
        }
    }

    /// What depends on the topic. `validate` comes first.
    pub fn check_against(&self, topic: &TopicFacts) -> Result<(), SnsError> {
        self.outgoing().check_against(topic)
    }
}

fn is_endpoint(target: &str) -> bool {
    target.contains(":endpoint/")
}

impl Shape for PublishRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            topic_arn: members.text("TopicArn"),
            target_arn: members.text("TargetArn"),
            phone_number: members.text("PhoneNumber"),
            message: members.required("Message"),
            subject: members.text("Subject"),
            message_structure: members.text("MessageStructure"),
            message_attributes: message_attribute::read(members),
            message_deduplication_id: members.text("MessageDeduplicationId"),
            message_group_id: members.text("MessageGroupId"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        let target = self.target()?;
        let outgoing = self.outgoing();
        outgoing.check()?;
        outgoing.check_size()?;
        if matches!(target, PublishTarget::PhoneNumber(_))
            && self.message.chars().count() > SMS_LEN_MAX
        {
            // Documented; the wording is that of other long messages.
            return Err(SnsError::invalid_parameter("Message too long"));
        }
        Ok(())
    }
}

/// The message was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishResponse {
    /// Its id.
    pub message_id: String,
    /// FIFO: its place.
    pub sequence_number: Option<String>,
}

impl Answer for PublishResponse {
    fn write_xml(&self, xml: &mut XmlWriter<'_>) {
        xml.text_element("MessageId", &self.message_id);
        xml.optional_element("SequenceNumber", self.sequence_number.as_deref());
    }
}
