//! The doors of the repository that need a program: verify, fix, tidy.
//!
//! `verify` reads only, `fix` writes, `tidy` is the part of `verify` that knows this repository's own rules.
//! CI and people go through the same doors. Called as `cargo xtask <name>` (an alias in `.cargo/config.toml`).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks by printing"
)]

mod steps;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <verify|fix|tidy>

  verify   formatting, clippy, tidy, and cargo deny where it is installed; changes no file
  fix      format, apply what clippy can, tighten the length ratchet
  tidy     the rules of this repository: layer arrows, licences, file headers, lengths, paths, modes
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = root();
    let passed = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["verify"] => steps::verify(&root),
        ["fix"] => steps::fix(&root),
        ["tidy"] => tidy::report(&root),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            true
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The top of the repository: the directory above this package's.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
