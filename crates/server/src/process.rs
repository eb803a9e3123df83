//! What the operating system knows of this process, from `/proc`. Elsewhere the figures are missing.

use std::fs;

/// Figures of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// Bytes of memory that are its own and in use.
    pub(crate) resident_bytes: Option<u64>,
    /// CPU time since its start, in seconds.
    pub(crate) cpu_seconds: Option<f64>,
    /// Open files and sockets.
    pub(crate) open_files: Option<u64>,
}

/// Ticks a second in `/proc/self/stat`, and bytes of a page in `/proc/self/statm`: what Linux has on
/// every machine that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    /// Looks.
    pub(crate) fn look() -> Self {
        Self {
            resident_bytes: fs::read_to_string("/proc/self/status")
                .ok()
                .as_deref()
                .and_then(resident_bytes),
            cpu_seconds: fs::read_to_string("/proc/self/stat")
                .ok()
                .as_deref()
                .and_then(cpu_seconds),
            open_files: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|entries| entries.count() as u64),
        }
    }
}

/// From `/proc/self/status`: `VmRSS:      5432 kB`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// From `/proc/self/stat`: user and system time are the 12th and 13th field after the name in brackets.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>);
    let sum = ticks.next()?.ok()? + ticks.next()?.ok()?;
    Some(sum / TICKS_PER_SECOND)
}

/// Lets the process open as many files as it is allowed to: every connection is one.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(error = %e, "cannot raise the limit of open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read() {
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t    5432 kB\n"),
            Some(5_562_368)
        );
        let stat = "1 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!((resident_bytes(""), cpu_seconds("")), (None, None));
    }
}
