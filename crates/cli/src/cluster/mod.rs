//! `levada cluster`: what an operator sees of a cluster and does to it.
//!
//! Each change is one request, which the cluster then carries out by itself: a command that is interrupted
//! only stops watching. Progress goes to the standard error, what a command answers to the standard output.

mod status;
mod watch;

use std::io::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::{Client, Error, see};
pub(crate) use status::{align, list, text};

/// The node to ask, and the form of the answer.
#[derive(Args)]
pub(crate) struct At {
    /// The node to ask.
    #[arg(
        long,
        value_name = "URL",
        env = "LEVADA_ENDPOINT",
        default_value = "http://127.0.0.1:4566"
    )]
    pub(crate) endpoint: String,
    /// Answer with a JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be asked of a cluster.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Nodes, partitions, leaders and lag, as one node sees them.
    #[command(after_help = "\
Examples:
  levada cluster status
  levada cluster status --endpoint http://10.0.0.2:4566
  levada cluster status --json | jq '.partitions[] | select(.leader == null)'")]
    Status {
        #[command(flatten)]
        at: At,
    },
    /// Hand a partition's leader over to a node, which keeps it until `rebalance`.
    #[command(after_help = "\
Example:
  levada cluster transfer --partition 3 --to 10.0.0.2:7100")]
    Transfer {
        /// The partition's number.
        #[arg(long, value_name = "P")]
        partition: u32,
        /// The node, by its number or its peer address.
        #[arg(long, value_name = "NODE")]
        to: String,
        #[command(flatten)]
        at: At,
    },
    /// Spread the leaders as preferred: takes back what `transfer` did, and shows what moves.
    #[command(after_help = "\
Examples:
  levada cluster rebalance --dry-run
  levada cluster rebalance")]
    Rebalance {
        /// Only show which leaders are not where they are preferred.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        at: At,
    },
    /// Have a node lead nothing, and take no leadership back until `undrain`. It keeps its copies and votes.
    #[command(after_help = "\
Example:
  levada cluster drain 10.0.0.2:7100     before work on that machine
  levada cluster undrain 10.0.0.2:7100   afterwards")]
    Drain {
        /// The node, by its number or its peer address.
        node: String,
        #[command(flatten)]
        at: At,
    },
    /// Let a drained node lead again.
    Undrain {
        /// The node, by its number or its peer address.
        node: String,
        #[command(flatten)]
        at: At,
    },
    /// Expect a new member at an address; then start an empty node there.
    #[command(after_help = "\
Example:
  levada cluster add 10.0.0.4:7100
then, on the new machine, with all members and its own address in peers.members:
  levada serve --config /etc/levada.toml
and watch it get its copies:
  levada cluster wait")]
    Add {
        /// Where the other nodes will reach it: its peers.address.
        address: String,
        #[command(flatten)]
        at: At,
    },
    /// Take a member out for good: its leaders are handed over, then its votes go, then it ends.
    #[command(after_help = "\
Example:
  levada cluster remove 10.0.0.4:7100
Ask another member than the one that goes. A node that is down can be taken out too, if the others have a majority.")]
    Remove {
        /// The node, by its number or its peer address.
        node: String,
        #[command(flatten)]
        at: At,
    },
    /// Replace a member whose disk is lost or will be emptied: says what to do, and waits until it is done.
    #[command(after_help = "\
Example:
  levada cluster replace 10.0.0.2:7100")]
    Replace {
        /// The node, by its number or its peer address.
        node: String,
        #[command(flatten)]
        at: At,
    },
    /// Give the cluster more partitions, for the queues that are made from then on.
    #[command(after_help = "\
Example:
  levada cluster partitions 48
