//! GetRecords from the beginning of each shard to its end: how fast a backlog is read. One connection a shard, without a
//! pause. Of the answers only what is needed to go on is looked at, and the records are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Plan;
use super::tail::iterator;
use crate::http::{self, CallError, Connection};

/// The most that one GetRecords gives.
const RECORDS_MAX: usize = 10_000;
/// What stands behind the records of an answer is shorter than this: an iterator of 512 characters, and names.
const END_BYTES: usize = 1_024;

/// How the records are asked for, and so answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// JSON: data in base64.
    Json,
    /// CBOR: data as it is.
    Cbor,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drained {
    /// Records of all shards.
    pub(crate) records: u64,
    /// Bytes of the answers' bodies.
    pub(crate) answer_bytes: u64,
    /// From the first call to the last answer.
    pub(crate) time: Duration,
}

/// Reads the shards of the plan's stream, all at once. The first error ends it.
pub(crate) async fn run(
    plan: &Plan,
    shards: &[String],
    encoding: Encoding,
) -> Result<Drained, CallError> {
    let (records, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut readers = JoinSet::new();
    let began = Instant::now();
    for (index, shard) in shards.iter().enumerate() {
        let endpoint = plan.endpoint(index).to_owned();
        let (stream, shard) = (plan.queue.clone(), shard.clone());
        let (records, bytes) = (Arc::clone(&records), Arc::clone(&bytes));
        readers.spawn(async move {
            let first = iterator(&endpoint, &stream, &shard, "TRIM_HORIZON").await?;
            let mut connection = Connection::open(&endpoint).await?;
            let mut next = first.into_bytes();
            loop {
                let request = request(&endpoint, &next, encoding)?;
                let answer = connection.call(&request).await?;
                let found = memchr::memmem::find_iter(answer, "SequenceNumber").count();
                records.fetch_add(found as u64, Ordering::Relaxed);
                bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
                let end = &answer[answer.len().saturating_sub(END_BYTES)..];
                if is_at_end(end, encoding)? {
                    return Ok(());
                }
                next = next_iterator(end, encoding)?.to_vec();
            }
        });
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap_or(Err(CallError::Malformed("a reader ended early")))?;
    }
    Ok(Drained {
        records: records.load(Ordering::Relaxed),
        answer_bytes: bytes.load(Ordering::Relaxed),
        time: began.elapsed(),
    })
}

fn request(host: &str, iterator: &[u8], encoding: Encoding) -> Result<Vec<u8>, CallError> {
    if encoding == Encoding::Json {
        let iterator =
            std::str::from_utf8(iterator).map_err(|_| CallError::Malformed("an iterator"))?;
        return Ok(get_records(host, iterator));
    }
    let length = u16::try_from(iterator.len()).map_err(|_| CallError::Malformed("an iterator"))?;
    // A map of two: a text of 13 bytes, a text with its length in two bytes; a text of 5, a number in two bytes.
    let mut body = b"\xa2\x6dShardIterator\x79".to_vec();
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(iterator);
    body.extend_from_slice(b"\x65Limit\x19");
    body.extend_from_slice(&(RECORDS_MAX as u16).to_be_bytes());
    Ok(http::request_cbor(host, "GetRecords", &body))
}

/// GetRecords with JSON.
pub(super) fn get_records(host: &str, iterator: &str) -> Vec<u8> {
    let body = format!("{{\"ShardIterator\":\"{iterator}\",\"Limit\":{RECORDS_MAX}}}");
    http::request(host, http::Api::Kinesis, "GetRecords", &body)
}

/// Whether nothing was behind the last record.
fn is_at_end(end: &[u8], encoding: Encoding) -> Result<bool, CallError> {
    let value = behind(end, b"MillisBehindLatest").ok_or(CallError::Malformed(
        "GetRecords says no MillisBehindLatest",
    ))?;
    Ok(match encoding {
        Encoding::Json => value.starts_with(b"\":0"),
        Encoding::Cbor => value.starts_with(b"\0"),
    })
}

/// The iterator to go on with.
fn next_iterator(end: &[u8], encoding: Encoding) -> Result<&[u8], CallError> {
    let value = behind(end, b"NextShardIterator");
    let iterator = value.and_then(|value| match encoding {
        Encoding::Json => {
            let text = value.strip_prefix(b"\":\"")?;
            text.get(..memchr::memchr(b'"', text)?)
        }
        // A text with its length in one byte, or in two.
        Encoding::Cbor => match value {
            [0x78, length, text @ ..] => text.get(..usize::from(*length)),
            [0x79, high, low, text @ ..] => {
                text.get(..usize::from(u16::from_be_bytes([*high, *low])))
            }
            _ => None,
        },
    });
    iterator.ok_or(CallError::Malformed(
        "GetRecords gives no NextShardIterator",
    ))
}

/// What stands behind the last such name.
fn behind<'a>(end: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::rfind(end, name)?;
    end.get(at + name.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_answer_says_how_to_go_on() {
        let json = br#"..."}],"NextShardIterator":"AAAB+/=","MillisBehindLatest":1207}"#;
        assert_eq!(next_iterator(json, Encoding::Json).unwrap(), b"AAAB+/=");
        assert!(!is_at_end(json, Encoding::Json).unwrap());
        let json = br#"{"Records":[],"NextShardIterator":"A","MillisBehindLatest":0}"#;
        assert!(is_at_end(json, Encoding::Json).unwrap());
        let cbor = b"\xff\x71NextShardIterator\x78\x03abc\x72MillisBehindLatest\x19\x04\xb7";
        assert_eq!(next_iterator(cbor, Encoding::Cbor).unwrap(), b"abc");
        assert!(!is_at_end(cbor, Encoding::Cbor).unwrap());
        let cbor = b"\x71NextShardIterator\x79\x00\x02ab\x72MillisBehindLatest\x00\xff";
        assert_eq!(next_iterator(cbor, Encoding::Cbor).unwrap(), b"ab");
        assert!(is_at_end(cbor, Encoding::Cbor).unwrap());
        assert!(next_iterator(b"{}", Encoding::Json).is_err());
    }

    #[test]
    fn a_request_in_cbor_holds_the_iterator_and_the_limit() {
        let request = request("h:1", b"abc", Encoding::Cbor).unwrap();
        let expected = b"\r\n\r\n\xa2\x6dShardIterator\x79\x00\x03abc\x65Limit\x19\x27\x10";
        assert!(request.ends_with(expected));
    }
}
