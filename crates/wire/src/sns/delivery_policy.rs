//! Delivery policies: JSON in an attribute of a topic or a subscription that says how HTTP deliveries are retried,
//! how many there are a second, and of what content type they are.
//!
//! AWS answers a policy not as it was set but in a form of its own, which [`TopicDeliveryPolicy::to_text`] and
//! [`DeliveryPolicy::to_text`] give. What applies to a subscription is computed section by section: its own, else
//! its topic's, else AWS's default. [`RetryPolicy`] has the delays.

use serde::Serialize;
use serde_json::Value;

use super::RetryPolicy;
use super::attribute_error::{AttributeError, object};
use super::delivery_sections::{
    CONTENT_TYPE_DEFAULT, NAME, RequestPolicy, RetryPolicyInput, ThrottlePolicy, members, refuse,
    section,
};

/// A subscription's delivery policy, as set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// Retries.
    pub healthy_retry_policy: Option<RetryPolicyInput>,
    /// Deliveries a second.
    pub throttle_policy: Option<ThrottlePolicy>,
    /// Content type.
    pub request_policy: Option<RequestPolicy>,
}

/// As AWS writes a subscription's policy: what is not set is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionText<'a> {
    healthy_retry_policy: Option<RetryPolicyInput>,
    sickly_retry_policy: Option<()>,
    throttle_policy: Option<ThrottlePolicy>,
    request_policy: Option<&'a RequestPolicy>,
    guaranteed: bool,
}

impl SubscriptionText<'_> {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl DeliveryPolicy {
    /// From an attribute's value.
    pub(super) fn parse(text: &str) -> Result<Self, AttributeError> {
        let map = object(NAME, text)?;
        members(
            "",
            &map,
            &[
                "healthyRetryPolicy",
                "sicklyRetryPolicy",
                "throttlePolicy",
                "requestPolicy",
                "guaranteed",
            ],
        )?;
        let retry = section(&map, "healthyRetryPolicy")?;
        let throttle = section(&map, "throttlePolicy")?;
        let request = section(&map, "requestPolicy")?;
        Ok(Self {
            healthy_retry_policy: retry
                .map(|m| RetryPolicyInput::parse("healthyRetryPolicy", m, true))
                .transpose()?,
            throttle_policy: throttle
                .map(|m| ThrottlePolicy::parse("throttlePolicy", m))
                .transpose()?
                .flatten(),
            request_policy: request
                .map(|m| RequestPolicy::parse("requestPolicy", m))
                .transpose()?
                .flatten(),
        })
    }

    /// As `GetSubscriptionAttributes` answers it.
    pub fn to_text(&self) -> String {
        let retry = self.healthy_retry_policy.map(|input| input.effective());
        SubscriptionText {
            healthy_retry_policy: retry.as_ref().map(RetryPolicyInput::full),
            sickly_retry_policy: None,
            throttle_policy: self.throttle_policy,
            request_policy: self.request_policy.as_ref(),
            guaranteed: false,
        }
        .text()
    }
}

/// A topic's delivery policy, as set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicDeliveryPolicy {
    /// Retries of subscriptions that set none.
    pub default_healthy_retry_policy: Option<RetryPolicyInput>,
    /// Whether subscriptions' own policies do not count.
    pub disable_subscription_overrides: bool,
    /// Deliveries a second to each subscription that sets none.
    pub default_throttle_policy: Option<ThrottlePolicy>,
    /// Content type of subscriptions that set none.
    pub default_request_policy: Option<RequestPolicy>,
}

#[derive(Serialize)]
struct TopicText<'a> {
    http: TopicHttpText<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TopicHttpText<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    default_healthy_retry_policy: Option<RetryPolicyInput>,
    disable_subscription_overrides: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_throttle_policy: Option<ThrottlePolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_request_policy: Option<&'a RequestPolicy>,
}

