//! The protocols of subscriptions, and what an endpoint of each looks like.

use http::Uri;

use super::{PlatformEndpointArn, SnsError, arn};

/// Characters in a mail address (RFC 5321).
const EMAIL_LEN_MAX: usize = 254;
/// Digits of a phone number with its country (E.164).
const PHONE_DIGITS_MAX: usize = 15;

/// How a subscription's messages are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubscriptionProtocol {
    /// By HTTP POST.
    Http,
    /// By HTTPS POST.
    Https,
    /// By mail, as text.
    Email,
    /// By mail, as JSON.
    EmailJson,
    /// To a phone, as a text message.
    Sms,
    /// To a queue.
    Sqs,
    /// To an app on a phone.
    Application,
    /// To a function.
    Lambda,
    /// To a delivery stream.
    Firehose,
}

impl SubscriptionProtocol {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Http,
        Self::Https,
        Self::Email,
        Self::EmailJson,
        Self::Sms,
        Self::Sqs,
        Self::Application,
        Self::Lambda,
        Self::Firehose,
    ];

    /// The name on the wire, which is also its key in a message of several.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Email => "email",
            Self::EmailJson => "email-json",
            Self::Sms => "sms",
            Self::Sqs => "sqs",
            Self::Application => "application",
            Self::Lambda => "lambda",
            Self::Firehose => "firehose",
        }
    }

    /// By its name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.as_str() == name)
    }

    /// Whether deliveries go over HTTP, and are governed by delivery policies.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether the message alone can be delivered, without the JSON around it.
    pub const fn can_be_raw(self) -> bool {
        matches!(self, Self::Http | Self::Https | Self::Sqs | Self::Firehose)
    }

    /// Whether an endpoint must confirm a subscription, even if its owner is the topic's.
    pub const fn needs_confirmation(self) -> bool {
        matches!(
            self,
            Self::Http | Self::Https | Self::Email | Self::EmailJson
        )
    }

    /// Whether the endpoint is one of this protocol, for a topic that is FIFO or is not.
    pub fn check_endpoint(self, endpoint: &str, fifo_topic: bool) -> Result<(), SnsError> {
        let refuse = |what: &str| Err(SnsError::invalid_parameter(what));
        match self {
            Self::Http | Self::Https => {
                let scheme = endpoint.split_once("://").map(|(scheme, _)| scheme);
                if !scheme.is_some_and(|s| s.eq_ignore_ascii_case(self.as_str())) {
                    return refuse("Endpoint must match the specified protocol");
                }
                if !is_url(endpoint) {
                    return refuse("Endpoint");
                }
            }
            Self::Email | Self::EmailJson if !is_email(endpoint) => return refuse("Email address"),
            Self::Sms if phone_number(endpoint).is_none() => {
                let message = format!("Invalid SMS endpoint: {endpoint}");
                let kind = super::SnsErrorKind::InvalidParameter;
                return Err(SnsError::new(kind, message));
            }
            Self::Sqs if endpoint.parse::<levada_types::QueueArn>().is_err() => {
                return refuse("SQS endpoint ARN");
            }
            Self::Sqs if endpoint.ends_with(".fifo") && !fifo_topic => {
                // AWS says it twice.
                return refuse(
                    "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
                );
            }
            Self::Lambda if !arn::is_arn_of(endpoint, "lambda", "function:") => {
                return refuse("Lambda endpoint ARN");
            }
            Self::Firehose if !arn::is_arn_of(endpoint, "firehose", "deliverystream/") => {
                return refuse("Firehose endpoint ARN");
            }
            Self::Application if PlatformEndpointArn::parse(endpoint, "Endpoint").is_err() => {
                return refuse(&format!("Application endpoint arn invalid:{endpoint}"));
            }
            _ => {}
        }
        if fifo_topic && self != Self::Sqs {
            // Documented; the wording is from memory.
            return refuse(
                "Invalid parameter: Protocol Reason: Only SQS queues can be subscribed to FIFO topics",
            );
        }
        Ok(())
    }
}

/// A URL with a host, without a fragment, and without a user's name unless it has a password too.
fn is_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    !text.contains('#') && uri.host().is_some_and(|host| !host.is_empty())
}

/// Something, `@`, and a domain. Whether there is such a mailbox its confirmation tells.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let ok = |part: &str, other: &[u8]| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || other.contains(&b))
    };
    text.len() <= EMAIL_LEN_MAX && ok(local, b"!#$%&'*+/=?^_`{|}~") && ok(domain, b"")
}

/// A phone number without the dots, dashes and slashes that may stand between its digits; `None` if it is none.
pub fn phone_number(text: &str) -> Option<String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_separator = |b: u8| matches!(b, b'.' | b'-' | b'/');
    let mut previous = b'-';
    for b in digits.bytes() {
        let ok = b.is_ascii_digit() || (is_separator(b) && !is_separator(previous));
        if !ok {
            return None;
        }
        previous = b;
    }
    let bare: String = digits.chars().filter(char::is_ascii_digit).collect();
    let fits = (1..=PHONE_DIGITS_MAX).contains(&bare.len());
    (fits && !is_separator(previous)).then(|| {
        let plus = if digits.len() < text.len() { "+" } else { "" };
        format!("{plus}{bare}")
    })
}

