//! `MergeShards`.

use super::constraint::SHARD_ID;
use super::shape::{stream_input, stream_shape};

stream_input! {
    /// Closes two neighbours and opens one in their place.
    pub struct MergeShardsRequest {
        /// One.
        pub shard_to_merge: Option<String>,
        /// The other.
        pub adjacent_shard_to_merge: Option<String>,
    }
}

stream_shape!(MergeShardsRequest, |request, violations| {
    violations.text(
        "shardToMerge",
        &request.shard_to_merge,
        &SHARD_ID.required(),
    );
    let adjacent = &request.adjacent_shard_to_merge;
    violations.text("adjacentShardToMerge", adjacent, &SHARD_ID.required());
});
