//! The ARNs that SNS is given: of topics, subscriptions, applications and endpoints of platforms, and queues.

use std::fmt;
use std::str::FromStr;

use levada_types::limits::TOPIC_NAME_LEN_MAX;
use levada_types::{AccountId, Region, is_fifo_or_standard_name};

use super::SnsError;

/// Parts of an ARN, the resource counted as one however many colons it has.
const ARN_PARTS: usize = 6;
/// Characters in a UUID.
const UUID_LEN: usize = 36;

/// A topic's name: 1 to 256 of `[A-Za-z0-9_-]`, where a FIFO topic ends in `.fifo` (counted).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Box<str>);

impl TopicName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the name of a FIFO topic.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TopicName {
    type Err = SnsError;
    fn from_str(s: &str) -> Result<Self, SnsError> {
        if is_fifo_or_standard_name(s, TOPIC_NAME_LEN_MAX) {
            Ok(Self(s.into()))
        } else {
            Err(SnsError::invalid_parameter("Topic Name"))
        }
    }
}

/// The parts of an ARN that matter here.
struct Parts<'a> {
    region: Region,
    account: AccountId,
    resource: &'a str,
}

/// Takes an ARN of `service` apart. `parameter` is where it was given.
fn parts<'a>(text: &'a str, service: &str, parameter: &str) -> Result<Parts<'a>, SnsError> {
    let elements: Vec<&str> = text.splitn(ARN_PARTS, ':').collect();
    let &[arn, partition, its_service, region, account, resource] = elements.as_slice() else {
        let reason = format!(
            "An ARN must have at least {ARN_PARTS} elements, not {}",
            elements.len()
        );
        return Err(SnsError::invalid_because(parameter, reason));
    };
    let invalid = || SnsError::invalid_parameter(parameter);
    if arn != "arn" || !partition.starts_with("aws") || its_service != service {
        return Err(invalid());
    }
    Ok(Parts {
        region: region.parse().map_err(|_| invalid())?,
        account: account.parse().map_err(|_| invalid())?,
        resource,
    })
}

/// A topic's full name: `arn:aws:sns:<region>:<account>:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicArn {
    /// The region that the topic was made in.
    pub region: Region,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name.
    pub name: TopicName,
}

impl TopicArn {
    /// From the parameter of that name.
    pub fn parse(text: &str, parameter: &str) -> Result<Self, SnsError> {
        let parts = parts(text, "sns", parameter)?;
        let name = parts.resource.parse();
        Ok(Self {
            region: parts.region,
            account: parts.account,
            name: name.map_err(|_| SnsError::invalid_parameter(parameter))?,
        })
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "arn:aws:sns:{}:{}:{}",
            self.region, self.account, self.name
        )
    }
}

/// A subscription's full name: its topic's, a colon and a UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionArn {
    /// The topic.
    pub topic: TopicArn,
    /// A UUID in small letters.
    pub id: Box<str>,
}

impl SubscriptionArn {
    /// From the parameter `SubscriptionArn`.
    pub fn parse(text: &str) -> Result<Self, SnsError> {
        const PARAMETER: &str = "SubscriptionArn";
        if text.is_empty() {
            return Err(SnsError::invalid_because(
                PARAMETER,
                "no value for required parameter",
            ));
        }
        let resource = parts(text, "sns", PARAMETER)?.resource;
        let no_id = || SnsError::invalid_parameter("SubscriptionId");
        let (_, id) = resource.split_once(':').ok_or_else(no_id)?;
        if !is_uuid(id) {
            return Err(no_id());
        }
        let topic = text.len().checked_sub(id.len() + 1);
        Ok(Self {
            topic: TopicArn::parse(topic.map_or("", |end| &text[..end]), PARAMETER)?,
            id: id.to_ascii_lowercase().into(),
        })
    }
}

impl fmt::Display for SubscriptionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.id)
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LEN
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// What a platform's ARN ends with, such as `app/GCM/phones`.
fn platform_resource<'a>(
    text: &'a str,
    parameter: &str,
    kind: &str,
    segments: usize,
) -> Result<(Parts<'a>, Vec<&'a str>), SnsError> {
    let parts = parts(text, "sns", parameter)?;
    let found: Vec<&str> = parts.resource.split('/').collect();
    if found.len() != segments {
        let reason = "Wrong number of slashes in relative portion of the ARN.";
        return Err(SnsError::invalid_because(parameter, reason));
    }
    if found[0] != kind || found.iter().any(|segment| segment.is_empty()) {
        return Err(SnsError::invalid_parameter(parameter));
    }
    Ok((parts, found))
}

/// The full name of an application of a platform: `arn:aws:sns:<region>:<account>:app/<platform>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformApplicationArn {
    /// The region that it was made in.
    pub region: Region,
    /// The account that owns it.
    pub account: AccountId,
    /// Such as `GCM`.
    pub platform: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl PlatformApplicationArn {
    /// From the parameter `PlatformApplicationArn`.
    pub fn parse(text: &str) -> Result<Self, SnsError> {
        let (parts, found) = platform_resource(text, "PlatformApplicationArn", "app", 3)?;
        Ok(Self {
            region: parts.region,
            account: parts.account,
            platform: found[1].into(),
            name: found[2].into(),
        })
    }
}

impl fmt::Display for PlatformApplicationArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "arn:aws:sns:{}:{}:app/{}/{}",
            self.region, self.account, self.platform, self.name
        )
    }
}

