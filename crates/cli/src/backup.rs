//! `levada backup` and `levada restore`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use levada_server::backup::{BackupError, Captures, FileSummary, Manifest, Seen, restore};
use serde_json::{Value, json};

use crate::client::{Client, Error};
use crate::place::{FileWriter, Place};

/// Times that partitions are taken again because transfers went on between them.
const ROUNDS_MAX: usize = 10;
/// The partition that is taken last, so that it knows every queue of the others.
const CATALOG: u32 = 0;

/// A backup of a live cluster.
#[derive(Args)]
#[command(after_help = "\
Examples:
  levada backup /backups/2026-11-24
  AWS_ENDPOINT_URL=https://s3.example.com AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... \\
    levada backup s3://backups/levada/2026-11-24
What was acknowledged before it began is in it. Run it on a node; nothing stops meanwhile.
This command asks the bucket's store, and no node does: keys stay where it runs.")]
pub(crate) struct BackupOptions {
    /// Where to: a directory that does not exist or is empty, or s3://bucket/prefix under which nothing is.
    #[arg(value_name = "PLACE", required_unless_present = "to")]
    place: Option<PathBuf>,
    /// The same, by name.
    #[arg(long, value_name = "PLACE", conflicts_with = "place")]
    to: Option<PathBuf>,
    #[command(flatten)]
    at: crate::cluster::At,
}

/// A directory made from a backup.
#[derive(Args)]
#[command(after_help = "\
Examples:
  levada restore /backups/2026-11-24 --data ./levada-data
  LEVADA_DATA_DIR=./levada-data levada serve
from a bucket, with the variables that `levada backup` takes:
  levada restore s3://backups/levada/2026-11-24 --data ./levada-data
as the first node of a new cluster, which others join by `levada cluster add`:
  levada restore /backups/2026-11-24 --data /data --peers-address 10.0.0.1:7100")]
pub(crate) struct RestoreOptions {
    /// The backup: a directory or s3://bucket/prefix.
    #[arg(value_name = "PLACE", required_unless_present = "from")]
    place: Option<PathBuf>,
    /// The same, by name.
    #[arg(long, value_name = "PLACE", conflicts_with = "place")]
    from: Option<PathBuf>,
    /// The data directory to make; it must not exist, or be empty.
    #[arg(long, value_name = "NEWDIR")]
    data: PathBuf,
    /// Where other nodes will reach this one; without it the node stays alone.
    #[arg(long, value_name = "HOST:PORT", default_value = "")]
    peers_address: String,
}

impl From<BackupError> for Error {
    fn from(error: BackupError) -> Self {
        Self::Answer(error.to_string())
    }
}

/// Makes a backup.
pub(crate) async fn back_up(options: BackupOptions) -> Result<(), Error> {
    let place = Place::new(&options.place.or(options.to).unwrap_or_default())?;
    place.expect_empty().await?;
    let mut client = Client::connect(&options.at.endpoint).await?;
    let began_ms = now_ms();
    let begun = client.operate("/_levada/backup/begin", &json!({})).await?;
    let before = seen_by_partition(&begun["partitions"]);
    let mut numbers: Vec<u32> = before.keys().copied().collect();
    let mut captures = Captures::new(before);
    let mut files = BTreeMap::new();
    numbers.retain(|number| *number != CATALOG);
    for round in 0.. {
        for (done, number) in numbers.iter().enumerate() {
            say(&format!(
                "partition {number} ({} of {})",
                done + 1,
                numbers.len()
            ))?;
            let (summary, seen) = fetch(&mut client, &place, *number).await?;
            captures.take(*number, seen);
            files.insert(*number, summary);
        }
        numbers = captures.to_take_again().into_iter().collect();
        if numbers.is_empty() {
            break;
        }
        if round == ROUNDS_MAX {
            return Err(Error::Answer(
                "messages went from partition to partition faster than those could be copied; cancel the move tasks that are under way, or try again at a quieter time".into(),
            ));
        }
        say("messages went from partition to partition meanwhile: some are copied again")?;
    }
    say("the catalog")?;
    let (summary, _) = fetch(&mut client, &place, CATALOG).await?;
    files.insert(CATALOG, summary);
    let mut manifest = Manifest::new(text(&begun["cluster"]), began_ms);
    manifest.partitions = files.into_values().collect();
    place.write_manifest(&manifest).await?;
    let bytes: u64 = manifest.partitions.iter().map(|p| p.bytes).sum();
    let words = format!(
        "{} partitions, {bytes} bytes: {place} is a whole backup\n",
        manifest.partitions.len(),
    );
    let document =
        json!({ "partitions": manifest.partitions.len(), "bytes": bytes, "began_ms": began_ms });
    let said = if options.at.json {
        format!("{document:#}\n")
    } else {
        words
    };
    std::io::stdout().write_all(said.as_bytes())?;
    Ok(())
}

