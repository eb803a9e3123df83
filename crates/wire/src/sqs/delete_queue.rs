//! `DeleteQueue`.

use serde::Deserialize;

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json;

/// Deletes a queue and all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteQueueRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
}

impl Shape for DeleteQueueRequest {
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
