//! `ListQueues`.

use serde::{Deserialize, Serialize};

use super::{Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

/// Asks for the caller's queues, by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListQueuesRequest {
    /// Only queues whose names begin so.
    #[serde(default, deserialize_with = "json::opt_text")]
    pub queue_name_prefix: Option<String>,
    /// Where the last page ended; see [`super::paging`].
    #[serde(default, deserialize_with = "json::opt_text")]
    pub next_token: Option<String>,
    /// 1 to 1000. Without it there is no next token, and at most 1000 queues.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub max_results: Option<i64>,
}

impl Shape for ListQueuesRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            queue_name_prefix: form.opt_text("QueueNamePrefix"),
            next_token: form.opt_text("NextToken"),
            max_results: form.opt_int("MaxResults")?,
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::max_results(self.max_results)
    }
}

/// A page of queues.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListQueuesResponse {
    /// Their URLs; left out of the answer if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queue_urls: Vec<String>,
    /// Set if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl Output for ListQueuesResponse {
    fn size_hint(&self) -> usize {
        64 + self
            .queue_urls
            .iter()
            .map(|url| url.len() + 24)
            .sum::<usize>()
    }

    fn write_xml(&self, xml: &mut XmlWriter) {
        for url in &self.queue_urls {
            xml.text_element("QueueUrl", url);
        }
        xml.optional_element("NextToken", self.next_token.as_deref());
    }
}
