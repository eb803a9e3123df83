//! Where in a shard a user record is, and where a reader has got to. Pure.

use std::cmp::Ordering;
use std::fmt;

/// A sequence number: digits, compared as the number that they are. They do not fit into 128 bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(String);

impl SequenceNumber {
    /// Reads a sequence number; `None` if the text has anything but digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let significant = text.trim_start_matches('0');
        let kept = if significant.is_empty() {
            "0"
        } else {
            significant
        };
        digits.then(|| Self(kept.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        // Without leading zeros the longer one is the greater one.
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of a user record: the record that holds it, and its place in that one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Of the record that Kinesis knows.
    pub sequence_number: SequenceNumber,
    /// Of the user record in an aggregated one; 0 in a plain one.
    pub sub_sequence_number: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sequence_number, self.sub_sequence_number)
    }
}

/// How far a shard is processed, in the words of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkpoint {
    /// Nothing yet; begin at the oldest record.
    TrimHorizon,
    /// Nothing yet; begin at what comes from now on.
    Latest,
    /// Nothing yet; begin at the time that the application is set to.
    AtTimestamp,
    /// Up to this user record, which is done.
    At(Position),
    /// All of it: the shard is closed, and its children may be read.
    ShardEnd,
}

impl Checkpoint {
    /// Reads the two attributes of a lease; `None` if they say nothing that is known.
    pub fn parse(checkpoint: &str, sub_sequence_number: u64) -> Option<Self> {
        Some(match checkpoint {
            "TRIM_HORIZON" => Self::TrimHorizon,
            "LATEST" => Self::Latest,
            "AT_TIMESTAMP" => Self::AtTimestamp,
            "SHARD_END" => Self::ShardEnd,
            number => Self::At(Position {
                sequence_number: SequenceNumber::parse(number)?,
                sub_sequence_number,
            }),
        })
    }

    /// The first attribute.
    pub fn word(&self) -> &str {
        match self {
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::AtTimestamp => "AT_TIMESTAMP",
            Self::At(position) => position.sequence_number.as_str(),
            Self::ShardEnd => "SHARD_END",
        }
    }

    /// The second attribute.
    pub fn sub_sequence_number(&self) -> u64 {
        match self {
            Self::At(position) => position.sub_sequence_number,
            _ => 0,
        }
    }

    /// Whether a record is done by this.
    pub fn covers(&self, record: &Position) -> bool {
        match self {
            Self::At(done) => record <= done,
            Self::ShardEnd => true,
            Self::TrimHorizon | Self::Latest | Self::AtTimestamp => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(sequence: &str, sub: u64) -> Position {
        Position {
            sequence_number: SequenceNumber::parse(sequence).unwrap(),
            sub_sequence_number: sub,
        }
    }

    #[test]
    fn a_checkpoint_in_an_aggregated_record_covers_what_is_before_it_there() {
        let done = Checkpoint::At(at(
            "49590338271490256608559692538361571095921575989136588898",
            3,
        ));
        let next = "49590338271490256608559692540925702759324208523137515618";
        let this = done.word().to_owned();
        assert!(done.covers(&at(&this, 0)) && done.covers(&at(&this, 3)));
        assert!(!done.covers(&at(&this, 4)) && !done.covers(&at(next, 0)));
    }

    #[test]
    fn a_lease_of_an_unknown_checkpoint_is_not_guessed_at() {
        assert_eq!(Checkpoint::parse("SOMETHING", 0), None);
        assert_eq!(Checkpoint::parse("", 0), None);
    }

    proptest! {
        #[test]
        fn sequence_numbers_are_ordered_as_numbers(a: u128, b: u128) {
            let parse = |number: u128| SequenceNumber::parse(&format!("{number:040}")).unwrap();
            prop_assert_eq!(parse(a).cmp(&parse(b)), a.cmp(&b));
        }

        #[test]
        fn a_checkpoint_is_read_as_it_is_written(sequence: u128, sub: u64) {
            let checkpoint = Checkpoint::At(at(&sequence.to_string(), sub));
            let read = Checkpoint::parse(checkpoint.word(), checkpoint.sub_sequence_number());
            prop_assert_eq!(read, Some(checkpoint));
        }
    }
}
