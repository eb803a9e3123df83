//! `GetShardIterator`.

use super::constraint::{SEQUENCE_NUMBER, SHARD_ID};
use super::position::PositionMembers;
use super::shape::{Answer, output, stream_input, stream_shape};
use super::{KinesisError, Position, ShardIteratorType};
use crate::protocol::member::EpochTime;

stream_input! {
    /// Asks for a place in a shard, to read from.
    pub struct GetShardIteratorRequest {
        /// The shard.
        pub shard_id: Option<String>,
        /// A [`ShardIteratorType`].
        pub shard_iterator_type: Option<String>,
        /// Of `AT_SEQUENCE_NUMBER` and `AFTER_SEQUENCE_NUMBER`.
        pub starting_sequence_number: Option<String>,
        /// Of `AT_TIMESTAMP`.
        pub timestamp: Option<EpochTime>,
        /// Whether only the call is judged.
        pub dry_run: Option<bool>,
    }
}

impl GetShardIteratorRequest {
    /// From where it is read.
    pub fn position(&self) -> Result<Position, KinesisError> {
        let members = PositionMembers {
            kind: self.shard_iterator_type.as_deref(),
            number: self.starting_sequence_number.as_deref(),
            time: self.timestamp,
            number_member: "StartingSequenceNumber",
        };
        members.position()
    }
}

stream_shape!(
    GetShardIteratorRequest,
    |request, violations| {
        violations.text("shardId", &request.shard_id, &SHARD_ID.required());
        let kind = &request.shard_iterator_type;
        violations.required("shardIteratorType", kind);
        violations.one_of::<ShardIteratorType>("shardIteratorType", kind);
        let number = &request.starting_sequence_number;
        violations.text("startingSequenceNumber", number, &SEQUENCE_NUMBER);
    },
    fn refusal(&self) -> Result<(), KinesisError> {
        self.position().map(|_| ())
    }
);

output! {
    /// The place.
    pub struct GetShardIteratorResponse {
        /// An opaque text of at most 512 characters, good for 5 minutes.
        pub shard_iterator: String,
    }
}

impl Answer for GetShardIteratorResponse {
    fn size_hint(&self) -> usize {
        64 + self.shard_iterator.len()
    }
}
