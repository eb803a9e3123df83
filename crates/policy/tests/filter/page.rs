//! What docs/filters.md shows is so: each row of its tables is run.

use std::path::Path;

use levada_policy::filter::{FilterPolicy, FilterScope};

use crate::support::passes;

/// The cells of the rows below a heading of these columns; what stands in backticks is taken without them.
fn rows(page: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim().trim_matches('|').replace("\\|", "\u{0}");
        line.split('|')
            .map(|cell| cell.trim().trim_matches('`').replace('\u{0}', "|"))
            .collect()
    };
    let mut rows = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|---") {
            rows.push(cells(line));
        } else if cells(line) == columns {
            inside = true;
        }
    }
    rows
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/filters.md");
    std::fs::read_to_string(&path).expect("docs/filters.md can be read")
}

#[test]
fn what_is_delivered() {
    let page = page();
    let rows = rows(&page, &["policy", "scope", "message", "delivered"]);
    assert!(rows.len() > 40, "{} rows were found", rows.len());
    for row in rows {
        let [policy, scope, message, delivered] = &row[..] else {
            panic!("{row:?} has other columns");
        };
        let scope = match scope.as_str() {
            "attributes" => FilterScope::MessageAttributes,
            "body" => FilterScope::MessageBody,
            other => panic!("{other} is no scope"),
        };
        let wanted = match delivered.as_str() {
            "yes" => true,
            "no" => false,
            other => panic!("{other} is neither yes nor no"),
        };
        assert_eq!(passes(policy, scope, message), wanted, "{policy} {message}");
    }
}

#[test]
fn what_is_refused() {
    let page = page();
    let rows = rows(&page, &["policy", "what is said"]);
    assert!(rows.len() > 5, "{} rows were found", rows.len());
    for row in rows {
        let [policy, said] = &row[..] else {
            panic!("{row:?} has other columns");
        };
        let told = FilterPolicy::parse(policy, FilterScope::MessageAttributes)
            .err()
            .map(|error| error.to_string());
        let first = told.as_deref().and_then(|told| told.lines().next());
        assert_eq!(first, Some(said.as_str()), "{policy}");
    }
}
