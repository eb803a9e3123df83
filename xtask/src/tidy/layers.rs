//! The arrows between the crates, from `cargo metadata`.
//!
//! ARCHITECTURE.md explains the layers; this file is where they hold. Four rules: a dependency on one of our
//! crates points to a lower level; some crates must not know some others even below them; a heavy
//! dependency has one importer; what is for development is linked into nothing that ships.

use serde_json::Value;

/// Every crate that ships, with its level. An arrow goes from a higher number to a lower one, never
/// sideways. `levada` is the binary of crates/cli.
const LEVELS: &[(&str, u8)] = &[
    ("levada-types", 0),
    ("levada-engine", 1),
    ("levada-policy", 1),
    ("levada-wire", 1),
    ("levada-storage", 2),
    ("levada-rpc", 2),
    ("levada-replica", 3),
    ("levada-cluster", 4),
    ("levada-gateway", 5),
    ("levada-delivery", 5),
    ("levada-server", 6),
    ("levada-agent", 6),
    ("levada", 7),
];

/// For development only: may import anything, and is imported by tests alone.
const DEVELOPMENT: &[&str] = &["levada-testkit", "levada-bench", "xtask"];

/// (crate, what it must not know, why): what the levels alone would allow.
const IGNORANT: &[(&str, &str, &str)] = &[
    ("levada-types", "tokio", "types are data"),
    (
        "levada-engine",
        "tokio",
        "the core is deterministic: no clocks, threads or I/O",
    ),
    (
        "levada-engine",
        "rand",
        "the leader stamps random values into the command",
    ),
    (
        "levada-wire",
        "tokio",
        "protocols are functions from bytes to bytes",
    ),
    (
        "levada-policy",
        "tokio",
        "a policy is a function of its text and of what is asked",
    ),
    (
        "levada-storage",
        "levada-wire",
        "a disk knows nothing of AWS",
    ),
    (
        "levada-rpc",
        "levada-engine",
        "the peer protocol carries commands as bytes",
    ),
    ("levada-rpc", "levada-wire", "peers do not speak AWS"),
    (
        "levada-replica",
        "levada-wire",
        "a replica knows nothing of AWS",
    ),
    (
        "levada-cluster",
        "levada-wire",
        "the router knows nothing of AWS",
    ),
    (
        "levada-delivery",
        "levada-engine",
        "what is delivered comes out of an inbox",
    ),
    (
        "levada-delivery",
        "levada-cluster",
        "what is delivered comes out of an inbox",
    ),
    (
        "levada-agent",
        "levada-engine",
        "an agent is a client: what it knows of a broker it knows from AWS's API",
    ),
    (
        "levada-agent",
        "levada-storage",
        "an agent keeps its own few files",
    ),
    ("levada-agent", "levada-cluster", "an agent is a client"),
    ("levada-agent", "levada-gateway", "an agent is a client"),
];

/// One heavy dependency, one importer.
const IMPORTERS: &[(&str, &str)] = &[
    ("openraft", "levada-replica"),
    ("raft-engine", "levada-storage"),
    ("sled", "levada-storage"),
    ("tonic", "levada-rpc"),
    ("hyper", "levada-gateway"),
    ("lettre", "levada-delivery"),
    ("object_store", "levada"),
    ("reqwest", "levada"),
    ("rsa", "levada-delivery"),
];

/// (crate, dependency, why it may all the same). One that is no longer used is itself a finding.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "levada-bench",
        "hyper",
        "the reference that figures are compared with is a bare hyper server",
    ),
    (
        "levada-delivery",
        "hyper",
        "requests go to an address that was judged: a client that looks names up by itself cannot be held to it",
    ),
    (
        "levada-agent",
        "reqwest",
        "it calls brokers over HTTPS; the binary names reqwest for the TLS of object_store only",
    ),
];

/// Findings over all packages of the workspace.
pub(super) fn check(metadata: &Value) -> Vec<String> {
    let arrows = arrows(metadata);
    let mut findings = Vec::new();
    for name in members(metadata) {
        if level(&name).is_none() && !DEVELOPMENT.contains(&name.as_str()) {
            findings.push(format!(
                "{name}: not in the table of layers (xtask/src/tidy/layers.rs); give it a level"
            ));
        }
    }
    for arrow in &arrows {
        findings.extend(judge(arrow));
    }
    for (from, to, _) in EXCEPTIONS {
        if !arrows
            .iter()
            .any(|arrow| arrow.from == *from && arrow.to == *to)
        {
            findings.push(format!(
                "{from} no longer needs its exception for {to}; take it out of the table"
            ));
        }
    }
    findings
}

struct Arrow {
    from: String,
    to: String,
    /// A `[dev-dependencies]` entry: only tests link it.
    test_only: bool,
}

