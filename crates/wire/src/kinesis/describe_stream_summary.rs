//! `DescribeStreamSummary`.

use super::shape::{Answer, output, stream_input, stream_shape};
use super::{
    EncryptionType, EnhancedMetrics, RecordDistributionStrategy, StreamModeDetails, StreamStatus,
    WarmThroughput,
};
use crate::protocol::member::EpochTime;

stream_input! {
    /// Asks for a stream without its shards.
    pub struct DescribeStreamSummaryRequest {}
}

stream_shape!(DescribeStreamSummaryRequest, |_request, _violations| {});

output! {
    /// The stream.
    pub struct DescribeStreamSummaryResponse {
        /// It.
        pub stream_description_summary: StreamDescriptionSummary,
    }
}

output! {
    /// A stream without its shards. The model has a `StreamId` too, which must never be told: an SDK that
    /// has one no longer goes to the endpoint that it was given.
    pub struct StreamDescriptionSummary {
        /// Its name.
        pub stream_name: String,
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: String,
        /// What it is doing.
        pub stream_status: StreamStatus,
        /// Its mode.
        pub stream_mode_details: Option<StreamModeDetails>,
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
        /// Shards that take records.
        pub open_shard_count: u32,
        /// Consumers with enhanced fan-out.
        pub consumer_count: Option<u32>,
        /// The rate that it is ready for.
        pub warm_throughput: Option<WarmThroughput>,
        /// The greatest record that it takes, in KiB.
        #[serde(rename = "MaxRecordSizeInKiB")]
        pub max_record_size_kib: Option<u32>,
        /// What decides to which shard a record goes.
        pub record_distribution_strategy: Option<RecordDistributionStrategy>,
    }
}

impl Answer for DescribeStreamSummaryResponse {
    fn size_hint(&self) -> usize {
        1_024
    }
}
