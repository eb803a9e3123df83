//! Amazon Kinesis Data Streams, API version 2013-12-02: its actions, errors, and the frames of
//! `SubscribeToShard`. The actions on channels are not among them.
//!
//! One file per action, or per handful of actions that are alike, holds requests, answers and the
//! validation that needs no stream. Iterators and page tokens are opaque texts, whose meaning is the
//! gateway's.

mod account_settings;
pub(crate) mod constraint;
mod consumers;
mod create_stream;
mod delete_stream;
mod describe_stream;
mod describe_stream_summary;
mod description;
mod encryption;
mod enhanced_monitoring;
mod error;
mod get_records;
mod get_shard_iterator;
mod limits;
mod list_shards;
mod list_streams;
mod merge_shards;
mod number;
pub(crate) mod pattern;
mod position;
mod put_record;
mod put_records;
mod queue_records;
mod queues;
mod resource_policy;
mod retention;
pub(crate) mod shape;
mod split_shard;
mod stream_reference;
mod stream_settings;
pub mod subscribe_to_shard;
mod tags;
mod update_shard_count;

pub use account_settings::*;
pub use constraint::{Values, Violations};
pub use consumers::*;
pub use create_stream::CreateStreamRequest;
pub use delete_stream::DeleteStreamRequest;
pub use describe_stream::{DescribeStreamRequest, DescribeStreamResponse, StreamDescription};
pub use describe_stream_summary::{
    DescribeStreamSummaryRequest, DescribeStreamSummaryResponse, StreamDescriptionSummary,
};
pub use description::{
    ChildShard, Consumer, ConsumerStatus, EncryptionType, EnhancedMetrics, HashKeyRange,
    MetricsName, RecordDistributionStrategy, SequenceNumberRange, Shard, StreamMode,
    StreamModeDetails, StreamModeInput, StreamStatus, WarmThroughput,
};
pub use encryption::{StartStreamEncryptionRequest, StopStreamEncryptionRequest};
pub use enhanced_monitoring::{
    DisableEnhancedMonitoringRequest, EnableEnhancedMonitoringRequest, EnhancedMonitoringResponse,
};
pub use error::{KinesisError, KinesisErrorKind};
pub use get_records::{GetRecordsRequest, GetRecordsResponse, Record};
pub use get_shard_iterator::{GetShardIteratorRequest, GetShardIteratorResponse};
pub use limits::{DescribeLimitsRequest, DescribeLimitsResponse};
pub use list_shards::{
    ListShardsRequest, ListShardsResponse, ShardFilter, ShardFilterInput, ShardFilterType,
};
pub use list_streams::{ListStreamsRequest, ListStreamsResponse, StreamSummary};
pub use merge_shards::MergeShardsRequest;
pub use number::{HashKey, NotANumber, SequenceNumber, ShardId};
pub use position::{Position, ShardIteratorType};
pub use put_record::{PutRecordRequest, PutRecordResponse};
pub use put_records::{
    PutRecordsRequest, PutRecordsRequestEntry, PutRecordsResponse, PutRecordsResultEntry,
};
pub use queue_records::*;
pub use queues::*;
pub use resource_policy::{
    DeleteResourcePolicyRequest, GetResourcePolicyRequest, GetResourcePolicyResponse,
    PutResourcePolicyRequest,
};
pub use retention::{DecreaseStreamRetentionPeriodRequest, IncreaseStreamRetentionPeriodRequest};
pub use shape::{Empty, Shape};
pub use split_shard::SplitShardRequest;
pub use stream_reference::{ConsumerArn, StreamArn, StreamReference};
pub use stream_settings::{
    UpdateMaxRecordSizeRequest, UpdateStreamModeRequest,
    UpdateStreamRecordDistributionStrategyRequest, UpdateStreamWarmThroughputRequest,
    UpdateStreamWarmThroughputResponse,
};
pub use subscribe_to_shard::{StartingPosition, SubscribeToShardEvent, SubscribeToShardRequest};
pub use tags::{
    AddTagsToStreamRequest, ListTagsForResourceRequest, ListTagsForResourceResponse,
    ListTagsForStreamRequest, ListTagsForStreamResponse, RemoveTagsFromStreamRequest, Tag,
    TagResourceRequest, UntagResourceRequest,
};
pub use update_shard_count::{ScalingType, UpdateShardCountRequest, UpdateShardCountResponse};

