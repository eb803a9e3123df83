//! `RedrivePolicy` and `RedriveAllowPolicy`: JSON in a queue's attribute.
//!
//! Parsed to be obeyed, but kept and answered verbatim: Terraform compares what it set with what it
//! reads.

use levada_types::QueueArn;
use levada_types::limits::{MAX_RECEIVE_COUNT_MAX, REDRIVE_ALLOW_SOURCES_MAX};
use serde::Deserialize;
use serde_json::Value;

use super::SqsError;

/// Where a queue's dead letters go, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// The dead-letter queue.
    pub dead_letter_target: QueueArn,
    /// Receives after which a message that becomes visible again is a dead letter, 1 to 1000.
    pub max_receive_count: u32,
}

impl RedrivePolicy {
    /// From an attribute's value.
    pub fn parse(text: &str) -> Result<Self, SqsError> {
        let refuse = |reason: &str| SqsError::invalid_value(text, "RedrivePolicy", reason);
        let Ok(Value::Object(map)) = serde_json::from_str(text) else {
            let reason = "Redrive policy is not a valid JSON map.";
            return Err(SqsError::invalid_attribute_value_because(
                "RedrivePolicy",
                reason,
            ));
        };
        let mandatory = |name: &str| {
            let reason = format!("Redrive policy does not contain mandatory attribute: {name}.");
            map.get(name)
                .filter(|value| !value.is_null())
                .ok_or_else(|| refuse(&reason))
        };
        let count = mandatory("maxReceiveCount")?;
        let target = mandatory("deadLetterTargetArn")?;
        if map.len() > 2 {
            return Err(refuse(
                "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].",
            ));
        }
        let target = target.as_str().unwrap_or("");
        let dead_letter_target = target.parse().map_err(|_| {
            let other_service =
                target.starts_with("arn:") && target.split(':').nth(2) != Some("sqs");
            refuse(if other_service {
                "Only SQS queues are valid resources for deadLetterTargetArn."
            } else {
                "Invalid value for deadLetterTargetArn."
            })
        })?;
        let number = match count {
            Value::Number(n) => n.as_u64(),
            Value::String(s) => s.parse().ok(),
            _ => None,
        };
        let max_receive_count = number
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (1..=MAX_RECEIVE_COUNT_MAX).contains(n))
            .ok_or_else(|| {
                let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
                refuse(&format!(
                    "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to {MAX_RECEIVE_COUNT_MAX} both inclusive."
                ))
            })?;
        Ok(Self {
            dead_letter_target,
            max_receive_count,
        })
    }

    /// The dead-letter queue is not there.
    pub fn target_does_not_exist(text: &str) -> SqsError {
        SqsError::invalid_value(text, "RedrivePolicy", "Dead letter target does not exist.")
    }

    /// A FIFO queue's dead letters go to a FIFO queue, a standard queue's to a standard one.
    pub fn target_of_other_type(text: &str) -> SqsError {
        SqsError::invalid_value(
            text,
            "RedrivePolicy",
            "Dead-letter queue must be same type of queue as the source.",
        )
    }

    /// The dead-letter queue does not let this queue use it. Wording from memory.
    pub fn target_forbids(text: &str) -> SqsError {
        let reason =
            "Dead-letter queue does not allow this queue to use it as a dead-letter queue.";
        SqsError::invalid_value(text, "RedrivePolicy", reason)
    }
}

/// Which queues may use this one for dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedrivePermission {
    /// Any.
    #[default]
    AllowAll,
    /// None.
    DenyAll,
    /// Those that are named.
    ByQueue,
}

/// Which queues may use this one for dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedriveAllowPolicy {
    /// All, none, or some.
    pub permission: RedrivePermission,
    /// Which, if some: 1 to 10.
    pub source_queues: Vec<QueueArn>,
}

impl RedriveAllowPolicy {
    /// From an attribute's value.
    pub fn parse(text: &str) -> Result<Self, SqsError> {
        let unsupported = || {
            SqsError::invalid_attribute_value_because(
                "RedriveAllowPolicy",
                "Amazon SQS can't create the redrive allow policy, as it\u{2019}s in an unsupported format.",
            )
        };
        let refuse = |reason: &str| {
            let reason = format!("Amazon SQS can't create the redrive allow policy. {reason}");
            SqsError::invalid_value(text, "RedriveAllowPolicy", &reason)
        };
        if !text.trim_start().starts_with('{') {
            return Err(unsupported());
        }
        let document: RedriveAllowDocument =
            serde_json::from_str(text).map_err(|_| unsupported())?;
        let permission = match &*document.redrive_permission {
            "allowAll" => RedrivePermission::AllowAll,
            "denyAll" => RedrivePermission::DenyAll,
            "byQueue" => RedrivePermission::ByQueue,
            _ => return Err(unsupported()),
        };
        let sources = document.source_queue_arns;
        if permission == RedrivePermission::ByQueue && sources.is_empty() {
            return Err(refuse(
                "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.",
            ));
        }
        if permission != RedrivePermission::ByQueue && !sources.is_empty() {
            return Err(refuse(
                "To specify one or more source queue ARNs, you must set redrivePermission to byQueue.",
            ));
        }
        if sources.len() > REDRIVE_ALLOW_SOURCES_MAX {
            return Err(refuse(
                "The maximum number of source queue ARNs you can specify is 10.",
            ));
        }
        let source_queues = sources
            .iter()
            .map(|arn| arn.parse().map_err(|_| unsupported()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            permission,
            source_queues,
        })
    }

    /// Whether `queue` may use the queue that has this policy for its dead letters.
    pub fn allows(&self, queue: &QueueArn) -> bool {
        match self.permission {
            RedrivePermission::AllowAll => true,
            RedrivePermission::DenyAll => false,
            RedrivePermission::ByQueue => self.source_queues.contains(queue),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedriveAllowDocument {
    redrive_permission: String,
    #[serde(default)]
    source_queue_arns: Vec<String>,
}
