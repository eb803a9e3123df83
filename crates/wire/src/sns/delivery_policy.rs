//! Delivery policies: JSON in an attribute of a topic or a subscription that says how HTTP deliveries are retried,
//! how many there are a second, and of what content type they are.
//!
//! AWS answers a policy not as it was set but in a form of its own, which [`TopicDeliveryPolicy::to_text`] and
//! [`DeliveryPolicy::to_text`] give. What applies to a subscription is computed section by section: its own, else
//! its topic's, else AWS's default. [`RetryPolicy`] has the delays.

use levada_types::limits::{DELIVERY_RETRIES_MAX, DELIVERY_RETRY_SECS_MAX};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::attribute_error::{AttributeError, object};
use super::{BackoffFunction, RetryPolicy};

const NAME: &str = "DeliveryPolicy";
/// Of deliveries whose policy has none.
const CONTENT_TYPE_DEFAULT: &str = "text/plain; charset=UTF-8";
/// What `headerContentType` can be, parameters aside (documentation).
const CONTENT_TYPES: &[&str] = &[
    "application/atom+xml",
    "application/json",
    "application/octet-stream",
    "application/soap+xml",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/plain",
    "text/xml",
];

/// `healthyRetryPolicy`, as set: what is left out is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicyInput {
    /// The least delay, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_delay_target: Option<u32>,
    /// The greatest delay, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay_target: Option<u32>,
    /// Retries in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_retries: Option<u32>,
    /// Retries after the greatest delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_max_delay_retries: Option<u32>,
    /// Retries at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_no_delay_retries: Option<u32>,
    /// Retries after the least delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_min_delay_retries: Option<u32>,
    /// How the delays grow between them.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "function_name"
    )]
    pub backoff_function: Option<BackoffFunction>,
}

fn function_name<S: Serializer>(
    function: &Option<BackoffFunction>,
    s: S,
) -> Result<S::Ok, S::Error> {
    s.serialize_str(function.unwrap_or_default().as_str())
}

impl RetryPolicyInput {
    /// What it comes to with AWS's defaults.
    pub fn effective(&self) -> RetryPolicy {
        let default = RetryPolicy::HTTP_DEFAULT;
        RetryPolicy {
            min_delay_target_secs: self
                .min_delay_target
                .unwrap_or(default.min_delay_target_secs),
            max_delay_target_secs: self
                .max_delay_target
                .unwrap_or(default.max_delay_target_secs),
            num_retries: self.num_retries.unwrap_or(default.num_retries),
            num_max_delay_retries: self.num_max_delay_retries.unwrap_or(0),
            num_no_delay_retries: self.num_no_delay_retries.unwrap_or(0),
            num_min_delay_retries: self.num_min_delay_retries.unwrap_or(0),
            backoff_function: self.backoff_function.unwrap_or_default(),
        }
    }

    /// Every number of a policy.
    fn full(policy: &RetryPolicy) -> Self {
        Self {
            min_delay_target: Some(policy.min_delay_target_secs),
            max_delay_target: Some(policy.max_delay_target_secs),
            num_retries: Some(policy.num_retries),
            num_max_delay_retries: Some(policy.num_max_delay_retries),
            num_no_delay_retries: Some(policy.num_no_delay_retries),
            num_min_delay_retries: Some(policy.num_min_delay_retries),
            backoff_function: Some(policy.backoff_function),
        }
    }