use crate::error::AwsError;
use crate::protocol::{Encoded, Protocol, Service, cbor, encode_document, json};
use shape::Answer;

/// What `X-Amz-Target` begins with, before the dot and the action.
pub const TARGET_PREFIX: &str = "Kinesis_20131202";

macro_rules! actions {
    (
        answered { $($name:ident, $request:ident, $response:ty;)* }
        streamed { $($streamed:ident, $streamed_request:ident;)* }
    ) => {
        action_names! { $($name,)* $($streamed,)* }

        /// A request.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("`", stringify!($name), "`")] $name($request),)*
            $(#[doc = concat!("`", stringify!($streamed), "`")] $streamed($streamed_request),)*
        }

        impl Request {
            /// From the body of a request in JSON or CBOR.
            pub fn decode(action: Action, protocol: Protocol, body: &[u8]) -> Result<Self, AwsError> {
                match action {
                    $(Action::$name => document(protocol, body).map(Self::$name),)*
                    $(Action::$streamed => document(protocol, body).map(Self::$streamed),)*
                }
            }

            /// The action that it asks for.
            pub const fn action(&self) -> Action {
                match self {
                    $(Self::$name(_) => Action::$name,)*
                    $(Self::$streamed(_) => Action::$streamed,)*
                }
            }

            fn shape(&self) -> &dyn Shape {
                match self {
                    $(Self::$name(request) => request,)*
                    $(Self::$streamed(request) => request,)*
                }
            }
        }

        /// An answer that is whole when it is sent. That of `SubscribeToShard` is not:
        /// [`subscribe_to_shard`] has its frames.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Response {
            $(#[doc = concat!("To `", stringify!($name), "`")] $name($response),)*
        }

        impl Response {
            /// Encodes the answer in the protocol that the caller used.
            pub fn encode(&self, protocol: Protocol) -> Encoded {
                match self { $(Self::$name(answer) => encode(answer, protocol),)* }
            }
        }
    };
}

