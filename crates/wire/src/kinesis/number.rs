//! The numbers of Kinesis: sequence numbers, hash keys, and shard ids.

use std::fmt;
use std::str::FromStr;

use levada_types::limits::SHARD_NUMBER_MAX;
use md5::{Digest as _, Md5};
use thiserror::Error;

use super::pattern;
use crate::protocol::member::Absent;

/// The text is not a number of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a number of that kind")]
pub struct NotANumber;

/// What a sequence number begins with. AWS's do, too.
const SEQUENCE_PREFIX: &str = "49";

/// Where a record stands in its shard, in 56 digits as AWS's have:
///
/// ```text
/// "49" | 11 digits: when the shard was opened | 33 digits: the position in it | 10 digits: the shard's number
/// ```
///
/// They rise within a shard, and a child's are above its parents', for it was opened in a later second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// When the shard was opened, in seconds since the epoch.
    pub opened_secs: u64,
    /// The position in the shard, from 1. At 0 the shard begins; its end is at the position behind its last record.
    pub position: u64,
    /// The shard's number.
    pub shard: u32,
}

/// Digits of a sequence number.
const SEQUENCE_LEN: usize = 56;
/// The most seconds that eleven digits hold.
const OPENED_SECS_MAX: u64 = 99_999_999_999;

impl SequenceNumber {
    /// Its digits. A formatter would fill up with zeros one by one, and each record has a number.
    fn digits(&self) -> [u8; SEQUENCE_LEN] {
        let mut digits = [b'0'; SEQUENCE_LEN];
        digits[..2].copy_from_slice(SEQUENCE_PREFIX.as_bytes());
        put_digits(&mut digits[2..13], self.opened_secs.min(OPENED_SECS_MAX));
        put_digits(&mut digits[13..46], self.position);
        put_digits(&mut digits[46..], u64::from(self.shard));
        digits
    }
}

/// Overwrites zeros with a number that has room there.
fn put_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The text that ASCII digits are.
fn text_of(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text_of(&self.digits()))
    }
}

impl serde::Serialize for SequenceNumber {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(text_of(&self.digits()))
    }
}

impl Absent for SequenceNumber {}

impl FromStr for SequenceNumber {
    type Err = NotANumber;
    fn from_str(s: &str) -> Result<Self, NotANumber> {
        let digits = s.strip_prefix(SEQUENCE_PREFIX).ok_or(NotANumber)?;
        if digits.len() != SEQUENCE_LEN - SEQUENCE_PREFIX.len()
            || !digits.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(NotANumber);
        }
        let part = |from: usize, to: usize| digits[from..to].parse().map_err(|_| NotANumber);
        Ok(Self {
            opened_secs: part(0, 11)?,
            position: part(11, 44)?,
            shard: u32::try_from(part(44, 54)?).map_err(|_| NotANumber)?,
        })
    }
}

/// A point on the ring of hash keys, 0 to 2^128-1: the MD5 of a partition key, or given explicitly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl HashKey {
    /// That of a partition key.
    pub fn of_partition_key(key: &str) -> Self {
        Self(u128::from_be_bytes(Md5::digest(key.as_bytes()).into()))
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for HashKey {
    type Err = NotANumber;
    fn from_str(s: &str) -> Result<Self, NotANumber> {
        if pattern::HASH_KEY.matches(s) {
            s.parse().map(Self).map_err(|_| NotANumber)
        } else {
            Err(NotANumber)
        }
    }
}

macro_rules! written_as_text {
    ($($name:ident),*) => {
        $(
            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                    s.collect_str(self)
                }
            }

            impl Absent for $name {}
        )*
    };
}
written_as_text!(HashKey, ShardId);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_keys_have_128_bits() {
        let most = "340282366920938463463374607431768211455";
        assert_eq!(most.parse(), Ok(HashKey(u128::MAX)));
        assert_eq!(HashKey(u128::MAX).to_string(), most);
        for bad in [
            "340282366920938463463374607431768211456",
            "",
            "+1",
            "00",
            "1e3",
        ] {
            assert_eq!(bad.parse::<HashKey>(), Err(NotANumber), "{bad}");
        }
        let of_key = HashKey::of_partition_key("key");
        assert_eq!(of_key.0, 0x3c6e_0b8a_9c15_224a_8228_b9a9_8ca1_531d);
    }

    #[test]
    fn sequence_numbers_have_three_parts() {
        let number = SequenceNumber {
            opened_secs: 1_700_000_000,
            position: 17,
            shard: 3,
        };
        let text = "49017000000000000000000000000000000000000000170000000003";
        assert_eq!((number.to_string().as_str(), text.len()), (text, 56));
        assert_eq!(text.parse(), Ok(number));
        let last = SequenceNumber {
            opened_secs: 99_999_999_999,
            position: u64::MAX,
            shard: u32::MAX,
        };
        assert_eq!(last.to_string().parse(), Ok(last));
        let child = SequenceNumber {
            opened_secs: 1_700_000_001,
            position: 0,
            shard: 4,
        };
        assert!(child > number && child.to_string() > number.to_string());
        for bad in [
            "",
            "0",
            "49",
            &text[1..],
            &text.replace("49", "50"),
            &format!("{text}0"),
            // Digits of another's: a position of more than 64 bits.
            "49590338271490256608559692538361571095921575989136588898",
            &text.replace("17000", "+7000"),
        ] {
            assert_eq!(bad.parse::<SequenceNumber>(), Err(NotANumber), "{bad}");
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
