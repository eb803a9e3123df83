//! `levada streams`: streams, their shards and what is kept in each, and the records themselves.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{UNKNOWN, age, ago, ask, explain_unknown, figure, heads, pages, shown};
use crate::api::{Api, KINESIS, Who};
use crate::client::Error;
use crate::cluster::{At, align, list, text};
use crate::words::{bytes_in_words, one_line, printable};

/// Records that one command shows at most, of one shard AWS's most too.
const RECORDS_MAX: u64 = 10_000;
/// Characters of a record that people are shown.
const DATA_CHARS_MAX: usize = 2_000;
/// Characters of a partition key that people are shown: as many as it may have.
const KEY_CHARS_MAX: usize = 256;

/// What can be asked of streams.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Every stream: its shards, who reads it, for how long records are kept.
    #[command(after_help = "\
Examples:
  levada streams list
  AWS_REGION=eu-west-1 levada streams list --json")]
    List {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
    /// One stream: its shards with their hash keys and what is kept in each, its consumers, the queues on it.
    #[command(after_help = "\
Example:
  levada streams show orders

How many bytes a shard keeps is told from all that it ever took: `about`.")]
    Show {
        /// The stream's name.
        name: String,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
    /// Records of a stream, the oldest first, read as any consumer reads them: that changes nothing.
    #[command(after_help = "\
Examples:
  levada streams peek orders
  levada streams peek orders --shard shardId-000000000002 --count 100 --json | jq '.records[].data'

Where shards have AWS's limits, this counts against them.")]
    Peek {
        /// The stream's name.
        name: String,
        /// Of this shard only.
        #[arg(long, value_name = "SHARD")]
        shard: Option<String>,
        /// How many records, 10,000 at most.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=RECORDS_MAX))]
        count: u64,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
}

/// Runs a command.
pub(crate) async fn run(command: Command) -> Result<(), Error> {
    let out = match command {
        Command::List { at, who } => {
            let document = pages(&at, &who, "streams/list", "streams", &json!({})).await?;
            shown(&at, &document, table)
        }
        Command::Show { name, at, who } => {
            let document = ask(&at, &who, "streams/show", json!({ "name": name })).await?;
            shown(&at, &document, page)
        }
        Command::Peek {
            name,
            shard,
            count,
            at,
            who,
        } => {
            let document = peek(&at, &who, &name, shard.as_deref(), count).await?;
            shown(&at, &document, records)
        }
    };
    std::io::stdout().write_all(out.as_bytes())?;
    Ok(())
}

fn table(document: &Value) -> String {
    let mut rows = vec![heads([
        "stream",
        "status",
        "mode",
        "open shards",
        "closed",
        "consumers",
        "queues",
        "retention",
    ])];
    rows.extend(list(&document["streams"]).map(|stream| {
        vec![
            text(&stream["name"]),
            text(&stream["status"]),
            mode(stream).to_owned(),
            text(&stream["open_shards"]),
            text(&stream["closed_shards"]),
            text(&stream["consumer_count"]),
            text(&stream["queue_count"]),
            format!("{} h", stream["retention_hours"]),
        ]
    }));
    let mut out = String::new();
    align(&mut out, &rows);
    out
}

fn mode(stream: &Value) -> &'static str {
    if stream["on_demand"] == true {
        "on demand"
    } else {
        "provisioned"
    }
}

fn page(document: &Value) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "{}, a stream of account {} in {}: {}, {}",
        text(&document["name"]),
        text(&document["account"]),
        text(&document["region"]),
        text(&document["status"]),
        mode(document)
    );
    let made = ago(document, &document["created_at_ms"]).unwrap_or_default();
    let _ = writeln!(
        out,
        "made {made}; records are kept for {} h",
        document["retention_hours"]
    );
    let kept: Option<u64> = list(&document["shards"])
        .map(|shard| shard["records"].as_u64())
        .sum();
    let bytes: Option<u64> = list(&document["shards"])
        .map(|shard| shard["bytes_about"].as_u64())
        .sum();
    let unknown = || UNKNOWN.to_owned();
    let _ = writeln!(
        out,
        "{} records, about {}",
        kept.map_or_else(unknown, |kept| kept.to_string()),
        bytes.map_or_else(unknown, bytes_in_words)
    );
    let consumers = list(&document["consumers"]).map(|consumer| {
        let state = if consumer["active"] == true {
            ""
        } else {
            " (being made)"
        };
        format!("{}{state}", text(&consumer["name"]))
    });
    let queues = list(&document["queues"]).map(|queue| match &queue["status"] {
        Value::String(status) if status != "ACTIVE" => {
            format!("{} ({status})", text(&queue["name"]))
        }
        _ => text(&queue["name"]),
    });
    for (words, names) in [
        ("consumers", consumers.collect::<Vec<_>>()),
        ("queues", queues.collect()),
    ] {
        if !names.is_empty() {
            let _ = writeln!(out, "{words}: {}", names.join(", "));
        }
    }
    let mut rows = vec![heads([
        "shard",
        "state",
        "partition",
        "records",
        "about",
        "newest",
        "hash keys",
        "parents",
    ])];
    rows.extend(list(&document["shards"]).map(|shard| {
        let parents: Vec<String> = list(&shard["parents"]).map(text).collect();
        vec![
            text(&shard["shard"]),
            if shard["open"] == true {
                "open"
            } else {
                "closed"
            }
            .to_owned(),
            text(&shard["partition"]),
            figure(&shard["records"]),
            shard["bytes_about"]
                .as_u64()
                .map_or_else(unknown, bytes_in_words),
            age(&shard["newest_age_ms"]),
            format!(
                "{} - {}",
                text(&shard["first_hash"]),
                text(&shard["last_hash"])
            ),
            parents.join(" "),
        ]
    }));
    out.push('\n');
    align(&mut out, &rows);
    explain_unknown(&mut out, &rows);
    out
}

