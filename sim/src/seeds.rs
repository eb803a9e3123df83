//! The parent: runs seeds, each in a process of its own, and says what came out.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum as _;

use crate::run::Report;
use crate::{Args, SEED_VARIABLE};

/// A child's exit status when a promise was broken.
pub(crate) const BROKEN: u8 = 2;
/// Where simulated disks are, if it is there: nothing of them is to reach a real disk.
const MEMORY_DIR: &str = "/dev/shm";

/// A report as the child prints it.
pub(crate) fn line(report: &Report) -> String {
    format!(
        "{:016x} {} {} {}",
        report.hash, report.simulated_ms, report.faults, report.events
    )
}

fn parse(line: &str) -> Option<Report> {
    let mut words = line.split_ascii_whitespace();
    let report = Report {
        hash: u64::from_str_radix(words.next()?, 16).ok()?,
        simulated_ms: words.next()?.parse().ok()?,
        faults: words.next()?.parse().ok()?,
        events: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(report)
}

/// Runs what was asked for.
pub(crate) fn run_all(args: &Args) -> ExitCode {
    let begun = Instant::now();
    let (first, count) = args.seed.map_or((args.first, args.seeds), |seed| (seed, 1));
    let next = AtomicU64::new(first);
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let simulated_ms = AtomicU64::new(0);
    let printing = Mutex::new(());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || stop.load(Ordering::Relaxed) {
                return;
            }
            let result = run_one(args, seed);
            let _printing = printing.lock();
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            match result {
                Ok((report, took)) => {
                    simulated_ms.fetch_add(report.simulated_ms, Ordering::Relaxed);
                    println!(
                        "{done}/{count} seed {seed}: {:016x}, {:.1} s simulated in {:.1} s, {} faults, {} events",
                        report.hash,
                        report.simulated_ms as f64 / 1e3,
                        took.as_secs_f64(),
                        report.faults,
                        report.events
                    );
                }
                Err(what) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    stop.store(!args.keep_going, Ordering::Relaxed);
                    println!(
                        "{done}/{count} seed {seed} FAILED: {what}\nrepeat it: {}",
                        command(args, seed)
                    );
                }
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = if args.jobs == 0 { cores } else { args.jobs };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    let failed = failed.load(Ordering::Relaxed);
    let simulated_secs = simulated_ms.load(Ordering::Relaxed) as f64 / 1e3;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{} seeds, {failed} failed; {simulated_secs:.0} s simulated in {took:.0} s, {:.0} a second",
        done.load(Ordering::Relaxed),
        simulated_secs / took.max(1e-3)
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a person types to see the failure again.
fn command(args: &Args, seed: u64) -> String {
    let mut command = format!(
        "cargo run --manifest-path sim/Cargo.toml -- --seed {seed} --fault-secs {} --trace",
        args.fault_secs
    );
    for option in shared_options(args) {
        command.push(' ');
        command.push_str(&option);
    }
    if args.check_determinism {
        command.push_str(" --check-determinism");
    }
    command
}

/// What the child is told as well.
fn shared_options(args: &Args) -> Vec<String> {
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    };
    let mut options = Vec::new();
    if let Some(canary) = &args.canary {
        options.extend(["--canary".to_owned(), name(canary.to_possible_value())]);
    }
    if !args.only.is_empty() {
        let kinds = args.only.iter().map(|kind| name(kind.to_possible_value()));
        options.extend(["--only".to_owned(), kinds.collect::<Vec<_>>().join(",")]);
    }
    options
}

/// One seed, or the same seed twice.
fn run_one(args: &Args, seed: u64) -> Result<(Report, Duration), String> {
    let begun = Instant::now();
    let report = run_child(args, seed)?;
    let took = begun.elapsed();
    if args.check_determinism {
        let again = run_child(args, seed)?;
        if (again.hash, again.simulated_ms) != (report.hash, report.simulated_ms) {
            return Err(format!(
                "it is not deterministic: {:016x} and {:016x}",
                report.hash, again.hash
            ));
        }
    }
    Ok((report, took))
}

fn run_child(args: &Args, seed: u64) -> Result<Report, String> {
    let dir = scratch().map_err(|error| format!("no directory for the disks: {error}"))?;
    let child = spawn(args, seed, dir.path()).map_err(|error| format!("no child: {error}"))?;
    let output = String::from_utf8_lossy(&child.stdout);
    let said = output.trim_end();
    match child.status.code() {
        Some(0) => parse(said).ok_or_else(|| format!("its report can't be read: {said:?}")),
        Some(code) if code == i32::from(BROKEN) => Err(said.to_owned()),
        _ => Err(format!("it ended with {}: {said}", child.status)),
    }
}

fn scratch() -> io::Result<tempfile::TempDir> {
    let memory = PathBuf::from(MEMORY_DIR);
    if memory.is_dir() {
        tempfile::Builder::new()
            .prefix("levada-sim-")
            .tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
}

fn spawn(args: &Args, seed: u64, dir: &Path) -> io::Result<std::process::Output> {
    let mut child = Command::new(std::env::current_exe()?);
    child
        .env(SEED_VARIABLE, seed.to_string())
        // Errors are made by the thousand here; a picture of the stack for each takes longer than the seed. Panics
        // still have theirs.
        .env("RUST_LIB_BACKTRACE", "0")
        .arg("--fault-secs")
        .arg(args.fault_secs.to_string())
        .arg("--dir")
        .arg(dir)
        .stderr(Stdio::inherit());
    child.args(shared_options(args));
    if args.trace {
        child.arg("--trace");
    }
    child
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?
        .wait_with_output()
}
