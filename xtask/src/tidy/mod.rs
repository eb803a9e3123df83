//! The rules of this repository that neither rustfmt nor clippy know.
//!
//! Each rule is a function from text to findings, so that its tests need no repository. What reads the
//! repository stands here: the committed files (`git ls-files`, with new ones that are not ignored) and
//! `cargo metadata`.

mod files;
mod layers;
mod length;
mod licences;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Prints every finding; true if there is none.
pub(crate) fn report(root: &Path) -> bool {
    println!("-- tidy");
    let findings = match collect(root) {
        Ok(findings) => findings,
        Err(reason) => vec![reason],
    };
    for finding in &findings {
        println!("tidy: {finding}");
    }
    findings.is_empty()
}

/// Lowers the length ratchet to today's lengths.
pub(crate) fn tighten(root: &Path) -> bool {
    let result = tracked(root).and_then(|paths| length::tighten(root, &lengths(root, &paths)));
    if let Err(reason) = &result {
        println!("tidy: {reason}");
    }
    result.is_ok()
}

fn collect(root: &Path) -> Result<Vec<String>, String> {
    let paths = tracked(root)?;
    let mut findings = Vec::new();
    for path in &paths {
        // Deleted in the working tree but not yet in the index, or a picture: no text to judge.
        let Ok(text) = std::fs::read_to_string(root.join(path)) else {
            continue;
        };
        findings.extend(files::check(
            path,
            &text,
            files::executable(&root.join(path)),
        ));
    }
    findings.extend(length::check(root, &lengths(root, &paths))?);

    let metadata = metadata(root)?;
    findings.extend(layers::check(&metadata));
    let rules = std::fs::read_to_string(root.join("deny.toml"))
        .map_err(|error| format!("deny.toml: {error}"))?;
    findings.extend(licences::check(&metadata, &rules));
    Ok(findings)
}

/// Paths under the repository, with `/`, that are committed or would be by `git add .`.
fn tracked(root: &Path) -> Result<Vec<String>, String> {
    let listing = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let bytes = output(
        Command::new("git").args(listing).current_dir(root),
        "git ls-files",
    )?;
    let text = String::from_utf8(bytes).map_err(|_| "a file name is not UTF-8".to_owned())?;
    let mut paths: Vec<String> = text
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn lengths(root: &Path, paths: &[String]) -> Vec<(String, usize)> {
    let source = paths.iter().filter(|path| files::is_source(path));
    source
        .filter_map(|path| {
            Some((
                path.clone(),
                std::fs::read_to_string(root.join(path))
                    .ok()?
                    .lines()
                    .count(),
            ))
        })
        .collect()
}

fn metadata(root: &Path) -> Result<Value, String> {
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    let bytes = output(
        Command::new(crate::steps::cargo())
            .args(arguments)
            .current_dir(root),
        "cargo metadata --locked (is Cargo.lock committed with the manifest?)",
    )?;
    serde_json::from_slice(&bytes).map_err(|error| format!("cargo metadata: {error}"))
}

fn output(command: &mut Command, name: &str) -> Result<Vec<u8>, String> {
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!(
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}
