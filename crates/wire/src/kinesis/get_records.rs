//! `GetRecords`.

use levada_types::limits::GET_RECORDS_MAX;

use super::constraint::{SHARD_ITERATOR, STREAM_ARN};
use super::shape::{Answer, input, output};
use super::{ChildShard, EncryptionType, SequenceNumber, Shape, Violations};
use crate::protocol::member::{Blob, EpochTime};

input! {
    /// Reads a shard from a place.
    pub struct GetRecordsRequest {
        /// The place, as [`super::GetShardIteratorResponse`] or the last read gave it.
        pub shard_iterator: Option<String>,
        /// Records, 1 to 10,000.
        pub limit: Option<i64>,
        /// The stream's ARN.
        #[serde(rename = "StreamARN")]
        pub stream_arn: Option<String>,
        /// Whether only the call is judged.
        pub dry_run: Option<bool>,
    }
}

impl Shape for GetRecordsRequest {
    fn violations(&self, violations: &mut Violations) {
        violations.text(
            "shardIterator",
            &self.shard_iterator,
            &SHARD_ITERATOR.required(),
        );
        violations.int("limit", self.limit, 1..=GET_RECORDS_MAX);
        violations.text("streamARN", &self.stream_arn, &STREAM_ARN);
    }
}

output! {
    /// What was read. At the end of a closed shard the next iterator is absent *and* there are child shards;
    /// before it neither is so. KCL refuses mixtures.
    pub struct GetRecordsResponse {
        /// They, in their order.
        pub records: Vec<Record>,
        /// Where to go on, unless the shard ends here.
        pub next_shard_iterator: Option<String>,
        /// How old the last record is, in milliseconds; 0 if it is the newest.
        pub millis_behind_latest: Option<u64>,
        /// Where the records go on after the shard's end.
        pub child_shards: Option<Vec<ChildShard>>,
    }
}

output! {
    /// A record.
    pub struct Record {
        /// Its place in its shard.
        pub sequence_number: SequenceNumber,
        /// When it came, to about a second.
        pub approximate_arrival_timestamp: Option<EpochTime>,
        /// It.
        pub data: Blob,
        /// Its key.
        pub partition_key: Option<String>,
        /// Whether it is encrypted.
        pub encryption_type: Option<EncryptionType>,
    }
}

impl Record {
    /// A guess at its size in JSON, in bytes.
    pub(super) fn size_hint(&self) -> usize {
        let key = self.partition_key.as_ref().map_or(0, String::len);
        256 + key + self.data.0.len().div_ceil(3) * 4
    }
}

impl Answer for GetRecordsResponse {
    fn size_hint(&self) -> usize {
        1_024 + self.records.iter().map(Record::size_hint).sum::<usize>()
    }
}
