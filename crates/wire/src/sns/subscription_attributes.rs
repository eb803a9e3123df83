//! A subscription's attributes: names, bounds and defaults, from what a client sets to what it reads.
//!
//! What is kept is a map of names to texts; [`SubscriptionAttributes`] is that map together with what it means. A filter
//! policy is not looked into here: what it means, and what is said against it, is another crate's.

use std::collections::BTreeMap;

use levada_types::{AccountId, QueueArn};

use super::attribute_error::{AttributeError, flag, object};
use super::replay_policy::ReplayPolicy;
use super::topic_attributes::check_role;
use super::{
    Attribute, DeliveryPolicy, EffectiveDeliveryPolicy, SubscriptionArn, SubscriptionProtocol,
    TopicDeliveryPolicy,
};

names! {
    /// The name of an attribute of a subscription that can be set.
    SubscriptionAttributeName {
        DeliveryPolicy, FilterPolicy, FilterPolicyScope, RawMessageDelivery, RedrivePolicy, ReplayPolicy,
        SubscriptionRoleArn,
    }
}

use SubscriptionAttributeName as Name;

/// What a filter policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterPolicyScope {
    /// A message's attributes.
    #[default]
    MessageAttributes,
    /// Its body, as JSON.
    MessageBody,
}

/// Where messages go that cannot be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// The dead-letter queue.
    pub dead_letter_target: QueueArn,
}

/// What a subscription's attributes depend on.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionFacts<'a> {
    /// How its messages are delivered.
    pub protocol: SubscriptionProtocol,
    /// Where to.
    pub endpoint: &'a str,
    /// Whether the topic is FIFO.
    pub fifo_topic: bool,
}

/// Attributes that a client sets or has set, with what they mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscriptionAttributes {
    /// Names and values as they are answered. In a change an empty value removes the attribute.
    pub verbatim: BTreeMap<String, String>,
    /// How deliveries over HTTP are retried.
    pub delivery_policy: Option<DeliveryPolicy>,
    /// Whether the message alone is delivered, without the JSON around it.
    pub raw_message_delivery: Option<bool>,
    /// The filter's text, which is not empty.
    pub filter_policy: Option<String>,
    /// What the filter looks at.
    pub filter_policy_scope: Option<FilterPolicyScope>,
    /// Where dead letters go.
    pub redrive_policy: Option<RedrivePolicy>,
    /// What is replayed.
    pub replay_policy: Option<ReplayPolicy>,
    /// The role by which Firehose is written to.
    pub subscription_role_arn: Option<String>,
}

impl SubscriptionAttributes {
    /// Attributes of a subscription to be made.
    pub(super) fn for_create(
        attributes: &BTreeMap<String, String>,
        facts: &SubscriptionFacts<'_>,
    ) -> Result<Self, AttributeError> {
        let mut read = Self::default();
        for (name, value) in attributes {
            let known = Name::from_name(name);
            let known = known.ok_or_else(|| AttributeError::Unknown(name.clone()))?;
            read.set(known, value)?;
        }
        read.check_against(facts)?;
        if facts.protocol == SubscriptionProtocol::Firehose && read.subscription_role_arn.is_none()
        {
            // Documented; the wording is from memory.
            let reason = "must be specified for Firehose subscriptions.";
            return Err(AttributeError::new("SubscriptionRoleArn", reason));
        }
        read.add_default_scope();
        // An empty value at creation is as if it had not been set.
        read.verbatim.retain(|_, value| !value.is_empty());
        Ok(read)
    }

    /// A change of one attribute. [`Self::with`] comes after.
    pub(super) fn for_set(
        name: &str,
        value: &str,
        facts: &SubscriptionFacts<'_>,
    ) -> Result<Self, AttributeError> {
        let read = Self::for_set_anywhere(name, value)?;
        read.check_against(facts)?;
        Ok(read)
    }

