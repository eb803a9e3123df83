//! Watching what the cluster does by itself, with a line on the standard error for each step.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::status;
use crate::client::{Client, Error, see};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// For how long a command watches. The cluster needs no watcher.
const WATCH_MAX: Duration = Duration::from_secs(1_800);
/// For how long the node that is asked may be away.
const AWAY_MAX: Duration = Duration::from_secs(20);

/// One line of progress.
pub(super) fn say(line: &str) -> Result<(), Error> {
    writeln!(std::io::stderr(), "{line}")?;
    Ok(())
}

/// Returns when the node leads nothing.
pub(super) async fn until_drained(endpoint: &str, node: &str) -> Result<(), Error> {
    watch(async || {
        let document = see(endpoint).await?;
        let leads = status::list(&document["members"])
            .find(|member| member["node"] == node)
            .and_then(|member| member["leads"].as_u64())
            .unwrap_or(0);
        Ok((leads > 0).then(|| format!("{node} still leads {leads} partitions")))
    })
    .await
}

/// Returns when every partition is led by the node that should lead it.
pub(super) async fn until_balanced(endpoint: &str) -> Result<(), Error> {
    watch(async || {
        let left = misplaced(&see(endpoint).await?, "preferred").len();
        Ok((left > 0).then(|| format!("{left} leaders have yet to move")))
    })
    .await
}

/// Returns when no change of members is under way, and where partitions have sets of their own copies are there.
pub(super) async fn until_settled(endpoint: &str) -> Result<(), Error> {
    watch(async || {
        let document = see(endpoint).await?;
        let has_sets = status::list(&document["partitions"]).any(|p| p["placed"] == true);
        if document["change"].is_null() && !has_sets {
            return Ok(None);
        }
        let report = Client::connect(endpoint)
            .await?
            .operate("/_levada/report", &json!({}))
            .await?;
        if document["change"].is_null() {
            return Ok(report["unfinished"].as_str().map(str::to_owned));
        }
        Ok(Some(progress(&document, &report)))
    })
    .await
}

/// Partitions, with who leads and who should: `by` is `preferred`, or `spread` whatever an operator wished.
pub(super) fn misplaced(document: &Value, by: &str) -> Vec<(u64, String, String)> {
    status::list(&document["partitions"])
        .filter(|p| p[by].is_string() && p[by] != p["leader"])
        .map(|p| {
            let number = p["partition"].as_u64().unwrap_or(0);
            (number, status::text(&p["leader"]), status::text(&p[by]))
        })
        .collect()
}

/// Where a change of members stands, in a line.
fn progress(document: &Value, report: &Value) -> String {
    let change = &document["change"];
    let (kind, address) = (
        status::text(&change["kind"]),
        status::text(&change["address"]),
    );
    let node = status::text(&change["node"]);
    let count = report["partition_count"].as_u64().unwrap_or(0);
    let votes = |node: &Value| {
        status::list(&report["partitions"])
            .filter(|p| status::list(&p["voters"]).any(|voter| voter == node))
            .count()
    };
    let member = status::list(&document["members"])
        .find(|m| m["peer_address"] == change["address"] && m["node"] != change["node"]);
    match (kind.as_str(), member) {
        ("add", _) if change["node"].is_null() => format!("waiting for an empty node at {address}"),
        ("add", _) => format!(
            "{node} at {address} votes in {} of {count} partitions",
            votes(&change["node"])
        ),
        ("remove", _) => format!(
            "{node} at {address} still votes in {} of {count} partitions",
            votes(&change["node"])
        ),
        (_, Some(member)) => format!(
            "{} at {address} votes in {} of {count} partitions",
            status::text(&member["node"]),
            votes(&member["node"])
        ),
        (_, None) => format!("waiting for an empty node at {address} in the place of {node}"),
    }
}

/// Looks until there is nothing left; says what is, whenever that changes.
async fn watch(mut look: impl AsyncFnMut() -> Result<Option<String>, Error>) -> Result<(), Error> {
    let began = Instant::now();
    let (mut said, mut seen) = (String::new(), Instant::now());
    loop {
        match look().await {
            Ok(None) => return Ok(()),
            Ok(Some(line)) => {
                seen = Instant::now();
                if line != said {
                    say(&line)?;
                    said = line;
                }
            }
            Err(error) if seen.elapsed() > AWAY_MAX => return Err(error),
            // A node that is busy or restarts is asked again.
            Err(_) => {}
        }
        if began.elapsed() > WATCH_MAX {
            return Err(Error::Answer(format!(
                "{said}: not over after {} minutes. The cluster goes on without this command; `levada doctor` says what is in the way",
                WATCH_MAX.as_secs() / 60
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_line() {
        let report = json!({
            "partition_count": 2,
            "partitions": [{ "voters": ["n1", "n4"] }, { "voters": ["n1"] }],
        });
        let line = |kind: &str, node: Value, member: &str| {
            let document = json!({
                "change": { "kind": kind, "address": "d:1", "node": node },
                "members": [{ "node": member, "peer_address": "d:1" }],
            });
            progress(&document, &report)
        };
        assert_eq!(
            line("add", Value::Null, "n1"),
            "waiting for an empty node at d:1"
        );
        assert_eq!(
            line("add", json!("n4"), "n4"),
            "n4 at d:1 votes in 1 of 2 partitions"
        );
        assert_eq!(
            line("remove", json!("n1"), "n1"),
            "n1 at d:1 still votes in 2 of 2 partitions"
        );
        assert_eq!(
            line("replace", json!("n3"), "n3"),
            "waiting for an empty node at d:1 in the place of n3"
        );
        assert_eq!(
            line("replace", json!("n3"), "n4"),
            "n4 at d:1 votes in 1 of 2 partitions"
        );
    }

    #[test]
    fn only_leaders_that_are_elsewhere_move() {
        let document = json!({ "partitions": [
            { "partition": 0, "leader": "n1", "preferred": "n1" },
            { "partition": 1, "leader": "n1", "preferred": "n2" },
            { "partition": 2, "leader": null, "preferred": "n3" },
        ]});
        let moves = misplaced(&document, "preferred");
        assert_eq!(moves.len(), 2);
        assert_eq!(moves[0], (1, "n1".to_owned(), "n2".to_owned()));
    }
}
