//! `ListQueueTags`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Asks for a queue's tags.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListQueueTagsRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
}

impl Shape for ListQueueTagsRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

/// A queue's tags.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListQueueTagsResponse {
    /// Keys and values; left out of the answer if there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Output for ListQueueTagsResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        for (key, value) in &self.tags {
            xml.open("Tag");
            xml.text_element("Key", key);
            xml.text_element("Value", value);
            xml.close("Tag");
        }
    }
}
