//! What a process used, from /proc: CPU time, memory, and what it read from its disk.

/// The kernel reports process times to programs in hundredths of a second, whatever its own tick is.
const TICKS_PER_S: f64 = 100.0;

/// CPU-seconds that the processes have used since they began, user and system. One that has ended counts
/// nothing.
pub(crate) fn cpu_s(pids: &[u32]) -> f64 {
    pids.iter()
        .filter_map(|pid| read(*pid, "stat"))
        .filter_map(|stat| ticks(&stat))
        .sum::<f64>()
        / TICKS_PER_S
}

/// Fields 14 and 15 of /proc/PID/stat; the second field, a name in parentheses, may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
}

/// Resident memory now, in MiB.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    memory_mib(pid, "VmRSS:")
}

/// The most resident memory that the process ever had, in MiB.
pub(crate) fn resident_max_mib(pid: u32) -> f64 {
    memory_mib(pid, "VmHWM:")
}

/// Bytes that had to come from the disk for what the process has read since it began: what was in the page cache does not
/// count.
pub(crate) fn disk_read_bytes(pid: u32) -> u64 {
    let io = read(pid, "io").unwrap_or_default();
    io.lines()
        .find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok())
        .unwrap_or(0)
}

fn memory_mib(pid: u32, field: &str) -> f64 {
    let kib = read(pid, "status").and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    });
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn read(pid: u32, file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 9";
        assert_eq!(ticks(stat), Some(300.0));
        assert_eq!(ticks("7 (cut off) S 1"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let pid = std::process::id();
        assert!(resident_mib(pid) > 0.5 && resident_max_mib(pid) >= resident_mib(pid) * 0.5);
        assert_eq!(cpu_s(&[u32::MAX]), 0.0);
    }
}