    /// From a section of a policy. In a subscription's three members must be there.
    fn parse(section: &str, map: &Map<String, Value>, whole: bool) -> Result<Self, AttributeError> {
        members(
            section,
            map,
            &[
                "minDelayTarget",
                "maxDelayTarget",
                "numRetries",
                "numMaxDelayRetries",
                "numNoDelayRetries",
                "numMinDelayRetries",
                "backoffFunction",
            ],
        )?;
        let number = |name: &str, least: u32, most: u32| number(section, map, name, least, most);
        let function = match map.get("backoffFunction") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let known = value.as_str().and_then(BackoffFunction::from_name);
                let reason = "must be one of linear, arithmetic, geometric, exponential";
                Some(known.ok_or_else(|| refuse(section, "backoffFunction", reason))?)
            }
        };
        let read = Self {
            min_delay_target: number("minDelayTarget", 1, DELIVERY_RETRY_SECS_MAX)?,
            max_delay_target: number("maxDelayTarget", 1, DELIVERY_RETRY_SECS_MAX)?,
            num_retries: number("numRetries", 0, DELIVERY_RETRIES_MAX)?,
            num_max_delay_retries: number("numMaxDelayRetries", 0, DELIVERY_RETRIES_MAX)?,
            num_no_delay_retries: number("numNoDelayRetries", 0, DELIVERY_RETRIES_MAX)?,
            num_min_delay_retries: number("numMinDelayRetries", 0, DELIVERY_RETRIES_MAX)?,
            backoff_function: function,
        };
        if whole {
            for (name, value) in [
                ("minDelayTarget", read.min_delay_target),
                ("maxDelayTarget", read.max_delay_target),
                ("numRetries", read.num_retries),
            ] {
                if value.is_none() {
                    return Err(refuse(section, name, "must be specified"));
                }
            }
        }
        read.check_together(section)?;
        Ok(read)
    }

    fn check_together(&self, section: &str) -> Result<(), AttributeError> {
        let policy = self.effective();
        if policy.max_delay_target_secs < policy.min_delay_target_secs {
            let reason = "must be greater than or equal to minDelayTarget";
            return Err(refuse(section, "maxDelayTarget", reason));
        }
        let phases = policy.num_no_delay_retries
            + policy.num_min_delay_retries
            + policy.num_max_delay_retries;
        if policy.num_retries < phases {
            let reason = "must be greater than or equal to the total of numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries";
            return Err(refuse(section, "numRetries", reason));
        }
        // Documented; the wording is from memory.
        if policy.total_delay_ms() > u64::from(DELIVERY_RETRY_SECS_MAX) * 1000 {
            let reason = format!(
                "{section}: the delays of all retries must total no more than {DELIVERY_RETRY_SECS_MAX} seconds"
            );
            return Err(AttributeError::new(NAME, reason));
        }
        Ok(())
    }
}

/// `throttlePolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThrottlePolicy {
    /// Deliveries a second to one subscription, 1 or more. The model of AWS knows no greatest number.
    pub max_receives_per_second: u32,
}

impl ThrottlePolicy {
    fn parse(section: &str, map: &Map<String, Value>) -> Result<Option<Self>, AttributeError> {
        const MEMBER: &str = "maxReceivesPerSecond";
        members(section, map, &[MEMBER])?;
        let rate = number(section, map, MEMBER, 1, u32::MAX)?;
        Ok(rate.map(|max_receives_per_second| Self {
            max_receives_per_second,
        }))
    }
}

/// `requestPolicy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestPolicy {
    /// `Content-Type` of the deliveries.
    pub header_content_type: String,
}

impl RequestPolicy {
    fn parse(section: &str, map: &Map<String, Value>) -> Result<Option<Self>, AttributeError> {
        const MEMBER: &str = "headerContentType";
        members(section, map, &[MEMBER])?;
        let header_content_type = match map.get(MEMBER) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err(refuse(section, MEMBER, "must be a string")),
        };
        let essence = header_content_type.split(';').next().unwrap_or("").trim();
        let is_printable = header_content_type
            .bytes()
            .all(|b| b == b' ' || b.is_ascii_graphic());
        if !is_printable || !CONTENT_TYPES.contains(&essence) {
            let reason = format!("[{header_content_type}] is not a supported content type");
            return Err(refuse(section, MEMBER, &reason));
        }
        Ok(Some(Self {
            header_content_type,
        }))
    }
}

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

fn refuse(section: &str, member: &str, reason: &str) -> AttributeError {
    let dot = if section.is_empty() { "" } else { "." };
    AttributeError::new(NAME, format_args!("{section}{dot}{member} {reason}"))
}

/// That a section has no members but those. From memory.
fn members(section: &str, map: &Map<String, Value>, known: &[&str]) -> Result<(), AttributeError> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) if section.is_empty() => Err(AttributeError::new(
            NAME,
            format_args!("Unexpected JSON member: {key}"),
        )),
        Some(key) => Err(AttributeError::new(
            NAME,
            format_args!("Unexpected JSON member: {section}.{key}"),
        )),
    }
}

/// A section of a policy; null is as good as none.
fn section<'a>(
    map: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a Map<String, Value>>, AttributeError> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(section)) => Ok(Some(section)),
        Some(_) => Err(refuse("", name, "must be a JSON object")),
    }
}

