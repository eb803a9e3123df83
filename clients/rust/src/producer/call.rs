//! One call of PutRecords, and what it says of each record.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Config;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};

use super::lanes::Parcel;
use crate::error::{CallError, within};
use crate::limits::CALL_TIMEOUT;

const ACTION: &str = "PutRecords";

/// What became of one record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in the stream.
    Put {
        shard_id: Arc<str>,
        sequence_number: Arc<str>,
    },
    /// It is not, this time.
    Failed(String),
}

/// Puts the records. Gives a fate for each, in their order. The data of the parcels is used up.
pub(super) async fn put<T>(
    client: &Client,
    stream: &str,
    parcels: &mut [Parcel<T>],
) -> Result<Vec<Fate>, CallError> {
    let mut request = client.put_records().stream_name(stream);
    for parcel in parcels.iter_mut() {
        let hash_key = parcel.explicit_hash_key.map(|key| key.to_string());
        let entry = PutRecordsRequestEntry::builder()
            .partition_key(&parcel.partition_key)
            .set_explicit_hash_key(hash_key)
            .data(Blob::new(std::mem::take(&mut parcel.data)));
        let entry = entry.build().map_err(|error| CallError {
            action: ACTION,
            code: "NotSent".to_owned(),
            message: error.to_string(),
            may_pass: false,
        })?;
        request = request.records(entry);
    }
    // The lanes try again what failed, and keep the order by it; a second try below them would not know of that.
    let once = Config::builder().retry_config(RetryConfig::disabled());
    let call = request.customize().config_override(once).send();
    let answer = within(ACTION, CALL_TIMEOUT, call).await?;
    if answer.records.len() != parcels.len() {
        return Err(CallError::malformed(ACTION, "entry for each record"));
    }
    Ok(answer.records.into_iter().map(Fate::of).collect())
}

impl Fate {
    fn of(told: PutRecordsResultEntry) -> Self {
        match (told.shard_id, told.sequence_number) {
            (Some(shard), Some(number)) => Self::Put {
                shard_id: shard.into(),
                sequence_number: number.into(),
            },
            _ => Self::Failed(format!(
                "{}: {}",
                told.error_code.unwrap_or_default(),
                told.error_message.unwrap_or_default()
            )),
        }
    }
}
