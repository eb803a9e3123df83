//! `RemovePermission`.

use serde::Deserialize;

use super::{Shape, SqsError, add_permission, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json;

/// Takes the statement of a label from a queue's policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RemovePermissionRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The statement's `Sid`.
    #[serde(default, deserialize_with = "json::text")]
    pub label: String,
}

impl Shape for RemovePermissionRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            label: form.text("Label"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        add_permission::check_label(&self.label)
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}
