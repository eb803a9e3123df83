//! Every mode against a queue, or a stream, in memory behind the reference's own HTTP, so that the generator is tested
//! without the broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Plan, cycle, drain, parked, send, steady, tail};
use crate::http::Api;
use crate::reference::{Bare, Handler, serve};

/// One queue. A message that is received stands aside until it is deleted; nothing comes back.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: std::collections::VecDeque<String>,
    claimed: BTreeMap<String, String>,
    deleted: u64,
    calls: BTreeMap<String, u64>,
    groups: std::collections::BTreeSet<String>,
}

impl Handler for Memory {
    fn answer(&self, action: &str, body: &[u8]) -> (StatusCode, Vec<u8>) {
        let input: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(
            input["QueueUrl"].as_str().unwrap().rsplit('/').next(),
            Some("q"),
            "the queue of the plan"
        );
        let mut queue = self.0.lock().unwrap();
        *queue.calls.entry(action.to_owned()).or_default() += 1;
        let answer = match action {
            "SendMessage" => {
                queue.send(&input);
                json!({"MessageId": "m", "MD5OfMessageBody": "d"})
            }
            "SendMessageBatch" => {
                input["Entries"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .for_each(|entry| queue.send(entry));
                json!({"Successful": [], "Failed": []})
            }
            "ReceiveMessage" => queue.receive(input["MaxNumberOfMessages"].as_u64().unwrap()),
            "DeleteMessageBatch" => {
                for entry in input["Entries"].as_array().unwrap() {
                    let handle = entry["ReceiptHandle"].as_str().unwrap();
                    assert!(
                        queue.claimed.remove(handle).is_some(),
                        "deleted once, by its handle"
                    );
                    queue.deleted += 1;
                }
                json!({"Successful": [], "Failed": []})
            }
            other => panic!("no load calls {other}"),
        };
        (StatusCode::OK, answer.to_string().into_bytes())
    }
}

impl Queue {
    fn send(&mut self, message: &Value) {
        let body = message["MessageBody"].as_str().unwrap();
        assert_eq!(body.len(), 1024);
        if let Some(group) = message["MessageGroupId"].as_str() {
            self.groups.insert(group.to_owned());
        }
        self.waiting.push_back(body.to_owned());
    }

    fn receive(&mut self, count: u64) -> Value {
        let mut messages = Vec::new();
        while (messages.len() as u64) < count
            && let Some(body) = self.waiting.pop_front()
        {
            // A handle that JSON must escape.
            let handle = format!("h\"{}", self.claimed.len() as u64 + self.deleted);
            messages.push(json!({"MessageId": "m", "ReceiptHandle": handle, "Body": body}));
            self.claimed.insert(handle, body);
        }
        if messages.is_empty() {
            json!({})
        } else {
            json!({"Messages": messages})
        }
    }
}

/// A stream of one shard.
#[derive(Clone, Default)]
struct Shard(Arc<Mutex<Vec<Value>>>);

/// What one GetRecords gives, so that reading takes several.
const GIVEN_MAX: usize = 70;

impl Handler for Shard {
    fn answer(&self, action: &str, body: &[u8]) -> (StatusCode, Vec<u8>) {
        let mut input: Value = serde_json::from_slice(body).unwrap();
        let mut records = self.0.lock().unwrap();
        let answer = match action {
            "PutRecord" => {
                assert_eq!(input["StreamName"], "q", "the stream of the plan");
                records.push(json!({"SequenceNumber": "4", "Data": input["Data"]}));
                json!({"SequenceNumber": "4", "ShardId": "shard"})
            }
            "PutRecords" => {
                for record in input["Records"].as_array_mut().unwrap() {
                    records.push(json!({"SequenceNumber": "4", "Data": record["Data"].take()}));
                }
                json!({"FailedRecordCount": 0, "Records": []})
            }
            "GetShardIterator" => {
                assert_eq!(input["ShardId"], "shard");
                let latest = input["ShardIteratorType"] == "LATEST";
                let from = if latest { records.len() } else { 0 };
                json!({"ShardIterator": from.to_string()})
            }
            "GetRecords" => {
                let from: usize = input["ShardIterator"].as_str().unwrap().parse().unwrap();
                let next = (from + GIVEN_MAX).min(records.len());
                // Written out, in the broker's order: the generator looks behind the records.
                let (given, behind) = (json!(records[from..next]), next < records.len());
                let answer = format!(
                    "{{\"Records\":{given},\"NextShardIterator\":\"{next}\",\"MillisBehindLatest\":{}}}",
                    u32::from(behind)
                );
                return (StatusCode::OK, answer.into_bytes());
            }
            other => panic!("no load calls {other}"),
        };
        (StatusCode::OK, answer.to_string().into_bytes())
    }
}

async fn endpoint(handler: impl Handler) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, handler));
    address
}

