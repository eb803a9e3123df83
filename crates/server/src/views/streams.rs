//! Streams, their shards, and what is kept in each.
//!
//! A figure of a shard whose leader did not answer is null.

use levada_cluster::{ShardEnds, Stream, hash_of};
use serde_json::{Value, json};

use super::{PAGE, Request, Scope, ViewError, now_ms};

/// A page of streams.
pub(super) fn list(scope: &Scope, request: &Request) -> Value {
    let after = request.after.as_deref();
    let streams = scope
        .broker
        .streams(scope.account, &scope.region, after, PAGE);
    let last = streams.last().filter(|_| streams.len() == PAGE);
    json!({
        "account": scope.account.to_string(),
        "region": scope.region.as_str(),
        "at_ms": now_ms(),
        "streams": streams.iter().map(summary).collect::<Vec<_>>(),
        "after": last.map(|stream| &stream.row.name),
    })
}

/// One stream, and its shards.
pub(super) async fn show(scope: &Scope, name: &str) -> Result<Value, ViewError> {
    let found = scope
        .broker
        .find_stream(scope.account, &scope.region, name)
        .await?;
    let stream = found.ok_or_else(|| scope.missing("stream", name))?;
    let looked = scope.broker.look_at_shards(&stream).await;
    let at_ms = now_ms();
    let shards = looked.iter().map(|(row, ends)| {
        let mut shard = kept(ends.as_ref(), at_ms);
        shard["shard"] = json!(name_of(row.number));
        shard["open"] = json!(row.closed_at == 0);
        shard["first_hash"] = json!(hash_of(&row.first_hash).to_string());
        shard["last_hash"] = json!(hash_of(&row.last_hash).to_string());
        shard["parents"] = [row.parent, row.adjacent_parent]
            .into_iter()
            .flatten()
            .map(|number| json!(name_of(number)))
            .collect();
        shard["partition"] = json!(row.partition);
        shard
    });
    let shards: Vec<Value> = shards.collect();
    let mut shown = summary(&stream);
    shown["account"] = json!(scope.account.to_string());
    shown["region"] = json!(scope.region.as_str());
    shown["at_ms"] = json!(at_ms);
    shown["tags"] = json!(stream.row.tags);
    shown["consumers"] = stream
        .row
        .consumers
        .iter()
        .map(|consumer| json!({ "name": consumer.name, "active": consumer.active }))
        .collect();
    shown["queues"] = stream
        .row
        .queues
        .iter()
        .map(|queue| json!({ "name": queue.name, "status": status(queue.status().as_str_name()) }))
        .collect();
    shown["shards"] = json!(shards);
    Ok(shown)
}

fn summary(stream: &Stream) -> Value {
    let row = &stream.row;
    json!({
        "name": row.name,
        "status": status(row.status().as_str_name()),
        "on_demand": row.on_demand,
        "created_at_ms": row.created_at,
        "retention_hours": row.retention_hours,
        "open_shards": stream.open_shards().len(),
        "closed_shards": stream.shards().filter(|shard| shard.closed_at != 0).count(),
        "consumer_count": row.consumers.len(),
        "queue_count": row.queues.len(),
    })
}

/// What a shard keeps. Its bytes are taken to be in proportion to its records: it is not counted what expires.
fn kept(ends: Option<&ShardEnds>, at_ms: u64) -> Value {
    let records = ends.map(|ends| ends.next.saturating_sub(ends.horizon));
    let bytes = ends.and_then(|ends| {
        let kept = u128::from(ends.next.saturating_sub(ends.horizon));
        let ever = u128::from(ends.next.saturating_sub(1)).max(1);
        u64::try_from(u128::from(ends.bytes_taken) * kept / ever).ok()
    });
    let newest = ends.and_then(|ends| ends.newest_at);
    json!({
        "records": records,
        "bytes_about": bytes,
        "newest_age_ms": newest.map(|at| at_ms.saturating_sub(at.as_millis())),
    })
}

/// A shard as AWS names it.
fn name_of(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// A state as AWS names it.
fn status(name: &str) -> &str {
    name.trim_start_matches("STREAM_STATUS_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_in_proportion() {
        let ends = ShardEnds {
            horizon: 61,
            next: 101,
            bytes_taken: 5_000,
            ..ShardEnds::default()
        };
        let expected = json!({ "records": 40, "bytes_about": 2_000, "newest_age_ms": null });
        assert_eq!(kept(Some(&ends), 9), expected);
        let empty = ShardEnds {
            horizon: 1,
            next: 1,
            ..ShardEnds::default()
        };
        assert_eq!(kept(Some(&empty), 9)["bytes_about"], 0);
        assert_eq!(kept(None, 9)["records"], Value::Null);
        assert_eq!(name_of(7), "shardId-000000000007");
        assert_eq!(status("STREAM_STATUS_ACTIVE"), "ACTIVE");
    }
}
