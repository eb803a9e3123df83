//! `levada lease`: who reads what of a stream, and how far behind, as the lease tables of Amazon's client library say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use serde_json::{Value, json};

use crate::api::{Api, DYNAMODB, KINESIS, Who};
use crate::client::Error;
use crate::cluster::{At, align, list};
use crate::words::in_words;

/// The key by which every version of the library knows a lease.
const LEASE_KEY: &str = "leaseKey";

/// What can be asked.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Every application that keeps leases here, with its workers.
    #[command(after_help = "\
Examples:
  levada lease list
  AWS_REGION=eu-west-1 levada lease list --json")]
    List {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
    /// The leases of an application: who holds each, its checkpoint, and how far behind its shard that is.
    #[command(after_help = "\
Examples:
  levada lease show orders-app --stream orders
  levada lease show orders-app                   without the stream nothing is known of how far behind it is")]
    Show {
        /// The application's name, which is its table's.
        application: String,
        /// The stream that it reads. Applications that read several streams say which in their leases.
        #[arg(long, value_name = "NAME")]
        stream: Option<String>,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        who: Who,
    },
}

/// One lease.
#[derive(Debug, PartialEq)]
struct Lease {
    stream: Option<String>,
    shard: String,
    owner: Option<String>,
    checkpoint: String,
    /// Times that it was renewed or taken.
    counter: u64,
}

/// Runs a command.
pub(crate) async fn run(command: Command) -> Result<(), Error> {
    let out = match command {
        Command::List { at, who } => applications(&at, &who).await?,
        Command::Show {
            application,
            stream,
            at,
            who,
        } => leases(&at, &who, &application, stream.as_deref()).await?,
    };
    std::io::stdout().write_all(out.as_bytes())?;
    Ok(())
}

