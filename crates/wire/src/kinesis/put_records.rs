//! `PutRecords`.

use levada_types::limits::{PUT_RECORDS_MAX, RECORDS_BYTES_MAX};

use super::constraint::{HASH_KEY, PARTITION_KEY};
use super::put_record::explicit_hash_key;
use super::shape::{Answer, input, output, stream_input, stream_shape};
use super::{EncryptionType, HashKey, KinesisError, KinesisErrorKind, SequenceNumber, ShardId};
use crate::protocol::member::Blob;

stream_input! {
    /// Puts records. Some may succeed where others fail.
    pub struct PutRecordsRequest {
        /// 1 to 500; with their keys 10 MiB at most.
        pub records: Option<Vec<PutRecordsRequestEntry>>,
        /// Whether the records are not kept and only the call is judged.
        pub dry_run: Option<bool>,
    }
}

input! {
    /// One record.
    pub struct PutRecordsRequestEntry {
        /// It.
        pub data: Option<Blob>,
        /// The shard's hash key, where not the partition key's shall be.
        pub explicit_hash_key: Option<String>,
        /// What decides the shard, 1 to 256 characters.
        pub partition_key: Option<String>,
    }
}

impl PutRecordsRequestEntry {
    /// The explicit hash key.
    pub fn hash_key(&self) -> Result<Option<HashKey>, KinesisError> {
        explicit_hash_key(self.explicit_hash_key.as_deref())
    }

    /// What counts against the bounds of records, in bytes.
    fn size(&self) -> usize {
        let data = self.data.as_ref().map_or(0, |data| data.0.len());
        data + self.partition_key.as_ref().map_or(0, String::len)
    }
}

stream_shape!(
    PutRecordsRequest,
    |request, violations| {
        violations.required("records", &request.records);
        if let Some(records) = &request.records {
            let shape = "PutRecordsRequestEntry";
            violations.structures("records", shape, records.len(), PUT_RECORDS_MAX);
            for (record, n) in records.iter().zip(1..) {
                let path = |member: &str| format!("records.{n}.member.{member}");
                let key = &record.partition_key;
                violations.text(&path("partitionKey"), key, &PARTITION_KEY.required());
                violations.text(
                    &path("explicitHashKey"),
                    &record.explicit_hash_key,
                    &HASH_KEY,
                );
                violations.data(&path("data"), &record.data);
            }
        }
    },
    fn refusal(&self) -> Result<(), KinesisError> {
        let records = self.records.as_deref().unwrap_or_default();
        for record in records {
            record.hash_key()?;
        }
        let bytes: usize = records.iter().map(PutRecordsRequestEntry::size).sum();
        if bytes > RECORDS_BYTES_MAX {
            return Err(KinesisError::invalid_argument(
                "Records size exceeds 10 MB limit",
            ));
        }
        Ok(())
    }
);

output! {
    /// What became of the records.
    pub struct PutRecordsResponse {
        /// Those that failed.
        pub failed_record_count: u32,
        /// One for each record, in their order.
        pub records: Vec<PutRecordsResultEntry>,
        /// Whether they are encrypted.
        pub encryption_type: Option<EncryptionType>,
    }
}

output! {
    /// What became of one record: where it stands, or why it failed.
    pub struct PutRecordsResultEntry {
        /// Its place in its shard.
        pub sequence_number: Option<SequenceNumber>,
        /// Its shard.
        pub shard_id: Option<ShardId>,
        /// The exception's name.
        pub error_code: Option<&'static str>,
        /// For people.
        pub error_message: Option<String>,
    }
}

impl PutRecordsResultEntry {
    /// A record that is kept.
    pub fn kept(shard_id: ShardId, sequence_number: SequenceNumber) -> Self {
        Self {
            sequence_number: Some(sequence_number),
            shard_id: Some(shard_id),
            ..Self::default()
        }
    }

    /// A record that is not. AWS knows two codes here: too much for the shard, and a failure of its own.
    pub fn failed(error: KinesisError) -> Self {
        let code = match error.kind {
            // In an entry AWS leaves off the end of the name.
            KinesisErrorKind::InternalFailure => "InternalFailure",
            kind => kind.name(),
        };
        Self {
            error_code: Some(code),
            error_message: Some(error.message.into_owned()),
            ..Self::default()
        }
    }
}

/// Bytes of one entry in JSON.
const ENTRY_BYTES: usize = 128;

impl Answer for PutRecordsResponse {
    fn size_hint(&self) -> usize {
        64 + self.records.len() * ENTRY_BYTES
    }
}
