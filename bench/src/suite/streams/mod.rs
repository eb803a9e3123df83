//! The figures of streams.

pub(super) mod backlog;
pub(super) mod idle;
pub(super) mod tail;
pub(super) mod throughput;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{self, Api};

/// A stream that is not active by then will not be.
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(120);

/// Between two looks at a stream or a consumer that is being made.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// The most that one ListShards tells.
const LISTED_MAX: usize = 1_000;

/// Creates a stream and waits until it can be used; its shards.
pub(crate) async fn create(
    endpoint: &str,
    stream: &str,
    shards: u32,
) -> Result<Vec<String>, String> {
    let body = json!({"StreamName": stream, "ShardCount": shards});
    call(endpoint, "CreateStream", &body).await?;
    let named = json!({"StreamName": stream});
    let status = ["StreamDescriptionSummary", "StreamStatus"];
    active(endpoint, "DescribeStreamSummary", &named, status).await?;
    let ids = self::shards(endpoint, stream).await?;
    if ids.len() == shards as usize {
        Ok(ids)
    } else {
        Err(format!("{stream} has the shards {ids:?}"))
    }
}

/// The ids of a stream's shards.
pub(crate) async fn shards(endpoint: &str, stream: &str) -> Result<Vec<String>, String> {
    let body = json!({"StreamName": stream, "MaxResults": LISTED_MAX});
    let listed = call(endpoint, "ListShards", &body).await?;
    let ids = listed["Shards"].as_array().map(|shards| {
        let ids = shards.iter().filter_map(|shard| shard["ShardId"].as_str());
        ids.map(str::to_owned).collect()
    });
    ids.ok_or_else(|| format!("ListShards answered {listed}"))
}

/// Deletes a stream.
async fn delete(endpoint: &str, stream: &str) -> Result<(), String> {
    let body = json!({"StreamName": stream});
    call(endpoint, "DeleteStream", &body).await.map(|_| ())
}

/// Waits until a description says `ACTIVE` at the place.
async fn active(
    endpoint: &str,
    action: &str,
    body: &Value,
    [outer, inner]: [&str; 2],
) -> Result<(), String> {
    let asked = Instant::now();
    loop {
        let described = call(endpoint, action, body).await?;
        if described[outer][inner] == "ACTIVE" {
            return Ok(());
        }
        if asked.elapsed() > ACTIVE_TIMEOUT {
            return Err(format!("{action} still answers {described}"));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

async fn call(endpoint: &str, action: &str, body: &Value) -> Result<Value, String> {
    let answer = http::once(endpoint, Api::Kinesis, action, body).await;
    answer.map_err(|error| format!("{action}: {error}"))
}