actions! {
    answered {
        AcknowledgeDeadLetterQueueRecords, AcknowledgeDeadLetterQueueRecordsRequest, QueueRecordsBatchResponse;
        AcknowledgeQueueRecords, AcknowledgeQueueRecordsRequest, QueueRecordsBatchResponse;
        AddTagsToStream, AddTagsToStreamRequest, Empty;
        CreateQueue, CreateQueueRequest, QueueDescriptionResponse;
        CreateStream, CreateStreamRequest, Empty;
        DecreaseStreamRetentionPeriod, DecreaseStreamRetentionPeriodRequest, Empty;
        DeleteQueue, DeleteQueueRequest, Empty;
        DeleteResourcePolicy, DeleteResourcePolicyRequest, Empty;
        DeleteStream, DeleteStreamRequest, Empty;
        DeregisterStreamConsumer, DeregisterStreamConsumerRequest, Empty;
        DescribeAccountSettings, DescribeAccountSettingsRequest, AccountSettingsResponse;
        DescribeLimits, DescribeLimitsRequest, DescribeLimitsResponse;
        DescribeQueue, DescribeQueueRequest, QueueDescriptionResponse;
        DescribeStream, DescribeStreamRequest, DescribeStreamResponse;
        DescribeStreamConsumer, DescribeStreamConsumerRequest, DescribeStreamConsumerResponse;
        DescribeStreamSummary, DescribeStreamSummaryRequest, DescribeStreamSummaryResponse;
        DisableEnhancedMonitoring, DisableEnhancedMonitoringRequest, EnhancedMonitoringResponse;
        EnableEnhancedMonitoring, EnableEnhancedMonitoringRequest, EnhancedMonitoringResponse;
        GetRecords, GetRecordsRequest, GetRecordsResponse;
        GetResourcePolicy, GetResourcePolicyRequest, GetResourcePolicyResponse;
        GetShardIterator, GetShardIteratorRequest, GetShardIteratorResponse;
        IncreaseStreamRetentionPeriod, IncreaseStreamRetentionPeriodRequest, Empty;
        ListQueues, ListQueuesRequest, ListQueuesResponse;
        ListShards, ListShardsRequest, ListShardsResponse;
        ListStreamConsumers, ListStreamConsumersRequest, ListStreamConsumersResponse;
        ListStreams, ListStreamsRequest, ListStreamsResponse;
        ListTagsForResource, ListTagsForResourceRequest, ListTagsForResourceResponse;
        ListTagsForStream, ListTagsForStreamRequest, ListTagsForStreamResponse;
        MergeShards, MergeShardsRequest, Empty;
        PutRecord, PutRecordRequest, PutRecordResponse;
        PutRecords, PutRecordsRequest, PutRecordsResponse;
        PutResourcePolicy, PutResourcePolicyRequest, Empty;
        ReceiveDeadLetterQueueRecords, ReceiveDeadLetterQueueRecordsRequest, ReceiveQueueRecordsResponse;
        ReceiveQueueRecords, ReceiveQueueRecordsRequest, ReceiveQueueRecordsResponse;
        RegisterStreamConsumer, RegisterStreamConsumerRequest, RegisterStreamConsumerResponse;
        RemoveTagsFromStream, RemoveTagsFromStreamRequest, Empty;
        RestoreDeadLetterQueueRecords, RestoreDeadLetterQueueRecordsRequest, QueueRecordsBatchResponse;
        SplitShard, SplitShardRequest, Empty;
        StartStreamEncryption, StartStreamEncryptionRequest, Empty;
        StopStreamEncryption, StopStreamEncryptionRequest, Empty;
        TagResource, TagResourceRequest, Empty;
        UntagResource, UntagResourceRequest, Empty;
        UpdateAccountSettings, UpdateAccountSettingsRequest, AccountSettingsResponse;
        UpdateDeadLetterQueueRecordsVisibility, UpdateDeadLetterQueueRecordsVisibilityRequest, QueueRecordsBatchResponse;
        UpdateMaxRecordSize, UpdateMaxRecordSizeRequest, Empty;
        UpdateQueue, UpdateQueueRequest, QueueDescriptionResponse;
        UpdateQueueRecordsVisibility, UpdateQueueRecordsVisibilityRequest, QueueRecordsBatchResponse;
        UpdateShardCount, UpdateShardCountRequest, UpdateShardCountResponse;
        UpdateStreamMode, UpdateStreamModeRequest, Empty;
        UpdateStreamRecordDistributionStrategy, UpdateStreamRecordDistributionStrategyRequest, Empty;
        UpdateStreamWarmThroughput, UpdateStreamWarmThroughputRequest, UpdateStreamWarmThroughputResponse;
    }
    streamed {
        SubscribeToShard, SubscribeToShardRequest;
    }
}

impl Request {
    /// Everything that can be said against it without looking at the stream, in AWS's order.
    pub fn validate(&self) -> Result<(), KinesisError> {
        self.shape().validate()
    }

    /// The stream that it is about, if it says so by a name or an ARN.
    pub fn stream(&self) -> Option<Result<StreamReference<'_>, KinesisError>> {
        self.shape().stream()
    }
}

fn document<T: serde::de::DeserializeOwned>(
    protocol: Protocol,
    body: &[u8],
) -> Result<T, AwsError> {
    if protocol == Protocol::Cbor11 {
        cbor::from_slice(body)
    } else {
        json::from_slice(body)
    }
}

fn encode<T: Answer>(answer: &T, protocol: Protocol) -> Encoded {
    if T::EMPTY {
        Encoded::ok(protocol, Vec::new())
    } else {
        encode_document(answer, answer.size_hint(), protocol, Service::Kinesis)
    }
}
