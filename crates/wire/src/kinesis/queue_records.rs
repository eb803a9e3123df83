//! Records of queues on streams: receiving, acknowledging, hiding; the same of dead letters, and restoring
//! these.

use levada_types::limits::{QUEUE_RECORDS_MAX, VISIBILITY_TIMEOUT_SECS_MAX, WAIT_TIME_SECS_MAX};

use super::Violations;
use super::constraint::RECEIPT_HANDLE;
use super::shape::{Answer, input, output, queue_input, queue_shape};
use crate::protocol::member::{Blob, EpochTime};

macro_rules! receive {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            queue_input! {
                $(#[$doc])*
                pub struct $name {
                    /// Records, 1 to 10; 10 if it is not given.
                    pub limit: Option<i64>,
                    /// For how long it is waited for one, in seconds, 1 to 20; 9 if it is not given.
                    pub wait_time_seconds: Option<i64>,
                    /// For how long they are hidden, in seconds, 0 to 43,200; the queue's own if it is not given.
                    pub visibility_timeout_seconds: Option<i64>,
                }
            }

            queue_shape!($name, |request, violations| {
                violations.int("limit", request.limit, 1..=QUEUE_RECORDS_MAX);
                violations.int("waitTimeSeconds", request.wait_time_seconds, 1..=WAIT_TIME_SECS_MAX);
                let timeout = request.visibility_timeout_seconds;
                violations.int("visibilityTimeoutSeconds", timeout, 0..=VISIBILITY_TIMEOUT_SECS_MAX);
            });
        )*
    };
}

receive! {
    /// Receives records.
    ReceiveQueueRecordsRequest;
    /// Receives dead letters.
    ReceiveDeadLetterQueueRecordsRequest;
}

input! {
    /// A record that was received.
    pub struct ReceiptEntry {
        /// What the receive gave.
        pub receipt_handle: Option<String>,
    }
}

input! {
    /// A record that was received, and for how long it shall be hidden.
    pub struct VisibilityEntry {
        /// What the receive gave.
        pub receipt_handle: Option<String>,
        /// For how long from now, in seconds; 0 to 43,200.
        pub visibility_timeout_seconds: Option<i64>,
    }
}

impl ReceiptEntry {
    fn violations(&self, path: &str, violations: &mut Violations) {
        let handle = format!("{path}.receiptHandle");
        violations.text(&handle, &self.receipt_handle, &RECEIPT_HANDLE.required());
    }
}

impl VisibilityEntry {
    fn violations(&self, path: &str, violations: &mut Violations) {
        let handle = format!("{path}.receiptHandle");
        violations.text(&handle, &self.receipt_handle, &RECEIPT_HANDLE.required());
        let path = format!("{path}.visibilityTimeoutSeconds");
        let timeout = self.visibility_timeout_seconds;
        violations.required(&path, &timeout);
        violations.int(&path, timeout, 0..=VISIBILITY_TIMEOUT_SECS_MAX);
    }
}

macro_rules! batches {
    ($($(#[$doc:meta])* $name:ident, $entry:ident, $shape:literal;)*) => {
        $(
            queue_input! {
                $(#[$doc])*
                pub struct $name {
                    /// Which records, 1 to 10.
                    pub entries: Option<Vec<$entry>>,
                }
            }

            queue_shape!($name, |request, violations| {
                violations.required("entries", &request.entries);
                if let Some(entries) = &request.entries {
                    let most = QUEUE_RECORDS_MAX as usize;
                    violations.structures("entries", $shape, entries.len(), most);
                    for (entry, n) in entries.iter().zip(1..) {
                        entry.violations(&format!("entries.{n}.member"), violations);
                    }
                }
            });
        )*
    };
}

batches! {
    /// Acknowledges records: they are not received again.
    AcknowledgeQueueRecordsRequest, ReceiptEntry, "AcknowledgeQueueRecordsRequestEntry";
    /// Acknowledges dead letters.
    AcknowledgeDeadLetterQueueRecordsRequest, ReceiptEntry, "AcknowledgeDeadLetterQueueRecordsRequestEntry";
    /// Puts dead letters back into the queue.
    RestoreDeadLetterQueueRecordsRequest, ReceiptEntry, "RestoreDeadLetterQueueRecordsRequestEntry";
    /// Changes for how long records are hidden.
    UpdateQueueRecordsVisibilityRequest, VisibilityEntry, "UpdateQueueRecordsVisibilityRequestEntry";
    /// Changes for how long dead letters are hidden.
    UpdateDeadLetterQueueRecordsVisibilityRequest, VisibilityEntry, "UpdateDeadLetterQueueRecordsVisibilityRequestEntry";
}

output! {
    /// What was received, of either kind.
    pub struct ReceiveQueueRecordsResponse {
        /// They; none if none came.
        pub queue_records: Vec<QueueRecord>,
    }
}

output! {
    /// A record that a queue gives.
    pub struct QueueRecord {
        /// By which it is acknowledged.
        pub receipt_handle: String,
        /// Its own id, the same at each receive: 1 to 64 of `[a-z0-9]`.
        pub record_id: String,
        /// Its key.
        pub partition_key: Option<String>,
        /// It.
        pub data: Blob,
        /// When it came into its stream.
        pub approximate_arrival_timestamp: EpochTime,
        /// When it was first received.
        pub first_receive_timestamp: EpochTime,
        /// How often it was, this time counted.
        pub receive_count: u32,
    }
}

output! {
    /// What became of the entries, of any kind.
    pub struct QueueRecordsBatchResponse {
        /// Those that succeeded.
        pub successful: Vec<BatchResultEntry>,
        /// Those that did not.
        pub failed: Vec<BatchErrorEntry>,
    }
}

output! {
    /// An entry that succeeded.
    pub struct BatchResultEntry {
        /// The entry's.
        pub receipt_handle: String,
    }
}

output! {
    /// An entry that did not.
    pub struct BatchErrorEntry {
        /// The entry's.
        pub receipt_handle: String,
        /// The exception's name.
        pub error_code: &'static str,
        /// For people.
        pub error_message: Option<String>,
    }
}

impl Answer for ReceiveQueueRecordsResponse {
    fn size_hint(&self) -> usize {
        let record =
            |r: &QueueRecord| 512 + r.receipt_handle.len() + r.data.0.len().div_ceil(3) * 4;
        64 + self.queue_records.iter().map(record).sum::<usize>()
    }
}

impl Answer for QueueRecordsBatchResponse {}
