//! A queue's attributes: names, bounds and defaults, from what a client sets to what it reads.
//!
//! What is kept is a map of names to texts, exactly as set; [`QueueAttributes`] is that map together
//! with what it means. Nothing is kept that was not set.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use levada_types::limits::{
    DELAY_SECS_MAX, MAXIMUM_MESSAGE_SIZE_BYTES_MIN, MESSAGE_BYTES_MAX,
    MESSAGE_RETENTION_SECS_DEFAULT, MESSAGE_RETENTION_SECS_MAX, MESSAGE_RETENTION_SECS_MIN,
    VISIBILITY_TIMEOUT_SECS_DEFAULT, VISIBILITY_TIMEOUT_SECS_MAX, WAIT_TIME_SECS_MAX,
};
use levada_types::{QueueArn, Timestamp};

use super::redrive::{RedriveAllowPolicy, RedrivePolicy};
use super::{SqsError, SqsErrorKind};

names! {
    /// The name of an attribute that can be asked for. `All` is not one.
    QueueAttributeName {
        QueueArn, ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
        ApproximateNumberOfMessagesDelayed, CreatedTimestamp, LastModifiedTimestamp, VisibilityTimeout,
        MaximumMessageSize, MessageRetentionPeriod, DelaySeconds, ReceiveMessageWaitTimeSeconds, Policy,
        RedrivePolicy, RedriveAllowPolicy, KmsMasterKeyId, KmsDataKeyReusePeriodSeconds, SqsManagedSseEnabled,
        FifoQueue, ContentBasedDeduplication, DeduplicationScope, FifoThroughputLimit,
    }
}

use QueueAttributeName as Name;

/// Statements in a queue's policy.
pub(super) const POLICY_STATEMENTS_MAX: usize = 20;

/// How long a data key may be used before KMS is asked again, in seconds.
const KMS_REUSE_SECS: RangeInclusive<u32> = 60..=86_400;
const KMS_REUSE_SECS_DEFAULT: u32 = 300;
/// `MESSAGE_BYTES_MAX` as the attribute's type.
const MAXIMUM_MESSAGE_SIZE_BYTES_MAX: u32 = MESSAGE_BYTES_MAX as u32;

/// What deduplication ids are told apart within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeduplicationScope {
    /// The queue.
    #[default]
    Queue,
    /// A message group.
    MessageGroup,
}

/// What the throughput quota of a FIFO queue is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FifoThroughputLimit {
    /// The queue.
    #[default]
    PerQueue,
    /// A message group.
    PerMessageGroupId,
}

/// What validation of a message must know of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    /// Whether it is a FIFO queue.
    pub fifo: bool,
    /// Whether a deduplication id is made from the body where none is given.
    pub content_based_deduplication: bool,
    /// The longest message, body and attributes.
    pub maximum_message_size_bytes: u32,
}

/// What `GetQueueAttributes` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Ready to be received.
    pub visible: u64,
    /// Claimed.
    pub not_visible: u64,
    /// Not ready yet.
    pub delayed: u64,
}

/// Attributes that a client sets or has set, with what they mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueAttributes {
    /// Names and values as they were set. In a change an empty value removes the attribute.
    pub verbatim: BTreeMap<String, String>,
    /// Seconds until a sent message is visible, 0 to 900.
    pub delay_secs: Option<u32>,
    /// 1,024 to 1,048,576.
    pub maximum_message_size_bytes: Option<u32>,
    /// 60 to 1,209,600.
    pub message_retention_secs: Option<u32>,
    /// 0 to 20.
    pub receive_message_wait_time_secs: Option<u32>,
    /// 0 to 43,200.
    pub visibility_timeout_secs: Option<u32>,
    /// The queue's policy, as set.
    pub policy: Option<String>,
    /// Where dead letters go.
    pub redrive_policy: Option<RedrivePolicy>,
    /// Which queues may send their dead letters here.
    pub redrive_allow_policy: Option<RedriveAllowPolicy>,
    /// The key that KMS encrypts with.
    pub kms_master_key_id: Option<String>,
    /// 60 to 86,400.
    pub kms_data_key_reuse_period_secs: Option<u32>,
    /// Encryption with keys of ours.
    pub sqs_managed_sse_enabled: Option<bool>,
    /// Whether it is a FIFO queue.
    pub fifo_queue: Option<bool>,
    /// Whether a deduplication id is made from the body where none is given.
    pub content_based_deduplication: Option<bool>,
    /// What deduplication ids are told apart within.
    pub deduplication_scope: Option<DeduplicationScope>,
    /// What the throughput quota is for.
    pub fifo_throughput_limit: Option<FifoThroughputLimit>,
}

