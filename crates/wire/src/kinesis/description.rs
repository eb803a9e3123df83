//! What several actions tell of streams, shards and consumers.

use super::shape::{input, output, values};
use super::{HashKey, SequenceNumber, Shape, ShardId, Violations};
use crate::protocol::member::EpochTime;

values! {
    /// What a stream is doing.
    pub enum StreamStatus {
        /// Being made.
        #[default]
        Creating = "CREATING",
        /// Being deleted.
        Deleting = "DELETING",
        /// Ready.
        Active = "ACTIVE",
        /// Being changed; it can be read and written.
        Updating = "UPDATING",
    }
}

values! {
    /// Who decides how many shards a stream has.
    pub enum StreamMode {
        /// Its owner.
        #[default]
        Provisioned = "PROVISIONED",
        /// The service.
        OnDemand = "ON_DEMAND",
    }
}

values! {
    /// Whether a stream is encrypted with a key of its owner's.
    pub enum EncryptionType {
        /// It is not.
        #[default]
        None = "NONE",
        /// It is.
        Kms = "KMS",
    }
}

values! {
    /// What a consumer is doing.
    pub enum ConsumerStatus {
        /// Being registered.
        #[default]
        Creating = "CREATING",
        /// Being deregistered.
        Deleting = "DELETING",
        /// Ready.
        Active = "ACTIVE",
    }
}

values! {
    /// A metric that is kept for each shard.
    pub enum MetricsName {
        /// Bytes put.
        #[default]
        IncomingBytes = "IncomingBytes",
        /// Records put.
        IncomingRecords = "IncomingRecords",
        /// Bytes read.
        OutgoingBytes = "OutgoingBytes",
        /// Records read.
        OutgoingRecords = "OutgoingRecords",
        /// Puts that were throttled.
        WriteProvisionedThroughputExceeded = "WriteProvisionedThroughputExceeded",
        /// Reads that were throttled.
        ReadProvisionedThroughputExceeded = "ReadProvisionedThroughputExceeded",
        /// How old the last record read was.
        IteratorAgeMilliseconds = "IteratorAgeMilliseconds",
        /// All of these.
        All = "ALL",
    }
}

values! {
    /// What decides to which shard a record goes.
    pub enum RecordDistributionStrategy {
        /// The service.
        Auto = "AUTO",
        /// The record's partition key.
        #[default]
        UserPartitionKey = "USER_PARTITION_KEY",
    }
}

input! {
    /// The mode of a stream that a request asks for.
    pub struct StreamModeInput {
        /// A [`StreamMode`].
        pub stream_mode: Option<String>,
    }
}

impl Shape for StreamModeInput {
    fn violations(&self, violations: &mut Violations) {
        let path = "streamModeDetails.streamMode";
        violations.required(path, &self.stream_mode);
        violations.one_of::<StreamMode>(path, &self.stream_mode);
    }
}

output! {
    /// The mode of a stream.
    pub struct StreamModeDetails {
        /// The mode.
        pub stream_mode: StreamMode,
    }
}

output! {
    /// The hash keys that a shard takes, both ends included.
    pub struct HashKeyRange {
        /// The least.
        pub starting_hash_key: HashKey,
        /// The greatest.
        pub ending_hash_key: HashKey,
    }
}

output! {
    /// The records that a shard has held.
    pub struct SequenceNumberRange {
        /// The first possible.
        pub starting_sequence_number: SequenceNumber,
        /// The last possible, of a shard that is closed.
        pub ending_sequence_number: Option<SequenceNumber>,
    }
}

output! {
    /// A shard.
    pub struct Shard {
        /// Its id.
        pub shard_id: ShardId,
        /// The shard that it came from, if it was not made with the stream.
        pub parent_shard_id: Option<ShardId>,
        /// The other shard that it came from, if it came from a merge.
        pub adjacent_parent_shard_id: Option<ShardId>,
        /// What it takes, or took.
        pub hash_key_range: HashKeyRange,
        /// What it holds, or held.
        pub sequence_number_range: SequenceNumberRange,
    }
}

output! {
    /// A shard that goes on where the one that was read ended.
    pub struct ChildShard {
        /// Its id.
        pub shard_id: ShardId,
        /// Those that it came from. Must not be empty: KCL refuses such a child.
        pub parent_shards: Vec<ShardId>,
        /// What it takes.
        pub hash_key_range: HashKeyRange,
    }
}

output! {
    /// The metrics that are kept for each shard.
    pub struct EnhancedMetrics {
        /// Their names.
        pub shard_level_metrics: Vec<MetricsName>,
    }
}

output! {
    /// The rate that an on-demand stream is ready for.
    pub struct WarmThroughput {
        /// What was asked for, in MiB/s.
        #[serde(rename = "TargetMiBps")]
        pub target_mibps: Option<u32>,
        /// What there is, in MiB/s.
        #[serde(rename = "CurrentMiBps")]
        pub current_mibps: Option<u32>,
    }
}

output! {
    /// A consumer with enhanced fan-out.
    pub struct Consumer {
        /// Its name.
        pub consumer_name: String,
        /// Its ARN.
        #[serde(rename = "ConsumerARN")]
        pub consumer_arn: String,
        /// What it is doing.
        pub consumer_status: ConsumerStatus,
        /// When it was registered.
        pub consumer_creation_timestamp: EpochTime,
        /// Its stream's ARN, where a single consumer is described.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
    }
}
