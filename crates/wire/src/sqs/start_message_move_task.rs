//! `StartMessageMoveTask`.

use levada_types::QueueArn;
use levada_types::limits::MOVE_TASK_RATE_MAX;
use serde::{Deserialize, Serialize};

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Starts moving dead letters back.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartMessageMoveTaskRequest {
    /// The dead-letter queue.
    #[serde(default, deserialize_with = "json::text")]
    pub source_arn: String,
    /// Where to; without it each message goes back to the queue that it came from.
    #[serde(default, deserialize_with = "json::opt_text")]
    pub destination_arn: Option<String>,
    /// 1 to 500; without it as fast as it goes.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub max_number_of_messages_per_second: Option<i64>,
}

impl StartMessageMoveTaskRequest {
    /// The dead-letter queue, once validated.
    pub fn source(&self) -> Result<QueueArn, SqsError> {
        parse_arn(&self.source_arn, "SourceArn")
    }

    /// The destination, once validated.
    pub fn destination(&self) -> Result<Option<QueueArn>, SqsError> {
        self.destination_arn
            .as_deref()
            .map(|arn| parse_arn(arn, "DestinationArn"))
            .transpose()
    }
}

impl StartMessageMoveTaskRequest {
    /// No queue uses the source for its dead letters.
    pub fn source_is_no_dead_letter_queue() -> SqsError {
        SqsError::invalid_parameter("Source queue must be configured as a Dead Letter Queue.")
    }

    /// The source has a task that is running.
    pub fn already_running() -> SqsError {
        SqsError::invalid_parameter(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        )
    }
}

/// A queue's ARN in a parameter.
pub(super) fn parse_arn(arn: &str, parameter: &str) -> Result<QueueArn, SqsError> {
    arn.parse().map_err(|_| {
        let message = format!("You must use this format to specify the {parameter}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>");
        SqsError::invalid_parameter(message)
    })
}

impl Shape for StartMessageMoveTaskRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            source_arn: form.text("SourceArn"),
            destination_arn: form.opt_text("DestinationArn"),
            max_number_of_messages_per_second: form.opt_int("MaxNumberOfMessagesPerSecond")?,
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::required(&self.source_arn, "SourceArn")?;
        let source = self.source()?;
        match self.destination()? {
            Some(destination) if destination == source => {
                let message = "Source queue arn and destination queue arn cannot be the same.";
                return Err(SqsError::invalid_parameter(message));
            }
            Some(destination) if destination.name.is_fifo() != source.name.is_fifo() => {
                let message =
                    "The source queue and destination queue must be of the same queue type.";
                return Err(SqsError::invalid_parameter(message));
            }
            _ => {}
        }
        match self.max_number_of_messages_per_second {
            Some(n) if !(1..=i64::from(MOVE_TASK_RATE_MAX)).contains(&n) => {
                Err(SqsError::invalid_parameter(
                    "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's between 1 and 500.",
                ))
            }
            _ => Ok(()),
        }
    }
}

/// The task was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartMessageMoveTaskResponse {
    /// What cancels it; see [`super::paging::TaskHandle`].
    pub task_handle: String,
}

impl Output for StartMessageMoveTaskResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        xml.text_element("TaskHandle", &self.task_handle);
    }
}
