//! What docs/policies.md shows is so: each row of its tables is run.

use std::path::Path;

use levada_policy::iam::Outcome;
use serde_json::Value;

use crate::support::outcome;

#[test]
fn what_is_decided() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies.md");
    let page = std::fs::read_to_string(&path).expect("docs/policies.md can be read");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `{"))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().trim_matches('`')).collect()
        })
        .collect();
    assert!(rows.len() > 15, "{} rows were found", rows.len());
    for row in rows {
        let [statement, request, wanted] = row[..] else {
            panic!("{row:?} has other columns");
        };
        let json = |text: &str| -> Value { serde_json::from_str(text).expect(text) };
        let wanted = match wanted {
            "allowed" => Outcome::Allow,
            "denied" => Outcome::Deny,
            "nothing" => Outcome::NoMatch,
            other => panic!("{other} is no outcome"),
        };
        assert_eq!(outcome(&json(statement), &json(request)), wanted, "{row:?}");
    }
}