/// Whether it is a phone number that a message can be published to: E.164, 2 to 15 digits, with or without `+`.
pub(super) fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (2..=PHONE_DIGITS_MAX).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    use SubscriptionProtocol as P;

    fn refusal(protocol: P, endpoint: &str, fifo: bool) -> String {
        let refused = protocol.check_endpoint(endpoint, fifo).unwrap_err();
        refused.message.into_owned()
    }

    #[test]
    fn names_come_back() {
        for protocol in P::ALL {
            assert_eq!(P::from_name(protocol.as_str()), Some(*protocol));
        }
        assert_eq!(P::from_name("HTTP"), None);
    }

    #[test]
    fn endpoints_of_each_protocol() {
        let mail = "no.body+x@example.co.uk";
        for (protocol, good) in [
            (P::Http, "http://example.com"),
            (P::Http, "http://user:secret@example.com:8080/in?a=b"),
            (P::Https, "HTTPS://[::1]/in"),
            (P::Email, mail),
            (P::EmailJson, mail),
            (P::Sms, "+15551234567"),
            (P::Sms, "+15/55-123.4567"),
            (P::Sms, "15551234567"),
            (P::Sqs, "arn:aws:sqs:eu-west-3:000000000042:q"),
            (
                P::Lambda,
                "arn:aws:lambda:us-east-1:000000000001:function:f:live",
            ),
            (
                P::Firehose,
                "arn:aws:firehose:us-east-1:000000000001:deliverystream/d",
            ),
            (
                P::Application,
                "arn:aws:sns:us-east-1:000000000001:endpoint/GCM/phones/80289ba6-0fd4-4079-afb4-ce8c8260f0ca",
            ),
        ] {
            assert_eq!(protocol.check_endpoint(good, false), Ok(()), "{good}");
        }
    }

    #[test]
    fn endpoints_of_none() {
        let mismatch = "Invalid parameter: Endpoint must match the specified protocol";
        for (protocol, bad, message) in [
            (P::Http, "https://example.com", mismatch),
            (P::Https, "http://example.com", mismatch),
            (P::Http, "", mismatch),
            (P::Http, "example.com", mismatch),
            (P::Http, "http://", "Invalid parameter: Endpoint"),
            (P::Http, "http://a b/", "Invalid parameter: Endpoint"),
            (P::Http, "http://a/#part", "Invalid parameter: Endpoint"),
            (P::Email, "nobody", "Invalid parameter: Email address"),
            (P::Email, "a@b;c@d", "Invalid parameter: Email address"),
            (P::EmailJson, "a..b@c", "Invalid parameter: Email address"),
            (P::EmailJson, "@c", "Invalid parameter: Email address"),
            (
                P::Sms,
                "NAA+15551234567",
                "Invalid SMS endpoint: NAA+15551234567",
            ),
            (
                P::Sms,
                "+15--551234567",
                "Invalid SMS endpoint: +15--551234567",
            ),
            (P::Sms, "+1555.", "Invalid SMS endpoint: +1555."),
            (P::Sms, "+", "Invalid SMS endpoint: +"),
            (
                P::Sms,
                "1234567890123456",
                "Invalid SMS endpoint: 1234567890123456",
            ),
            (
                P::Sqs,
                "http://localhost/1/q",
                "Invalid parameter: SQS endpoint ARN",
            ),
            (
                P::Sqs,
                "arn:aws:sqs:us-east-1:q",
                "Invalid parameter: SQS endpoint ARN",
            ),
            (
                P::Sqs,
                "arn:aws:sqs:us-east-1:000000000001:q.fifo",
                "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
            ),
            (P::Lambda, "f", "Invalid parameter: Lambda endpoint ARN"),
            (P::Firehose, "f", "Invalid parameter: Firehose endpoint ARN"),
            (
                P::Application,
                "invalid arn",
                "Invalid parameter: Application endpoint arn invalid:invalid arn",
            ),
        ] {
            assert_eq!(refusal(protocol, bad, false), message, "{bad}");
        }
    }

    #[test]
    fn fifo_topics_have_queues_only() {
        for queue in ["q", "q.fifo"] {
            let endpoint = format!("arn:aws:sqs:us-east-1:000000000001:{queue}");
            assert_eq!(P::Sqs.check_endpoint(&endpoint, true), Ok(()));
        }
        let message = refusal(P::Http, "http://example.com", true);
        assert!(message.ends_with("Only SQS queues can be subscribed to FIFO topics"));
    }

    #[test]
    fn phone_numbers() {
        assert_eq!(
            phone_number("+15/55-123.4567").as_deref(),
            Some("+15551234567")
        );
        for good in ["+15551234567", "15", "123456789012345"] {
            assert!(is_e164(good), "{good}");
        }
        for bad in [
            "",
            "+",
            "1",
            "+0555123",
            "+1a234",
            "1234567890123456",
            "+1 555",
        ] {
            assert!(!is_e164(bad), "{bad}");
        }
    }
}
