//! The reference: a bare hyper server that parses the same JSON, computes the same MD5 and answers in the same
//! shape, and does nothing else. For records it decodes the base64 of their data as well, and the MD5 is their keys'. No figure of Levada's means anything without it, since it says what the
//! machine, the kernel, HTTP and JSON cost on the day.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::net::TcpListener;

use crate::http::Api;

/// Shards of the streams of the figures: on three nodes each leads one.
pub(crate) const STREAM_SHARDS: u32 = 3;

/// Answers an action with a status and a body of JSON.
pub(crate) trait Handler: Clone + Send + 'static {
    /// `action` without its service in front.
    fn answer(&self, action: &str, body: &[u8]) -> (StatusCode, Vec<u8>);
}

/// The reference's own answers.
#[derive(Clone)]
pub(crate) struct Bare;

impl Handler for Bare {
    fn answer(&self, action: &str, body: &[u8]) -> (StatusCode, Vec<u8>) {
        let answer = match action {
            "SendMessage" => serde_json::from_slice(body).map(|input| encode(&send(&input))),
            "SendMessageBatch" => serde_json::from_slice(body).map(|input| encode(&batch(&input))),
            "PutRecord" => serde_json::from_slice(body).map(|input| encode(&put_record(&input))),
            "PutRecords" => serde_json::from_slice(body).map(|input| encode(&put_records(&input))),
            _ => return refuse("InvalidAction"),
        };
        answer.map_or_else(
            |_| refuse("SerializationException"),
            |body| (StatusCode::OK, body),
        )
    }
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, handler: impl Handler) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let handler = handler.clone();
        let service = service_fn(move |request| respond(request, handler.clone()));
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        // A client that goes away in the middle is its own affair.
        tokio::spawn(async move { connection.await.ok() });
    }
}

async fn respond(
    request: Request<Incoming>,
    handler: impl Handler,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = if request.method() == Method::GET {
        (StatusCode::OK, Vec::new())
    } else {
        let (head, body) = request.into_parts();
        let target = head
            .headers
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok());
        let action = target
            .and_then(|target| {
                let apis = Api::ALL.iter();
                apis.filter_map(|api| target.strip_prefix(api.target_prefix()?))
                    .next()
            })
            .unwrap_or("");
        match body.collect().await {
            Ok(body) => handler.answer(action, &body.to_bytes()),
            Err(_) => refuse("IncompleteBody"),
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/x-amz-json-1.0");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    #[serde(borrow)]
    message_body: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch<'a> {
    #[serde(borrow)]
    queue_url: Cow<'a, str>,
    #[serde(borrow)]
    entries: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    message_body: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Sent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SentBatch<'a> {
    successful: Vec<Sent<'a>>,
    failed: [(); 0],
}

fn send<'a>(input: &SendMessage<'a>) -> Sent<'a> {
    debug_assert!(!input.queue_url.is_empty());
    sent(None, &input.message_body)
}

fn batch<'a>(input: &'a SendMessageBatch<'_>) -> SentBatch<'a> {
    debug_assert!(!input.queue_url.is_empty());
    let successful = input
        .entries
        .iter()
        .map(|entry| sent(Some(&entry.id), &entry.message_body))
        .collect();
    SentBatch {
        successful,
        failed: [],
    }
}

fn sent<'a>(id: Option<&'a str>, body: &str) -> Sent<'a> {
    Sent {
        id,
        message_id: message_id(),
        md5_of_message_body: hex(&Md5::digest(body.as_bytes())),
    }
}

/// In the form of a UUID, from a counter.
fn message_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecord<'a> {
    #[serde(borrow)]
    stream_name: Cow<'a, str>,
    #[serde(deserialize_with = "blob")]
    data: Vec<u8>,
    #[serde(borrow)]
    partition_key: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecords<'a> {
    #[serde(borrow)]
    stream_name: Cow<'a, str>,
    #[serde(borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(deserialize_with = "blob")]
    data: Vec<u8>,
    #[serde(borrow)]
    partition_key: Cow<'a, str>,
}

