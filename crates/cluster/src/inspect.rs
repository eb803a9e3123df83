//! Looks at a data directory from outside, for `levada doctor`. What is there is never written to: the log
//! and the checkpoints, which can't be opened without, are opened as copies.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use levada_engine::Partition;
use levada_replica::block_id;
use levada_storage::blocks::{self, BlockId, VerifiedBlocks};
use levada_storage::{CheckpointStore, DataDir, LogOptions, LogStore, NodeFile, Space};
use levada_types::{NodeId, PartitionId};

use crate::background::FREE_SPACE_RESERVE_BYTES;
use crate::bootstrap::Membership;
use crate::standing;

/// Below this much free space it is time to see to more, in bytes.
const FREE_SPACE_LOW_BYTES: u64 = 1024 * 1024 * 1024;
/// Writes that are timed.
const SYNCS: usize = 20;
/// A write is about what a small entry of the log is.
const SYNC_BYTES: usize = 4_096;
/// Every acknowledged message waits for a sync: above this a node is slow, and far above it unfit.
const SYNC_SLOW: Duration = Duration::from_millis(20);
const SYNC_UNFIT: Duration = Duration::from_millis(200);

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is as it should be.
    Fine,
    /// It works, and somebody should see to it.
    Warning,
    /// It does not work, or will not.
    Problem,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found, and what to do if it is not fine.
    pub text: String,
}

impl Finding {
    /// It is as it should be.
    pub fn fine(text: impl Into<String>) -> Self {
        Self::new(Severity::Fine, text)
    }

    /// Somebody should see to it.
    pub fn warning(text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, text)
    }

    /// It does not work.
    pub fn problem(text: impl Into<String>) -> Self {
        Self::new(Severity::Problem, text)
    }

    fn new(severity: Severity, text: impl Into<String>) -> Self {
        Self {
            severity,
            text: text.into(),
        }
    }
}

/// Says what is free, in words.
pub fn judge_space(free_bytes: u64, whose: &str) -> Finding {
    let mib = free_bytes / (1024 * 1024);
    if free_bytes < FREE_SPACE_RESERVE_BYTES {
        Finding::problem(format!(
            "{whose}: {mib} MiB are free, so that sends are refused; receive and delete, or make room"
        ))
    } else if free_bytes < FREE_SPACE_LOW_BYTES {
        Finding::warning(format!(
            "{whose}: {mib} MiB are free; below {} MiB sends are refused. Make room",
            FREE_SPACE_RESERVE_BYTES / (1024 * 1024)
        ))
    } else {
        Finding::fine(format!("{whose}: {mib} MiB are free"))
    }
}

/// Looks at everything that the directory holds. Blocks the thread for as long as reading it takes.
pub fn inspect(dir: &Path) -> Vec<Finding> {
    let node = match DataDir::peek(dir) {
        Ok(Some(node)) => node,
        Ok(None) => {
            return vec![Finding::fine(format!(
                "{} is empty: a node that starts there is a newcomer",
                dir.display()
            ))];
        }
        Err(error) => return vec![Finding::problem(error.to_string())],
    };
    let mut findings = vec![judge_node(&node)];
    match Space::of(dir) {
        Ok(space) => findings.push(judge_space(space.free_bytes, "disk")),
        Err(error) => findings.push(Finding::problem(format!(
            "the disk's free space cannot be read: {error}"
        ))),
    }
    findings.push(judge_syncs(dir));
    if DataDir::is_in_use(dir) {
        findings.push(Finding::fine(
            "a process uses the directory, so that its files are not looked into; `levada doctor --endpoint URL` asks the node itself",
        ));
    } else {
        findings.extend(judge_files(dir));
    }
    findings
}

fn judge_node(node: &NodeFile) -> Finding {
    let id = NodeId(node.node_id);
    let Some(cluster) = node.cluster_id else {
        return Finding::fine(format!("{id} belongs to no cluster yet"));
    };
    match serde_json::from_str::<Membership>(&node.members) {
        Ok(Membership {
            removed_at: Some(at),
            ..
        }) => Finding::problem(standing::farewell(id, at)),
        Ok(membership) => Finding::fine(format!(
            "{id} of cluster {cluster:016x}, {} members, {} partitions",
            membership.members.len(),
            membership.partitions
        )),
        Err(error) => Finding::problem(format!(
            "the members in node.json cannot be read ({error}); restore the file from a backup, or start on an empty directory"
        )),
    }
}

/// Times what a node does for every message. The file goes again.
fn judge_syncs(dir: &Path) -> Finding {
    let path = dir.join(format!("doctor-{}.tmp", std::process::id()));
    let timed = time_syncs(&path);
    // It is ours, and nobody looks for it.
    let _ = std::fs::remove_file(&path);
    match timed {
        Err(error) => Finding::problem(format!(
            "{} cannot be written: {error}; check who owns it, and the disk",
            dir.display()
        )),
        Ok(mut times) => {
            times.sort_unstable();
            let (middle, longest) = (times[times.len() / 2], times[times.len() - 1]);
            let said = format!(
                "a write reaches the disk in {:.1} ms, the slowest of {SYNCS} in {:.1} ms",
                middle.as_secs_f64() * 1e3,
                longest.as_secs_f64() * 1e3
            );
            if middle > SYNC_UNFIT {
                Finding::problem(format!("{said}; such a disk is not fit for a node"))
            } else if middle > SYNC_SLOW {
                Finding::warning(format!(
                    "{said}; every message waits for that. A faster disk helps"
                ))
            } else {
                Finding::fine(said)
            }
        }
    }
}

