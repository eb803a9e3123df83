//! Opaque texts that clients hand back: page tokens and task handles; and sequence numbers.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use levada_types::QueueArn;
use serde::{Deserialize, Serialize};

use super::{SqsError, SqsErrorKind};

/// The token of a page that ended with `last_name`.
pub fn encode_token(last_name: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(last_name)
}

/// The last name of the page before; the next begins after it.
pub fn decode_token(token: &str) -> Result<String, SqsError> {
    // From memory.
    let invalid = || SqsError::invalid_parameter("Invalid or expired next token.");
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| invalid())?;
    String::from_utf8(bytes).map_err(|_| invalid())
}

/// A FIFO message's sequence number: 20 digits, rising with its position.
pub fn sequence_number(position: u64) -> String {
    format!("{position:020}")
}

/// What names a move task. On the wire the base64 of a JSON object, as AWS's are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskHandle {
    /// The catalog's number of the task; `None` in a handle that names no task of ours.
    pub task: Option<u64>,
    /// The dead-letter queue.
    pub source: QueueArn,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskHandleJson {
    task_id: String,
    source_arn: String,
}

impl TaskHandle {
    /// The text for the client.
    pub fn encode(&self) -> String {
        let json = TaskHandleJson {
            task_id: self.task.map(|task| task.to_string()).unwrap_or_default(),
            source_arn: self.source.to_string(),
        };
        BASE64_STANDARD.encode(serde_json::to_vec(&json).unwrap_or_default())
    }

    /// From the client's text.
    pub fn decode(text: &str) -> Result<Self, SqsError> {
        let parse = || {
            let bytes = BASE64_STANDARD.decode(text).ok()?;
            let json: TaskHandleJson = serde_json::from_slice(&bytes).ok()?;
            Some(Self {
                task: json.task_id.parse().ok(),
                source: json.source_arn.parse().ok()?,
            })
        };
        parse().ok_or_else(|| {
            SqsError::invalid_parameter("Value for parameter TaskHandle is invalid.")
        })
    }

    /// There is no such task any more, or it is not running.
    pub fn not_running() -> SqsError {
        SqsError::new(SqsErrorKind::ResourceNotFound, "Task does not exist.")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_and_handles_come_back() {
        assert_eq!(
            decode_token(&encode_token("orders.fifo")).unwrap(),
            "orders.fifo"
        );
        let handle = TaskHandle {
            task: Some(u64::MAX),
            source: "arn:aws:sqs:us-east-1:000000000001:dead".parse().unwrap(),
        };
        assert_eq!(TaskHandle::decode(&handle.encode()).unwrap(), handle);
        // A handle of AWS's own form names no task here, but is one.
        let json = br#"{"taskId":"0b1e7f0c-1111-4222-8333-444455556666","sourceArn":"arn:aws:sqs:us-east-1:000000000001:dead"}"#;
        let foreign = TaskHandle::decode(&BASE64_STANDARD.encode(json)).unwrap();
        assert_eq!((foreign.task, foreign.source), (None, handle.source));
    }

    #[test]
    fn sequence_numbers_sort_as_text() {
        assert_eq!(sequence_number(1), "00000000000000000001");
        assert!(sequence_number(9) < sequence_number(10));
        assert_eq!(sequence_number(u64::MAX).len(), 20);
    }

    #[test]
    fn garbage_is_refused_in_words() {
        for bad in ["!", "a", "_w"] {
            assert_eq!(
                decode_token(bad).unwrap_err().message,
                "Invalid or expired next token."
            );
        }
        for bad in ["", "!", "e30=", "bm90IGpzb24="] {
            let error = TaskHandle::decode(bad).unwrap_err();
            assert_eq!(
                error.to_string(),
                "InvalidParameterValue: Value for parameter TaskHandle is invalid."
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_decoded_or_refused(text in any::<String>()) {
            let _ = decode_token(&text);
            let _ = TaskHandle::decode(&text);
        }
    }
}
