//! `GetQueueUrl`.

use levada_types::QueueName;
use serde::{Deserialize, Serialize};

use super::attributes::invalid_name;
use super::{Shape, SqsError};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Asks for a queue's URL by its name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetQueueUrlRequest {
    /// The name.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_name: String,
    /// The owner's account, if it is not the caller's.
    #[serde(
        default,
        rename = "QueueOwnerAWSAccountId",
        deserialize_with = "json::opt_text"
    )]
    pub queue_owner_aws_account_id: Option<String>,
}

impl Shape for GetQueueUrlRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_name: form.text("QueueName"),
            queue_owner_aws_account_id: form.opt_text("QueueOwnerAWSAccountId"),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        if self.queue_name.is_empty() {
            return Err(SqsError::invalid_parameter(
                "Value for parameter QueueName is invalid. Reason: Must specify a queue name.",
            ));
        }
        if self.queue_name.parse::<QueueName>().is_err() {
            return Err(invalid_name(false));
        }
        Ok(())
    }
}

/// The URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetQueueUrlResponse {
    /// The URL.
    pub queue_url: String,
}

impl Output for GetQueueUrlResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        xml.text_element("QueueUrl", &self.queue_url);
    }
}