/// Lays a backup down.
pub(crate) async fn lay_down(options: RestoreOptions) -> Result<(), Error> {
    let (data, address) = (options.data.clone(), options.peers_address.clone());
    let from = Place::new(&options.place.or(options.from).unwrap_or_default())?;
    let made = tokio::task::spawn_blocking(move || {
        restore(from.source(), &options.data, &options.peers_address)
    });
    let restored = made
        .await
        .map_err(|e| Error::Io(std::io::Error::other(e)))??;
    let next = if address.is_empty() {
        format!("LEVADA_DATA_DIR={} levada serve", data.display())
    } else {
        format!(
            "start it with peers.members = [\"{address}\"], and add others with `levada cluster add`"
        )
    };
    let words = format!(
        "{}: {} of the new cluster {:016x}, {} queues in {} partitions\nnext: {next}\n",
        data.display(),
        restored.node,
        restored.cluster,
        restored.queues,
        restored.partitions,
    );
    std::io::stdout().write_all(words.as_bytes())?;
    Ok(())
}

/// Copies one partition into its file.
async fn fetch(
    client: &mut Client,
    place: &Place,
    partition: u32,
) -> Result<(FileSummary, Seen), Error> {
    let opened = client
        .operate("/_levada/backup/open", &json!({ "partition": partition }))
        .await?;
    let number = |key: &str| opened[key].as_u64().unwrap_or(0);
    let wanted = (number("rows"), number("blocks"));
    let mut writer = place.create(partition, number("applied_index"))?;
    if let Err(error) = copy(client, &opened["session"], wanted, &mut writer).await {
        writer.abandon().await;
        return Err(error);
    }
    Ok((writer.finish().await?, seen(&opened["seen"])))
}

/// Copies what a session holds, until there are as many rows and blocks as wanted.
async fn copy(
    client: &mut Client,
    session: &Value,
    wanted: (u64, u64),
    writer: &mut FileWriter,
) -> Result<(), Error> {
    let (mut rows, mut blocks) = (0, 0);
    while (rows as u64, blocks as u64) != wanted {
        let body = json!({ "session": session, "rows_from": rows, "blocks_from": blocks });
        let answer = client.post("/_levada/backup/read", &body).await?;
        if answer.status != 200 {
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            return Err(Error::Answer(text(&said["error"])));
        }
        (rows, blocks) = writer.add(answer.body).await?;
    }
    let body = json!({ "session": session });
    client.operate("/_levada/backup/close", &body).await?;
    Ok(())
}

fn seen_by_partition(document: &Value) -> BTreeMap<u32, Seen> {
    let partitions = document.as_object().into_iter().flatten();
    partitions
        .filter_map(|(partition, said)| Some((partition.parse().ok()?, seen(said))))
        .collect()
}

fn seen(document: &Value) -> Seen {
    let marks = |key: &str| {
        let marks = document[key].as_object().into_iter().flatten();
        marks
            .filter_map(|(partition, mark)| Some((partition.parse().ok()?, mark.as_u64()?)))
            .collect()
    };
    Seen {
        acknowledged: marks("acknowledged"),
        applied: marks("applied"),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn say(line: &str) -> Result<(), Error> {
    writeln!(std::io::stderr(), "{line}")?;
    Ok(())
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_partition_says_of_transfers_is_read() {
        let document = json!({ "7": { "acknowledged": { "2": 9 }, "applied": {} } });
        let seen = seen_by_partition(&document);
        assert_eq!(seen[&7].acknowledged, BTreeMap::from([(2, 9)]));
    }
}
