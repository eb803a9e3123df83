//! `PutRecord`.

use super::constraint::{HASH_KEY, PARTITION_KEY, SEQUENCE_NUMBER};
use super::shape::{Answer, output, stream_input, stream_shape};
use super::{EncryptionType, HashKey, KinesisError, SequenceNumber, ShardId};
use crate::protocol::member::Blob;

stream_input! {
    /// Puts one record.
    pub struct PutRecordRequest {
        /// It; with its key at most the stream's greatest record.
        pub data: Option<Blob>,
        /// What decides the shard, 1 to 256 characters.
        pub partition_key: Option<String>,
        /// The shard's hash key, where not the partition key's shall be.
        pub explicit_hash_key: Option<String>,
        /// A record of the same key after which this one shall stand.
        pub sequence_number_for_ordering: Option<String>,
        /// Whether the record is not kept and only the call is judged.
        pub dry_run: Option<bool>,
    }
}

impl PutRecordRequest {
    /// The explicit hash key.
    pub fn hash_key(&self) -> Result<Option<HashKey>, KinesisError> {
        explicit_hash_key(self.explicit_hash_key.as_deref())
    }
}

/// A hash key that satisfies the pattern, which allows 39 digits of any value.
pub(super) fn explicit_hash_key(text: Option<&str>) -> Result<Option<HashKey>, KinesisError> {
    text.map(|key| {
        key.parse()
            .map_err(|_| KinesisError::hash_key_out_of_range("ExplicitHashKey", key))
    })
    .transpose()
}

stream_shape!(
    PutRecordRequest,
    |request, violations| {
        let ordering = &request.sequence_number_for_ordering;
        violations.text("sequenceNumberForOrdering", ordering, &SEQUENCE_NUMBER);
        violations.text(
            "partitionKey",
            &request.partition_key,
            &PARTITION_KEY.required(),
        );
        violations.text("explicitHashKey", &request.explicit_hash_key, &HASH_KEY);
        violations.data("data", &request.data);
    },
    fn refusal(&self) -> Result<(), KinesisError> {
        self.hash_key().map(|_| ())
    }
);

output! {
    /// Where the record stands.
    pub struct PutRecordResponse {
        /// Its shard.
        pub shard_id: ShardId,
        /// Its place there.
        pub sequence_number: SequenceNumber,
        /// Whether it is encrypted.
        pub encryption_type: Option<EncryptionType>,
    }
}

impl Answer for PutRecordResponse {}
