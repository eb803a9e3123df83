//! A topic's attributes: names, bounds and defaults, from what a client sets to what it reads.
//!
//! What is kept is a map of names to texts; [`TopicAttributes`] is that map together with what it means. Nothing is
//! kept that was not set. All but the delivery policy, which AWS rewrites, come back exactly as set.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use levada_types::limits::{
    ARCHIVE_RETENTION_DAYS_MAX, TOPIC_DISPLAY_NAME_LEN_MAX, TOPIC_MESSAGE_BYTES_DEFAULT,
    TOPIC_MESSAGE_BYTES_MAX, TOPIC_MESSAGE_BYTES_MIN,
};
use serde_json::Value;

use super::attribute_error::{AttributeError, flag, object};
use super::{
    Attribute, SnsError, TopicArn, TopicDeliveryPolicy, TopicFacts, arn, default_policy,
    topic_policy,
};

names! {
    /// The name of an attribute of a topic that can be set.
    TopicAttributeName {
        ApplicationFailureFeedbackRoleArn, ApplicationSuccessFeedbackRoleArn, ApplicationSuccessFeedbackSampleRate,
        ArchivePolicy, ContentBasedDeduplication, DeliveryPolicy, DisplayName, FifoThroughputScope, FifoTopic,
        FirehoseFailureFeedbackRoleArn, FirehoseSuccessFeedbackRoleArn, FirehoseSuccessFeedbackSampleRate,
        HTTPFailureFeedbackRoleArn, HTTPSuccessFeedbackRoleArn, HTTPSuccessFeedbackSampleRate, KmsMasterKeyId,
        LambdaFailureFeedbackRoleArn, LambdaSuccessFeedbackRoleArn, LambdaSuccessFeedbackSampleRate,
        MaximumMessageSize, Policy, SQSFailureFeedbackRoleArn, SQSSuccessFeedbackRoleArn,
        SQSSuccessFeedbackSampleRate, SignatureVersion, TracingConfig,
    }
}

use TopicAttributeName as Name;

impl TopicAttributeName {
    /// Whether it is the ARN of a role that may write logs of deliveries.
    fn is_role(self) -> bool {
        self.as_str().ends_with("FeedbackRoleArn")
    }

    /// Whether it is the share of successful deliveries that are logged.
    fn is_sample_rate(self) -> bool {
        self.as_str().ends_with("FeedbackSampleRate")
    }

    /// Whether only a FIFO topic has it.
    const fn is_fifo_only(self) -> bool {
        matches!(
            self,
            Self::ArchivePolicy | Self::ContentBasedDeduplication | Self::FifoThroughputScope
        )
    }

    /// Whether an empty value takes the attribute away.
    fn is_removable(self) -> bool {
        self.is_role()
            || matches!(
                self,
                Self::DeliveryPolicy | Self::KmsMasterKeyId | Self::ArchivePolicy
            )
    }
}

/// What deduplication ids are told apart within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FifoThroughputScope {
    /// The topic.
    #[default]
    Topic,
    /// A message group.
    MessageGroup,
}

/// What becomes of X-Ray's trace header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TracingMode {
    /// Passed on to subscribers.
    #[default]
    PassThrough,
    /// And segments are sent to X-Ray.
    Active,
}

/// Subscriptions, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionCounts {
    /// Confirmed.
    pub confirmed: u64,
    /// Waiting for confirmation.
    pub pending: u64,
    /// Deleted a moment ago.
    pub deleted: u64,
}

/// Attributes that a client sets or has set, with what they mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicAttributes {
    /// Names and values as they are answered. In a change an empty value removes the attribute.
    pub verbatim: BTreeMap<String, String>,
    /// How deliveries over HTTP are retried.
    pub delivery_policy: Option<TopicDeliveryPolicy>,
    /// Bytes of a message or a batch, 1,024 to 1,048,576.
    pub maximum_message_size_bytes: Option<u32>,
    /// 1 or 2.
    pub signature_version: Option<u8>,
    /// What becomes of trace headers.
    pub tracing: Option<TracingMode>,
    /// Whether it is a FIFO topic.
    pub fifo_topic: Option<bool>,
    /// Whether a deduplication id is made from the message where none is given.
    pub content_based_deduplication: Option<bool>,
    /// What deduplication ids are told apart within.
    pub fifo_throughput_scope: Option<FifoThroughputScope>,
    /// Days for which the archive keeps messages, 1 to 365.
    pub archive_retention_days: Option<u32>,
}

