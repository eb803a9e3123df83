//! `UntagQueue`.

use serde::Deserialize;

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json;

/// Takes tags from a queue.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UntagQueueRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The keys; those that the queue does not have are ignored.
    #[serde(default, deserialize_with = "json::texts")]
    pub tag_keys: Vec<String>,
}

impl Shape for UntagQueueRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            tag_keys: form.texts("TagKey"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        if self.tag_keys.is_empty() {
            return validate::tag_key("");
        }
        self.tag_keys
            .iter()
            .try_for_each(|key| validate::tag_key(key))
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}