fn time_syncs(path: &Path) -> io::Result<Vec<Duration>> {
    let mut file = std::fs::File::create(path)?;
    let bytes = [0x5a; SYNC_BYTES];
    (0..SYNCS)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&bytes)?;
            file.sync_data()?;
            Ok(began.elapsed())
        })
        .collect()
}

/// A copy of what can't be opened without writing; it goes with the value.
struct Copies(PathBuf);

impl Copies {
    fn of(dir: &Path, parts: &[&Path]) -> io::Result<Self> {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!(".doctor-{}", std::process::id()));
        let copies = Self(PathBuf::from(name));
        std::fs::create_dir(&copies.0)?;
        for part in parts {
            let Some(name) = part.file_name() else {
                continue;
            };
            copy_all(part, &copies.0.join(name))?;
        }
        Ok(copies)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a copy could not be deleted");
        }
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn judge_files(dir: &Path) -> Vec<Finding> {
    let [log, block_dir, checkpoints] = DataDir::parts(dir);
    let copies = match Copies::of(dir, &[&log, &checkpoints]) {
        Ok(copies) => copies,
        Err(error) => {
            return vec![Finding::warning(format!(
                "log and checkpoints could not be copied, so that they are not looked into: {error}; there must be room beside {}",
                dir.display()
            ))];
        }
    };
    let [log, _, checkpoints] = DataDir::parts(&copies.0);
    let blocks = match blocks::verify(&block_dir) {
        Ok(blocks) => blocks,
        Err(error) => {
            return vec![Finding::problem(format!(
                "the blocks cannot be read: {error}; look at the disk"
            ))];
        }
    };
    let log = match LogStore::open(&log, LogOptions::default()) {
        Ok(log) => log,
        Err(error) => return vec![Finding::problem(error.to_string())],
    };
    let partitions = held_by(&log);
    let mut findings = vec![Finding::fine(format!(
        "the log holds {} partitions",
        partitions.len()
    ))];
    match CheckpointStore::open(&checkpoints) {
        Ok(checkpoints) => findings.extend(judge_checkpoints(&log, &checkpoints, &blocks)),
        Err(error) => findings.push(Finding::problem(error.to_string())),
    }
    findings
}

/// Partitions of which the log holds a copy, and not just the mark of one that was given away.
fn held_by(log: &LogStore) -> Vec<PartitionId> {
    let mut partitions = log.partitions();
    partitions.retain(|partition| !levada_replica::is_mark(*partition));
    partitions
}

fn judge_checkpoints(
    log: &LogStore,
    checkpoints: &CheckpointStore,
    blocks: &VerifiedBlocks,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut saved, mut named) = (0, BTreeSet::new());
    for partition in held_by(log) {
        match checkpoints.load_reaching(partition, log.floor(partition)) {
            Ok(None) => {}
            Ok(Some(checkpoint)) => match Partition::restore(partition, checkpoint.rows) {
                Ok(state) => {
                    saved += 1;
                    named.extend(block_ids(partition, &state));
                }
                Err(error) => findings.push(Finding::problem(format!(
                    "the checkpoint of {partition} cannot be read: {error}; {REFILL}"
                ))),
            },
            Err(error) => findings.push(Finding::problem(error.to_string())),
        }
    }
    let damaged = blocks.damaged.iter().filter(|(id, _)| named.contains(id));
    for (_, what) in damaged {
        findings.push(Finding::problem(format!(
            "{what}; in a cluster it is put back from a peer when it is read, a single node is restored from a backup"
        )));
    }
    let is_damaged = |id: &BlockId| blocks.damaged.iter().any(|(damaged, _)| damaged == id);
    let lost = named
        .iter()
        .filter(|id| !blocks.whole.contains(id) && !is_damaged(id));
    let lost = lost.count();
    if lost > 0 {
        findings.push(Finding::problem(format!(
            "{lost} blocks that the checkpoints name are gone; {REFILL}"
        )));
    }
    findings.push(Finding::fine(format!(
        "{saved} partitions have a checkpoint, which name {} blocks; {} blocks are whole",
        named.len(),
        blocks.whole.len()
    )));
    findings
}

const REFILL: &str = "in a cluster, move the directory aside and start with an empty one; a single node is restored from a backup";

fn block_ids(partition: PartitionId, state: &Partition) -> Vec<BlockId> {
    let blocks = state.blocks().into_iter();
    blocks.map(|block| block_id(partition, block)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_and_a_fresh_directory_are_fine_and_stay_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        assert_eq!(inspect(&path).len(), 1);
        assert!(!path.exists());
        drop(DataDir::open(&path).unwrap());
        let findings = inspect(&path);
        assert!(
            findings.iter().all(|f| f.severity != Severity::Problem),
            "{findings:?}"
        );
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "the copies are gone");
    }

    #[test]
    fn what_is_free_is_judged() {
        let severity = |free| judge_space(free, "disk").severity;
        assert_eq!(severity(FREE_SPACE_RESERVE_BYTES - 1), Severity::Problem);
        assert_eq!(severity(FREE_SPACE_LOW_BYTES - 1), Severity::Warning);
        assert_eq!(severity(FREE_SPACE_LOW_BYTES), Severity::Fine);
    }

    #[test]
    fn a_directory_that_is_none_of_ours_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("holiday.jpg"), "x").unwrap();
        assert_eq!(inspect(dir.path())[0].severity, Severity::Problem);
    }
}
