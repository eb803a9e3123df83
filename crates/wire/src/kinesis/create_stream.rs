//! `CreateStream`.

use std::collections::BTreeMap;

use levada_types::limits::{MAX_RECORD_SIZE_KIB_MAX, MAX_RECORD_SIZE_KIB_MIN};

use super::constraint::{STREAM_NAME, Values};
use super::description::StreamModeInput;
use super::shape::input;
use super::{KinesisError, RecordDistributionStrategy, Shape, StreamMode, Violations, tags};

input! {
    /// Makes a stream.
    pub struct CreateStreamRequest {
        /// Its name.
        pub stream_name: Option<String>,
        /// Shards of a provisioned stream.
        pub shard_count: Option<i64>,
        /// Who decides how many shards it has.
        pub stream_mode_details: Option<StreamModeInput>,
        /// Its tags.
        pub tags: Option<BTreeMap<String, String>>,
        /// The rate that an on-demand stream shall be ready for, in MiB/s.
        #[serde(rename = "WarmThroughputMiBps")]
        pub warm_throughput_mibps: Option<i64>,
        /// The greatest record that it takes, in KiB.
        #[serde(rename = "MaxRecordSizeInKiB")]
        pub max_record_size_kib: Option<i64>,
        /// A [`RecordDistributionStrategy`] of an on-demand stream.
        pub record_distribution_strategy: Option<String>,
    }
}

impl CreateStreamRequest {
    /// The mode. A request that says nothing of it means a provisioned stream, as all did before there were
    /// others.
    pub fn mode(&self) -> StreamMode {
        self.stream_mode_details
            .as_ref()
            .and_then(|details| StreamMode::from_name(details.stream_mode.as_deref()?))
            .unwrap_or_default()
    }
}

impl Shape for CreateStreamRequest {
    fn violations(&self, violations: &mut Violations) {
        // A provisioned stream needs a number of shards; AWS said so when there were no others.
        if self.mode() == StreamMode::Provisioned {
            violations.required("shardCount", &self.shard_count);
        }
        violations.int("shardCount", self.shard_count, 1..=u32::MAX);
        if let Some(details) = &self.stream_mode_details {
            details.violations(violations);
        }
        violations.tags(&self.tags);
        violations.int(
            "warmThroughputMiBps",
            self.warm_throughput_mibps,
            0..=u32::MAX,
        );
        let sizes = MAX_RECORD_SIZE_KIB_MIN..=MAX_RECORD_SIZE_KIB_MAX;
        violations.int("maxRecordSizeInKiB", self.max_record_size_kib, sizes);
        violations.one_of::<RecordDistributionStrategy>(
            "recordDistributionStrategy",
            &self.record_distribution_strategy,
        );
        violations.text("streamName", &self.stream_name, &STREAM_NAME.required());
    }

    fn refusal(&self) -> Result<(), KinesisError> {
        tags::check(&self.tags)
    }
}