impl TopicDeliveryPolicy {
    /// From an attribute's value.
    pub(super) fn parse(text: &str) -> Result<Self, AttributeError> {
        let map = object(NAME, text)?;
        members("", &map, &["http"])?;
        let Some(http) = section(&map, "http")? else {
            return Ok(Self::default());
        };
        members(
            "http",
            http,
            &[
                "defaultHealthyRetryPolicy",
                "defaultSicklyRetryPolicy",
                "disableSubscriptionOverrides",
                "defaultThrottlePolicy",
                "defaultRequestPolicy",
            ],
        )?;
        let retry = section(http, "defaultHealthyRetryPolicy")?;
        let throttle = section(http, "defaultThrottlePolicy")?;
        let request = section(http, "defaultRequestPolicy")?;
        let disable_subscription_overrides = match http.get("disableSubscriptionOverrides") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                let reason = "must be true or false";
                return Err(refuse("http", "disableSubscriptionOverrides", reason));
            }
        };
        Ok(Self {
            default_healthy_retry_policy: retry
                .map(|m| RetryPolicyInput::parse("http.defaultHealthyRetryPolicy", m, false))
                .transpose()?,
            disable_subscription_overrides,
            default_throttle_policy: throttle
                .map(|m| ThrottlePolicy::parse("http.defaultThrottlePolicy", m))
                .transpose()?
                .flatten(),
            default_request_policy: request
                .map(|m| RequestPolicy::parse("http.defaultRequestPolicy", m))
                .transpose()?
                .flatten(),
        })
    }

    /// As `GetTopicAttributes` answers `DeliveryPolicy`.
    pub fn to_text(&self) -> String {
        self.write(
            self.default_healthy_retry_policy,
            self.default_request_policy.as_ref(),
        )
    }

    /// As `GetTopicAttributes` answers `EffectiveDeliveryPolicy`.
    pub fn to_effective_text(&self) -> String {
        let effective = EffectiveDeliveryPolicy::of(self, &DeliveryPolicy::default());
        self.write(
            Some(RetryPolicyInput::full(&effective.retry)),
            Some(&effective.request),
        )
    }

    fn write(&self, retry: Option<RetryPolicyInput>, request: Option<&RequestPolicy>) -> String {
        let text = TopicText {
            http: TopicHttpText {
                default_healthy_retry_policy: retry,
                disable_subscription_overrides: self.disable_subscription_overrides,
                default_throttle_policy: self.default_throttle_policy,
                default_request_policy: request,
            },
        };
        serde_json::to_string(&text).unwrap_or_default()
    }
}

/// What applies to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveDeliveryPolicy {
    /// Retries.
    pub retry: RetryPolicy,
    /// Deliveries a second; as many as come, if there is none.
    pub throttle: Option<ThrottlePolicy>,
    /// Content type.
    pub request: RequestPolicy,
}

impl EffectiveDeliveryPolicy {
    /// Of a subscription with its policy to a topic with its own. An empty policy stands for none.
    pub fn of(topic: &TopicDeliveryPolicy, subscription: &DeliveryPolicy) -> Self {
        let none = DeliveryPolicy::default();
        let own = if topic.disable_subscription_overrides {
            &none
        } else {
            subscription
        };
        let retry = own
            .healthy_retry_policy
            .or(topic.default_healthy_retry_policy);
        let request = own
            .request_policy
            .as_ref()
            .or(topic.default_request_policy.as_ref());
        Self {
            retry: retry.unwrap_or_default().effective(),
            throttle: own.throttle_policy.or(topic.default_throttle_policy),
            request: request.cloned().unwrap_or_else(|| RequestPolicy {
                header_content_type: CONTENT_TYPE_DEFAULT.to_owned(),
            }),
        }
    }

