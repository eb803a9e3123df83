//! Rules for one committed file: its header, what may not stand in it, its mode.

use std::path::Path;

/// What a person reads and edits as code; the length ratchet counts these.
pub(super) fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((_, extension)) => {
            matches!(
                extension,
                "rs" | "py" | "sh" | "proto" | "go" | "js" | "mjs" | "ts" | "java"
            )
        }
        None => in_script_folder(path),
    }
}

/// All rules for one file. `executable` is its mode in the working tree.
pub(super) fn check(path: &str, text: &str, executable: bool) -> Vec<String> {
    let mut findings = Vec::new();
    if path.ends_with(".rs") && !text.starts_with("//!") {
        findings.push(format!(
            "{path}:1: begin with `//!`: what this file is for, and who calls it"
        ));
    }
    findings.extend(mode(path, text, executable));
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(found) = machine_path(line) {
            findings.push(format!(
                "{path}:{number}: {found} is a path of somebody's machine"
            ));
        }
        if let Some(word) = promise_without_issue(line) {
            findings.push(format!(
                "{path}:{number}: {word} without the number of an issue"
            ));
        }
    }
    findings
}

/// True where the file's owner may execute it.
#[cfg(unix)]
pub(super) fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0)
}

/// There are no modes here; the rule holds on the machines that have them.
#[cfg(not(unix))]
pub(super) fn executable(_path: &Path) -> bool {
    true
}

fn in_script_folder(path: &str) -> bool {
    path.starts_with("scripts/") || path.starts_with(".ci/")
}

fn mode(path: &str, text: &str, executable: bool) -> Option<String> {
    // `#![` opens an attribute of Rust, not an interpreter line.
    let script = text.starts_with("#!") && !text.starts_with("#![");
    // A library of functions that scripts source has an extension and no interpreter line.
    if in_script_folder(path) && is_extensionless(path) && !script {
        return Some(format!("{path}:1: a script begins with `#!`"));
    }
    (script && !executable)
        .then(|| format!("{path}: a script must be executable (git update-index --chmod=+x)"))
}

fn is_extensionless(path: &str) -> bool {
    !path.rsplit('/').next().unwrap_or(path).contains('.')
}

/// Homes and work folders of one machine. Written in halves, or this file would find itself.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

fn machine_path(line: &str) -> Option<&'static str> {
    MACHINE_PATHS.iter().copied().find(|path| {
        line.match_indices(path).any(|(at, _)| {
            // `target/work/` or `$DIR/home/` is below something; a machine's path begins at the root.
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| !(before.is_alphanumeric() || "_-.}/~".contains(before)))
        })
    })
}

/// Words that promise work. Written in halves, or this file would find itself.
const PROMISES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

fn promise_without_issue(line: &str) -> Option<&'static str> {
    let word = PROMISES.iter().copied().find(|word| {
        line.match_indices(word).any(|(at, _)| {
            let inside_word = |c: char| c.is_alphanumeric() || c == '_';
            !line[..at].chars().next_back().is_some_and(inside_word)
                && !line[at + word.len()..]
                    .chars()
                    .next()
                    .is_some_and(inside_word)
        })
    })?;
    let numbered = line
        .split('#')
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (!numbered).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(path, text, false).len()
    }

    #[test]
    fn a_rust_file_begins_with_its_purpose() {
        assert_eq!(found("a.rs", "//! Why.\nfn main() {}\n"), 0);
        assert_eq!(found("a.rs", "fn main() {}\n"), 1);
        assert_eq!(found("a.rs", "\n//! Too late.\n"), 1);
        assert_eq!(found("a.rs", ""), 1);
        assert_eq!(found("a.py", "pass\n"), 0);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for line in [
            concat!("see /ho", "me/ann/x"),
            concat!("/ro", "ot/.cargo"),
            concat!("\"/Us", "ers/bo\""),
        ] {
            assert_eq!(found("a.md", line), 1, "{line}");
        }
        for line in [
            "target/work/x",
            "$HOME/x",
            "https://example.org/home/",
            "/homework/x",
            "/tmp/x",
        ] {
            assert_eq!(found("a.md", line), 0, "{line}");
        }
    }

    #[test]
    fn a_promise_names_its_issue() {
        assert_eq!(found("a.md", concat!("TO", "DO: later")), 1);
        assert_eq!(found("a.md", concat!("FIX", "ME(ann) # soon")), 1);
        assert_eq!(found("a.md", concat!("TO", "DO(#12): later")), 0);
        assert_eq!(found("a.md", concat!("mas", "TO", "DON")), 0);
    }

    #[test]
    fn scripts_are_executable() {
        assert_eq!(check("scripts/x", "#!/usr/bin/env bash\n", true).len(), 0);
        assert_eq!(check("scripts/x", "#!/usr/bin/env bash\n", false).len(), 1);
        assert_eq!(check("scripts/x", "echo hi\n", true).len(), 1);
        assert_eq!(check("scripts/lib.sh", "f() { :; }\n", false).len(), 0);
        assert_eq!(check("tests/clients/run", "#!/bin/sh\n", false).len(), 1);
        assert_eq!(check("notes", "plain\n", false).len(), 0);
    }

    #[test]
    fn sources_are_counted_and_texts_are_not() {
        for path in [
            "a/b.rs",
            "scripts/test",
            ".ci/run",
            "tests/x.py",
            "proto/a.proto",
        ] {
            assert!(is_source(path), "{path}");
        }
        for path in ["README.md", "Cargo.lock", "LICENSE", "a.toml", "docs/x"] {
            assert!(!is_source(path), "{path}");
        }
    }
}
