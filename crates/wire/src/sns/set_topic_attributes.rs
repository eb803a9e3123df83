//! `SetTopicAttributes`.

use super::attribute_error::AttributeError;
use super::shape::{Members, Shape};
use super::{SnsError, TopicAttributes};

/// Sets one attribute of a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetTopicAttributesRequest {
    /// The topic.
    pub topic_arn: String,
    /// Which attribute.
    pub attribute_name: String,
    /// Its new value. None is as good as an empty one.
    pub attribute_value: Option<String>,
}

about_topic!(SetTopicAttributesRequest, topic_arn, "TopicArn");

impl SetTopicAttributesRequest {
    /// The change, read and checked against a topic of this name.
    pub fn changes(&self) -> Result<TopicAttributes, SnsError> {
        let value = self.attribute_value.as_deref().unwrap_or("");
        let fifo = self.topic()?.name.is_fifo();
        TopicAttributes::for_set(&self.attribute_name, value, fifo).map_err(AttributeError::alone)
    }
}

impl Shape for SetTopicAttributesRequest {
    fn read(members: &mut Members<'_>) -> Self {
        Self {
            topic_arn: members.required("TopicArn"),
            attribute_name: members.required("AttributeName"),
            attribute_value: members.text("AttributeValue"),
        }
    }

    fn check(&self) -> Result<(), SnsError> {
        self.changes().map(drop)
    }
}