/// A whole number within bounds.
fn number(
    section: &str,
    map: &Map<String, Value>,
    name: &str,
    least: u32,
    most: u32,
) -> Result<Option<u32>, AttributeError> {
    let value = match map.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let refuse = |reason: &str| refuse(section, name, reason);
    let number = value.as_f64().filter(|n| n.fract() == 0.0);
    let number = number.ok_or_else(|| refuse("must be an integer"))?;
    if number < f64::from(least) {
        return Err(refuse(&format!("must be greater than or equal to {least}")));
    }
    if number > f64::from(most) {
        return Err(refuse(&format!("must be less than or equal to {most}")));
    }
    Ok(Some(number as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(result: Result<impl std::fmt::Debug, AttributeError>) -> String {
        result.unwrap_err().among_several().message.into_owned()
    }

    fn retry(text: &str) -> Result<DeliveryPolicy, AttributeError> {
        DeliveryPolicy::parse(&format!("{{\"healthyRetryPolicy\":{text}}}"))
    }

    #[test]
    fn each_number_at_its_bounds_and_over() {
        let with = |member: &str, value: &str| {
            let mut numbers = vec![
                ("minDelayTarget", "1"),
                ("maxDelayTarget", "1"),
                ("numRetries", "100"),
            ];
            numbers.retain(|(name, _)| *name != member);
            numbers.push((member, value));
            let members: Vec<String> = numbers
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            retry(&format!("{{{}}}", members.join(",")))
        };
        for (member, good) in [
            ("minDelayTarget", "1"),
            ("maxDelayTarget", "36"),
            ("numRetries", "0"),
            ("numRetries", "100"),
            ("numRetries", "7.0"),
            ("numMaxDelayRetries", "100"),
            ("numNoDelayRetries", "100"),
            ("numMinDelayRetries", "100"),
            ("numMinDelayRetries", "null"),
            ("backoffFunction", "\"geometric\""),
        ] {
            assert!(with(member, good).is_ok(), "{member} {good}");
        }
        for (member, bad, reason) in [
            ("minDelayTarget", "0", "must be greater than or equal to 1"),
            (
                "minDelayTarget",
                "3601",
                "must be less than or equal to 3600",
            ),
            ("maxDelayTarget", "0", "must be greater than or equal to 1"),
            (
                "maxDelayTarget",
                "3601",
                "must be less than or equal to 3600",
            ),
            ("numRetries", "-1", "must be greater than or equal to 0"),
            ("numRetries", "101", "must be less than or equal to 100"),
            ("numRetries", "1.5", "must be an integer"),
            ("numRetries", "\"3\"", "must be an integer"),
            ("numRetries", "null", "must be specified"),
            (
                "numMaxDelayRetries",
                "101",
                "must be less than or equal to 100",
            ),
            (
                "numNoDelayRetries",
                "-1",
                "must be greater than or equal to 0",
            ),
            (
                "numMinDelayRetries",
                "1e99",
                "must be less than or equal to 100",
            ),
            (
                "backoffFunction",
                "\"Linear\"",
                "must be one of linear, arithmetic, geometric, exponential",
            ),
        ] {
            assert_eq!(
                refusal(with(member, bad)),
                format!(
                    "Invalid parameter: Attributes Reason: DeliveryPolicy: healthyRetryPolicy.{member} {reason}"
                )
            );
        }
    }

    #[test]
    fn numbers_fit_together() {
        let of = |min: u32, max: u32, retries: u32, no: u32| {
            retry(&format!(
                "{{\"minDelayTarget\":{min},\"maxDelayTarget\":{max},\"numRetries\":{retries},\"numNoDelayRetries\":{no}}}"
            ))
        };
        assert!(
            refusal(of(2, 1, 1, 0))
                .ends_with("maxDelayTarget must be greater than or equal to minDelayTarget")
        );
        assert!(of(1, 2, 3, 3).is_ok());
        assert!(
            refusal(of(1, 2, 3, 4))
                .contains("numRetries must be greater than or equal to the total")
        );
        // 3 retries of 1,200 s are an hour.
        assert!(of(1200, 1200, 3, 0).is_ok());
        assert!(refusal(of(1201, 1201, 3, 0)).ends_with("no more than 3600 seconds"));
        assert!(of(3600, 3600, 1, 0).is_ok());
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
        let own = retry(r#"{"minDelayTarget":1,"maxDelayTarget":2,"numRetries":9}"#).unwrap();
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
