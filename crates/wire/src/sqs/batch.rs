//! What the three batch actions share: the checks of the entries' number and ids, and failed entries.

use levada_types::limits::BATCH_ENTRIES_MAX;
use serde::Serialize;

use super::{SqsError, SqsErrorKind};
use crate::batch::{self, BatchFault};
use crate::protocol::xml::XmlWriter;

/// An entry of a batch that failed, while others may not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchResultErrorEntry {
    /// The entry.
    pub id: String,
    /// Whether the caller did wrong.
    pub sender_fault: bool,
    /// The Query protocol's code, in both protocols.
    pub code: String,
    /// For people.
    pub message: String,
}

impl BatchResultErrorEntry {
    /// An entry that was refused.
    pub fn refused(id: impl Into<String>, error: &SqsError) -> Self {
        Self {
            id: id.into(),
            sender_fault: true,
            code: error.kind.query_code().to_owned(),
            message: error.message.clone().into_owned(),
        }
    }

    /// An entry that failed through a fault of ours, and may be sent again.
    pub fn internal(id: impl Into<String>) -> Self {
        let error = crate::AwsError::internal_failure();
        Self {
            id: id.into(),
            sender_fault: false,
            code: "InternalError".to_owned(),
            message: error.message.into_owned(),
        }
    }
}

/// Checks a batch's entries as a whole: their number and their ids. `shape` is the entries' name in
/// the Query protocol.
pub(super) fn check_ids<'a>(
    ids: impl ExactSizeIterator<Item = &'a str> + Clone,
    shape: &str,
) -> Result<(), SqsError> {
    let Err(fault) = batch::check(ids) else {
        return Ok(());
    };
    Err(match fault {
        BatchFault::Empty => SqsError::new(
            SqsErrorKind::EmptyBatchRequest,
            format!("There should be at least one {shape} in the request."),
        ),
        BatchFault::TooMany(count) => SqsError::new(
            SqsErrorKind::TooManyEntriesInBatchRequest,
            format!(
                "Maximum number of entries per request are {BATCH_ENTRIES_MAX}. You have sent {count}."
            ),
        ),
        BatchFault::InvalidId => SqsError::new(
            SqsErrorKind::InvalidBatchEntryId,
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
        ),
        BatchFault::Repeated(id) => SqsError::new(
            SqsErrorKind::BatchEntryIdsNotDistinct,
            format!("Id {id} repeated."),
        ),
    })
}

/// Parts the entries that pass a check from those that fail it. `check` is told which entry it is,
/// from 1, as AWS counts them in its wording.
pub(super) fn triage<T>(
    entries: Vec<T>,
    id: impl Fn(&T) -> String,
    check: impl Fn(&T, usize) -> Result<(), SqsError>,
) -> (Vec<T>, Vec<BatchResultErrorEntry>) {
    let mut passed = Vec::with_capacity(entries.len());
    let mut failed = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        match check(&entry, index + 1) {
            Ok(()) => passed.push(entry),
            Err(e) => failed.push(BatchResultErrorEntry::refused(id(&entry), &e)),
        }
    }
    (passed, failed)
}

impl BatchResultErrorEntry {
    /// Writes it in an element of that name.
    pub(crate) fn write(&self, element: &str, xml: &mut XmlWriter) {
        xml.open(element);
        xml.text_element("Id", &self.id);
        xml.text_element("Code", &self.code);
        xml.text_element("Message", &self.message);
        xml.plain_element("SenderFault", self.sender_fault);
        xml.close(element);
    }
}

pub(super) fn write_failed(failed: &[BatchResultErrorEntry], xml: &mut XmlWriter) {
    for entry in failed {
        entry.write("BatchResultErrorEntry", xml);
    }
}

/// An entry that succeeded, of an action that has no more to say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IdEntry {
    /// The entry.
    pub id: String,
}
