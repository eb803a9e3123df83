//! `ListStreams`.

use levada_types::limits::STREAM_LIST_RESULTS_MAX;

use super::constraint::{NEXT_TOKEN, STREAM_NAME};
use super::shape::{Answer, input, output};
use super::{Shape, StreamModeDetails, StreamStatus, Violations};
use crate::protocol::member::EpochTime;

input! {
    /// Asks for a page of the caller's streams, by name.
    pub struct ListStreamsRequest {
        /// Streams of the page, 1 to 10,000; 100 if it is not given.
        pub limit: Option<i64>,
        /// The last name of the page before.
        pub exclusive_start_stream_name: Option<String>,
        /// What the page before gave.
        pub next_token: Option<String>,
    }
}

impl Shape for ListStreamsRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.int("limit", self.limit, 1..=STREAM_LIST_RESULTS_MAX);
        violations.text("nextToken", &self.next_token, &NEXT_TOKEN);
        violations.text(
            "exclusiveStartStreamName",
            &self.exclusive_start_stream_name,
            &STREAM_NAME,
        );
    }
}

output! {
    /// A page of streams.
    pub struct ListStreamsResponse {
        /// Their names.
        pub stream_names: Vec<String>,
        /// Whether there are more.
        pub has_more_streams: bool,
        /// Set if there are.
        pub next_token: Option<String>,
        /// The same streams, in some words more.
        pub stream_summaries: Vec<StreamSummary>,
    }
}

output! {
    /// A stream in few words.
    pub struct StreamSummary {
        /// Its name.
        pub stream_name: String,
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: String,
        /// What it is doing.
        pub stream_status: StreamStatus,
        /// Its mode.
        pub stream_mode_details: Option<StreamModeDetails>,
        /// When it was made.
        pub stream_creation_timestamp: Option<EpochTime>,
    }
}

/// Bytes of one stream in JSON.
const STREAM_BYTES: usize = 320;

impl Answer for ListStreamsResponse {
    fn size_hint(&self) -> usize {
        64 + self.stream_names.len() * STREAM_BYTES
    }
}