/// The full name of an endpoint of a platform: its application's with `endpoint` for `app`, and a UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformEndpointArn {
    /// The application.
    pub application: PlatformApplicationArn,
    /// A UUID.
    pub id: Box<str>,
}

impl PlatformEndpointArn {
    /// From the parameter of that name: `EndpointArn` or `TargetArn`.
    pub fn parse(text: &str, parameter: &str) -> Result<Self, SnsError> {
        let (parts, found) = platform_resource(text, parameter, "endpoint", 4)?;
        Ok(Self {
            application: PlatformApplicationArn {
                region: parts.region,
                account: parts.account,
                platform: found[1].into(),
                name: found[2].into(),
            },
            id: found[3].into(),
        })
    }
}

impl fmt::Display for PlatformEndpointArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = &self.application;
        write!(
            f,
            "arn:aws:sns:{}:{}:endpoint/{}/{}/{}",
            of.region, of.account, of.platform, of.name, self.id
        )
    }
}

/// Whether the text is the ARN of a resource of `service`, in any region or none.
pub(super) fn is_arn_of(text: &str, service: &str, resource: &str) -> bool {
    let mut elements = text.splitn(ARN_PARTS, ':');
    let head = (elements.next(), elements.next(), elements.next());
    let (Some("arn"), Some(partition), Some(its_service)) = head else {
        return false;
    };
    let (_region, account, rest) = (elements.next(), elements.next(), elements.next());
    partition.starts_with("aws")
        && its_service == service
        && account.is_some_and(|a| a.parse::<AccountId>().is_ok())
        && rest
            .and_then(|rest| rest.strip_prefix(resource))
            .is_some_and(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:us-east-1:000000000001:orders";
    const ID: &str = "80289ba6-0fd4-4079-afb4-ce8c8260f0ca";

    fn message<T: fmt::Debug>(result: Result<T, SnsError>) -> String {
        result.unwrap_err().message.into_owned()
    }

    #[test]
    fn names_keep_their_bounds() {
        for good in ["a", "A-b_9", "a.fifo", &"a".repeat(256)] {
            assert_eq!(good.parse::<TopicName>().unwrap().as_str(), good);
        }
        assert!(
            format!("{}.fifo", "a".repeat(251))
                .parse::<TopicName>()
                .unwrap()
                .is_fifo()
        );
        let long = format!("{}.fifo", "a".repeat(252));
        for bad in [
            "",
            ".fifo",
            "a.b",
            "a b",
            "é",
            "a:b",
            &long,
            &"a".repeat(257),
        ] {
            let error = message(bad.parse::<TopicName>());
            assert_eq!(error, "Invalid parameter: Topic Name", "{bad}");
        }
    }

    #[test]
    fn arns_come_back_as_they_were() {
        let topic = TopicArn::parse(TOPIC, "TopicArn").unwrap();
        assert_eq!(topic.to_string(), TOPIC);
        let text = format!("{TOPIC}:{ID}");
        let subscription = SubscriptionArn::parse(&text).unwrap();
        assert_eq!(subscription.to_string(), text);
        assert_eq!(subscription.topic, topic);
        let text = "arn:aws:sns:us-east-1:000000000001:app/GCM/phones";
        let application = PlatformApplicationArn::parse(text).unwrap();
        assert_eq!(application.to_string(), text);
        let text = format!("arn:aws:sns:us-east-1:000000000001:endpoint/GCM/phones/{ID}");
        let endpoint = PlatformEndpointArn::parse(&text, "EndpointArn").unwrap();
        assert_eq!(endpoint.to_string(), text);
        assert_eq!(endpoint.application, application);
    }

    #[test]
    fn what_is_no_arn_is_refused_in_awss_words() {
        let topic = |text: &str| message(TopicArn::parse(text, "TopicArn"));
        let too_few = |n: usize| {
            format!(
                "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not {n}"
            )
        };
        assert_eq!(topic(""), too_few(1));
        assert_eq!(topic("randomstring"), too_few(1));
        assert_eq!(topic("arn:aws:sns:us-east-1:random"), too_few(5));
        for bad in [
            "arn:aws:sqs:us-east-1:000000000001:orders",
            "urn:aws:sns:us-east-1:000000000001:orders",
            "arn:aws:sns:us-east-1:1:orders",
            "arn:aws:sns:us-east-1:000000000001:",
            "arn:aws:sns:us-east-1:000000000001:a:b",
        ] {
            assert_eq!(topic(bad), "Invalid parameter: TopicArn", "{bad}");
        }
        let subscription = |text: &str| message(SubscriptionArn::parse(text));
        assert_eq!(
            subscription(""),
            "Invalid parameter: SubscriptionArn Reason: no value for required parameter"
        );
        assert_eq!(
            subscription("a:b"),
            "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 2"
        );
        for bad in [
            TOPIC.to_owned(),
            format!("{TOPIC}:x"),
            format!("{TOPIC}:{ID}0"),
        ] {
            assert_eq!(subscription(&bad), "Invalid parameter: SubscriptionId");
        }
        let application = |text: &str| message(PlatformApplicationArn::parse(text));
        assert_eq!(
            application("arn:aws:sns:us-east-1:000000000001:app/GCM"),
            "Invalid parameter: PlatformApplicationArn Reason: Wrong number of slashes in relative portion of the ARN."
        );
        assert_eq!(
            application("arn:aws:sns:us-east-1:000000000001:app//x"),
            "Invalid parameter: PlatformApplicationArn"
        );
    }
}
