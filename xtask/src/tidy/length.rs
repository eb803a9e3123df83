//! The length ratchet: a source file has at most 600 lines, and one that had more when the rule came may
//! only shrink.
//!
//! `xtask/length-ratchet.txt` lists those, a line each: `<lines> <path>`. A listed file must have exactly its
//! listed length, so that what was gained is kept: `cargo xtask fix` lowers the numbers, nothing raises them.

use std::path::Path;

/// A file that a person can read in one sitting.
const LINES_MAX: usize = 600;

const RATCHET: &str = "xtask/length-ratchet.txt";

/// Findings for the files given with their lengths.
pub(super) fn check(root: &Path, files: &[(String, usize)]) -> Result<Vec<String>, String> {
    Ok(judge(&read(root)?, files))
}

/// Writes today's lengths where they are lower; drops those that became short enough. Never adds a file.
pub(super) fn tighten(root: &Path, files: &[(String, usize)]) -> Result<(), String> {
    let listed = read(root)?;
    let text: String = lowered(&listed, files)
        .iter()
        .map(|(path, lines)| format!("{lines} {path}\n"))
        .collect();
    if listed.is_empty() && text.is_empty() {
        return Ok(());
    }
    std::fs::write(root.join(RATCHET), text).map_err(|error| format!("{RATCHET}: {error}"))
}

/// No list at all is an empty list: the state to aim for.
fn read(root: &Path) -> Result<Vec<(String, usize)>, String> {
    parse(&std::fs::read_to_string(root.join(RATCHET)).unwrap_or_default())
}

fn parse(text: &str) -> Result<Vec<(String, usize)>, String> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let entry = line
                .split_once(' ')
                .and_then(|(lines, path)| Some((path.to_owned(), lines.parse().ok()?)));
            entry.ok_or_else(|| {
                format!(
                    "{RATCHET}:{}: expected `<lines> <path>`, found `{line}`",
                    index + 1
                )
            })
        })
        .collect()
}

fn judge(listed: &[(String, usize)], files: &[(String, usize)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, lines) in files {
        let limit = listed
            .iter()
            .find(|(listed, _)| listed == path)
            .map(|(_, lines)| *lines);
        match limit {
            None if *lines > LINES_MAX => {
                findings.push(format!(
                    "{path}: {lines} lines, at most {LINES_MAX}; split it"
                ));
            }
            Some(limit) if *lines > limit => {
                findings.push(format!(
                    "{path}: {lines} lines; it had {limit} and may only shrink"
                ));
            }
            Some(limit) if *lines < limit => {
                findings.push(format!(
                    "{path}: shrank from {limit} to {lines} lines; keep that by `cargo xtask fix`"
                ));
            }
            _ => {}
        }
    }
    for (path, _) in listed {
        if !files.iter().any(|(present, _)| present == path) {
            findings.push(format!(
                "{path}: in {RATCHET} but gone; `cargo xtask fix` takes it out"
            ));
        }
    }
    findings
}

fn lowered(listed: &[(String, usize)], files: &[(String, usize)]) -> Vec<(String, usize)> {
    let mut kept = Vec::new();
    for (path, limit) in listed {
        if let Some((_, lines)) = files.iter().find(|(present, _)| present == path)
            && *lines > LINES_MAX
        {
            kept.push((path.clone(), *lines.min(limit)));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, usize)]) -> Vec<(String, usize)> {
        entries
            .iter()
            .map(|(path, lines)| ((*path).to_owned(), *lines))
            .collect()
    }

    #[test]
    fn the_limit_holds_on_both_sides() {
        assert_eq!(judge(&[], &files(&[("a.rs", LINES_MAX)])).len(), 0);
        assert_eq!(judge(&[], &files(&[("a.rs", LINES_MAX + 1)])).len(), 1);
    }

    #[test]
    fn a_listed_file_only_shrinks_and_says_so() {
        let listed = files(&[("a.rs", 700)]);
        assert_eq!(judge(&listed, &files(&[("a.rs", 700)])).len(), 0);
        assert!(judge(&listed, &files(&[("a.rs", 701)]))[0].contains("may only shrink"));
        assert!(judge(&listed, &files(&[("a.rs", 650)]))[0].contains("keep that"));
        assert!(judge(&listed, &files(&[]))[0].contains("gone"));
    }

    #[test]
    fn tightening_lowers_drops_and_never_adds() {
        let listed = files(&[
            ("a.rs", 700),
            ("b.rs", 700),
            ("gone.rs", 700),
            ("grown.rs", 700),
        ]);
        let now = files(&[
            ("a.rs", 650),
            ("b.rs", 600),
            ("grown.rs", 800),
            ("new.rs", 900),
        ]);
        assert_eq!(
            lowered(&listed, &now),
            files(&[("a.rs", 650), ("grown.rs", 700)])
        );
    }

    #[test]
    fn a_broken_list_names_its_line() {
        assert_eq!(parse("700 a.rs\n\n").unwrap(), files(&[("a.rs", 700)]));
        assert!(parse("700 a.rs\nmany b.rs\n").unwrap_err().contains(":2:"));
    }
}
