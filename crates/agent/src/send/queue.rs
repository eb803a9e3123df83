//! GetQueueUrl and SendMessageBatch.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;

use super::Refused;
use crate::batch::Record;
use crate::broker::{Broker, CallError, SQS, shortened};
use crate::limits::{QUEUE_BATCH_BYTES_MAX, QUEUE_ENTRIES_MAX};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch<'a> {
    queue_url: &'a str,
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    id: String,
    message_body: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<&'a str>,
}

/// How many of the first records fit into one call.
pub(super) fn count_of_call(records: &[Record]) -> usize {
    let mut bytes = 0_usize;
    let fits = |record: &&Record| {
        bytes += record.data.len();
        bytes <= QUEUE_BATCH_BYTES_MAX
    };
    let count = records.iter().take(QUEUE_ENTRIES_MAX).take_while(fits);
    count.count().max(1).min(records.len())
}

/// The URL of a queue, which may be what the configuration says already.
pub(super) async fn url(broker: &Broker, queue: &str) -> Result<String, CallError> {
    if queue.contains("://") {
        return Ok(queue.to_owned());
    }
    let body = json!({ "QueueName": queue }).to_string().into_bytes();
    let answer = broker.call(SQS, "GetQueueUrl", body).await?;
    match answer["QueueUrl"].as_str() {
        Some(url) => Ok(url.to_owned()),
        None => Err(CallError::Odd {
            action: "GetQueueUrl",
            status: 200,
            service: "sqs",
        }),
    }
}

/// One call with these records, which fit into it.
pub(super) async fn send(
    broker: &Broker,
    url: &str,
    records: &[&Record],
) -> Result<Option<Refused>, CallError> {
    let entries = records.iter().enumerate().map(|(place, record)| Entry {
        id: place.to_string(),
        message_body: body(&record.data),
        message_group_id: record.key.as_deref(),
        message_deduplication_id: record.deduplication_id.as_deref(),
    });
    let call = SendMessageBatch {
        queue_url: url,
        entries: entries.collect(),
    };
    // Texts can always be written as JSON.
    let call = serde_json::to_vec(&call).unwrap_or_default();
    let answer = broker.call(SQS, "SendMessageBatch", call).await?;
    let entries = |list: &str| answer[list].as_array().map_or(&[][..], Vec::as_slice);
    let taken = entries("Successful").iter();
    let taken: Vec<usize> = taken
        .filter_map(|entry| entry["Id"].as_str()?.parse().ok())
        .collect();
    // What is not said to be taken is not.
    let places: Vec<usize> = (0..records.len())
        .filter(|place| !taken.contains(place))
        .collect();
    if places.is_empty() {
        return Ok(None);
    }
    let first = entries("Failed").first();
    let said = |key: &str| first.and_then(|entry| entry[key].as_str()).unwrap_or("");
    let code = said("Code");
    Ok(Some(Refused {
        why: format!(
            "SendMessageBatch refused {} of {}: {code}: {}",
            places.len(),
            records.len(),
            shortened(said("Message"))
        ),
        is_throttled: code.contains("Throttl") || code == "OverLimit",
        places,
    }))
}

/// What a message may hold: Unicode without control characters. Whatever else is there becomes a question mark, which is
/// not longer than it.
fn body(data: &[u8]) -> Cow<'_, str> {
    let is_fit = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    if let Ok(text) = std::str::from_utf8(data)
        && text.chars().all(is_fit)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(data.len());
    for chunk in data.utf8_chunks() {
        text.extend(
            chunk
                .valid()
                .chars()
                .map(|c| if is_fit(c) { c } else { '?' }),
        );
        if !chunk.invalid().is_empty() {
            text.push('?');
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(sizes: &[usize]) -> Vec<Record> {
        let record = |size: &usize| Record {
            data: vec![b'x'; *size],
            key: None,
            deduplication_id: None,
        };
        sizes.iter().map(record).collect()
    }

    #[test]
    fn a_call_takes_ten_and_a_mebibyte() {
        assert_eq!(count_of_call(&records(&[1; 25])), 10);
        assert_eq!(count_of_call(&records(&[400_000; 5])), 2);
        assert_eq!(count_of_call(&records(&[2_000_000, 1])), 1);
        assert_eq!(count_of_call(&records(&[1])), 1);
    }

    #[test]
    fn what_cannot_be_said_becomes_a_question_mark() {
        assert_eq!(body("ä\t\n".as_bytes()), "ä\t\n");
        assert_eq!(body(b"a\x00b\xffc\xe2\x82"), "a?b?c?");
        assert_eq!(body("\u{FFFF}".as_bytes()), "?");
    }

    proptest! {
        #[test]
        fn a_body_is_never_longer_than_its_record(data in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(body(&data).len() <= data.len());
        }
    }
}
