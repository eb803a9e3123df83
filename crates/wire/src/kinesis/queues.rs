//! Queues on streams: making, deleting, describing, listing and changing them. Receiving from them is in
//! [`super::queue_records`].
//!
//! A list of the model's 10,000 streams is longer than a request may have here; the reader refuses it first.

use std::collections::BTreeMap;

use levada_types::limits::{
    MAX_RECEIVE_COUNT_MAX, QUEUE_STREAMS_MAX, STREAM_LIST_RESULTS_MAX, VISIBILITY_TIMEOUT_SECS_MAX,
};

use super::constraint::{NEXT_TOKEN, STREAM_ARN, STREAM_NAME};
use super::shape::{Answer, input, output, queue_input, queue_shape, values};
use super::stream_reference::named_arn;
use super::{KinesisError, Shape, Violations, tags};
use crate::protocol::member::EpochTime;

named_arn! {
    /// A queue's full name: `arn:aws:kinesis:<region>:<account>:queue/<name>`.
    StreamQueueArn, "queue"
}

/// The queue that a request is about. It has been found to satisfy the model's loose pattern.
pub(super) fn queue_of(arn: Option<&str>) -> Result<StreamQueueArn, KinesisError> {
    let arn = arn.unwrap_or_default();
    // From memory.
    arn.parse()
        .map_err(|_| KinesisError::invalid_argument(format!("{arn} is not a valid QueueARN.")))
}

values! {
    /// What a queue is doing.
    pub enum QueueStatus {
        /// Being made.
        #[default]
        Creating = "CREATING",
        /// Ready.
        Active = "ACTIVE",
        /// Being changed.
        Updating = "UPDATING",
        /// Being deleted.
        Deleting = "DELETING",
    }
}

values! {
    /// From where a queue begins to read a stream.
    pub enum QueueStartingPositionType {
        /// From the oldest record.
        TrimHorizon = "TRIM_HORIZON",
        /// From the next that will come.
        #[default]
        Latest = "LATEST",
        /// From the first of a time, or later.
        AtTimestamp = "AT_TIMESTAMP",
    }
}

values! {
    /// Where dead letters go.
    pub enum DeadLetterTargetType {
        /// Into the queue's own dead-letter queue.
        #[default]
        BuiltIn = "BUILT_IN",
        /// Nowhere: a record is received until it is acknowledged or expires.
        None = "NONE",
    }
}

input! {
    /// Makes a queue.
    pub struct CreateQueueRequest {
        /// Its name.
        pub queue_name: Option<String>,
        /// The streams that it reads.
        pub stream_configuration_list: Option<Vec<QueueStreamInput>>,
        /// Its settings.
        pub queue_attributes: Option<QueueAttributesInput>,
        /// Its tags.
        pub tags: Option<BTreeMap<String, String>>,
    }
}

input! {
    /// A stream that a queue shall read.
    pub struct QueueStreamInput {
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// From where; `LATEST` if it is not given.
        pub starting_position: Option<QueueStartingPositionInput>,
    }
}

input! {
    /// From where a queue begins to read a stream.
    pub struct QueueStartingPositionInput {
        /// A [`QueueStartingPositionType`].
        #[serde(rename = "Type")]
        pub kind: Option<String>,
        /// Of `AT_TIMESTAMP`.
        pub timestamp: Option<EpochTime>,
    }
}

input! {
    /// Settings that a queue shall have.
    pub struct QueueAttributesInput {
        /// For how long a received record is hidden, in seconds; 0 to 43,200.
        pub visibility_timeout_seconds: Option<i64>,
        /// What becomes of a record that is received too often.
        pub dead_letter_configuration: Option<DeadLetterInput>,
    }
}

input! {
    /// What shall become of a record that is received too often.
    pub struct DeadLetterInput {
        /// A [`DeadLetterTargetType`].
        pub target_type: Option<String>,
        /// How often is not yet too often; 1 to 1,000.
        pub max_receive_count: Option<i64>,
    }
}

impl QueueAttributesInput {
    fn violations(&self, violations: &mut Violations) {
        let timeouts = 0..=VISIBILITY_TIMEOUT_SECS_MAX;
        let path = "queueAttributes.visibilityTimeoutSeconds";
        violations.int(path, self.visibility_timeout_seconds, timeouts);
        if let Some(dead) = &self.dead_letter_configuration {
            let path = |member: &str| format!("queueAttributes.deadLetterConfiguration.{member}");
            violations.required(&path("targetType"), &dead.target_type);
            violations.one_of::<DeadLetterTargetType>(&path("targetType"), &dead.target_type);
            let count = dead.max_receive_count;
            violations.int(&path("maxReceiveCount"), count, 1..=MAX_RECEIVE_COUNT_MAX);
        }
    }
}

impl Shape for CreateQueueRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text("queueName", &self.queue_name, &STREAM_NAME.required());
        let list = "streamConfigurationList";
        violations.required(list, &self.stream_configuration_list);
        if let Some(streams) = &self.stream_configuration_list {
            let shape = "QueueStreamConfiguration";
            violations.structures(list, shape, streams.len(), QUEUE_STREAMS_MAX);
            for (stream, n) in streams.iter().zip(1..) {
                let path = |member: &str| format!("{list}.{n}.member.{member}");
                violations.text(
                    &path("streamARN"),
                    &stream.stream_arn,
                    &STREAM_ARN.required(),
                );
                if let Some(start) = &stream.starting_position {
                    let path = path("startingPosition.type");
                    violations.required(&path, &start.kind);
                    violations.one_of::<QueueStartingPositionType>(&path, &start.kind);
                }
            }
        }
        if let Some(attributes) = &self.queue_attributes {
            attributes.violations(violations);
        }
        violations.tags(&self.tags);
    }

    fn refusal(&self) -> Result<(), KinesisError> {
        tags::check(&self.tags)
    }
}

