//! `ChangeMessageVisibilityBatch`.

use serde::{Deserialize, Serialize};

use super::batch::{IdEntry, check_ids, triage, write_failed};
use super::{BatchResultErrorEntry, Shape, SqsError, validate};
use crate::error::AwsError;
use crate::protocol::form::Form;
use crate::protocol::json::JsonStructure;
use crate::protocol::xml::XmlWriter;
use crate::protocol::{Output, json};

const ENTRY: &str = "ChangeMessageVisibilityBatchRequestEntry";

/// Changes when 1 to 10 claimed messages become visible again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeMessageVisibilityBatchRequest {
    /// The queue.
    #[serde(default, deserialize_with = "json::text")]
    pub queue_url: String,
    /// The claims.
    #[serde(default, deserialize_with = "json::list")]
    pub entries: Vec<ChangeMessageVisibilityBatchRequestEntry>,
}

/// One claim of a batch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeMessageVisibilityBatchRequestEntry {
    /// What the answer names it by.
    #[serde(default, deserialize_with = "json::text")]
    pub id: String,
    /// The claim; see [`super::receipt`].
    #[serde(default, deserialize_with = "json::text")]
    pub receipt_handle: String,
    /// In seconds from now.
    #[serde(default, deserialize_with = "json::opt_int")]
    pub visibility_timeout: Option<i64>,
}

impl JsonStructure for ChangeMessageVisibilityBatchRequestEntry {}

impl ChangeMessageVisibilityBatchRequestEntry {
    /// Everything that can be said against this entry, the `nth` from 1; it fails alone.
    fn check(&self, nth: usize) -> Result<(), SqsError> {
        validate::required(&self.receipt_handle, "ReceiptHandle")?;
        match self.visibility_timeout {
            None => Err(SqsError::missing_parameter(&format!(
                "{ENTRY}.{nth}.VisibilityTimeout"
            ))),
            Some(seconds) => validate::changed_visibility_timeout(seconds),
        }
    }

    /// In seconds from now, once checked.
    pub fn visibility_timeout_secs(&self) -> u32 {
        u32::try_from(self.visibility_timeout.unwrap_or(0)).unwrap_or(0)
    }

    fn from_form(form: &Form) -> Result<Self, AwsError> {
        Ok(Self {
            id: form.text("Id"),
            receipt_handle: form.text("ReceiptHandle"),
            visibility_timeout: form.opt_int("VisibilityTimeout")?,
        })
    }
}

impl ChangeMessageVisibilityBatchRequest {
    /// Parts the entries that can be tried from those that fail alone. `validate` comes first.
    pub fn triage(
        self,
    ) -> (
        Vec<ChangeMessageVisibilityBatchRequestEntry>,
        Vec<BatchResultErrorEntry>,
    ) {
        triage(self.entries, |e| e.id.clone(), |e, nth| e.check(nth))
    }
}

impl Shape for ChangeMessageVisibilityBatchRequest {
    fn from_form(form: &Form) -> Result<Self, AwsError> {
        let entries = form
            .list(ENTRY)
            .into_iter()
            .map(ChangeMessageVisibilityBatchRequestEntry::from_form)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            queue_url: form.text("QueueUrl"),
            entries,
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
pub struct ChangeMessageVisibilityBatchResponse {
    /// The ids of those that were changed.
    pub successful: Vec<IdEntry>,
    /// Those that were not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<BatchResultErrorEntry>,
}

impl Output for ChangeMessageVisibilityBatchResponse {
    fn write_xml(&self, xml: &mut XmlWriter) {
        for entry in &self.successful {
            xml.open("ChangeMessageVisibilityBatchResultEntry");
            xml.text_element("Id", &entry.id);
            xml.close("ChangeMessageVisibilityBatchResultEntry");
        }
        write_failed(&self.failed, xml);
    }
}
