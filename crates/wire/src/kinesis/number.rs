//! The numbers of Kinesis: sequence numbers and hash keys, 128 bits in decimal digits, and shard ids.

use std::fmt;
use std::str::FromStr;

use levada_types::limits::SHARD_NUMBER_MAX;
use thiserror::Error;

use super::pattern;
use crate::protocol::member::Absent;

/// The text is not a number of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a number of that kind")]
pub struct NotANumber;

macro_rules! decimal_128 {
    ($(#[$doc:meta])* $name:ident, $pattern:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotANumber;
            fn from_str(s: &str) -> Result<Self, NotANumber> {
                if pattern::$pattern.matches(s) {
                    s.parse().map(Self).map_err(|_| NotANumber)
                } else {
                    Err(NotANumber)
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl Absent for $name {}
    };
}

decimal_128! {
    /// Where a record stands in its shard. AWS's have up to 129 digits; one above 2^128-1 is none of ours.
    SequenceNumber, SEQUENCE_NUMBER
}
decimal_128! {
    /// A point on the ring of hash keys, 0 to 2^128-1: the MD5 of a partition key, or given explicitly.
    HashKey, HASH_KEY
}

/// A shard's id: `shardId-000000000000`, and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u64);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

impl FromStr for ShardId {
    type Err = NotANumber;
    /// As AWS reads it: the digits alone, or any word, a hyphen and the digits; with leading zeros or
    /// without.
    fn from_str(s: &str) -> Result<Self, NotANumber> {
        let mut parts = s.split('-');
        let first = parts.next().unwrap_or("");
        let digits = parts.next().filter(|p| !p.is_empty()).unwrap_or(first);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotANumber);
        }
        match digits.parse() {
            Ok(n) if n <= SHARD_NUMBER_MAX => Ok(Self(n)),
            _ => Err(NotANumber),
        }
    }
}

impl serde::Serialize for ShardId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl Absent for ShardId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_128_bits() {
        let most = "340282366920938463463374607431768211455";
        assert_eq!(most.parse(), Ok(HashKey(u128::MAX)));
        assert_eq!(HashKey(u128::MAX).to_string(), most);
        assert_eq!("0".parse(), Ok(SequenceNumber(0)));
        for bad in [
            "340282366920938463463374607431768211456",
            "",
            "+1",
            "00",
            "1e3",
        ] {
            assert_eq!(bad.parse::<SequenceNumber>(), Err(NotANumber), "{bad}");
            assert_eq!(bad.parse::<HashKey>(), Err(NotANumber), "{bad}");
        }
    }

    #[test]
    fn shards_are_found_as_aws_finds_them() {
        for (text, id) in [
            ("shardId-000000000000", "shardId-000000000000"),
            ("shardId-5", "shardId-000000000005"),
            ("2147483647", "shardId-002147483647"),
            ("any-2147483647", "shardId-002147483647"),
            ("a-00002147483647", "shardId-002147483647"),
            ("-00002147483647", "shardId-002147483647"),
        ] {
            assert_eq!(text.parse::<ShardId>().unwrap().to_string(), id, "{text}");
        }
        for bad in [
            "",
            "-",
            "2147483648",
            "shardId-002147483648",
            "ABKLFD8",
            "2.14E4",
            "a-b",
        ] {
            assert_eq!(bad.parse::<ShardId>(), Err(NotANumber), "{bad}");
        }
    }
}
