//! `levada cluster status`: nodes, partitions, leaders and lag, as one node sees them.

use std::fmt::Write as _;

use serde_json::Value;

/// The document for people.
pub(super) fn table(document: &Value) -> String {
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
    let change = &document["change"];
    if change.is_object() {
        let (kind, address) = (text(&change["kind"]), text(&change["address"]));
        let _ = writeln!(out, "under way: {kind} {address} {}", text(&change["node"]));
    }
    // Zones and sets only where there are any: a few members have a copy of everything each.
    let has_zones =
        list(&document["members"]).any(|m| m["zone"].as_str().is_some_and(|z| !z.is_empty()));
    let all = list(&document["members"]).count();
    let has_sets =
        list(&document["partitions"]).any(|p| p["set"].is_array() && list(&p["set"]).count() < all);
    let mut heads = vec!["node", "peers", "clients", "state", "leads"];
    let mut keys = vec!["node", "peer_address", "http_address", "state", "leads"];
    for (shown, name) in [(has_sets, "copies"), (has_zones, "zone")] {
        if shown {
            heads.push(name);
            keys.push(name);
        }
    }
    let mut members = vec![heads.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    members.extend(list(&document["members"]).map(|member| {
        let mut row: Vec<String> = keys.iter().map(|key| text(&member[*key])).collect();
        let marks = ["draining", "leaving"]
            .into_iter()
            .filter(|mark| member[mark] == true);
        row.extend(marks.map(str::to_owned));
        row
    }));
    let mut partitions = vec![
        ["partition", "leader", "term", "last", "applied", "lag"]
            .map(str::to_owned)
            .to_vec(),
    ];
    if has_sets {
        partitions[0].push("set".to_owned());
    }
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
        if has_sets {
            row.push(
                list(&partition["set"])
                    .map(text)
                    .collect::<Vec<_>>()
                    .join(" "),
            );
        }
        row
    }));
    for rows in [members, partitions] {
        out.push('\n');
        align(&mut out, &rows);
    }
    out
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn text(value: &Value) -> String {
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
            "members": [{ "node": "n1", "peer_address": "a:1", "http_address": "a:2", "state": "self", "leads": 1, "draining": true }],
            "change": { "kind": "add", "address": "b:1", "node": null },
            "partitions": [
                { "partition": 0, "leader": "n1", "term": 3, "last_log_index": 9, "applied_index": 9, "lag": { "n1": 0, "n2": 4 } },
                { "partition": 1, "leader": null, "term": 3, "last_log_index": 9, "applied_index": 9, "lag": {} },
            ],
        });
        let expected = "\
cluster 00ff, seen by n1, not ready: no leader
under way: add b:1 -

node  peers  clients  state  leads
n1    a:1    a:2      self   1      draining

partition  leader  term  last  applied  lag
0          n1      3     9     9        n2:4
1          -       3     9     9        -
";
        assert_eq!(table(&document), expected);
    }

    #[test]
    fn sets_and_zones_are_shown_where_there_are_any() {
        let member = |node: &str, zone: &str| serde_json::json!({ "node": node, "peer_address": "a:1", "http_address": "a:2", "state": "up", "leads": 1, "copies": 1, "zone": zone });
        let document = serde_json::json!({
            "cluster": "00ff", "node": "n1", "ready": true,
            "members": [member("n1", "east"), member("n2", "")],
            "partitions": [{ "partition": 1, "leader": "n2", "set": ["n2"], "term": null, "last_log_index": null, "applied_index": null, "lag": {} }],
        });
        let expected = "\
cluster 00ff, seen by n1, ready

node  peers  clients  state  leads  copies  zone
n1    a:1    a:2      up     1      1       east
n2    a:1    a:2      up     1      1

partition  leader  term  last  applied  lag  set
1          n2      -     -     -        -    n2
";
        assert_eq!(table(&document), expected);
    }
}