There can only be more: what is in a partition stays there. Queues that exist keep theirs.")]
    Partitions {
        /// How many there should be.
        #[arg(value_name = "COUNT")]
        count: u32,
        #[command(flatten)]
        at: At,
    },
    /// Watch the change of members that is under way until it is over, and copies are where they should be.
    Wait {
        #[command(flatten)]
        at: At,
    },
    /// Call the change of members that is under way off, if nobody has come or gone yet.
    Cancel {
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Status { at } => {
            let document = see(&at.endpoint).await?;
            let text = if at.json {
                format!("{document:#}\n")
            } else {
                status::table(&document)
            };
            std::io::stdout().write_all(text.as_bytes())?;
            Ok(())
        }
        Command::Transfer { partition, to, at } => {
            let body = json!({ "partition": partition, "to": to });
            let done = operate(&at, "cluster/transfer", &body).await?;
            let said = format!(
                "partition {partition} is led by {}",
                status::text(&done["leader"])
            );
            say(&at, &done, &said)
        }
        Command::Rebalance { dry_run, at } => rebalance(dry_run, &at).await,
        Command::Drain { node, at } => {
            let done = operate(&at, "cluster/drain", &json!({ "node": node })).await?;
            let node = status::text(&done["node"]);
            watch::until_drained(&at.endpoint, &node).await?;
            say(
                &at,
                &done,
                &format!("{node} leads nothing, until `levada cluster undrain {node}`"),
            )
        }
        Command::Undrain { node, at } => {
            let done = operate(&at, "cluster/undrain", &json!({ "node": node })).await?;
            let node = status::text(&done["node"]);
            say(
                &at,
                &done,
                &format!("{node} may lead; it gets its partitions back within some seconds"),
            )
        }
        Command::Add { address, at } => {
            let done = operate(&at, "cluster/add", &json!({ "address": address })).await?;
            let mut members: Vec<String> =
                status::list(&done["members"]).map(status::text).collect();
            members.push(address.clone());
            let members = members.join(",");
            say(
                &at,
                &done,
                &format!(
                    "a new member is expected at {address}. Start an empty node there with\n  LEVADA_PEERS_MEMBERS={members} LEVADA_PEERS_ADDRESS={address}\nand its own http.listen, peers.listen and data_dir; then `levada cluster wait`"
                ),
            )
        }
        Command::Remove { node, at } => {
            let done = operate(&at, "cluster/remove", &json!({ "node": node })).await?;
            let node = status::text(&done["node"]);
            watch::until_settled(&at.endpoint).await?;
            let left = status::list(&see(&at.endpoint).await?["members"]).count();
            say(
                &at,
                &done,
                &format!(
                    "{node} is out, and its process ends. Of the {left} that remain {} may fail. Take its address out of peers.members of the others before their next start",
                    left.saturating_sub(1) / 2
                ),
            )
        }
        Command::Replace { node, at } => {
            let done = operate(&at, "cluster/replace", &json!({ "node": node })).await?;
            let node = status::text(&done["node"]);
            watch::say(&format!(
                "stop {node} if it runs, empty its data directory or give it another, and start it with the same configuration"
            ))?;
            watch::until_settled(&at.endpoint).await?;
            say(
                &at,
                &done,
                &format!("{node} is replaced, and its successor is whole"),
            )
        }
        Command::Partitions { count, at } => {
            let done = operate(&at, "cluster/partitions", &json!({ "count": count })).await?;
            watch::until_settled(&at.endpoint).await?;
            say(
                &at,
                &done,
                &format!(
                    "{count} partitions, {} before; new queues use them",
                    done["before"]
                ),
            )
        }
        Command::Wait { at } => {
            watch::until_settled(&at.endpoint).await?;
            say(
                &at,
                &json!({}),
                "no change of members is under way, and copies are where they should be",
            )
        }
        Command::Cancel { at } => {
            let done = operate(&at, "cluster/cancel", &json!({})).await?;
            say(&at, &done, "the change of members is called off")
        }
    }
}

async fn rebalance(dry_run: bool, at: &At) -> Result<(), Error> {
    let moves = watch::misplaced(&see(&at.endpoint).await?, "spread");
    if !dry_run {
        operate(at, "cluster/rebalance", &json!({})).await?;
    }
    for (partition, from, to) in &moves {
        watch::say(&format!("partition {partition}: {from} -> {to}"))?;
    }
    if !dry_run {
        watch::until_balanced(&at.endpoint).await?;
    }
    let document = json!({
        "moves": moves.iter().map(|(p, from, to)| json!({ "partition": p, "from": from, "to": to })).collect::<Vec<_>>(),
    });
    let said = match (moves.len(), dry_run) {
        (0, _) => "every partition is led as preferred".to_owned(),
        (count, true) => format!("{count} partitions are not led as preferred"),
        (count, false) => format!("{count} leaders moved; every partition is led as preferred"),
    };
    say(at, &document, &said)
}

/// One operation, through the node at the endpoint.
async fn operate(at: &At, name: &str, body: &Value) -> Result<Value, Error> {
    Client::connect(&at.endpoint)
        .await?
        .operate(&format!("/_levada/{name}"), body)
        .await
}

/// What a command answers, for people or for machines.
fn say(at: &At, document: &Value, words: &str) -> Result<(), Error> {
    let text = if at.json {
        format!("{document:#}\n")
    } else {
        format!("{words}\n")
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
