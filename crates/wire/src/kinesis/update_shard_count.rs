//! `UpdateShardCount`.

use super::shape::{Answer, output, stream_input, stream_shape, values};

stream_input! {
    /// Splits and merges until a stream has so many open shards.
    pub struct UpdateShardCountRequest {
        /// How many: at least half, and at most twice, what it has.
        pub target_shard_count: Option<i64>,
        /// A [`ScalingType`].
        pub scaling_type: Option<String>,
    }
}

values! {
    /// What the shards shall be like.
    pub enum ScalingType {
        /// Of equal size.
        #[default]
        UniformScaling = "UNIFORM_SCALING",
    }
}

stream_shape!(UpdateShardCountRequest, |request, violations| {
    violations.required("targetShardCount", &request.target_shard_count);
    violations.int("targetShardCount", request.target_shard_count, 1..=u32::MAX);
    violations.required("scalingType", &request.scaling_type);
    violations.one_of::<ScalingType>("scalingType", &request.scaling_type);
});

output! {
    /// What is being done.
    pub struct UpdateShardCountResponse {
        /// The stream's name.
        pub stream_name: String,
        /// Open shards now.
        pub current_shard_count: u32,
        /// Open shards when it is done.
        pub target_shard_count: u32,
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: String,
    }
}

impl Answer for UpdateShardCountResponse {}