impl TopicAttributes {
    /// Attributes of a topic to be made. Its name was checked.
    pub(super) fn for_create(
        attributes: &BTreeMap<String, String>,
        fifo: bool,
    ) -> Result<Self, AttributeError> {
        let mut read = Self::default();
        for (name, value) in attributes {
            let unknown = || AttributeError::Unknown(name.clone());
            let known = Name::from_name(name).ok_or_else(unknown)?;
            if known.is_fifo_only() && !fifo {
                return Err(unknown());
            }
            read.set(known, value)?;
        }
        read.check_against(fifo)?;
        // An empty value at creation is as if it had not been set; so is a topic that is not FIFO.
        read.verbatim.retain(|_, value| !value.is_empty());
        if !fifo {
            read.verbatim.remove(Name::FifoTopic.as_str());
        }
        Ok(read)
    }

    /// A change of one attribute of a topic that is FIFO or is not. [`Self::with`] comes after.
    pub(super) fn for_set(name: &str, value: &str, fifo: bool) -> Result<Self, AttributeError> {
        let unknown = || AttributeError::Unknown(name.to_owned());
        let known = Name::from_name(name).ok_or_else(unknown)?;
        if known == Name::FifoTopic || (known.is_fifo_only() && !fifo) {
            return Err(unknown());
        }
        let mut read = Self::default();
        read.set(known, value)?;
        read.check_against(fifo)?;
        Ok(read)
    }

    /// Attributes as the catalog keeps them. What cannot be read counts as not set.
    pub fn from_stored<'a>(attributes: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let mut read = Self::default();
        for (name, value) in attributes {
            let known = Name::from_name(name);
            // Validated when it was set; a value that a newer version allows is as good as none.
            if known.is_none_or(|known| read.set(known, value).is_err()) {
                read.verbatim.insert(name.clone(), value.clone());
            }
        }
        read
    }

    /// Reads one attribute, and keeps its text.
    fn set(&mut self, name: Name, value: &str) -> Result<(), AttributeError> {
        let wire_name = name.as_str();
        let mut kept = value.to_owned();
        let none_of = |allowed: &str| AttributeError::not_one_of(wire_name, value, allowed);
        match name {
            _ if value.is_empty() && name.is_removable() => {}
            Name::DeliveryPolicy => {
                let policy = TopicDeliveryPolicy::parse(value)?;
                kept = policy.to_text();
                self.delivery_policy = Some(policy);
            }
            Name::DisplayName => check_display_name(value)?,
            Name::Policy => topic_policy::check(value)?,
            Name::MaximumMessageSize => {
                let bounds = TOPIC_MESSAGE_BYTES_MIN..=TOPIC_MESSAGE_BYTES_MAX;
                self.maximum_message_size_bytes = Some(number(name, value, bounds)?);
            }
            Name::SignatureVersion => {
                self.signature_version = Some(match value {
                    "1" => 1,
                    "2" => 2,
                    _ => return Err(none_of("1 or 2")),
                });
            }
            Name::TracingConfig => {
                self.tracing = Some(match value {
                    "PassThrough" => TracingMode::PassThrough,
                    "Active" => TracingMode::Active,
                    _ => return Err(none_of("PassThrough or Active")),
                });
            }
            Name::FifoTopic => self.fifo_topic = Some(flag(wire_name, value)?),
            Name::ContentBasedDeduplication => {
                self.content_based_deduplication = Some(flag(wire_name, value)?);
            }
            Name::FifoThroughputScope => {
                self.fifo_throughput_scope = Some(match value {
                    "Topic" => FifoThroughputScope::Topic,
                    "MessageGroup" => FifoThroughputScope::MessageGroup,
                    _ => return Err(none_of("Topic or MessageGroup")),
                });
            }
            Name::ArchivePolicy => {
                self.archive_retention_days = archive_days(value)?;
                if self.archive_retention_days.is_none() {
                    // An empty policy ends the archive.
                    kept = String::new();
                }
            }
            // AWS looks at the key when it is used.
            Name::KmsMasterKeyId => {}
            _ if name.is_sample_rate() => drop(number(name, value, 0..=100)?),
            _ => check_role(wire_name, value)?,
        }
        self.verbatim.insert(wire_name.to_owned(), kept);
        Ok(())
    }

    fn check_against(&self, fifo: bool) -> Result<(), AttributeError> {
        if fifo && self.tracing == Some(TracingMode::Active) {
            // Documented; the wording is from memory.
            let reason = "Active tracing is not supported for FIFO topics.";
            return Err(AttributeError::new("TracingConfig", reason));
        }
        Ok(())
    }

    /// The whole set of attributes that comes of `changes` to these.
    pub fn with(&self, changes: &Self) -> Self {
        let mut verbatim = self.verbatim.clone();
        for (name, value) in &changes.verbatim {
            verbatim.insert(name.clone(), value.clone());
        }
        let is_kept = |name: &str, value: &str| !value.is_empty() || name == "DisplayName";
        verbatim.retain(|name, value| is_kept(name, value));
        Self::from_stored(&verbatim)
    }

    /// Whether a request to make a topic that exists asks for other attributes than it has. Those that the request
    /// leaves out do not count.
    pub fn differs_from(&self, existing: &Self) -> bool {
        let same = |name: &str, value: &str| match existing.verbatim.get(name) {
            Some(set) => set == value,
            None => match Name::from_name(name) {
                Some(Name::ContentBasedDeduplication) => value == "false",
                Some(Name::FifoThroughputScope) => value == "Topic",
                Some(Name::SignatureVersion) => value == "1",
                Some(Name::TracingConfig) => value == "PassThrough",
                _ => false,
            },
        };
        !self.verbatim.iter().all(|(name, value)| same(name, value))
    }

    /// What validation of a message must know.
    pub fn facts(&self) -> TopicFacts {
        TopicFacts {
            fifo: self.fifo_topic == Some(true),
            content_based_deduplication: self.content_based_deduplication == Some(true),
            maximum_message_size_bytes: self
                .maximum_message_size_bytes
                .unwrap_or(TOPIC_MESSAGE_BYTES_DEFAULT),
        }
    }

    /// The policy as set, if one was.
    pub fn policy(&self) -> Option<&str> {
        self.verbatim.get(Name::Policy.as_str()).map(String::as_str)
    }

    /// The version of the signatures of what is sent: 1 or 2.
    pub fn signature_version(&self) -> u8 {
        self.signature_version.unwrap_or(1)
    }

    /// What `GetTopicAttributes` answers, sorted by name. `beginning_archive_time` is of a topic with an archive.
    pub fn describe(
        &self,
        topic: &TopicArn,
        counts: &SubscriptionCounts,
        beginning_archive_time: Option<String>,
    ) -> Vec<Attribute> {
        let mut all = self.verbatim.clone();
        let mut default = |name: &str, value: String| {
            all.entry(name.to_owned()).or_insert(value);
        };
        default("DisplayName", String::new());
        default("Policy", default_policy(topic));
        if self.fifo_topic == Some(true) {
            default("ContentBasedDeduplication", "false".to_owned());
        }
        let delivery = self.delivery_policy.clone().unwrap_or_default();
        default("EffectiveDeliveryPolicy", delivery.to_effective_text());
        default("Owner", topic.account.to_string());
        default("TopicArn", topic.to_string());
        default("SubscriptionsConfirmed", counts.confirmed.to_string());
        default("SubscriptionsPending", counts.pending.to_string());
        default("SubscriptionsDeleted", counts.deleted.to_string());
        if let Some(time) = beginning_archive_time {
            default("BeginningArchiveTime", time);
        }
        all.into_iter().collect()
    }
}