/// The oldest records, by plain GetRecords.
async fn peek(
    at: &At,
    who: &Who,
    name: &str,
    shard: Option<&str>,
    count: u64,
) -> Result<Value, Error> {
    let shards: Vec<String> = match shard {
        Some(shard) => vec![shard.to_owned()],
        None => {
            let stream = ask(at, who, "streams/show", json!({ "name": name })).await?;
            list(&stream["shards"])
                .map(|shard| text(&shard["shard"]))
                .collect()
        }
    };
    let mut kinesis = Api::connect(at, who, KINESIS).await?;
    let mut found = Vec::new();
    for shard in shards {
        let request =
            json!({ "StreamName": name, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let mut iterator =
            kinesis.call("GetShardIterator", &request).await?["ShardIterator"].take();
        let mut of_shard = 0;
        // An answer holds 10 MiB at most.
        while of_shard < count && !iterator.is_null() {
            let request = json!({ "ShardIterator": iterator, "Limit": count - of_shard });
            let mut answer = kinesis.call("GetRecords", &request).await?;
            let records: Vec<Value> = list(&answer["Records"])
                .map(|record| record_of(&shard, record))
                .collect();
            if records.is_empty() {
                break;
            }
            of_shard += records.len() as u64;
            found.extend(records);
            iterator = answer["NextShardIterator"].take();
        }
    }
    // Within a shard they are in order, and arrived in that order.
    found.sort_by_key(|record| record["arrived_at_ms"].as_u64());
    found.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    Ok(json!({ "stream": name, "at_ms": now_ms, "records": found }))
}

/// A record; its data as text if it is one.
fn record_of(shard: &str, record: &Value) -> Value {
    let arrived = record["ApproximateArrivalTimestamp"]
        .as_f64()
        .unwrap_or(0.0);
    let base64 = record["Data"].as_str().unwrap_or_default();
    let data = BASE64_STANDARD.decode(base64).ok();
    let mut shown = json!({
        "shard": shard,
        "sequence_number": record["SequenceNumber"],
        "partition_key": record["PartitionKey"],
        // A whole number of milliseconds, which is told in seconds.
        "arrived_at_ms": (arrived * 1_000.0).round() as u64,
    });
    match data.and_then(|data| String::from_utf8(data).ok()) {
        Some(data) => shown["data"] = json!(data),
        None => shown["data_base64"] = json!(base64),
    }
    shown
}

fn records(document: &Value) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    for record in list(&document["records"]) {
        let arrived = ago(document, &record["arrived_at_ms"]).unwrap_or_default();
        let key = record["partition_key"].as_str().unwrap_or_default();
        let _ = writeln!(
            out,
            "{}  {}  arrived {arrived}, key {}",
            text(&record["shard"]),
            text(&record["sequence_number"]),
            one_line(key, KEY_CHARS_MAX)
        );
        let data = match (record["data"].as_str(), record["data_base64"].as_str()) {
            (Some(data), _) => printable(data, DATA_CHARS_MAX),
            (None, base64) => format!(
                "base64: {}",
                printable(base64.unwrap_or_default(), DATA_CHARS_MAX)
            ),
        };
        for line in data.lines() {
            let _ = writeln!(out, "    {line}");
        }
        out.push('\n');
    }
    if out.is_empty() {
        let _ = writeln!(out, "nothing is kept in {}", text(&document["stream"]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_read_as_a_table() {
        let document = json!({ "streams": [{ "name": "orders", "status": "ACTIVE", "on_demand": true, "open_shards": 4,
            "closed_shards": 0, "consumer_count": 1, "queue_count": 2, "retention_hours": 24 }]});
        let expected = "\
stream  status  mode       open shards  closed  consumers  queues  retention
orders  ACTIVE  on demand  4            0       1          2       24 h
";
        assert_eq!(table(&document), expected);
    }

    #[test]
    fn a_stream_reads_as_a_page() {
        let shard = |shard: &str, open, records: Value, parents: &[&str]| {
            json!({ "shard": shard, "open": open, "partition": 3, "records": records, "bytes_about": records,
                "newest_age_ms": null, "first_hash": "0", "last_hash": "9", "parents": parents })
        };
        let mut document = json!({
            "name": "orders", "account": "000000000000", "region": "us-east-1", "status": "ACTIVE", "on_demand": false,
            "at_ms": 100_000, "created_at_ms": 0, "retention_hours": 24, "queues": [{ "name": "q", "status": "CREATING" }],
            "consumers": [{ "name": "c", "active": true }],
            "shards": [shard("s-0", false, json!(5), &[]), shard("s-1", true, json!(7), &["s-0"])],
        });
        let expected = "\
orders, a stream of account 000000000000 in us-east-1: ACTIVE, provisioned
made 100 s ago; records are kept for 24 h
12 records, about 12 B
consumers: c
queues: q (CREATING)

shard  state   partition  records  about  newest  hash keys  parents
s-0    closed  3          5        5 B    -       0 - 9
s-1    open    3          7        7 B    -       0 - 9      s-0
";
        assert_eq!(page(&document), expected);
        document["shards"][0]["records"] = Value::Null;
        assert!(page(&document).contains("? records, about 12 B"));
        assert!(page(&document).contains("does not answer"));
    }

    #[test]
    fn data_is_text_where_it_is_one() {
        let record = |data: &[u8]| {
            json!({ "SequenceNumber": "49", "PartitionKey": "k", "Data": BASE64_STANDARD.encode(data),
                "ApproximateArrivalTimestamp": 1_700_000_000.123 })
        };
        let shown = record_of("s-0", &record("grüezi".as_bytes()));
        assert_eq!(shown["data"], "grüezi");
        assert_eq!(shown["arrived_at_ms"], 1_700_000_000_123_u64);
        let binary = record_of("s-0", &record(b"\xff"));
        assert_eq!(
            (&binary["data"], &binary["data_base64"]),
            (&Value::Null, &json!("/w=="))
        );
        let document = json!({ "stream": "orders", "at_ms": 1_700_000_010_123_u64, "records": [shown, binary] });
        let expected = "\
s-0  49  arrived 10 s ago, key k
    grüezi

s-0  49  arrived 10 s ago, key k
    base64: /w==

";
        assert_eq!(records(&document), expected);
        assert_eq!(
            records(&json!({ "stream": "orders" })),
            "nothing is kept in orders\n"
        );
    }
}