fn plan(endpoint: String) -> Plan {
    Plan {
        name: "test".to_owned(),
        api: Api::Sqs,
        endpoints: vec![endpoint],
        queue: "q".to_owned(),
        connections: 4,
        receivers: 2,
        batch: 1,
        message_bytes: 1024,
        groups: None,
        window: 8,
        warmup: Duration::ZERO,
        duration: Duration::from_millis(300),
        messages_max: None,
        pids: vec![std::process::id()],
    }
}

#[tokio::test]
async fn sends_are_answered_and_counted() {
    let plan = Plan {
        batch: 10,
        ..plan(endpoint(Bare).await)
    };
    let report = send::run(&plan).await;
    assert_eq!((report.errors, report.first_error), (0, None));
    assert!(report.messages >= 10 && report.messages.is_multiple_of(10));
    assert!(report.latency.p50_us > 0 && report.latency.p50_us <= report.latency.max_us);
    assert!(report.cpu_s_per_100k.is_some());
}

#[tokio::test]
async fn a_load_by_number_sends_exactly_that_many() {
    let memory = Memory::default();
    let plan = Plan {
        batch: 10,
        messages_max: Some(200),
        groups: Some(7),
        duration: Duration::from_secs(60),
        ..plan(endpoint(memory.clone()).await)
    };
    let report = send::run(&plan).await;
    assert_eq!((report.messages, report.errors), (200, 0));
    let queue = memory.0.lock().unwrap();
    assert_eq!((queue.waiting.len(), queue.groups.len()), (200, 7));
}

#[tokio::test]
async fn what_is_sent_steadily_is_received_and_deleted_and_the_window_holds() {
    let memory = Memory::default();
    let plan = plan(endpoint(memory.clone()).await);
    let report = steady::run(&plan).await;
    assert_eq!((report.errors, report.first_error), (0, None));
    let queue = memory.0.lock().unwrap();
    assert!(report.messages > 0 && report.messages <= queue.deleted);
    assert!(queue.waiting.len() <= plan.window);
    assert!(report.latency.max_us < 60_000_000, "a latency, not a clock");
}

#[tokio::test]
async fn a_cycle_calls_each_once() {
    let memory = Memory::default();
    let report = cycle::run(&plan(endpoint(memory.clone()).await))
        .await
        .unwrap();
    assert!(report.send.p50_us > 0 && report.receive.p50_us > 0 && report.delete.p50_us > 0);
    let queue = memory.0.lock().unwrap();
    assert_eq!(queue.calls["SendMessage"], queue.deleted);
}

#[tokio::test]
async fn polls_are_parked_on_connections_of_their_own() {
    let polls = parked::park(&plan(endpoint(Memory::default()).await))
        .await
        .unwrap();
    assert_eq!(polls.len(), 4);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_and_no_message() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let report = send::run(&plan(address)).await;
    assert_eq!(report.messages, 0);
    assert!(report.errors > 0 && report.first_error.unwrap().starts_with("connection:"));
}

#[tokio::test]
async fn records_are_put_and_read_to_the_end() {
    let shard = Shard::default();
    let plan = Plan {
        api: Api::Kinesis,
        batch: 10,
        messages_max: Some(200),
        duration: Duration::from_secs(60),
        ..plan(endpoint(shard.clone()).await)
    };
    let report = send::run(&plan).await;
    assert_eq!((report.messages, report.errors), (200, 0));
    let shards = ["shard".to_owned()];
    let drained = drain::run(&plan, &shards, drain::Encoding::Json);
    let drained = drained.await.unwrap();
    assert_eq!(drained.records, 200);
    assert!(drained.answer_bytes > 200 * 1024);
}

#[tokio::test]
async fn what_is_put_at_a_pace_is_read_by_who_asks_without_pause() {
    let shard = Shard::default();
    let plan = Plan {
        api: Api::Kinesis,
        ..plan(endpoint(shard.clone()).await)
    };
    let shards = ["shard".to_owned()];
    let report = tail::run(&plan, &shards, Duration::from_millis(5));
    let report = report.await.unwrap();
    assert_eq!((report.errors, report.first_error), (0, None));
    assert!(report.messages > 0 && report.messages <= shard.0.lock().unwrap().len() as u64);
    assert!(report.latency.max_us < 60_000_000, "a latency, not a clock");
}