queue_input! {
    /// Deletes a queue.
    pub struct DeleteQueueRequest {}
}

queue_shape!(DeleteQueueRequest, |_request, violations| {});

queue_input! {
    /// Asks for a queue.
    pub struct DescribeQueueRequest {}
}

queue_shape!(DescribeQueueRequest, |_request, violations| {});

queue_input! {
    /// Changes a queue's settings.
    pub struct UpdateQueueRequest {
        /// Those that shall change.
        pub queue_attributes: Option<QueueAttributesInput>,
    }
}

queue_shape!(UpdateQueueRequest, |request, violations| {
    violations.required("queueAttributes", &request.queue_attributes);
    if let Some(attributes) = &request.queue_attributes {
        attributes.violations(violations);
    }
});

input! {
    /// Asks for a page of queues.
    pub struct ListQueuesRequest {
        /// Queues of the page, 1 to 10,000.
        pub max_results: Option<i64>,
        /// What the page before gave.
        pub next_token: Option<String>,
        /// Only those that read one of these streams.
        pub stream_filter: Option<Vec<QueueStreamFilter>>,
    }
}

input! {
    /// A stream whose queues are listed.
    pub struct QueueStreamFilter {
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// Tells it from an earlier one of its name.
        pub stream_creation_timestamp: Option<EpochTime>,
    }
}

impl Shape for ListQueuesRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.int("maxResults", self.max_results, 1..=STREAM_LIST_RESULTS_MAX);
        violations.text("nextToken", &self.next_token, &NEXT_TOKEN);
        if let Some(streams) = &self.stream_filter {
            let shape = "QueueStreamFilter";
            violations.structures("streamFilter", shape, streams.len(), QUEUE_STREAMS_MAX);
            for (stream, n) in streams.iter().zip(1..) {
                let path = format!("streamFilter.{n}.member.streamARN");
                violations.text(&path, &stream.stream_arn, &STREAM_ARN.required());
            }
        }
    }
}

output! {
    /// The queue, as making, describing and changing it answer.
    pub struct QueueDescriptionResponse {
        /// It.
        pub queue_description: QueueDescription,
    }
}

output! {
    /// A queue.
    pub struct QueueDescription {
        /// Its name.
        pub queue_name: String,
        /// Its ARN.
        #[serde(rename = "QueueARN")]
        pub queue_arn: String,
        /// What it is doing.
        pub queue_status: QueueStatus,
        /// When it was made.
        pub queue_creation_timestamp: EpochTime,
        /// The streams that it reads.
        pub stream_configuration_list: Vec<QueueStreamConfiguration>,
        /// Its settings.
        pub queue_attributes: Option<QueueAttributes>,
    }
}

output! {
    /// A stream that a queue reads.
    pub struct QueueStreamConfiguration {
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: String,
        /// From where it began.
        pub starting_position: Option<QueueStartingPosition>,
    }
}

output! {
    /// From where a queue began to read a stream.
    pub struct QueueStartingPosition {
        /// How it was given.
        #[serde(rename = "Type")]
        pub kind: QueueStartingPositionType,
        /// Of `AT_TIMESTAMP`.
        pub timestamp: Option<EpochTime>,
    }
}

output! {
    /// A queue's settings.
    pub struct QueueAttributes {
        /// For how long a received record is hidden, in seconds.
        pub visibility_timeout_seconds: Option<u32>,
        /// What becomes of a record that is received too often.
        pub dead_letter_configuration: Option<DeadLetterConfiguration>,
    }
}

output! {
    /// What becomes of a record that is received too often.
    pub struct DeadLetterConfiguration {
        /// Where it goes.
        pub target_type: DeadLetterTargetType,
        /// How often is not yet too often.
        pub max_receive_count: Option<u32>,
    }
}

output! {
    /// A page of queues.
    pub struct ListQueuesResponse {
        /// They, by name.
        pub queue_summaries: Vec<QueueSummary>,
        /// Set if there are more.
        pub next_token: Option<String>,
    }
}

output! {
    /// A queue in few words.
    pub struct QueueSummary {
        /// Its name.
        pub queue_name: String,
        /// Its ARN.
        #[serde(rename = "QueueARN")]
        pub queue_arn: String,
        /// What it is doing.
        pub queue_status: QueueStatus,
        /// When it was made.
        pub queue_creation_timestamp: EpochTime,
        /// The streams that it reads.
        pub streams: Vec<QueueStreamIdentifier>,
    }
}

output! {
    /// A stream, told from an earlier one of its name.
    pub struct QueueStreamIdentifier {
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: String,
        /// When it was made.
        pub stream_creation_timestamp: EpochTime,
    }
}

/// Bytes of one stream of a queue in JSON.
const STREAM_BYTES: usize = 192;

impl Answer for QueueDescriptionResponse {
    fn size_hint(&self) -> usize {
        512 + self.queue_description.stream_configuration_list.len() * STREAM_BYTES
    }
}

impl Answer for ListQueuesResponse {
    fn size_hint(&self) -> usize {
        let queue = |queue: &QueueSummary| 320 + queue.streams.len() * STREAM_BYTES;
        64 + self.queue_summaries.iter().map(queue).sum::<usize>()
    }
}