impl QueueAttributes {
    /// Attributes of a queue to be made, whose name ends in `.fifo` or does not.
    pub fn for_create(
        attributes: &BTreeMap<String, String>,
        fifo_name: bool,
    ) -> Result<Self, SqsError> {
        if fifo_name && !attributes.contains_key("FifoQueue") {
            return Err(invalid_name(false));
        }
        if !fifo_name && attributes.get("FifoQueue").is_some_and(|v| v == "true") {
            return Err(invalid_name(true));
        }
        let mut read = Self::read(attributes, fifo_name, true)?;
        read.check_together()?;
        // An empty value at creation is as if it had not been set.
        read.verbatim.retain(|_, value| !value.is_empty());
        Ok(read)
    }

    /// Changes to a queue that is FIFO or is not; [`Self::with`] and [`Self::check_together`] come
    /// after. One kind of encryption takes the other's place.
    pub fn for_set(attributes: &BTreeMap<String, String>, fifo: bool) -> Result<Self, SqsError> {
        let mut read = Self::read(attributes, fifo, false)?;
        read.check_encryption()?;
        let mut remove = |name: Name| {
            read.verbatim.entry(name.as_str().to_owned()).or_default();
        };
        if read.kms_master_key_id.is_some() {
            remove(Name::SqsManagedSseEnabled);
        } else if read.sqs_managed_sse_enabled == Some(true) {
            remove(Name::KmsMasterKeyId);
            remove(Name::KmsDataKeyReusePeriodSeconds);
        }
        Ok(read)
    }