/// Up to 100 characters, none of which is a control character. From memory.
fn check_display_name(value: &str) -> Result<(), AttributeError> {
    let fits = value.chars().count() <= TOPIC_DISPLAY_NAME_LEN_MAX;
    if fits && !value.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(AttributeError::Invalid("DisplayName".into()))
    }
}

/// Digits only.
fn number(name: Name, value: &str, bounds: RangeInclusive<u32>) -> Result<u32, AttributeError> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let number = value.parse().ok().filter(|n| digits && bounds.contains(n));
    number.ok_or_else(|| {
        let allowed = format!("an integer from {} to {}", bounds.start(), bounds.end());
        AttributeError::not_one_of(name.as_str(), value, &allowed)
    })
}

/// The ARN of a role. From memory.
pub(super) fn check_role(name: &str, value: &str) -> Result<(), AttributeError> {
    if arn::is_arn_of(value, "iam", "role/") {
        Ok(())
    } else {
        Err(AttributeError::not_one_of(
            name,
            value,
            "the ARN of an IAM role",
        ))
    }
}

/// `{"MessageRetentionPeriod": 1 to 365}`; `{}` ends the archive. Wordings from memory.
fn archive_days(value: &str) -> Result<Option<u32>, AttributeError> {
    const NAME: &str = "ArchivePolicy";
    const MEMBER: &str = "MessageRetentionPeriod";
    let map = object(NAME, value)?;
    if let Some(other) = map.keys().find(|key| *key != MEMBER) {
        let reason = format!("invalid JSON. Attribute {other} is unknown.");
        return Err(AttributeError::new(NAME, reason));
    }
    let Some(value) = map.get(MEMBER) else {
        return Ok(None);
    };
    let number = match value {
        Value::Number(n) => n.as_u64(),
        Value::String(s) => s.parse().ok(),
        _ => None,
    };
    number
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| (1..=ARCHIVE_RETENTION_DAYS_MAX).contains(n))
        .map(Some)
        .ok_or_else(|| {
            let reason =
                format!("{MEMBER} must be an integer from 1 to {ARCHIVE_RETENTION_DAYS_MAX}.");
            AttributeError::new(NAME, reason)
        })
}

/// The error of an action that sets several attributes.
pub(super) fn among_several<T>(result: Result<T, AttributeError>) -> Result<T, SnsError> {
    result.map_err(AttributeError::among_several)
}
