//! Settings of a stream, one action each: its mode, its greatest record, its warm throughput, what decides
//! to which shard a record goes.

use levada_types::limits::{MAX_RECORD_SIZE_KIB_MAX, MAX_RECORD_SIZE_KIB_MIN};

use super::constraint::STREAM_ARN;
use super::description::StreamModeInput;
use super::shape::{Answer, input, output, stream_input, stream_shape};
use super::{
    KinesisError, RecordDistributionStrategy, Shape, StreamReference, Violations, WarmThroughput,
};

input! {
    /// Changes who decides how many shards a stream has.
    pub struct UpdateStreamModeRequest {
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// The mode.
        pub stream_mode_details: Option<StreamModeInput>,
        /// The rate that an on-demand stream shall be ready for, in MiB/s.
        #[serde(rename = "WarmThroughputMiBps")]
        pub warm_throughput_mibps: Option<i64>,
    }
}

impl Shape for UpdateStreamModeRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.required("streamModeDetails", &self.stream_mode_details);
        if let Some(details) = &self.stream_mode_details {
            details.violations(violations);
        }
        violations.int(
            "warmThroughputMiBps",
            self.warm_throughput_mibps,
            0..=u32::MAX,
        );
        violations.text("streamARN", &self.stream_arn, &STREAM_ARN.required());
    }

    fn stream(&self) -> Option<Result<StreamReference<'_>, KinesisError>> {
        Some(StreamReference::of(None, self.stream_arn.as_deref()))
    }
}

input! {
    /// Changes the greatest record that a stream takes.
    pub struct UpdateMaxRecordSizeRequest {
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// The size, in KiB; 1,024 to 10,240.
        #[serde(rename = "MaxRecordSizeInKiB")]
        pub max_record_size_kib: Option<i64>,
    }
}

impl Shape for UpdateMaxRecordSizeRequest {
    fn violations(&self, violations: &mut Violations) {
        let sizes = MAX_RECORD_SIZE_KIB_MIN..=MAX_RECORD_SIZE_KIB_MAX;
        violations.required("maxRecordSizeInKiB", &self.max_record_size_kib);
        violations.int("maxRecordSizeInKiB", self.max_record_size_kib, sizes);
        violations.text("streamARN", &self.stream_arn, &STREAM_ARN);
    }

    fn stream(&self) -> Option<Result<StreamReference<'_>, KinesisError>> {
        Some(StreamReference::of(None, self.stream_arn.as_deref()))
    }
}

stream_input! {
    /// Changes the rate that an on-demand stream is ready for.
    pub struct UpdateStreamWarmThroughputRequest {
        /// The rate, in MiB/s.
        #[serde(rename = "WarmThroughputMiBps")]
        pub warm_throughput_mibps: Option<i64>,
    }
}

stream_shape!(UpdateStreamWarmThroughputRequest, |request, violations| {
    violations.required("warmThroughputMiBps", &request.warm_throughput_mibps);
    violations.int(
        "warmThroughputMiBps",
        request.warm_throughput_mibps,
        0..=u32::MAX,
    );
});

output! {
    /// What is being done.
    pub struct UpdateStreamWarmThroughputResponse {
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: String,
        /// Its name.
        pub stream_name: String,
        /// The rates.
        pub warm_throughput: WarmThroughput,
    }
}

impl Answer for UpdateStreamWarmThroughputResponse {}

input! {
    /// Changes what decides to which shard a record goes.
    pub struct UpdateStreamRecordDistributionStrategyRequest {
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// A [`RecordDistributionStrategy`].
        pub record_distribution_strategy: Option<String>,
    }
}

impl Shape for UpdateStreamRecordDistributionStrategyRequest {
    fn violations(&self, violations: &mut Violations) {
        let (path, strategy) = (
            "recordDistributionStrategy",
            &self.record_distribution_strategy,
        );
        violations.required(path, strategy);
        violations.one_of::<RecordDistributionStrategy>(path, strategy);
        violations.text("streamARN", &self.stream_arn, &STREAM_ARN.required());
    }

    fn stream(&self) -> Option<Result<StreamReference<'_>, KinesisError>> {
        Some(StreamReference::of(None, self.stream_arn.as_deref()))
    }
}
