//! `CreateQueue`.

use std::collections::BTreeMap;

use levada_types::QueueName;
use serde::{Deserialize, Serialize};

use super::attributes::invalid_name;
use super::tag_queue::{check_tags, tags_from_form};
use super::{QueueAttributes, Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Makes a queue, or finds the one that has this name and these attributes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateQueueRequest {
    /// The name.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_name: String,
    /// As sent; [`Self::queue_attributes`] reads them.
    #[serde(default, deserialize_with = "json::text_map")]
    pub attributes: BTreeMap<String, String>,
    /// The model writes this one name with a small letter.
    #[serde(default, rename = "tags", deserialize_with = "json::text_map")]
    pub tags: BTreeMap<String, String>,
}

impl CreateQueueRequest {
    /// The attributes, read and checked against a queue of this name.
    pub fn queue_attributes(&self) -> Result<QueueAttributes, SqsError> {
        QueueAttributes::for_create(&self.attributes, self.queue_name.ends_with(".fifo"))
    }
}

impl Shape for CreateQueueRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_name: form.text("QueueName"),
            attributes: form.text_map("Attribute", "Name", "Value"),
            tags: tags_from_form(form),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::required(&self.queue_name, "QueueName")?;
        let fifo = self
            .attributes
            .get("FifoQueue")
            .is_some_and(|v| v == "true");
        if self.queue_name.parse::<QueueName>().is_err() {
            return Err(invalid_name(fifo));
        }
        self.queue_attributes()?;
        check_tags(&self.tags, &self.queue_name)
    }
}

/// The URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateQueueResponse {
    /// The URL.
    pub queue_url: String,
}

impl Output for CreateQueueResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        xml.text_element("QueueUrl", &self.queue_url);
    }
}