    /// As `GetSubscriptionAttributes` answers `EffectiveDeliveryPolicy`.
    pub fn to_text(&self) -> String {
        SubscriptionText {
            healthy_retry_policy: Some(RetryPolicyInput::full(&self.retry)),
            sickly_retry_policy: None,
            throttle_policy: self.throttle,
            request_policy: Some(&self.request),
            guaranteed: false,
        }
        .text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sns::delivery_sections::CONTENT_TYPES;

    fn refusal(result: Result<impl std::fmt::Debug, AttributeError>) -> String {
        result.unwrap_err().among_several().message.into_owned()
    }

    #[test]
    fn other_sections() {
        let parse = |text: &str| DeliveryPolicy::parse(text);
        assert!(parse(r#"{"throttlePolicy":{"maxReceivesPerSecond":1}}"#).is_ok());
        assert!(refusal(parse(r#"{"throttlePolicy":{"maxReceivesPerSecond":0}}"#)).ends_with(
            "DeliveryPolicy: throttlePolicy.maxReceivesPerSecond must be greater than or equal to 1"
        ));
        for good in CONTENT_TYPES.iter().chain(&["text/plain; charset=UTF-8"]) {
            let text = format!("{{\"requestPolicy\":{{\"headerContentType\":\"{good}\"}}}}");
            assert!(parse(&text).is_ok(), "{good}");
        }
        for bad in ["", "image/png", "text/plain; a=\\r\\nb"] {
            let text = format!("{{\"requestPolicy\":{{\"headerContentType\":\"{bad}\"}}}}");
            assert!(
                refusal(parse(&text)).contains("not a supported content type"),
                "{bad}"
            );
        }
        assert!(
            parse(r#"{"healthyRetryPolicy":null,"sicklyRetryPolicy":null,"guaranteed":false}"#)
                .is_ok()
        );
        for (bad, reason) in [
            (r#"{"http":{}}"#, "Unexpected JSON member: http"),
            (
                r#"{"throttlePolicy":{"x":1}}"#,
                "Unexpected JSON member: throttlePolicy.x",
            ),
            (
                r#"{"throttlePolicy":1}"#,
                "throttlePolicy must be a JSON object",
            ),
            ("[]", "failed to parse JSON. Expected an object."),
        ] {
            let expected =
                format!("Invalid parameter: Attributes Reason: DeliveryPolicy: {reason}");
            assert_eq!(refusal(parse(bad)), expected, "{bad}");
        }
        let of_topic = |text: &str| refusal(TopicDeliveryPolicy::parse(text));
        assert!(of_topic(r#"{"healthyRetryPolicy":{}}"#).ends_with("member: healthyRetryPolicy"));
        assert!(
            of_topic(r#"{"http":{"disableSubscriptionOverrides":"yes"}}"#)
                .ends_with("http.disableSubscriptionOverrides must be true or false")
        );
        assert!(
            of_topic(r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}"#).ends_with(
                "http.defaultHealthyRetryPolicy.numRetries must be less than or equal to 100"
            )
        );
    }

    #[test]
    fn texts_are_those_that_aws_recorded() {
        let own = DeliveryPolicy::parse(
            r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":0},"throttlePolicy":{"maxReceivesPerSecond":1000}}"#,
        )
        .unwrap();
        let retries = r#"{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":0,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"}"#;
        let text = |request: &str| {
            format!(
                r#"{{"healthyRetryPolicy":{retries},"sicklyRetryPolicy":null,"throttlePolicy":{{"maxReceivesPerSecond":1000}},"requestPolicy":{request},"guaranteed":false}}"#
            )
        };
        assert_eq!(own.to_text(), text("null"));
        let topic = TopicDeliveryPolicy::parse(
            r#"{"http":{"defaultRequestPolicy":{"headerContentType":"application/json"}}}"#,
        )
        .unwrap();
        assert_eq!(
            topic.to_text(),
            r#"{"http":{"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"application/json"}}}"#
        );
        let effective = EffectiveDeliveryPolicy::of(&topic, &own);
        assert_eq!(
            effective.to_text(),
            text(r#"{"headerContentType":"application/json"}"#)
        );
        // What was written is read as what it was.
        assert_eq!(
            DeliveryPolicy::parse(&own.to_text()).unwrap().to_text(),
            own.to_text()
        );
        assert_eq!(TopicDeliveryPolicy::parse(&topic.to_text()), Ok(topic));
    }

    #[test]
    fn a_topic_can_forbid_overrides() {
        let topic = |disabled: bool| {
            TopicDeliveryPolicy::parse(&format!(
                "{{\"http\":{{\"defaultHealthyRetryPolicy\":{{\"numRetries\":7}},\"disableSubscriptionOverrides\":{disabled},\"defaultThrottlePolicy\":{{\"maxReceivesPerSecond\":5}}}}}}"
            ))
            .unwrap()
        };
        let own = DeliveryPolicy::parse(
            r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":2,"numRetries":9}}"#,
        )
        .unwrap();
        let allowed = EffectiveDeliveryPolicy::of(&topic(false), &own);
        assert_eq!(
            (
                allowed.retry.num_retries,
                allowed.retry.max_delay_target_secs
            ),
            (9, 2)
        );
        let forbidden = EffectiveDeliveryPolicy::of(&topic(true), &own);
        assert_eq!(
            (
                forbidden.retry.num_retries,
                forbidden.retry.max_delay_target_secs
            ),
            (7, 20)
        );
        for effective in [allowed, forbidden] {
            assert_eq!(effective.throttle.unwrap().max_receives_per_second, 5);
            assert_eq!(effective.request.header_content_type, CONTENT_TYPE_DEFAULT);
        }
        let none = EffectiveDeliveryPolicy::of(
            &TopicDeliveryPolicy::default(),
            &DeliveryPolicy::default(),
        );
        assert_eq!(none.retry, RetryPolicy::HTTP_DEFAULT);
        assert_eq!(none.throttle, None);
    }
}