async fn applications(at: &At, who: &Who) -> Result<String, Error> {
    let mut tables = Api::connect(at, who, DYNAMODB).await?;
    let names = tables
        .pages(
            "ListTables",
            json!({}),
            "TableNames",
            "LastEvaluatedTableName",
            "ExclusiveStartTableName",
        )
        .await?;
    let mut rows = vec![
        ["application", "leases", "workers", "unowned"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut documents = Vec::new();
    for name in names.iter().filter_map(Value::as_str) {
        let described = tables
            .call("DescribeTable", &json!({ "TableName": name }))
            .await?;
        let mut keys = list(&described["Table"]["KeySchema"]);
        if !keys.any(|key| key["AttributeName"] == LEASE_KEY && key["KeyType"] == "HASH") {
            continue;
        }
        let leases = scan(&mut tables, name).await?;
        let mut workers: BTreeMap<&str, usize> = BTreeMap::new();
        for owner in leases.iter().filter_map(|lease| lease.owner.as_deref()) {
            *workers.entry(owner).or_default() += 1;
        }
        let unowned = leases.iter().filter(|lease| lease.owner.is_none()).count();
        rows.push(vec![
            name.to_owned(),
            leases.len().to_string(),
            workers.len().to_string(),
            unowned.to_string(),
        ]);
        documents.push(json!({ "application": name, "leases": leases.len(), "workers": workers, "unowned": unowned }));
    }
    if at.json {
        return Ok(format!("{}\n", json!({ "applications": documents })));
    }
    let mut out = String::new();
    align(&mut out, &rows);
    Ok(out)
}

async fn leases(
    at: &At,
    who: &Who,
    application: &str,
    stream: Option<&str>,
) -> Result<String, Error> {
    let mut tables = Api::connect(at, who, DYNAMODB).await?;
    let mut streams = Api::connect(at, who, KINESIS).await?;
    let mut found = scan(&mut tables, application).await?;
    found.sort_by(|a, b| (&a.stream, &a.shard).cmp(&(&b.stream, &b.shard)));
    let mut rows = vec![
        ["shard", "worker", "renewals", "behind", "checkpoint"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut documents = Vec::new();
    for lease in found {
        let of_stream = lease.stream.as_deref().or(stream);
        let behind_ms = match of_stream {
            Some(name) => behind_ms(&mut streams, name, &lease).await?,
            None => None,
        };
        documents.push(json!({
            "stream": of_stream,
            "shard": lease.shard,
            "worker": lease.owner,
            "renewals": lease.counter,
            "checkpoint": lease.checkpoint,
            "behind_ms": behind_ms,
        }));
        let shard = match &lease.stream {
            Some(stream) => format!("{stream}/{}", lease.shard),
            None => lease.shard,
        };
        let behind = behind_ms.map_or_else(|| "-".to_owned(), in_words);
        let owner = lease.owner.unwrap_or_else(|| "-".to_owned());
        rows.push(vec![
            shard,
            owner,
            lease.counter.to_string(),
            behind,
            lease.checkpoint,
        ]);
    }
    if at.json {
        return Ok(format!(
            "{}\n",
            json!({ "application": application, "leases": documents })
        ));
    }
    let mut out = String::new();
    align(&mut out, &rows);
    if stream.is_none() && documents.iter().any(|lease| lease["stream"].is_null()) {
        // Writing to a String does not fail.
        let _ = writeln!(out, "\nHow far behind they are is told with --stream NAME.");
    }
    Ok(out)
}

/// The leases in a table; what else the library keeps there is left out.
async fn scan(tables: &mut Api, table: &str) -> Result<Vec<Lease>, Error> {
    let request = json!({ "TableName": table, "ConsistentRead": true });
    let items = tables
        .pages(
            "Scan",
            request,
            "Items",
            "LastEvaluatedKey",
            "ExclusiveStartKey",
        )
        .await?;
    Ok(items.iter().filter_map(lease_of).collect())
}

/// A lease, if the item is one.
fn lease_of(item: &Value) -> Option<Lease> {
    let key = item[LEASE_KEY]["S"].as_str()?;
    let checkpoint = item["checkpoint"]["S"].as_str()?;
    // Of several streams: account:stream:creation:shard.
    let parts: Vec<&str> = key.split(':').collect();
    let (stream, shard) = match parts[..] {
        [_, stream, _, shard] => (Some(stream.to_owned()), shard),
        _ => (None, key),
    };
    Some(Lease {
        stream,
        shard: shard.to_owned(),
        owner: item["leaseOwner"]["S"].as_str().map(str::to_owned),
        checkpoint: checkpoint.to_owned(),
        counter: item["leaseCounter"]["N"]
            .as_str()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0),
    })
}

/// For how long the first record behind a checkpoint has waited; `None` where nothing is waited for, or known.
async fn behind_ms(streams: &mut Api, stream: &str, lease: &Lease) -> Result<Option<u64>, Error> {
    let mut request = json!({ "StreamName": stream, "ShardId": lease.shard });
    match lease.checkpoint.as_str() {
        "TRIM_HORIZON" => request["ShardIteratorType"] = json!("TRIM_HORIZON"),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            request["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            request["StartingSequenceNumber"] = json!(number);
        }
        _ => return Ok(None),
    }
    // A shard that has expired, or a stream that is another.
    let Ok(iterator) = streams.call("GetShardIterator", &request).await else {
        return Ok(None);
    };
    let request = json!({ "ShardIterator": iterator["ShardIterator"], "Limit": 1 });
    let Ok(answer) = streams.call("GetRecords", &request).await else {
        return Ok(None);
    };
    let arrived = list(&answer["Records"])
        .next()
        .and_then(|record| record["ApproximateArrivalTimestamp"].as_f64());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    Ok(Some(arrived.map_or(0, |secs| {
        now.saturating_sub((secs * 1_000.0) as u64)
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_told_from_what_else_is_in_the_table() {
        let item = json!({
            "leaseKey": { "S": "shardId-000000000001" },
            "leaseOwner": { "S": "worker-1" },
            "leaseCounter": { "N": "17" },
            "checkpoint": { "S": "TRIM_HORIZON" },
        });
        let lease = lease_of(&item).unwrap();
        assert_eq!((lease.stream, lease.counter), (None, 17));
        assert_eq!(lease.owner.as_deref(), Some("worker-1"));
        let of_many = json!({
            "leaseKey": { "S": "123456789012:orders:1700000000:shardId-000000000002" },
            "checkpoint": { "S": "SHARD_END" },
        });
        let lease = lease_of(&of_many).unwrap();
        assert_eq!(
            (lease.stream.as_deref(), lease.shard.as_str()),
            (Some("orders"), "shardId-000000000002")
        );
        assert_eq!((lease.owner, lease.counter), (None, 0));
        assert_eq!(
            lease_of(&json!({ "leaseKey": { "S": "Leader" }, "ownerName": { "S": "w" } })),
            None
        );
    }
}
