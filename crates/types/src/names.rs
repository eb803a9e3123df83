//! Names as AWS forms them: accounts, regions, queue names and ARNs.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A 12-digit AWS account number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u64);

impl AccountId {
    /// The account of callers whose access key is not itself an account number.
    pub const DEFAULT: Self = Self(0);

    /// From its number; `None` above 999,999,999,999.
    pub const fn from_number(n: u64) -> Option<Self> {
        if n < 1_000_000_000_000 {
            Some(Self(n))
        } else {
            None
        }
    }

    /// The number without leading zeros.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

/// The text is not 12 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an account id is 12 digits")]
pub struct NotAnAccountId;

impl FromStr for AccountId {
    type Err = NotAnAccountId;
    fn from_str(s: &str) -> Result<Self, NotAnAccountId> {
        if s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit()) {
            s.parse().map(Self).map_err(|_| NotAnAccountId)
        } else {
            Err(NotAnAccountId)
        }
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// A region name such as `us-east-1`: 1 to 32 of `[a-z0-9-]`.
    Region
}
text! {
    /// A queue name: 1 to 80 of `[A-Za-z0-9_-]`, where a FIFO queue ends in `.fifo` (counted).
    QueueName
}

/// The text is not a name of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a valid name")]
pub struct InvalidName;

impl Region {
    /// The region of callers that name none.
    pub fn us_east_1() -> Self {
        Self("us-east-1".into())
    }
}

impl FromStr for Region {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        let ok = (1..=32).contains(&s.len())
            && s.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if ok {
            Ok(Self(s.into()))
        } else {
            Err(InvalidName)
        }
    }
}

impl QueueName {
    /// Whether this is the name of a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }
}

/// Whether a text names a queue or a topic: up to `len_max` letters, digits, `_` and `-`, and `.fifo` at the end, which counts.
pub fn is_fifo_or_standard_name(s: &str, len_max: usize) -> bool {
    let stem = s.strip_suffix(".fifo").unwrap_or(s);
    s.len() <= len_max
        && !stem.is_empty()
        && stem
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl FromStr for QueueName {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        if is_fifo_or_standard_name(s, crate::limits::QUEUE_NAME_LEN_MAX) {
            Ok(Self(s.into()))
        } else {
            Err(InvalidName)
        }
    }
}

/// A queue's full name: `arn:aws:sqs:<region>:<account>:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueArn {
    /// The region that the queue was made in.
    pub region: Region,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name.
    pub name: QueueName,
}

impl fmt::Display for QueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "arn:aws:sqs:{}:{}:{}",
            self.region, self.account, self.name
        )
    }
}

impl FromStr for QueueArn {
    type Err = InvalidName;
    fn from_str(s: &str) -> Result<Self, InvalidName> {
        let mut parts = s.splitn(6, ':');
        let head = (parts.next(), parts.next(), parts.next());
        let (Some("arn"), Some(partition), Some("sqs")) = head else {
            return Err(InvalidName);
        };
        if !partition.starts_with("aws") {
            return Err(InvalidName);
        }
        let (Some(region), Some(account), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidName);
        };
        Ok(Self {
            region: region.parse()?,
            account: account.parse().map_err(|_| InvalidName)?,
            name: name.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_comes_back_as_it_was() {
        let arn = "arn:aws:sqs:eu-west-3:000000000042:orders.fifo";
        assert_eq!(arn.parse::<QueueArn>().unwrap().to_string(), arn);
        for bad in [
            "arn:aws:sns:eu-west-3:000000000042:a",
            "arn:aws:sqs:eu:42:a",
            "orders",
            "arn:aws:sqs:eu:000000000042:.fifo",
        ] {
            assert!(bad.parse::<QueueArn>().is_err(), "{bad}");
        }
    }

    #[test]
    fn queue_names_keep_their_bounds() {
        assert!("a".repeat(80).parse::<QueueName>().is_ok());
        assert!("a".repeat(81).parse::<QueueName>().is_err());
        assert!(
            format!("{}.fifo", "a".repeat(75))
                .parse::<QueueName>()
                .unwrap()
                .is_fifo()
        );
        assert!(
            format!("{}.fifo", "a".repeat(76))
                .parse::<QueueName>()
                .is_err()
        );
        assert!("a.b".parse::<QueueName>().is_err());
        assert!("".parse::<QueueName>().is_err());
    }
}
