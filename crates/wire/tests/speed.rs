//! How long one SendMessage and one answer take here. Prints; asserts nothing about time.
//!
//! `cargo test --release -p levada-wire --test speed -- --ignored --nocapture`
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use levada_types::Timestamp;
use levada_wire::sqs::{
    MessageFacts, QueueFacts, ReceiveMessageRequest, ReceiveMessageResponse, ReceivedMessage,
    Request, Response, StoredMessage,
};
use levada_wire::{Call, Protocol, decode};

const ROUNDS: u32 = 200_000;

fn measure(name: &str, mut work: impl FnMut()) {
    for _ in 0..ROUNDS / 10 {
        work();
    }
    let start = Instant::now();
    for _ in 0..ROUNDS {
        work();
    }
    println!(
        "{name:<44} {:>6} ns",
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    );
}

#[test]
#[ignore = "prints a measurement"]
fn one_message_of_1_kib() {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(23)[..1_024].to_owned();
    let json = serde_json::json!({"QueueUrl": "http://localhost:4566/000000000000/q", "MessageBody": text});
    let body = Bytes::from(json.to_string());
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-amz-target",
        HeaderValue::from_static("AmazonSQS.SendMessage"),
    );
    headers.insert(
        "content-type",
        HeaderValue::from_static("application/x-amz-json-1.0"),
    );
    let uri = Uri::from_static("/");
    let facts = QueueFacts {
        fifo: false,
        content_based_deduplication: false,
        maximum_message_size_bytes: 1_048_576,
    };
    let request = || match decode(&Method::POST, &uri, &headers, &body).call {
        Ok(Call::Sqs(Request::SendMessage(send))) => send,
        _ => unreachable!(),
    };
    measure("decode SendMessage, JSON", || drop(black_box(request())));
    let send = request();
    measure("validate", || {
        black_box(send.validate().and_then(|()| send.check_against(&facts))).unwrap()
    });
    measure("decode, validate, digest, payload", || {
        let send = request();
        send.validate()
            .and_then(|()| send.check_against(&facts))
            .unwrap();
        black_box(send.into_stored("AIDA").to_payload());
    });
    let form = Bytes::from(format!(
        "Action=SendMessage&QueueUrl=/000000000000/q&MessageBody={}",
        text.replace(' ', "+")
    ));
    let no_headers = HeaderMap::new();
    measure("decode SendMessage, form", || {
        black_box(decode(&Method::POST, &uri, &no_headers, &form))
            .call
            .unwrap();
    });
    let payload = request().into_stored("AIDA").to_payload();
    let selection = ReceiveMessageRequest::default().selection();
    for protocol in [Protocol::Json10, Protocol::Query] {
        measure(
            &format!("payload to a received message, {}", protocol.as_str()),
            || {
                let facts = MessageFacts {
                    message_id: "0b1e7f0c-1111-4222-8333-444455556666".into(),
                    receipt_handle: "AQAAAAMAAAAAAAAABwAAAQAAAAAAAAAAApzIUEM".into(),
                    sent_at: Timestamp::ZERO,
                    receive_count: 1,
                    first_received_at: Timestamp::ZERO,
                    sequence: None,
                    dead_letter_source: None,
                };
                let stored = StoredMessage::from_payload(payload.clone()).unwrap();
                let messages = vec![ReceivedMessage::new(stored, facts, &selection)];
                black_box(
                    Response::ReceiveMessage(ReceiveMessageResponse { messages })
                        .encode(protocol, "id"),
                );
            },
        );
    }
}