    /// The same, as far as it does not depend on which subscription it is.
    pub(super) fn for_set_anywhere(name: &str, value: &str) -> Result<Self, AttributeError> {
        let known = Name::from_name(name);
        let known = known.ok_or_else(|| AttributeError::Unknown(name.to_owned()))?;
        let mut read = Self::default();
        read.set(known, value)?;
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
        match name {
            Name::RawMessageDelivery => self.raw_message_delivery = Some(flag(wire_name, value)?),
            Name::FilterPolicyScope => {
                self.filter_policy_scope = Some(match value {
                    "MessageAttributes" => FilterPolicyScope::MessageAttributes,
                    "MessageBody" => FilterPolicyScope::MessageBody,
                    _ => {
                        let reason = format!(
                            "Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                        );
                        return Err(AttributeError::new(wire_name, reason));
                    }
                });
            }
            _ if value.is_empty() => {}
            Name::DeliveryPolicy => {
                let policy = DeliveryPolicy::parse(value)?;
                kept = policy.to_text();
                self.delivery_policy = Some(policy);
            }
            Name::FilterPolicy => {
                if value.split_whitespace().collect::<String>() == "{}" {
                    // An empty filter is none.
                    kept = String::new();
                } else {
                    self.filter_policy = Some(value.to_owned());
                }
            }
            Name::RedrivePolicy => {
                self.redrive_policy = parse_redrive(value)?;
                if self.redrive_policy.is_none() {
                    kept = String::new();
                }
            }
            Name::ReplayPolicy => {
                self.replay_policy = ReplayPolicy::parse(value)?;
                if self.replay_policy.is_none() {
                    kept = String::new();
                }
            }
            Name::SubscriptionRoleArn => {
                check_role(wire_name, value)?;
                self.subscription_role_arn = Some(value.to_owned());
            }
        }
        self.verbatim.insert(wire_name.to_owned(), kept);
        Ok(())
    }

    /// What depends on the protocol, the endpoint and the topic.
    fn check_against(&self, facts: &SubscriptionFacts<'_>) -> Result<(), AttributeError> {
        let protocol = facts.protocol;
        if self.raw_message_delivery == Some(true) && !protocol.can_be_raw() {
            let reason = format!(
                "Delivery protocol [{}] does not support raw message delivery.",
                protocol.as_str()
            );
            return Err(AttributeError::Invalid(reason.into()));
        }
        if let Some(redrive) = &self.redrive_policy
            && facts.fifo_topic
            && facts.endpoint.ends_with(".fifo")
            && !redrive.dead_letter_target.name.is_fifo()
        {
            let reason = "must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.";
            return Err(AttributeError::new("RedrivePolicy", reason));
        }
        if self.replay_policy.is_some() && !facts.fifo_topic {
            // Documented; the wording is from memory.
            let reason = "message replay is only supported for FIFO topics.";
            return Err(AttributeError::new("ReplayPolicy", reason));
        }
        Ok(())
    }

    /// A subscription with a filter says what the filter looks at.
    fn add_default_scope(&mut self) {
        if self.filter_policy.is_some() {
            self.verbatim
                .entry(Name::FilterPolicyScope.as_str().to_owned())
                .or_insert_with(|| "MessageAttributes".to_owned());
        }
    }

    /// The whole set of attributes that comes of `changes` to these.
    pub fn with(&self, changes: &Self) -> Self {
        let mut verbatim = self.verbatim.clone();
        for (name, value) in &changes.verbatim {
            verbatim.insert(name.clone(), value.clone());
        }
        verbatim.retain(|_, value| !value.is_empty());
        let mut all = Self::from_stored(&verbatim);
        all.add_default_scope();
        all
    }

    /// Whether a request to subscribe what is subscribed asks for other attributes than it has. Those that the
    /// request leaves out do not count.
    pub fn differs_from(&self, existing: &Self) -> bool {
        let same = |name: &str, value: &str| match existing.verbatim.get(name) {
            Some(set) => set == value,
            None => name == Name::RawMessageDelivery.as_str() && value == "false",
        };
        !self.verbatim.iter().all(|(name, value)| same(name, value))
    }

    /// Whether the message alone is delivered.
    pub fn is_raw(&self) -> bool {
        self.raw_message_delivery == Some(true)
    }

    /// What `GetSubscriptionAttributes` answers, sorted by name. `owner` is the account that subscribed; there
    /// are no users yet but its root. `replay_status` is of one with a replay policy.
    pub fn describe(
        &self,
        subscription: &SubscriptionArn,
        facts: &SubscriptionFacts<'_>,
        confirmed: Option<bool>,
        owner: AccountId,
        topic_policy: &TopicDeliveryPolicy,
        replay_status: Option<&str>,
    ) -> Vec<Attribute> {
        let mut all = self.verbatim.clone();
        if self.filter_policy.is_none() {
            // It is kept, but tells nothing.
            all.remove(Name::FilterPolicyScope.as_str());
        }
        let mut default = |name: &str, value: String| {
            all.entry(name.to_owned()).or_insert(value);
        };
        default("RawMessageDelivery", "false".to_owned());
        // `Some` says whether the confirmation was authenticated.
        default(
            "ConfirmationWasAuthenticated",
            confirmed.unwrap_or(false).to_string(),
        );
        default("PendingConfirmation", confirmed.is_none().to_string());
        default("Owner", owner.to_string());
        default("Protocol", facts.protocol.as_str().to_owned());
        default("Endpoint", facts.endpoint.to_owned());
        default("SubscriptionArn", subscription.to_string());
        default("TopicArn", subscription.topic.to_string());
        default(
            "SubscriptionPrincipal",
            format!("arn:aws:iam::{owner}:root"),
        );
        if let Some(status) = replay_status {
            default("ReplayStatus", status.to_owned());
        }
        if facts.protocol.is_http() {
            let own = self.delivery_policy.clone().unwrap_or_default();
            let effective = EffectiveDeliveryPolicy::of(topic_policy, &own);
            default("EffectiveDeliveryPolicy", effective.to_text());
        }
        all.into_iter().collect()
    }
}

/// `{"deadLetterTargetArn": "..."}`; `{}` takes it away.
fn parse_redrive(value: &str) -> Result<Option<RedrivePolicy>, AttributeError> {
    const NAME: &str = "RedrivePolicy";
    const MEMBER: &str = "deadLetterTargetArn";
    let map = object(NAME, value)?;
    if let Some(other) = map.keys().find(|key| *key != MEMBER) {
        let reason = format!("invalid JSON. Attribute {other} is unknown.");
        return Err(AttributeError::new(NAME, reason));
    }
    let Some(target) = map.get(MEMBER) else {
        return Ok(None);
    };
    let target = target.as_str().and_then(|text| text.parse().ok());
    let dead_letter_target =
        target.ok_or_else(|| AttributeError::new(NAME, "deadLetterTargetArn is an invalid arn"))?;
    Ok(Some(RedrivePolicy { dead_letter_target }))
}