fn blob<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let Text(text) = Text::deserialize(deserializer)?;
    BASE64_STANDARD
        .decode(text.as_bytes())
        .map_err(D::Error::custom)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    sequence_number: String,
    shard_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutBatch {
    failed_record_count: u32,
    records: Vec<Put>,
}

fn put_record(input: &PutRecord<'_>) -> Put {
    debug_assert!(!input.stream_name.is_empty());
    put(&input.data, &input.partition_key)
}

fn put_records(input: &PutRecords<'_>) -> PutBatch {
    debug_assert!(!input.stream_name.is_empty());
    PutBatch {
        failed_record_count: 0,
        records: input
            .records
            .iter()
            .map(|record| put(&record.data, &record.partition_key))
            .collect(),
    }
}

/// The shard by the key's MD5, of as many as the figures' streams have, and a number in AWS's form from a counter.
fn put(data: &[u8], partition_key: &str) -> Put {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    debug_assert!(!data.is_empty());
    let hash = u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into());
    let shard = hash / (u128::MAX / u128::from(STREAM_SHARDS) + 1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Put {
        sequence_number: format!("49{number:054}"),
        shard_id: format!("shardId-{shard:012}"),
    }
}

fn encode(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).unwrap_or_default()
}

fn refuse(code: &str) -> (StatusCode, Vec<u8>) {
    (
        StatusCode::BAD_REQUEST,
        format!("{{\"__type\":\"com.amazonaws.sqs#{code}\"}}").into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ask(action: &str, body: &Value) -> (u16, Value) {
        let (status, answer) = Bare.answer(action, body.to_string().as_bytes());
        (status.as_u16(), serde_json::from_slice(&answer).unwrap())
    }

    #[test]
    fn a_message_is_answered_with_its_digest() {
        let (status, answer) = ask(
            "SendMessage",
            &json!({"QueueUrl": "u", "MessageBody": "hello"}),
        );
        assert_eq!(status, 200);
        assert_eq!(
            answer["MD5OfMessageBody"],
            "5d41402abc4b2a76b9719d911017c592"
        );
        assert_eq!(answer["MessageId"].as_str().unwrap().len(), 36);
        assert!(answer.get("Id").is_none());
    }

    #[test]
    fn a_batch_is_answered_entry_by_entry() {
        let entries =
            json!([{"Id": "a", "MessageBody": "x"}, {"Id": "b", "MessageBody": "\u{e9}\n"}]);
        let (status, answer) = ask(
            "SendMessageBatch",
            &json!({"QueueUrl": "u", "Entries": entries}),
        );
        assert_eq!(status, 200);
        assert_eq!(answer["Successful"][1]["Id"], "b");
        assert_eq!(answer["Failed"], json!([]));
    }

    #[test]
    fn records_are_answered_with_a_shard_and_a_number() {
        let record = json!({"Data": "aGVsbG8=", "PartitionKey": "k"});
        let (status, answer) = ask(
            "PutRecords",
            &json!({"StreamName": "s", "Records": [record, record]}),
        );
        assert_eq!((status, &answer["FailedRecordCount"]), (200, &json!(0)));
        let (first, second) = (&answer["Records"][0], &answer["Records"][1]);
        // MD5("k") is 8ce4...: of three equal shares of the ring the second.
        assert_eq!(first["ShardId"], "shardId-000000000001");
        assert_eq!(first["SequenceNumber"].as_str().unwrap().len(), 56);
        assert_ne!(first["SequenceNumber"], second["SequenceNumber"]);
        let mut single = record;
        single["StreamName"] = json!("s");
        assert_eq!(ask("PutRecord", &single).1["ShardId"], first["ShardId"]);
        single["Data"] = json!("not base64");
        assert_eq!(ask("PutRecord", &single).0, 400);
    }

    #[test]
    fn what_it_does_not_know_it_refuses() {
        assert_eq!(ask("DeleteQueue", &json!({})).0, 400);
        assert_eq!(ask("SendMessage", &json!({"QueueUrl": "u"})).0, 400);
    }
}
