//! `ListDeadLetterSourceQueues`.

use serde::{Deserialize, Serialize};

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Asks which queues use this one for dead letters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListDeadLetterSourceQueuesRequest {
    /// The dead-letter queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// Where the last page ended; see [`super::paging`].
    #[serde(default, deserialize_with = "json::opt_text")]
    pub next_token: Option<String>,
    /// 1 to 1000.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub max_results: Option<i64>,
}

impl Shape for ListDeadLetterSourceQueuesRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            next_token: form.opt_text("NextToken"),
            max_results: form.opt_int("MaxResults")?,
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        validate::max_results(self.max_results)
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

/// A page of source queues.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListDeadLetterSourceQueuesResponse {
    /// Their URLs. The model writes this one name with a small letter, and requires it.
    #[serde(rename = "queueUrls")]
    pub queue_urls: Vec<String>,
    /// Set if there are more.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl Output for ListDeadLetterSourceQueuesResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        for url in &self.queue_urls {
            xml.text_element("QueueUrl", url);
        }
        xml.optional_element("NextToken", self.next_token.as_deref());
    }
}
