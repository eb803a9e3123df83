//! `DescribeStream`.

use levada_types::limits::STREAM_LIST_RESULTS_MAX;

use super::constraint::SHARD_ID;
use super::shape::{Answer, output, stream_input, stream_shape};
use super::{EncryptionType, EnhancedMetrics, Shard, StreamModeDetails, StreamStatus};
use crate::protocol::member::EpochTime;

stream_input! {
    /// Asks for a stream and a page of its shards.
    pub struct DescribeStreamRequest {
        /// Shards of the page, 1 to 10,000; 100 if it is not given.
        pub limit: Option<i64>,
        /// The last shard of the page before.
        pub exclusive_start_shard_id: Option<String>,
    }
}

stream_shape!(DescribeStreamRequest, |request, violations| {
    violations.int("limit", request.limit, 1..=STREAM_LIST_RESULTS_MAX);
    violations.text(
        "exclusiveStartShardId",
        &request.exclusive_start_shard_id,
        &SHARD_ID,
    );
});

output! {
    /// The stream.
    pub struct DescribeStreamResponse {
        /// It.
        pub stream_description: StreamDescription,
    }
}

output! {
    /// A stream and a page of its shards.
    pub struct StreamDescription {
        /// Its name.
        pub stream_name: String,
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: String,
        /// What it is doing.
        pub stream_status: StreamStatus,
        /// Its mode.
        pub stream_mode_details: Option<StreamModeDetails>,
        /// The page, in the order of the shards' ids.
        pub shards: Vec<Shard>,
        /// Whether there are more.
        pub has_more_shards: bool,
        /// For how long it keeps a record, in hours.
        pub retention_period_hours: u32,
        /// When it was made.
        pub stream_creation_timestamp: EpochTime,
        /// One element, with the metrics that are kept for each shard.
        pub enhanced_monitoring: Vec<EnhancedMetrics>,
        /// Whether it is encrypted.
        pub encryption_type: Option<EncryptionType>,
        /// With which key.
        pub key_id: Option<String>,
    }
}

/// Bytes of one shard in JSON.
const SHARD_BYTES: usize = 384;

impl Answer for DescribeStreamResponse {
    fn size_hint(&self) -> usize {
        1_024 + self.stream_description.shards.len() * SHARD_BYTES
    }
}