    /// Attributes as the catalog keeps them. What cannot be read counts as not set.
    pub fn from_stored<'a>(attributes: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let mut read = Self::default();
        for (name, value) in attributes {
            if let Some(known) = Name::from_name(name) {
                // Validated when it was set; a value that a newer version allows is as good as none.
                let _ = read.set(known, value);
            }
            read.verbatim.insert(name.clone(), value.clone());
        }
        read
    }

    fn read(
        attributes: &BTreeMap<String, String>,
        fifo: bool,
        creating: bool,
    ) -> Result<Self, SqsError> {
        let mut read = Self::default();
        for (name, value) in attributes {
            let unknown = || SqsError::unknown_attribute(name);
            let known = Name::from_name(name).ok_or_else(unknown)?;
            check_settable(known, fifo)?;
            if known == Name::FifoQueue && value != "true" {
                if creating {
                    return Err(unknown());
                }
                let reason = "Modifying queue type is not supported.";
                return Err(SqsError::invalid_attribute_value_because(name, reason));
            }
            read.set(known, value)?;
            read.verbatim.insert(name.clone(), canonical(known, value));
        }
        Ok(read)
    }

    /// Reads one attribute. Empty texts of those that can be removed leave it unset.
    fn set(&mut self, name: Name, value: &str) -> Result<(), SqsError> {
        let number = |bounds: RangeInclusive<u32>| number(name, value, bounds).map(Some);
        let flag = || flag(name, value).map(Some);
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match name {
            Name::DelaySeconds => self.delay_secs = number(0..=DELAY_SECS_MAX)?,
            Name::MaximumMessageSize => {
                let bounds = MAXIMUM_MESSAGE_SIZE_BYTES_MIN..=MAXIMUM_MESSAGE_SIZE_BYTES_MAX;
                self.maximum_message_size_bytes = number(bounds)?;
            }
            Name::MessageRetentionPeriod => {
                self.message_retention_secs =
                    number(MESSAGE_RETENTION_SECS_MIN..=MESSAGE_RETENTION_SECS_MAX)?;
            }
            Name::ReceiveMessageWaitTimeSeconds => {
                self.receive_message_wait_time_secs = number(0..=WAIT_TIME_SECS_MAX)?;
            }
            Name::VisibilityTimeout => {
                self.visibility_timeout_secs = number(0..=VISIBILITY_TIMEOUT_SECS_MAX)?
            }
            Name::Policy => {
                self.policy = text();
                if let Some(policy) = &self.policy {
                    check_policy(policy)?;
                }
            }
            Name::RedrivePolicy => {
                self.redrive_policy = text().map(|t| RedrivePolicy::parse(&t)).transpose()?
            }
            Name::RedriveAllowPolicy => {
                self.redrive_allow_policy =
                    text().map(|t| RedriveAllowPolicy::parse(&t)).transpose()?;
            }
            Name::KmsMasterKeyId => self.kms_master_key_id = text(),
            Name::KmsDataKeyReusePeriodSeconds => {
                self.kms_data_key_reuse_period_secs = number(KMS_REUSE_SECS)?
            }
            Name::SqsManagedSseEnabled => self.sqs_managed_sse_enabled = flag()?,
            Name::FifoQueue => self.fifo_queue = flag()?,
            Name::ContentBasedDeduplication => self.content_based_deduplication = flag()?,
            Name::DeduplicationScope => {
                self.deduplication_scope = Some(match value {
                    "queue" => DeduplicationScope::Queue,
                    "messageGroup" => DeduplicationScope::MessageGroup,
                    _ => return Err(SqsError::invalid_attribute_value(name.as_str())),
                });
            }
            Name::FifoThroughputLimit => {
                self.fifo_throughput_limit = Some(match value {
                    "perQueue" => FifoThroughputLimit::PerQueue,
                    "perMessageGroupId" => FifoThroughputLimit::PerMessageGroupId,
                    _ => return Err(SqsError::invalid_attribute_value(name.as_str())),
                });
            }
            Name::QueueArn
            | Name::ApproximateNumberOfMessages
            | Name::ApproximateNumberOfMessagesNotVisible
            | Name::ApproximateNumberOfMessagesDelayed
            | Name::CreatedTimestamp
            | Name::LastModifiedTimestamp => {}
        }
        Ok(())
    }

    /// What holds between attributes, of a queue's whole set.
    pub fn check_together(&self) -> Result<(), SqsError> {
        self.check_encryption()?;
        let per_group = self.fifo_throughput_limit == Some(FifoThroughputLimit::PerMessageGroupId);
        if per_group && self.deduplication_scope != Some(DeduplicationScope::MessageGroup) {
            let message = "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup";
            return Err(SqsError::new(SqsErrorKind::InvalidAttributeValue, message));
        }
        Ok(())
    }

    fn check_encryption(&self) -> Result<(), SqsError> {
        if self.kms_master_key_id.is_some() && self.sqs_managed_sse_enabled == Some(true) {
            let message = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.";
            return Err(SqsError::new(SqsErrorKind::InvalidAttributeName, message));
        }
        Ok(())
    }

    /// The whole set of attributes that comes of `changes` to these.
    pub fn with(&self, changes: &Self) -> Self {
        let mut verbatim = self.verbatim.clone();
        verbatim.extend(
            changes
                .verbatim
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        verbatim.retain(|_, value| !value.is_empty());
        Self::from_stored(&verbatim)
    }

    /// The first attribute whose value, in a request to make a queue that exists, is another than the
    /// queue's. Attributes that the request leaves out do not count.
    pub fn difference_from(&self, existing: &Self) -> Option<&str> {
        self.verbatim.iter().find_map(|(name, value)| {
            let known = Name::from_name(name)?;
            let same = existing.effective(known).is_some_and(|have| have == *value);
            let same_meaning = match known {
                Name::RedrivePolicy => self.redrive_policy == existing.redrive_policy,
                Name::RedriveAllowPolicy => {
                    self.redrive_allow_policy == existing.redrive_allow_policy
                }
                _ => false,
            };
            (!same && !same_meaning).then_some(name.as_str())
        })
    }

    /// What validation of a message must know.
    pub fn facts(&self) -> QueueFacts {
        QueueFacts {
            fifo: self.fifo_queue == Some(true),
            content_based_deduplication: self.content_based_deduplication == Some(true),
            maximum_message_size_bytes: self
                .maximum_message_size_bytes
                .unwrap_or(MAXIMUM_MESSAGE_SIZE_BYTES_MAX),
        }
    }

    /// Seconds until a sent message is visible.
    pub fn delay_secs(&self) -> u32 {
        self.delay_secs.unwrap_or(0)
    }

    /// For how long a message is kept, in seconds.
    pub fn message_retention_secs(&self) -> u32 {
        self.message_retention_secs
            .unwrap_or(MESSAGE_RETENTION_SECS_DEFAULT)
    }

    /// For how long a receive waits that does not say, in seconds.
    pub fn receive_message_wait_time_secs(&self) -> u32 {
        self.receive_message_wait_time_secs.unwrap_or(0)
    }

    /// For how long a received message is hidden, in seconds.
    pub fn visibility_timeout_secs(&self) -> u32 {
        self.visibility_timeout_secs
            .unwrap_or(VISIBILITY_TIMEOUT_SECS_DEFAULT)
    }

    /// An attribute's value as it is read: as set, else the default; `None` if it has none.
    fn effective(&self, name: Name) -> Option<String> {
        if let Some(set) = self.verbatim.get(name.as_str()) {
            return Some(set.clone());
        }
        let fifo = self.fifo_queue == Some(true);
        match name {
            Name::DelaySeconds | Name::ReceiveMessageWaitTimeSeconds => Some("0".to_owned()),
            Name::MaximumMessageSize => Some(MESSAGE_BYTES_MAX.to_string()),
            Name::MessageRetentionPeriod => Some(MESSAGE_RETENTION_SECS_DEFAULT.to_string()),
            Name::VisibilityTimeout => Some(VISIBILITY_TIMEOUT_SECS_DEFAULT.to_string()),
            Name::KmsDataKeyReusePeriodSeconds if self.kms_master_key_id.is_some() => {
                Some(KMS_REUSE_SECS_DEFAULT.to_string())
            }
            Name::SqsManagedSseEnabled => Some(self.kms_master_key_id.is_none().to_string()),
            Name::ContentBasedDeduplication if fifo => Some("false".to_owned()),
            Name::DeduplicationScope if fifo => Some("queue".to_owned()),
            Name::FifoThroughputLimit if fifo => Some("perQueue".to_owned()),
            _ => None,
        }
    }

    /// What `GetQueueAttributes` answers for `names`.
    pub fn describe(
        &self,
        names: &[QueueAttributeName],
        arn: &QueueArn,
        counts: &QueueCounts,
        created: Timestamp,
        modified: Timestamp,
    ) -> Vec<(QueueAttributeName, String)> {
        let value = |name: Name| match name {
            Name::QueueArn => Some(arn.to_string()),
            Name::ApproximateNumberOfMessages => Some(counts.visible.to_string()),
            Name::ApproximateNumberOfMessagesNotVisible => Some(counts.not_visible.to_string()),
            Name::ApproximateNumberOfMessagesDelayed => Some(counts.delayed.to_string()),
            Name::CreatedTimestamp => Some(created.as_secs().to_string()),
            Name::LastModifiedTimestamp => Some(modified.as_secs().to_string()),
            other => self.effective(other),
        };
        names
            .iter()
            .filter_map(|&name| Some((name, value(name)?)))
            .collect()
    }
}

