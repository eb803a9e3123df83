//! `DeleteMessage`.

use serde::Deserialize;

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json;

/// Deletes a claimed message.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteMessageRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The claim; see [`super::receipt`].
    #[serde(default, deserialize_with = "json::text")]
    pub receipt_handle: String,
}

impl Shape for DeleteMessageRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            receipt_handle: form.text("ReceiptHandle"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        validate::required(&self.receipt_handle, "ReceiptHandle")
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}
