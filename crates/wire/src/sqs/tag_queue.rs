//! `TagQueue`.

use std::collections::BTreeMap;

use levada_types::limits::QUEUE_TAGS_MAX;
use serde::Deserialize;

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json;

/// Adds tags to a queue, over those of the same keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagQueueRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// Keys and values.
    #[serde(default, deserialize_with = "json::text_map")]
    pub tags: BTreeMap<String, String>,
}

impl Shape for TagQueueRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            tags: tags_from_form(form),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        if self.tags.is_empty() {
            return Err(SqsError::missing_parameter("Tags"));
        }
        check_tags(&self.tags, last_segment(&self.queue_url))
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

/// `Tag.1.Key`, `Tag.1.Value`, ...; the model's own name for the list is read as well.
pub(super) fn tags_from_form(form: &Form) -> BTreeMap<String, String> {
    let mut tags = form.text_map("Tags", "Key", "Value");
    tags.extend(form.text_map("Tag", "Key", "Value"));
    tags
}

/// Each tag's bounds, and that there are no more than a queue may have.
pub(super) fn check_tags(tags: &BTreeMap<String, String>, queue: &str) -> Result<(), SqsError> {
    if tags.len() > QUEUE_TAGS_MAX {
        // AWS ends the sentence with the queue's name.
        let message = format!("Too many tags added for queue {queue}.");
        return Err(SqsError::invalid_parameter(message));
    }
    for (key, value) in tags {
        validate::tag_key(key)?;
        validate::tag_value(value)?;
    }
    Ok(())
}

/// The queue's name, as far as wording needs it.
fn last_segment(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
