//! PutRecords.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::Refused;
use crate::batch::Record;
use crate::broker::{Broker, CallError, KINESIS, shortened};

/// What a shard says that has too much to do.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecords<'a> {
    stream_name: &'a str,
    records: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    data: String,
    partition_key: &'a str,
}

/// One call with these records.
pub(super) async fn put(
    broker: &Broker,
    stream: &str,
    records: &[&Record],
) -> Result<Option<Refused>, CallError> {
    let entries = records.iter().map(|record| Entry {
        data: STANDARD.encode(&record.data),
        // Records for a stream always have one.
        partition_key: record.key.as_deref().unwrap_or("-"),
    });
    let call = PutRecords {
        stream_name: stream,
        records: entries.collect(),
    };
    // Texts and numbers can always be written as JSON.
    let body = serde_json::to_vec(&call).unwrap_or_default();
    let answer = broker.call(KINESIS, "PutRecords", body).await?;
    let results = answer["Records"].as_array().map_or(&[][..], Vec::as_slice);
    if results.len() != records.len() {
        return Err(CallError::Odd {
            action: "PutRecords",
            status: 200,
            service: "kinesis",
        });
    }
    let refused = results.iter().enumerate();
    let mut refused = refused.filter_map(|(place, result)| {
        let code = result["ErrorCode"].as_str()?;
        Some((place, code, result["ErrorMessage"].as_str().unwrap_or("")))
    });
    let Some((first, code, message)) = refused.next() else {
        return Ok(None);
    };
    let mut places = vec![first];
    let mut is_throttled = code == THROTTLED;
    for (place, code, _) in refused {
        places.push(place);
        is_throttled &= code == THROTTLED;
    }
    Ok(Some(Refused {
        why: format!(
            "PutRecords refused {} of {}: {code}: {}",
            places.len(),
            records.len(),
            shortened(message)
        ),
        places,
        is_throttled,
    }))
}
