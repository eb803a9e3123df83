//! `ListMessageMoveTasks`.

use levada_types::QueueArn;
use serde::{Deserialize, Serialize};

use super::start_message_move_task::parse_arn;
use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Tasks that one answer holds at most, and that AWS remembers of one source.
const TASKS_MAX: i64 = 10;

/// Asks for the latest move tasks of a source.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMessageMoveTasksRequest {
    /// The dead-letter queue.
    #[serde(default, deserialize_with = "json::text")]
    pub source_arn: String,
    /// 1 to 10; 1 if it is left out.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub max_results: Option<i64>,
}

impl ListMessageMoveTasksRequest {
    /// The dead-letter queue, once validated.
    pub fn source(&self) -> Result<QueueArn, SqsError> {
        parse_arn(&self.source_arn, "SourceArn")
    }

    /// How many tasks to answer at most.
    pub fn tasks_max(&self) -> usize {
        usize::try_from(self.max_results.unwrap_or(1).clamp(1, TASKS_MAX)).unwrap_or(1)
    }
}

impl Shape for ListMessageMoveTasksRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            source_arn: form.text("SourceArn"),
            max_results: form.opt_int("MaxResults")?,
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::required(&self.source_arn, "SourceArn")?;
        self.source()?;
        match self.max_results {
            Some(n) if !(1..=TASKS_MAX).contains(&n) => Err(SqsError::invalid_parameter(
                "Value for parameter MaxResults is invalid. Reason: You must enter a number that's between 1 and 10.",
            )),
            _ => Ok(()),
        }
    }
}

/// The latest move tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMessageMoveTasksResponse {
    /// The newest first.
    pub results: Vec<MessageMoveTask>,
}

/// A move task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageMoveTask {
    /// What cancels it; only of a running task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_handle: Option<String>,
    /// `RUNNING`, `COMPLETED`, `CANCELLING`, `CANCELLED` or `FAILED`.
    pub status: String,
    /// The dead-letter queue.
    pub source_arn: String,
    /// Where to, if the task was started with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_arn: Option<String>,
    /// The rate, if the task was started with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_number_of_messages_per_second: Option<u32>,
    /// Moved so far.
    pub approximate_number_of_messages_moved: u64,
    /// In the source when the task began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate_number_of_messages_to_move: Option<u64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// In milliseconds since the epoch.
    pub started_timestamp: u64,
}

impl Output for ListMessageMoveTasksResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        for task in &self.results {
            xml.open("ListMessageMoveTasksResultEntry");
            xml.optional_element("TaskHandle", task.task_handle.as_deref());
            xml.text_element("Status", &task.status);
            xml.text_element("SourceArn", &task.source_arn);
            xml.optional_element("DestinationArn", task.destination_arn.as_deref());
            if let Some(rate) = task.max_number_of_messages_per_second {
                xml.plain_element("MaxNumberOfMessagesPerSecond", rate);
            }
            xml.plain_element(
                "ApproximateNumberOfMessagesMoved",
                task.approximate_number_of_messages_moved,
            );
            if let Some(n) = task.approximate_number_of_messages_to_move {
                xml.plain_element("ApproximateNumberOfMessagesToMove", n);
            }
            xml.optional_element("FailureReason", task.failure_reason.as_deref());
            xml.plain_element("StartedTimestamp", task.started_timestamp);
            xml.close("ListMessageMoveTasksResultEntry");
        }
    }
}
