//! What a queue's attributes mean: defaults, when two values are the same, the redrive policy.
//!
//! Rows keep what the user set, verbatim, because tools compare it; whoever needs the value in force
//! asks [`attribute`]. The gateway validates before it proposes; here a value that makes no sense counts
//! as not set, so that no row can stop a partition.

use levada_types::{QueueArn, limits};
use serde_json::Value;

use crate::proto;

/// The value of an attribute that is in force: as set, or the default. `None` for an attribute that
/// a queue of this kind has only when it is set (policies, keys) and for names that are not known.
pub fn attribute<'a>(row: &'a proto::QueueRow, name: &str) -> Option<&'a str> {
    row.attributes
        .get(name)
        .map(String::as_str)
        .or_else(|| default_of(row, name))
}

/// The default of an attribute for this queue, from the SQS API reference of `CreateQueue`.
pub fn default_of(row: &proto::QueueRow, name: &str) -> Option<&'static str> {
    let fifo = is_fifo(row);
    Some(match name {
        "DelaySeconds" | "ReceiveMessageWaitTimeSeconds" => "0",
        "MaximumMessageSize" => "1048576",
        "MessageRetentionPeriod" => "345600",
        "VisibilityTimeout" => "30",
        "KmsDataKeyReusePeriodSeconds" => "300",
        // One kind of encryption only: a key of one's own replaces SQS's.
        "SqsManagedSseEnabled" if row.attributes.contains_key("KmsMasterKeyId") => "false",
        "SqsManagedSseEnabled" => "true",
        "FifoQueue" if fifo => "true",
        "ContentBasedDeduplication" if fifo => "false",
        "DeduplicationScope" if fifo => "queue",
        "FifoThroughputLimit" if fifo => "perQueue",
        _ => return None,
    })
}

/// Whether the queue is FIFO, which its name says and which never changes.
pub(crate) fn is_fifo(row: &proto::QueueRow) -> bool {
    row.name.ends_with(".fifo")
}

/// Whether `value` for the attribute `name` asks for what the row has in force. JSON is compared by its
/// meaning, an empty value asks for no value.
pub(crate) fn is_in_force(row: &proto::QueueRow, name: &str, value: &str) -> bool {
    let current = attribute(row, name).unwrap_or("");
    current == value || same_json(current, value)
}

fn same_json(a: &str, b: &str) -> bool {
    // Only objects: as bare JSON, `1.0` and `1` would be the same.
    if !(a.trim_start().starts_with('{') && b.trim_start().starts_with('{')) {
        return false;
    }
    match (
        serde_json::from_str::<Value>(a),
        serde_json::from_str::<Value>(b),
    ) {
        (Ok(a), Ok(b)) => normal(a) == normal(b),
        _ => false,
    }
}

/// `maxReceiveCount` may be a number or the same number as text; AWS takes both for one.
fn normal(mut v: Value) -> Value {
    if let Some(count) = v.get_mut("maxReceiveCount")
        && let Some(n) = count.as_str().and_then(|s| s.parse::<u32>().ok())
    {
        *count = n.into();
    }
    v
}

/// A redrive policy that can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// The dead-letter queue.
    pub target: QueueArn,
    /// How often a message may be received before it goes there, 1 to 1,000.
    pub receive_count_max: u32,
}

/// The redrive policy of a row, if it has one that makes sense.
pub fn redrive_policy(row: &proto::QueueRow) -> Option<RedrivePolicy> {
    let json = row
        .attributes
        .get("RedrivePolicy")
        .filter(|json| !json.is_empty())?;
    let policy: Value = serde_json::from_str(json).ok()?;
    let target = policy.get("deadLetterTargetArn")?.as_str()?.parse().ok()?;
    let count = policy.get("maxReceiveCount")?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    let receive_count_max = u32::try_from(count)
        .ok()
        .filter(|n| (1..=limits::MAX_RECEIVE_COUNT_MAX).contains(n))?;
    Some(RedrivePolicy {
        target,
        receive_count_max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, attributes: &[(&str, &str)]) -> proto::QueueRow {
        let attributes = attributes
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
        proto::QueueRow {
            name: name.into(),
            attributes,
            ..Default::default()
        }
    }

    #[test]
    fn a_given_value_is_compared_with_what_is_in_force() {
        let plain = row("a", &[("DelaySeconds", "5")]);
        assert!(is_in_force(&plain, "DelaySeconds", "5"));
        assert!(!is_in_force(&plain, "DelaySeconds", "0"));
        assert!(is_in_force(&plain, "VisibilityTimeout", "30"));
        assert!(!is_in_force(&plain, "ContentBasedDeduplication", "false"));
        assert!(is_in_force(
            &row("a.fifo", &[]),
            "ContentBasedDeduplication",
            "false"
        ));
        assert!(is_in_force(&plain, "Policy", ""));
    }

    #[test]
    fn json_is_compared_by_meaning() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
        let set = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"5"}}"#);
        let same = format!(r#"{{ "maxReceiveCount": 5, "deadLetterTargetArn": "{arn}" }}"#);
        let other = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":6}}"#);
        let row = row("a", &[("RedrivePolicy", &set)]);
        assert!(is_in_force(&row, "RedrivePolicy", &same));
        assert!(!is_in_force(&row, "RedrivePolicy", &other));
        assert_eq!(redrive_policy(&row).map(|p| p.receive_count_max), Some(5));
    }

    #[test]
    fn a_redrive_policy_without_sense_is_none() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
        for bad in [
            "".into(),
            "{".into(),
            "[]".into(),
            format!(r#"{{"deadLetterTargetArn":"{arn}"}}"#),
            format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":0}}"#),
            format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1001}}"#),
            r#"{"deadLetterTargetArn":"dead","maxReceiveCount":3}"#.into(),
        ] {
            assert_eq!(
                redrive_policy(&row("a", &[("RedrivePolicy", &bad)])),
                None,
                "{bad}"
            );
        }
    }
}
