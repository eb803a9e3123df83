//! `verify` and `fix`: the steps, in order, each with its result, and a count at the end.
//!
//! Every step runs even when one before it failed, so that one run tells all there is to mend.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::tidy;

/// Workspaces of their own: the simulator, and the library for Rust.
const OTHERS: [(&str, &str); 2] = [
    ("formatting of sim", "sim/Cargo.toml"),
    ("formatting of clients/rust", "clients/rust/Cargo.toml"),
];

/// Checks everything and changes nothing. The last line is `N passed, N failed`, which `.ci/run` sums.
pub(crate) fn verify(root: &Path) -> bool {
    let mut tally = Tally::default();
    tally.cargo(root, "formatting", &["fmt", "--all", "--check"]);
    for (name, manifest) in OTHERS {
        tally.cargo(root, name, &["fmt", "--manifest-path", manifest, "--check"]);
    }
    tally.cargo(
        root,
        "clippy",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    );
    tally.count("tidy", tidy::report(root));
    if installed(root, "deny") {
        tally.cargo(
            root,
            "deny",
            &["deny", "--workspace", "check", "--hide-inclusion-graph"],
        );
    } else {
        println!("-- deny: cargo-deny is not installed, left out (tidy has checked the licences)");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    tally.failed == 0
}

/// Writes what can be mended without a person.
pub(crate) fn fix(root: &Path) -> bool {
    let mut tally = Tally::default();
    let clippy = [
        "clippy",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
        "--workspace",
        "--all-targets",
    ];
    tally.cargo(root, "clippy --fix", &clippy);
    tally.cargo(root, "formatting", &["fmt", "--all"]);
    for (name, manifest) in OTHERS {
        tally.cargo(root, name, &["fmt", "--manifest-path", manifest]);
    }
    tally.count("length ratchet", tidy::tighten(root));
    tally.failed == 0
}

#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
}

impl Tally {
    fn cargo(&mut self, root: &Path, name: &str, arguments: &[&str]) {
        println!("-- {name}");
        let status = Command::new(cargo())
            .args(arguments)
            .current_dir(root)
            .status();
        self.count(name, status.is_ok_and(|status| status.success()));
    }

    fn count(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
            println!("-- {name}: FAILED");
        }
    }
}

/// The cargo that runs us, so that a toolchain given on the command line holds for the steps too.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

fn installed(root: &Path, subcommand: &str) -> bool {
    Command::new(cargo())
        .args([subcommand, "--version"])
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
