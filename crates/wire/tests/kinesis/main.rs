//! Kinesis on the wire: requests as the SDKs write them, what is said against them, and answers.
//!
//! `tests/data/kinesis/requests.json` holds what the SDKs' own serializers made of the same parameters:
//! `json` by botocore 1.44.8, `cbor` (in hex) by the AWS SDK for Java 2.31.78.

mod answers;
mod garbage;
mod requests;
mod validation;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use levada_wire::{Call, Incoming, Service, decode, kinesis};
use serde_json::Value;

const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";
const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000001:stream/orders";

/// A request for `action` with this content type.
fn incoming(action: &str, content_type: &'static str, body: impl Into<Bytes>) -> Incoming {
    let target = format!("Kinesis_20131202.{action}");
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_str(&target).unwrap());
    headers.insert("content-type", HeaderValue::from_static(content_type));
    decode(
        &Method::POST,
        &Uri::from_static("/"),
        &headers,
        &body.into(),
    )
}

fn request(incoming: Incoming) -> kinesis::Request {
    assert_eq!(incoming.service, Service::Kinesis);
    match incoming.call {
        Ok(Call::Kinesis(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// What is said against a request with this body.
fn said(action: &str, body: &Value) -> String {
    request(incoming(action, JSON, body.to_string()))
        .validate()
        .err()
        .map_or_else(|| "ok".to_owned(), |e| e.to_string())
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
