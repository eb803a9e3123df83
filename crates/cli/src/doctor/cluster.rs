//! Judges a running cluster, by the documents of `/_levada/status` and `/_levada/report`.

use levada_server::doctor::{Finding, judge_space};
use serde_json::Value;

/// Entries by which a member may lag without a word.
const LAG_MAX: u64 = 1_000;
/// Clocks within this are as good as the same, in milliseconds. Time in a partition is its leader's, so that
/// a visibility timeout can end so much early or late after a failover.
const CLOCK_SKEW_MAX_MS: u64 = 500;
/// Beyond this, in milliseconds, a clock is wrong and not just drifting.
const CLOCK_WRONG_MS: u64 = 10_000;

/// All that is found, good and bad. `report` is null if it could not be had.
pub(super) fn judge(status: &Value, report: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    if status["ready"] == true {
        findings.push(Finding::fine(format!("{} is ready", text(&status["node"]))));
    } else {
        findings.push(Finding::problem(format!(
            "{} is not ready: {}",
            text(&status["node"]),
            text(&status["reason"])
        )));
    }
    findings.extend(members(status));
    if !report.is_null() {
        findings.extend(list(&report["members"]).flat_map(|member| judge_member(member, status)));
        findings.extend(versions(report));
        findings.extend(partitions(report));
    }
    findings.extend(change(status, report));
    findings
}

fn members(status: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = list(&status["members"]).count();
    if count > 1 && count.is_multiple_of(2) {
        findings.push(Finding::warning(format!(
            "{count} members survive no more failures than {}; add or remove one",
            count - 1
        )));
    }
    for member in list(&status["members"]).filter(|member| member["draining"] == true) {
        let node = text(&member["node"]);
        findings.push(Finding::warning(format!(
            "{node} is drained and leads nothing; `levada cluster undrain {node}` when its work is done"
        )));
    }
    let misplaced = list(&status["partitions"])
        .filter(|p| p["preferred"].is_string() && p["leader"] != p["preferred"])
        .count();
    if misplaced > 0 {
        findings.push(Finding::warning(format!(
            "{misplaced} partitions are not led as preferred; that mends itself when the nodes that should lead them are well"
        )));
    }
    findings
}

fn judge_member(member: &Value, status: &Value) -> Vec<Finding> {
    let node = text(&member["node"]);
    if let Some(error) = member["error"].as_str() {
        let at = list(&status["members"]).find(|m| m["node"] == member["node"]);
        let address = at.map(|m| text(&m["peer_address"])).unwrap_or_default();
        return vec![Finding::problem(format!(
            "{node} at {address} does not answer: {error}. Look at its process and its log; if its disk is lost, `levada cluster replace {node}`"
        ))];
    }
    let mut findings = vec![judge_space(number(&member["disk_free_bytes"]), &node)];
    let ahead = member["clock_ahead_ms"].as_i64().unwrap_or(0);
    // What the question took is not held against the clock.
    let skew = ahead
        .unsigned_abs()
        .saturating_sub(number(&member["clock_error_ms"]));
    let said = format!("the clock of {node} is {ahead} ms ahead of this node's; let NTP set it");
    if skew > CLOCK_WRONG_MS {
        findings.push(Finding::problem(said));
    } else if skew > CLOCK_SKEW_MAX_MS {
        findings.push(Finding::warning(said));
    }
    findings
}

fn versions(report: &Value) -> Option<Finding> {
    let mut versions: Vec<String> = list(&report["members"])
        .filter(|member| member["version"].is_string())
        .map(|member| text(&member["version"]))
        .collect();
    versions.sort();
    versions.dedup();
    (versions.len() > 1).then(|| {
        Finding::warning(format!(
            "the members run versions {}; finish the upgrade",
            versions.join(" and ")
        ))
    })
}

