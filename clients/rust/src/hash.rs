//! Hash keys: where in a stream a partition key belongs. Pure.

use std::fmt;

use md5::{Digest, Md5};

/// A point on the ring of 2^128 hash keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(u128);

impl HashKey {
    /// The least.
    pub const MIN: Self = Self(0);
    /// The greatest.
    pub const MAX: Self = Self(u128::MAX);

    /// A hash key by its number.
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// The hash key of a partition key: its MD5 as a number, as Kinesis defines it.
    pub fn of(partition_key: &str) -> Self {
        let digest: [u8; 16] = Md5::digest(partition_key.as_bytes()).into();
        Self(u128::from_be_bytes(digest))
    }

    /// Reads the decimal form; `None` if the text is no number below 2^128.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The hash keys of a shard, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRange {
    /// The first.
    pub first: HashKey,
    /// The last.
    pub last: HashKey,
}

impl HashRange {
    /// Every hash key.
    pub const WHOLE: Self = Self {
        first: HashKey::MIN,
        last: HashKey::MAX,
    };

    /// Reads the two decimal ends; `None` if either is no hash key.
    pub fn parse(first: &str, last: &str) -> Option<Self> {
        Some(Self {
            first: HashKey::parse(first)?,
            last: HashKey::parse(last)?,
        })
    }

    /// Whether a hash key belongs here.
    pub fn contains(&self, key: HashKey) -> bool {
        self.first <= key && key <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_partition_key_has_the_hash_key_that_kinesis_gives_it() {
        // MD5 of the empty text and of "a", from RFC 1321, as numbers.
        let empty = 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e;
        assert_eq!(HashKey::of(""), HashKey::new(empty));
        let a = 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661;
        assert_eq!(HashKey::of("a"), HashKey::new(a));
    }

    #[test]
    fn what_is_no_hash_key_is_refused() {
        for text in [
            "",
            "-1",
            "+1",
            "1e3",
            "340282366920938463463374607431768211456",
        ] {
            assert_eq!(HashKey::parse(text), None, "{text}");
        }
        let last = HashKey::parse("340282366920938463463374607431768211455");
        assert_eq!(last, Some(HashKey::MAX));
    }

    proptest! {
        #[test]
        fn a_hash_key_is_read_as_it_is_written(number: u128) {
            let key = HashKey::new(number);
            prop_assert_eq!(HashKey::parse(&key.to_string()), Some(key));
        }

        #[test]
        fn of_two_halves_exactly_one_holds_a_key(number: u128, cut in 1_u128..) {
            let key = HashKey::new(number);
            let left = HashRange { first: HashKey::MIN, last: HashKey::new(cut - 1) };
            let right = HashRange { first: HashKey::new(cut), last: HashKey::MAX };
            prop_assert!(left.contains(key) != right.contains(key));
        }
    }
}
