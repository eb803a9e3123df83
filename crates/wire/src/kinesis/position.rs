//! From where a shard is read: the members of `GetShardIterator` and the structure of `SubscribeToShard`.

use super::constraint::Values;
use super::shape::values;
use super::{KinesisError, SequenceNumber};
use crate::protocol::member::EpochTime;

values! {
    /// How a position is given. In the order in which AWS lists them.
    pub enum ShardIteratorType {
        /// After a record.
        AfterSequenceNumber = "AFTER_SEQUENCE_NUMBER",
        /// After what is there now.
        #[default]
        Latest = "LATEST",
        /// At the first record of a time, or later.
        AtTimestamp = "AT_TIMESTAMP",
        /// At a record.
        AtSequenceNumber = "AT_SEQUENCE_NUMBER",
        /// At the oldest record that there is.
        TrimHorizon = "TRIM_HORIZON",
    }
}

/// From where a shard is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// From that record on.
    AtSequenceNumber(SequenceNumber),
    /// From the one after it.
    AfterSequenceNumber(SequenceNumber),
    /// From the first that arrived at that time or later.
    AtTimestamp(EpochTime),
    /// From the oldest.
    TrimHorizon,
    /// From the next that will come.
    Latest,
}

/// A position as a request gives it, where `number_member` names the member of the sequence number. The
/// type has been found to be one of the set.
pub(super) struct PositionMembers<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) number: Option<&'a str>,
    pub(super) time: Option<EpochTime>,
    pub(super) number_member: &'static str,
}

impl PositionMembers<'_> {
    /// The position, if the members go together.
    pub(super) fn position(&self) -> Result<Position, KinesisError> {
        let kind = self
            .kind
            .and_then(ShardIteratorType::from_name)
            .unwrap_or_default();
        match (kind, self.number) {
            (ShardIteratorType::AtSequenceNumber, Some(number)) => {
                Ok(Position::AtSequenceNumber(self.parse(number)?))
            }
            (ShardIteratorType::AfterSequenceNumber, Some(number)) => {
                Ok(Position::AfterSequenceNumber(self.parse(number)?))
            }
            (ShardIteratorType::AtSequenceNumber | ShardIteratorType::AfterSequenceNumber, None) => {
                Err(self.mismatch(kind, "and no"))
            }
            (_, Some(_)) => Err(self.mismatch(kind, "and also a")),
            (ShardIteratorType::TrimHorizon, None) => Ok(Position::TrimHorizon),
            (ShardIteratorType::Latest, None) => Ok(Position::Latest),
            (ShardIteratorType::AtTimestamp, None) => {
                self.time.map(Position::AtTimestamp).ok_or_else(|| {
                    KinesisError::invalid_argument(
                        "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
                    )
                })
            }
        }
    }

    fn parse(&self, number: &str) -> Result<SequenceNumber, KinesisError> {
        // A number that we cannot have given. The wording is the end of AWS's, which also names the shard.
        number.parse().map_err(|_| {
            let member = self.number_member;
            KinesisError::invalid_argument(format!("{member} {number} is invalid."))
        })
    }

    fn mismatch(&self, kind: ShardIteratorType, and: &str) -> KinesisError {
        let (kind, member) = (kind.as_str(), self.number_member);
        KinesisError::invalid_argument(format!(
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and {member} or \
             (2) TRIM_HORIZON or LATEST and no {member}. Request specified {kind} {and} {member}."
        ))
    }
}
