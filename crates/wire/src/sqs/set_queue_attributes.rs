//! `SetQueueAttributes`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{QueueAttributes, Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json;

/// Changes attributes of a queue; those that are not named stay.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SetQueueAttributesRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// As sent; [`Self::queue_attributes`] reads them.
    #[serde(default, deserialize_with = "json::text_map")]
    pub attributes: BTreeMap<String, String>,
}

impl SetQueueAttributesRequest {
    /// The attributes, read and checked against a queue that is FIFO or is not.
    pub fn queue_attributes(&self, fifo: bool) -> Result<QueueAttributes, SqsError> {
        QueueAttributes::for_set(&self.attributes, fifo)
    }
}

impl Shape for SetQueueAttributesRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            attributes: form.text_map("Attribute", "Name", "Value"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        if self.attributes.is_empty() {
            return Err(SqsError::missing_parameter("Attribute.Name"));
        }
        Ok(())
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}