/// Whether an attribute can be set at all, on this kind of queue.
fn check_settable(name: Name, fifo: bool) -> Result<(), SqsError> {
    let unknown = Err(SqsError::unknown_attribute(name.as_str()));
    match name {
        Name::QueueArn
        | Name::ApproximateNumberOfMessages
        | Name::ApproximateNumberOfMessagesNotVisible
        | Name::ApproximateNumberOfMessagesDelayed
        | Name::CreatedTimestamp
        | Name::LastModifiedTimestamp => unknown,
        Name::FifoQueue | Name::ContentBasedDeduplication if !fifo => unknown,
        Name::DeduplicationScope | Name::FifoThroughputLimit if !fifo => {
            let message = format!(
                "You can specify the {} only when FifoQueue is set to true.",
                name.as_str()
            );
            Err(SqsError::new(SqsErrorKind::InvalidAttributeName, message))
        }
        _ => Ok(()),
    }
}

/// A valid value as it is kept: as set, but that numbers lose leading zeros, which AWS does not keep.
fn canonical(name: Name, value: &str) -> String {
    let is_number = matches!(
        name,
        Name::DelaySeconds
            | Name::MaximumMessageSize
            | Name::MessageRetentionPeriod
            | Name::ReceiveMessageWaitTimeSeconds
            | Name::VisibilityTimeout
            | Name::KmsDataKeyReusePeriodSeconds
    );
    match value.parse::<u32>() {
        Ok(number) if is_number => number.to_string(),
        _ => value.to_owned(),
    }
}

/// Digits only: AWS refuses a sign, a space or a fraction.
fn number(name: Name, value: &str, bounds: RangeInclusive<u32>) -> Result<u32, SqsError> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    value
        .parse()
        .ok()
        .filter(|n| digits && bounds.contains(n))
        .ok_or_else(|| SqsError::invalid_attribute_value(name.as_str()))
}

fn flag(name: Name, value: &str) -> Result<bool, SqsError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SqsError::invalid_attribute_value(name.as_str())),
    }
}

/// A name that no queue, or no FIFO queue, can have.
pub(super) fn invalid_name(fifo: bool) -> SqsError {
    SqsError::invalid_parameter(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    })
}

/// A policy must at least be a JSON object with statements; what it means is another crate's.
fn check_policy(policy: &str) -> Result<(), SqsError> {
    let statements = match serde_json::from_str(policy) {
        Ok(serde_json::Value::Object(map)) => match map.get("Statement") {
            Some(serde_json::Value::Array(list)) => list.len(),
            Some(serde_json::Value::Object(_)) => 1,
            _ => return Err(SqsError::invalid_attribute_value("Policy")),
        },
        _ => return Err(SqsError::invalid_attribute_value("Policy")),
    };
    if statements > POLICY_STATEMENTS_MAX {
        let message = format!(
            "{statements} statements were found in the submitted policy, max allowed is {POLICY_STATEMENTS_MAX}"
        );
        return Err(SqsError::new(SqsErrorKind::OverLimit, message));
    }
    Ok(())
}
