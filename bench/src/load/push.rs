//! Writers at a steady pace, and for each shard a subscription: the time from put to push. HTTP/2 without TLS and without
//! asking first, as the SDKs speak it to an endpoint that is `http://`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;

use super::frames::Frames;
use super::tail::{Received, Record, writers};
use super::{Plan, Recorder, Report};
use crate::http::{self, Api, CallError};

/// Runs the plan to its end: each of its connections puts a request every `every`, and the consumer has all shards pushed.
pub(crate) async fn run(
    plan: &Plan,
    consumer_arn: &str,
    shards: &[String],
    every: Duration,
) -> Result<Report, CallError> {
    let mut subscriptions = Vec::new();
    for (index, shard) in shards.iter().enumerate() {
        subscriptions.push(Subscription::open(plan.endpoint(index), consumer_arn, shard).await?);
    }
    let recorder = Arc::new(Recorder::start(plan));
    let mut tasks = writers(plan, &recorder, every);
    for mut subscription in subscriptions {
        let recorder = Arc::clone(&recorder);
        tasks.spawn(async move {
            while recorder.running() {
                if let Err(error) = subscription.next(&recorder).await {
                    // It lasts for longer than any load, so that its end is an error, too.
                    recorder.error(&error);
                    return;
                }
            }
        });
    }
    Ok(recorder.finish(plan, tasks).await)
}

/// One shard, pushed.
struct Subscription {
    /// The connection ends when nobody could send on it.
    _sender: http2::SendRequest<Full<Bytes>>,
    body: Incoming,
    frames: Frames,
}

impl Subscription {
    /// Begins behind the last record. When this returns, what is put from then on is pushed.
    async fn open(endpoint: &str, consumer_arn: &str, shard: &str) -> Result<Self, CallError> {
        let stream = TcpStream::connect(endpoint).await?;
        stream.set_nodelay(true)?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(broken)?;
        // Its errors come out of the body, too.
        tokio::spawn(async move { connection.await.ok() });
        let body = json!({
            "ConsumerARN": consumer_arn,
            "ShardId": shard,
            "StartingPosition": {"Type": "LATEST"},
        });
        let mut request = Request::post(format!("http://{endpoint}/"));
        for (name, value) in http::headers(
            Api::Kinesis,
            "SubscribeToShard",
            Api::Kinesis.content_type(),
        ) {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::from(body.to_string()))
            .map_err(|_| CallError::Malformed("the request"))?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let body = answer.into_body();
        if status != 200 {
            let body = body.collect().await.map_err(broken)?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(CallError::Refused { status, body });
        }
        Ok(Self {
            _sender: sender,
            body,
            frames: Frames::default(),
        })
    }

    /// Waits for more and writes down the records of all events in it.
    async fn next(&mut self, recorder: &Recorder) -> Result<(), CallError> {
        let frame = self.body.frame().await;
        let frame = frame.ok_or(CallError::Malformed("the subscription ended"))?;
        let received = Received::now();
        if let Ok(bytes) = frame.map_err(broken)?.into_data() {
            self.frames.push(&bytes);
        }
        while let Some(payload) = self.frames.next()? {
            let event: Event<'_> =
                serde_json::from_slice(payload).map_err(|_| CallError::Malformed("an event"))?;
            received.record(&event.records, recorder);
        }
        Ok(())
    }
}

/// An event; the one that begins the answer holds nothing.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event<'a> {
    #[serde(borrow, default)]
    records: Vec<Record<'a>>,
}

fn broken(error: hyper::Error) -> CallError {
    CallError::Io(std::io::Error::other(error))
}
