//! What applies to one subscription's deliveries, by its row and its topic's.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use levada_cluster::Topic;
use levada_delivery::{WorkerSettings, fixed_policy};
use levada_engine::Subscription;
use levada_wire::sns::{
    EffectiveDeliveryPolicy, RetryPolicy, SubscriptionAttributes, SubscriptionProtocol,
    TopicAttributes,
};

/// The attribute, of topics and of subscriptions.
const POLICY: &str = "DeliveryPolicy";
/// The content type of what no policy is for; it is not looked at.
const NO_CONTENT_TYPE: &str = "";

/// What a worker runs with. When it changes, another worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    retry: RetryPolicy,
    receives_per_second: Option<NonZeroU32>,
    /// Of posts.
    pub(super) content_type: String,
}

impl Settings {
    /// Of a subscription whose delivery queue has so many parts.
    pub(super) fn of(topic: &Topic, row: &Subscription, parts: usize) -> Self {
        let of_topic = topic.row.attributes.get(POLICY);
        Self::by(
            &row.protocol,
            row.attribute(POLICY),
            of_topic.map(|text| &**text),
            parts,
        )
    }

    fn by(protocol: &str, own: Option<&str>, of_topic: Option<&str>, parts: usize) -> Self {
        // A newer version may know more protocols; here they are not delivered.
        let protocol = SubscriptionProtocol::from_name(protocol);
        let protocol = protocol.unwrap_or(SubscriptionProtocol::Firehose);
        if !protocol.is_http() {
            return Self {
                retry: fixed_policy(protocol),
                receives_per_second: None,
                content_type: NO_CONTENT_TYPE.to_owned(),
            };
        }
        let own = SubscriptionAttributes::from_stored(&only(own)).delivery_policy;
        let of_topic = TopicAttributes::from_stored(&only(of_topic)).delivery_policy;
        let policy =
            EffectiveDeliveryPolicy::of(&of_topic.unwrap_or_default(), &own.unwrap_or_default());
        let parts = u32::try_from(parts.max(1)).unwrap_or(1);
        let per_part = |rate: u32| NonZeroU32::new((rate / parts).max(1));
        Self {
            retry: policy.retry,
            receives_per_second: policy
                .throttle
                .and_then(|throttle| per_part(throttle.max_receives_per_second)),
            content_type: policy.request.header_content_type,
        }
    }

    /// For a worker.
    pub(super) fn worker(&self) -> WorkerSettings {
        WorkerSettings {
            receives_per_second: self.receives_per_second,
            ..WorkerSettings::new(self.retry)
        }
    }
}

/// The policy without the other attributes, which take long to read.
fn only(policy: Option<&str>) -> BTreeMap<String, String> {
    let policy = policy.map(|text| (POLICY.to_owned(), text.to_owned()));
    policy.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_TOPIC: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":7},"defaultThrottlePolicy":{"maxReceivesPerSecond":10},"defaultRequestPolicy":{"headerContentType":"application/json"}}}"#;

    #[test]
    fn a_subscriptions_policy_goes_before_its_topics() {
        let own =
            r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":2}}"#;
        let own = Settings::by("http", Some(own), Some(OF_TOPIC), 3);
        assert_eq!(own.retry.num_retries, 2);
        assert_eq!(own.receives_per_second.map(NonZeroU32::get), Some(3));
        assert_eq!(own.content_type, "application/json");
        let of_topic = Settings::by("https", None, Some(OF_TOPIC), 1);
        assert_eq!(of_topic.retry.num_retries, 7);
        let rate = of_topic.worker().receives_per_second;
        assert_eq!(rate.map(NonZeroU32::get), Some(10));
        assert_eq!(
            Settings::by("http", None, None, 1).retry,
            RetryPolicy::HTTP_DEFAULT
        );
    }

    #[test]
    fn other_protocols_have_fixed_policies() {
        let settings = Settings::by("lambda", None, Some(OF_TOPIC), 1);
        assert_eq!(settings.retry, RetryPolicy::AWS_MANAGED);
        assert_eq!(settings.receives_per_second, None);
    }
}
