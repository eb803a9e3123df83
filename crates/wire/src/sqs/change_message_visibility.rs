//! `ChangeMessageVisibility`.

use serde::Deserialize;

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json;

/// Changes when a claimed message becomes visible again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeMessageVisibilityRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The claim; see [`super::receipt`].
    #[serde(default, deserialize_with = "json::text")]
    pub receipt_handle: String,
    /// In seconds from now.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub visibility_timeout: Option<i64>,
}

impl ChangeMessageVisibilityRequest {
    /// In seconds from now, once validated.
    pub fn visibility_timeout_secs(&self) -> u32 {
        u32::try_from(self.visibility_timeout.unwrap_or(0)).unwrap_or(0)
    }
}

impl Shape for ChangeMessageVisibilityRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            receipt_handle: form.text("ReceiptHandle"),
            visibility_timeout: form.opt_int("VisibilityTimeout")?,
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        validate::required(&self.receipt_handle, "ReceiptHandle")?;
        match self.visibility_timeout {
            None => Err(SqsError::missing_parameter("VisibilityTimeout")),
            Some(seconds) => validate::changed_visibility_timeout(seconds),
        }
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}
