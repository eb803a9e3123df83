//! What AWS says against each action's parameters: every bound, on both sides.

mod batches;
mod claims;
mod messages;
mod queues;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use levada_wire::sqs::{QueueFacts, Request, SqsError};
use levada_wire::{Call, decode};
use serde_json::Value;

const URL: &str = "http://localhost:4566/000000000001/q";
const STANDARD: QueueFacts = QueueFacts {
    fifo: false,
    content_based_deduplication: false,
    maximum_message_size_bytes: 1_048_576,
};
const FIFO: QueueFacts = QueueFacts {
    fifo: true,
    ..STANDARD
};

fn request(action: &str, body: &Value) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-amz-target",
        HeaderValue::from_str(&format!("AmazonSQS.{action}")).unwrap(),
    );
    let body = Bytes::from(body.to_string());
    match decode(&Method::POST, &Uri::from_static("/"), &headers, &body).call {
        Ok(Call::Sqs(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn said(result: Result<(), SqsError>) -> String {
    result
        .err()
        .map_or_else(|| "ok".to_owned(), |e| e.to_string())
}

fn check(action: &str, body: Value, expected: &str) {
    assert_eq!(
        said(request(action, &body).validate()),
        expected,
        "{action} {body}"
    );
}

/// The body with a queue's URL.
fn at(mut body: Value) -> Value {
    body["QueueUrl"] = URL.into();
    body
}
