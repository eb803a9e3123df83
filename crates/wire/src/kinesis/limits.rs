//! `DescribeLimits`.

use super::Shape;
use super::shape::{Answer, input, output};

input! {
    /// Asks for the account's bounds.
    pub struct DescribeLimitsRequest {}
}

impl Shape for DescribeLimitsRequest {}

output! {
    /// The bounds, and what is taken of them.
    pub struct DescribeLimitsResponse {
        /// Open shards that provisioned streams may have together.
        pub shard_limit: u32,
        /// Those that they have.
        pub open_shard_count: u32,
        /// On-demand streams.
        pub on_demand_stream_count: u32,
        /// How many there may be.
        pub on_demand_stream_count_limit: u32,
    }
}

impl Answer for DescribeLimitsResponse {}
