//! The reference: a bare hyper server that parses the same JSON, computes the same MD5 and answers in the same
//! shape, and does nothing else. No figure of Levada's means anything without it, since it says what the
//! machine, the kernel, HTTP and JSON cost on the day.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// Answers an action with a status and a body of JSON.
pub(crate) trait Handler: Clone + Send + 'static {
    /// `action` without its `AmazonSQS.` in front.
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
            .and_then(|target| target.strip_prefix("AmazonSQS."))
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
    fn what_it_does_not_know_it_refuses() {
        assert_eq!(ask("DeleteQueue", &json!({})).0, 400);
        assert_eq!(ask("SendMessage", &json!({"QueueUrl": "u"})).0, 400);
    }
}