fn judge(arrow: &Arrow) -> Option<String> {
    let Arrow {
        from,
        to,
        test_only,
    } = arrow;
    // A crate may name itself in its dev-dependencies, to switch a feature on for its own tests.
    if from == to && *test_only {
        return None;
    }
    if DEVELOPMENT.contains(&to.as_str()) && !DEVELOPMENT.contains(&from.as_str()) && !test_only {
        return Some(format!(
            "{from} -> {to}: what is for development may be a dev-dependency only"
        ));
    }
    if let (Some(above), Some(below)) = (level(from), level(to))
        && above <= below
    {
        return Some(format!(
            "{from} (level {above}) -> {to} (level {below}): arrows point down only"
        ));
    }
    if let Some((_, _, why)) = IGNORANT
        .iter()
        .find(|(name, unknown, _)| name == from && unknown == to)
    {
        return Some(format!("{from} must not know {to}: {why}"));
    }
    let (heavy, importer) = IMPORTERS.iter().find(|(heavy, _)| heavy == to)?;
    let excepted = EXCEPTIONS
        .iter()
        .any(|(name, dependency, _)| name == from && dependency == to);
    (from != importer && !excepted)
        .then(|| format!("{from} -> {heavy}: only {importer} imports it"))
}

fn level(name: &str) -> Option<u8> {
    LEVELS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, level)| *level)
}

fn members(metadata: &Value) -> Vec<String> {
    workspace_packages(metadata)
        .filter_map(|package| Some(package["name"].as_str()?.to_owned()))
        .collect()
}

fn arrows(metadata: &Value) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for package in workspace_packages(metadata) {
        let from = package["name"].as_str().unwrap_or_default();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            arrows.push(Arrow {
                from: from.to_owned(),
                to: dependency["name"].as_str().unwrap_or_default().to_owned(),
                test_only: dependency["kind"] == "dev",
            });
        }
    }
    arrows
}

/// Packages with no registry source are ours.
fn workspace_packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|package| package["source"].is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace with the arrows given, and the ones that the exceptions need.
    fn findings(arrows: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        let excepted = EXCEPTIONS.iter().map(|(from, to, _)| (*from, *to, None));
        let packages: Vec<Value> = arrows
            .iter()
            .copied()
            .chain(excepted)
            .map(|(from, to, kind)| {
                json!({"name": from, "source": null, "dependencies": [{"name": to, "kind": kind}]})
            })
            .collect();
        check(&json!({ "packages": packages }))
    }

    #[test]
    fn arrows_down_pass() {
        let arrows = [
            ("levada", "levada-server", None),
            ("levada-gateway", "levada-cluster", None),
            ("levada-gateway", "hyper", None),
            ("levada-replica", "openraft", None),
            ("levada-engine", "levada-testkit", Some("dev")),
            ("levada-testkit", "levada-types", None),
            ("levada-storage", "levada-storage", Some("dev")),
        ];
        assert_eq!(findings(&arrows), Vec::<String>::new());
    }

    #[test]
    fn arrows_up_and_sideways_fail() {
        assert_eq!(
            findings(&[("levada-engine", "levada-storage", None)]),
            ["levada-engine (level 1) -> levada-storage (level 2): arrows point down only"]
        );
        assert_eq!(
            findings(&[("levada-gateway", "levada-delivery", None)]).len(),
            1
        );
        assert_eq!(
            findings(&[("levada-storage", "levada-rpc", Some("build"))]).len(),
            1
        );
    }

    #[test]
    fn one_heavy_dependency_has_one_importer() {
        assert_eq!(
            findings(&[("levada-gateway", "openraft", None)]),
            ["levada-gateway -> openraft: only levada-replica imports it"]
        );
        assert_eq!(
            findings(&[("levada-cluster", "sled", Some("dev"))]).len(),
            1
        );
    }

    #[test]
    fn a_crate_that_must_not_know_another_fails_though_it_is_below() {
        assert_eq!(
            findings(&[("levada-rpc", "levada-engine", None)]),
            ["levada-rpc must not know levada-engine: the peer protocol carries commands as bytes"]
        );
    }

    #[test]
    fn development_crates_ship_in_nothing() {
        assert_eq!(
            findings(&[("levada-server", "levada-testkit", None)]).len(),
            1
        );
        assert_eq!(
            findings(&[("levada-server", "levada-testkit", Some("dev"))]).len(),
            0
        );
    }

    #[test]
    fn a_crate_without_a_level_fails() {
        assert!(
            findings(&[("levada-novelty", "bytes", None)])[0]
                .contains("not in the table of layers")
        );
    }

    #[test]
    fn an_exception_that_nobody_uses_fails() {
        let stale = check(&json!({"packages": []}));
        assert_eq!(stale.len(), EXCEPTIONS.len());
        assert!(stale[0].contains("no longer needs its exception"));
    }
}
