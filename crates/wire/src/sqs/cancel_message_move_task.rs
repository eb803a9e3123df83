//! `CancelMessageMoveTask`.

use serde::{Deserialize, Serialize};

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Stops a move task; what it moved stays moved.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelMessageMoveTaskRequest {
    /// From `StartMessageMoveTask`; see [`super::paging::TaskHandle`].
    #[serde(default, deserialize_with = "json::text")]
    pub task_handle: String,
}

impl Shape for CancelMessageMoveTaskRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            task_handle: form.text("TaskHandle"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::required(&self.task_handle, "TaskHandle")
    }
}

/// The task was told to stop.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelMessageMoveTaskResponse {
    /// How many messages it had moved.
    pub approximate_number_of_messages_moved: u64,
}

impl Output for CancelMessageMoveTaskResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        xml.plain_element(
            "ApproximateNumberOfMessagesMoved",
            self.approximate_number_of_messages_moved,
        );
    }
}
