//! `DeleteMessageBatch`.

use serde::{Deserialize, Serialize};

use super::batch::{IdEntry, check_ids, triage, write_failed};
use super::{BatchResultErrorEntry, Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json::JsonStructure;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

const ENTRY: &str = "DeleteMessageBatchRequestEntry";

/// Deletes 1 to 10 claimed messages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteMessageBatchRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The claims.
    #[serde(default, deserialize_with = "json::list")]
    pub entries: Vec<DeleteMessageBatchRequestEntry>,
}

/// One claim of a batch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteMessageBatchRequestEntry {
    /// What the answer names it by.
    #[serde(default, deserialize_with = "json::text")]
    pub id: String,
    /// The claim; see [`super::receipt`].
    #[serde(default, deserialize_with = "json::text")]
    pub receipt_handle: String,
}

impl JsonStructure for DeleteMessageBatchRequestEntry {}

impl DeleteMessageBatchRequest {
    /// Parts the entries that can be tried from those that fail alone. `validate` comes first.
    pub fn triage(
        self,
    ) -> (
        Vec<DeleteMessageBatchRequestEntry>,
        Vec<BatchResultErrorEntry>,
    ) {
        let check = |e: &DeleteMessageBatchRequestEntry, _| {
            validate::required(&e.receipt_handle, "ReceiptHandle")
        };
        triage(self.entries, |e| e.id.clone(), check)
    }
}

impl Shape for DeleteMessageBatchRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        let entry = |form: &Form| DeleteMessageBatchRequestEntry {
            id: form.text("Id"),
            receipt_handle: form.text("ReceiptHandle"),
        };
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            entries: form.list(ENTRY).into_iter().map(entry).collect(),
        })
    }

    fn check(&self) -> Result<(), SqsError> {
        validate::queue_url(&self.queue_url)?;
        check_ids(self.entries.iter().map(|e| &*e.id), ENTRY)
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }
}

/// What became of the claims.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteMessageBatchResponse {
    /// The ids of those that were deleted.
    pub successful: Vec<IdEntry>,
    /// Those that were not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<BatchResultErrorEntry>,
}

impl Output for DeleteMessageBatchResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        for entry in &self.successful {
            xml.open("DeleteMessageBatchResultEntry");
            xml.text_element("Id", &entry.id);
            xml.close("DeleteMessageBatchResultEntry");
        }
        write_failed(&self.failed, xml);
    }
}
