//! The sections of a delivery policy: how deliveries are retried, how many there are a second, and of what content type
//! they are. A topic's policy and a subscription's have the same, under other names.

use levada_types::limits::{DELIVERY_RETRIES_MAX, DELIVERY_RETRY_SECS_MAX};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::attribute_error::AttributeError;
use super::{BackoffFunction, RetryPolicy};

/// The attribute.
pub(super) const NAME: &str = "DeliveryPolicy";
/// Of deliveries whose policy has none.
pub(super) const CONTENT_TYPE_DEFAULT: &str = "text/plain; charset=UTF-8";
/// What `headerContentType` can be, parameters aside (documentation).
pub(super) const CONTENT_TYPES: &[&str] = &[
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
    pub(super) fn full(policy: &RetryPolicy) -> Self {
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
    pub(super) fn parse(
        section: &str,
        map: &Map<String, Value>,
        whole: bool,
    ) -> Result<Self, AttributeError> {
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
    pub(super) fn parse(
        section: &str,
        map: &Map<String, Value>,
    ) -> Result<Option<Self>, AttributeError> {
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
    pub(super) fn parse(
        section: &str,
        map: &Map<String, Value>,
    ) -> Result<Option<Self>, AttributeError> {
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

/// Of a member of a section, or of the policy if the section is empty.
pub(super) fn refuse(section: &str, member: &str, reason: &str) -> AttributeError {
    let dot = if section.is_empty() { "" } else { "." };
    AttributeError::new(NAME, format_args!("{section}{dot}{member} {reason}"))
}

/// That a section has no members but those. From memory.
pub(super) fn members(
    section: &str,
    map: &Map<String, Value>,
    known: &[&str],
) -> Result<(), AttributeError> {
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
pub(super) fn section<'a>(
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
    use crate::sns::DeliveryPolicy;

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
}
