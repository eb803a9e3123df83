//! `CreateTopic`.

use std::collections::BTreeMap;

use super::shape::{Members, Shape};
use super::tags::{Tag, check_tags, read_tags};
use super::topic_attributes::among_several;
use super::{SnsError, SnsErrorKind, TopicAttributes, TopicName, data_protection};

/// Makes a topic, or finds the one that has this name and these attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateTopicRequest {
    /// The name.
    pub name: String,
    /// As sent; [`Self::topic_attributes`] reads them.
    pub attributes: BTreeMap<String, String>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// What may not be in messages.
    pub data_protection_policy: Option<String>,
}

impl CreateTopicRequest {
    /// The name, which is a FIFO topic's if the attributes say that it is one.
    pub fn topic_name(&self) -> Result<TopicName, SnsError> {
        let declared = self
            .attributes
            .get("FifoTopic")
            .is_some_and(|v| v == "true");
        let name = self.name.parse::<TopicName>();
        match name {
            Ok(name) if name.is_fifo() == declared => Ok(name),
            _ if declared => Err(SnsError::new(
                SnsErrorKind::InvalidParameter,
                "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
            )),
            _ => Err(SnsError::invalid_parameter("Topic Name")),
        }
    }

    /// The attributes, read and checked against a topic of this name.
    pub fn topic_attributes(&self) -> Result<TopicAttributes, SnsError> {
        let fifo = self.name.ends_with(".fifo");
        among_several(TopicAttributes::for_create(&self.attributes, fifo))
    }
}

impl Shape for CreateTopicRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            name: members.required("Name"),
            attributes: members.map("Attributes"),
            tags: read_tags(members),
            data_protection_policy: members.text("DataProtectionPolicy"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.topic_name()?;
        self.topic_attributes()?;
        check_tags(&self.tags)?;
        self.data_protection_policy
            .as_deref()
            .map_or(Ok(()), data_protection::check_policy)
    }
}

arn_answer! {
    /// The topic.
    CreateTopicResponse, topic_arn, "TopicArn"
}
