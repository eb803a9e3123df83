//! `SplitShard`.

use super::constraint::{HASH_KEY, SHARD_ID};
use super::shape::{stream_input, stream_shape};
use super::{HashKey, KinesisError};

stream_input! {
    /// Closes a shard and opens two in its place.
    pub struct SplitShardRequest {
        /// The shard.
        pub shard_to_split: Option<String>,
        /// The least hash key of the upper half.
        pub new_starting_hash_key: Option<String>,
    }
}

impl SplitShardRequest {
    /// The least hash key of the upper half.
    pub fn new_starting_hash_key(&self) -> Result<HashKey, KinesisError> {
        let key = self.new_starting_hash_key.as_deref().unwrap_or_default();
        key.parse()
            .map_err(|_| KinesisError::hash_key_out_of_range("NewStartingHashKey", key))
    }
}

stream_shape!(
    SplitShardRequest,
    |request, violations| {
        violations.text(
            "shardToSplit",
            &request.shard_to_split,
            &SHARD_ID.required(),
        );
        let key = &request.new_starting_hash_key;
        violations.text("newStartingHashKey", key, &HASH_KEY.required());
    },
    fn refusal(&self) -> Result<(), KinesisError> {
        self.new_starting_hash_key().map(|_| ())
    }
);