fn partitions(report: &Value) -> Vec<Finding> {
    let count = usize::try_from(number(&report["partition_count"])).unwrap_or(usize::MAX);
    let led = list(&report["partitions"]).count();
    let mut findings = Vec::new();
    if led < count {
        findings.push(Finding::problem(format!(
            "{} of {count} partitions have no leader that answers; are most of the nodes up?",
            count - led
        )));
    } else {
        findings.push(Finding::fine(format!("all {count} partitions are led")));
    }
    for partition in list(&report["partitions"]) {
        for (node, lag) in partition["lag"].as_object().into_iter().flatten() {
            let lag = number(lag);
            if lag > LAG_MAX {
                findings.push(Finding::warning(format!(
                    "{node} lags {lag} entries behind in partition {}; wait, and if it does not fall look at that node's log",
                    number(&partition["partition"])
                )));
            }
        }
    }
    findings
}

fn change(status: &Value, report: &Value) -> Option<Finding> {
    let change = &status["change"];
    if change.is_object() {
        return Some(Finding::warning(format!(
            "a change of members is under way: {} {} {}; `levada cluster wait` shows how far it is",
            text(&change["kind"]),
            text(&change["address"]),
            text(&change["node"])
        )));
    }
    let unfinished = report["unfinished"].as_str()?;
    Some(Finding::warning(format!(
        "the cluster is not whole: {unfinished}; wait, and touch no other node meanwhile"
    )))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use levada_server::doctor::Severity;
    use serde_json::json;

    use super::*;

    fn well() -> (Value, Value) {
        let status = json!({
            "node": "n1", "ready": true, "change": null,
            "members": [{ "node": "n1" }, { "node": "n2", "peer_address": "b:1" }, { "node": "n3" }],
            "partitions": [{ "leader": "n1", "preferred": "n1" }],
        });
        let member = |node: &str| json!({ "node": node, "version": "1", "clock_ahead_ms": 3, "clock_error_ms": 1, "disk_free_bytes": 1_u64 << 40 });
        let report = json!({
            "partition_count": 1, "unfinished": null,
            "members": [member("n1"), member("n2"), member("n3")],
            "partitions": [{ "partition": 0, "lag": { "n2": 0 } }],
        });
        (status, report)
    }

    fn worst(change: impl FnOnce(&mut Value, &mut Value)) -> (Severity, String) {
        let (mut status, mut report) = well();
        change(&mut status, &mut report);
        let findings = judge(&status, &report);
        let worst = findings.into_iter().max_by_key(|f| f.severity).unwrap();
        (worst.severity, worst.text)
    }

    #[test]
    fn a_well_cluster_is_fine() {
        assert_eq!(worst(|_, _| {}).0, Severity::Fine);
    }

    #[test]
    fn each_ill_is_named_and_what_to_do() {
        let down =
            worst(|_, report| report["members"][1] = json!({ "node": "n2", "error": "refused" }));
        assert_eq!(down.0, Severity::Problem);
        assert!(
            down.1.contains("n2 at b:1") && down.1.contains("replace n2"),
            "{}",
            down.1
        );
        let clock = worst(|_, report| report["members"][1]["clock_ahead_ms"] = json!(-2_000));
        assert_eq!(clock.0, Severity::Warning);
        assert!(clock.1.contains("NTP"), "{}", clock.1);
        let full = worst(|_, report| report["members"][2]["disk_free_bytes"] = json!(1));
        assert_eq!(full.0, Severity::Problem);
        let lag = worst(|_, report| report["partitions"][0]["lag"]["n2"] = json!(5_000));
        assert!(lag.1.contains("n2 lags 5000"), "{}", lag.1);
        let versions = worst(|_, report| report["members"][0]["version"] = json!("2"));
        assert!(versions.1.contains("1 and 2"), "{}", versions.1);
        let leaderless = worst(|_, report| report["partition_count"] = json!(2));
        assert!(
            leaderless.1.contains("1 of 2 partitions"),
            "{}",
            leaderless.1
        );
        let change =
            worst(|status, _| status["change"] = json!({ "kind": "add", "address": "d:1" }));
        assert!(change.1.contains("levada cluster wait"), "{}", change.1);
        let half = worst(|_, report| report["unfinished"] = json!("n3 has yet to get its copy"));
        assert!(half.1.contains("touch no other node"), "{}", half.1);
    }
}
