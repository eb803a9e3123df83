//! Which stream a request is about: a name, an ARN, or both; and the ARNs of streams and consumers.

use std::fmt;
use std::str::FromStr;

use levada_types::names::InvalidName;
use levada_types::{AccountId, Region};

use super::{KinesisError, pattern};

/// The full name of a resource of one kind: `arn:aws:kinesis:<region>:<account>:<kind>/<name>`.
macro_rules! named_arn {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The region that it was made in.
            pub region: levada_types::Region,
            /// The account that owns it.
            pub account: levada_types::AccountId,
            /// Its name.
            pub name: Box<str>,
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let Self {
                    region,
                    account,
                    name,
                } = self;
                write!(f, concat!("arn:aws:kinesis:{}:{}:", $kind, "/{}"), region, account, name)
            }
        }

        impl std::str::FromStr for $name {
            type Err = levada_types::names::InvalidName;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                let parts = crate::kinesis::stream_reference::named(s, concat!($kind, "/"));
                let (region, account, name) = parts.ok_or(levada_types::names::InvalidName)?;
                Ok(Self {
                    region,
                    account,
                    name,
                })
            }
        }
    };
}

pub(super) use named_arn;

named_arn! {
    /// A stream's full name: `arn:aws:kinesis:<region>:<account>:stream/<name>`.
    StreamArn, "stream"
}

/// The parts of an ARN of Kinesis whose resource is of this kind and has a name.
pub(super) fn named(arn: &str, kind: &str) -> Option<(Region, AccountId, Box<str>)> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(":kinesis:")?;
    let (region, rest) = rest.split_once(':')?;
    let (account, resource) = rest.split_once(':')?;
    let name = resource.strip_prefix(kind)?;
    let ok = partition.starts_with("aws") && pattern::NAME.matches(name);
    Some((
        region.parse().ok()?,
        account.parse().ok()?,
        ok.then(|| name.into())?,
    ))
}

/// A consumer's full name: its stream's, its own, and the second in which it was registered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerArn {
    /// The stream that it reads.
    pub stream: StreamArn,
    /// Its name.
    pub name: Box<str>,
    /// When it was registered, in seconds since the epoch. Tells it from an earlier one of its name.
    pub created_secs: u64,
}

impl fmt::Display for ConsumerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stream,
            name,
            created_secs,
        } = self;
        write!(f, "{stream}/consumer/{name}:{created_secs}")
    }
}

impl FromStr for ConsumerArn {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        let parse = || {
            let (stream, rest) = s.split_once("/consumer/")?;
            let (name, created) = rest.split_once(':')?;
            pattern::NAME.matches(name).then_some(Self {
                stream: stream.parse().ok()?,
                name: name.into(),
                created_secs: created.parse().ok()?,
            })
        };
        parse().ok_or(InvalidName)
    }
}

/// Which stream a request is about. Where it gives no ARN, the caller's account and region are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReference<'a> {
    /// The stream's name.
    pub name: &'a str,
    /// Its ARN, if the request gives one.
    pub arn: Option<StreamArn>,
}

impl<'a> StreamReference<'a> {
    /// From the two members. One must be there, and both must name one stream. AWS documents the rule and
    /// not what it answers; the wordings follow those of `ListShards`.
    pub(super) fn of(name: Option<&'a str>, arn: Option<&'a str>) -> Result<Self, KinesisError> {
        let Some(arn) = arn else {
            let name = name.ok_or_else(|| {
                KinesisError::invalid_argument("Either StreamName or StreamARN should be provided.")
            })?;
            return Ok(Self { name, arn: None });
        };
        let parsed: StreamArn = arn.parse().map_err(|_| not_a_stream(arn))?;
        // The ARN's own text, so that the name lives as long as the request.
        let of_arn = arn.rsplit_once('/').map_or("", |(_, name)| name);
        match name {
            Some(name) if name != of_arn => Err(KinesisError::invalid_argument(
                "StreamName and StreamARN should name the same stream.",
            )),
            _ => Ok(Self {
                name: of_arn,
                arn: Some(parsed),
            }),
        }
    }
}

/// An ARN that satisfies the model's loose pattern and names no stream. From memory.
pub(super) fn not_a_stream(arn: &str) -> KinesisError {
    KinesisError::invalid_argument(format!("{arn} is not a valid StreamARN."))
}

/// The consumer that an ARN names, which satisfies the model's loose pattern. From memory.
pub(super) fn consumer(arn: &str) -> Result<ConsumerArn, KinesisError> {
    arn.parse()
        .map_err(|_| KinesisError::invalid_argument(format!("{arn} is not a valid ConsumerARN.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kinesis:eu-west-3:000000000042:stream/orders.eu";

    #[test]
    fn arns_come_back_as_they_were() {
        assert_eq!(ARN.parse::<StreamArn>().unwrap().to_string(), ARN);
        let consumer = format!("{ARN}/consumer/billing:1700000000");
        let parsed: ConsumerArn = consumer.parse().unwrap();
        assert_eq!(parsed.to_string(), consumer);
        assert_eq!(
            (&*parsed.name, parsed.created_secs),
            ("billing", 1_700_000_000)
        );
        for bad in [
            "",
            "orders",
            "arn:aws:kinesis:eu:42:stream/a",
            "arn:aws:kinesis:eu:000000000042:stream/",
            "arn:aws:kinesis:eu:000000000042:stream/a/b",
            "arn:other:kinesis:eu:000000000042:stream/a",
            "arn:aws:sqs:eu:000000000042:stream/a",
            &consumer,
        ] {
            assert!(bad.parse::<StreamArn>().is_err(), "{bad}");
        }
        for bad in [
            ARN,
            &format!("{ARN}/consumer/c"),
            &format!("{ARN}/consumer/:1"),
        ] {
            assert!(bad.parse::<ConsumerArn>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_an_arn_or_both() {
        let of = |name, arn| StreamReference::of(name, arn).map_err(|e| e.message.into_owned());
        let by_name = of(Some("orders.eu"), None).unwrap();
        assert_eq!((by_name.name, by_name.arn), ("orders.eu", None));
        let by_arn = of(None, Some(ARN)).unwrap();
        assert_eq!(by_arn.name, "orders.eu");
        assert_eq!(by_arn.arn.as_ref().unwrap().account.number(), 42);
        assert_eq!(of(Some("orders.eu"), Some(ARN)).unwrap(), by_arn);
        assert_eq!(
            of(Some("other"), Some(ARN)).unwrap_err(),
            "StreamName and StreamARN should name the same stream."
        );
        assert_eq!(
            of(None, None).unwrap_err(),
            "Either StreamName or StreamARN should be provided."
        );
        assert!(
            of(None, Some("arn:aws:kinesis"))
                .unwrap_err()
                .ends_with("is not a valid StreamARN.")
        );
    }
}
