//! `EnableEnhancedMonitoring` and `DisableEnhancedMonitoring`, which are alike.

use levada_types::limits::SHARD_LEVEL_METRICS_MAX;

use super::MetricsName;
use super::shape::{Answer, output, stream_input, stream_shape};

macro_rules! enhanced_monitoring {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            stream_input! {
                $(#[$doc])*
                pub struct $name {
                    /// Of [`MetricsName`], 1 to 7.
                    pub shard_level_metrics: Option<Vec<String>>,
                }
            }

            stream_shape!($name, |request, violations| {
                let (path, metrics) = ("shardLevelMetrics", &request.shard_level_metrics);
                violations.required(path, metrics);
                violations.some_of::<MetricsName>(path, metrics, SHARD_LEVEL_METRICS_MAX);
            });
        )*
    };
}

enhanced_monitoring! {
    /// Keeps metrics for each shard.
    EnableEnhancedMonitoringRequest;
    /// No longer keeps them.
    DisableEnhancedMonitoringRequest;
}

output! {
    /// What is being done.
    pub struct EnhancedMonitoringResponse {
        /// The stream's name.
        pub stream_name: String,
        /// What was kept.
        pub current_shard_level_metrics: Vec<MetricsName>,
        /// What will be.
        pub desired_shard_level_metrics: Vec<MetricsName>,
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: String,
    }
}

impl Answer for EnhancedMonitoringResponse {}
