//! The files of the log's append queue, by their numbers.
//!
//! raft-engine keeps a file that it has purged under its old name until it needs it for a new one, and gives it
//! another name only when it is closed. After a kill such files are still there. Those in front of a gap in
//! the numbers it passes over, and never looks at again: a node that was killed often would fill its disk.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;

const SUFFIX: &str = ".raftlog";
const NUMBER_LEN: usize = 16;

/// The append queue's files; none if there is no directory.
pub(super) fn numbered(dir: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    if !dir.try_exists()? {
        return Ok(BTreeMap::new());
    }
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(SUFFIX))
            .filter(|number| number.len() == NUMBER_LEN)
            .and_then(|number| number.parse::<u64>().ok());
        if let Some(number) = number {
            files.insert(number, path);
        }
    }
    Ok(files)
}

/// Deletes what raft-engine passes over. Only after all partitions were recovered without what is in it.
pub(super) fn delete_left_over(dir: &Path, disk: &dyn Disk) -> io::Result<()> {
    for path in left_over(numbered(dir)?) {
        disk.delete(&path)?;
    }
    Ok(())
}

/// The files before the last gap in the numbers.
fn left_over(files: BTreeMap<u64, PathBuf>) -> Vec<PathBuf> {
    let numbers: Vec<u64> = files.keys().copied().collect();
    let first = numbers
        .windows(2)
        .rfind(|pair| pair[1] - pair[0] != 1)
        .map_or(0, |pair| pair[1]);
    files
        .into_iter()
        .take_while(|(number, _)| *number < first)
        .map(|(_, path)| path)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(numbers: &[u64]) -> Vec<u64> {
        let named = |n: &u64| (*n, PathBuf::from(n.to_string()));
        left_over(numbers.iter().map(named).collect())
            .iter()
            .map(|path| {
                path.to_str()
                    .and_then(|s| s.parse().ok())
                    .expect("a number")
            })
            .collect()
    }

    #[test]
    fn what_stands_before_the_last_gap_is_left_over() {
        assert_eq!(left(&[]), [0; 0]);
        assert_eq!(left(&[7]), [0; 0]);
        assert_eq!(left(&[7, 8, 9]), [0; 0]);
        assert_eq!(left(&[1, 2, 5, 8, 9]), [1, 2, 5]);
    }
}
