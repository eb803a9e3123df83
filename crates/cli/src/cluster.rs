//! `levada cluster`: what an operator sees.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Subcommand;
use serde_json::Value;

use crate::client::{Client, Error};

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
        /// The node to ask.
        #[arg(
            long,
            value_name = "URL",
            env = "LEVADA_ENDPOINT",
            default_value = "http://127.0.0.1:4566"
        )]
        endpoint: String,
        /// The document of /_levada/status as it is.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<(), Error> {
    let Command::Status { endpoint, json } = command;
    let answer = Client::connect(&endpoint)
        .await?
        .get("/_levada/status")
        .await?;
    let document: Value = serde_json::from_slice(&answer.body).map_err(|_| {
        Error::Answer(format!(
            "what answers at {endpoint} is not a node of Levada"
        ))
    })?;
    let text = if json {
        format!("{document:#}\n")
    } else {
        table(&document)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// The document for people.
fn table(document: &Value) -> String {
    let mut out = String::new();
    let is_ready = document["ready"] == true;
    let state = if is_ready {
        "ready".to_owned()
    } else {
        format!("not ready: {}", text(&document["reason"]))
    };
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "cluster {}, seen by {}, {state}",
        text(&document["cluster"]),
        text(&document["node"])
    );
    let mut members = vec![
        ["node", "peers", "clients", "state", "leads"]
            .map(str::to_owned)
            .to_vec(),
    ];
    members.extend(list(&document["members"]).map(|member| {
        ["node", "peer_address", "http_address", "state", "leads"]
            .map(|key| text(&member[key]))
            .to_vec()
    }));
    let mut partitions = vec![
        ["partition", "leader", "term", "last", "applied", "lag"]
            .map(str::to_owned)
            .to_vec(),
    ];
    partitions.extend(list(&document["partitions"]).map(|partition| {
        let mut row = [
            "partition",
            "leader",
            "term",
            "last_log_index",
            "applied_index",
        ]
        .map(|key| text(&partition[key]))
        .to_vec();
        row.push(lag(&partition["lag"]));
        row
    }));
    for rows in [members, partitions] {
        out.push('\n');
        align(&mut out, &rows);
    }
    out
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The entries by which members lag, without those that do not.
fn lag(value: &Value) -> String {
    let behind = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, entries)| entries.as_u64() != Some(0));
    let words: Vec<String> = behind
        .map(|(node, entries)| format!("{node}:{entries}"))
        .collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(" ")
    }
}

/// Columns as wide as their widest cell.
pub(crate) fn align(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_a_table() {
        let document = serde_json::json!({
            "cluster": "00ff", "node": "n1", "ready": false, "reason": "no leader",
            "members": [{ "node": "n1", "peer_address": "a:1", "http_address": "a:2", "state": "self", "leads": 1 }],
            "partitions": [
                { "partition": 0, "leader": "n1", "term": 3, "last_log_index": 9, "applied_index": 9, "lag": { "n1": 0, "n2": 4 } },
                { "partition": 1, "leader": null, "term": 3, "last_log_index": 9, "applied_index": 9, "lag": {} },
            ],
        });
        let expected = "\
cluster 00ff, seen by n1, not ready: no leader

node  peers  clients  state  leads
n1    a:1    a:2      self   1

partition  leader  term  last  applied  lag
0          n1      3     9     9        n2:4
1          -       3     9     9        -
";
        assert_eq!(table(&document), expected);
    }
}
