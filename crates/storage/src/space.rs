//! How much room the data directory's file system has left.
//!
//! A full disk ends the process (see `fatal`), so the layers above ask here and refuse writes, in words,
//! while there is still room for what the node itself must write.

use std::io;
use std::path::Path;

/// Free and total bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that an unprivileged process can still write.
    pub free_bytes: u64,
    /// Bytes of the whole file system.
    pub total_bytes: u64,
}

impl Space {
    /// Asks the file system that holds `path`.
    pub fn of(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

/// Says whether a file system is above a floor, with some distance between refusing and accepting again, so
/// that a node at the edge doesn't flap.
#[derive(Debug)]
pub struct SpaceWatch {
    refuse_below_bytes: u64,
    accept_above_bytes: u64,
    refusing: bool,
}

impl SpaceWatch {
    /// Refuses below `refuse_below_bytes`, accepts again once a quarter more than that is free.
    pub fn new(refuse_below_bytes: u64) -> Self {
        Self {
            refuse_below_bytes,
            accept_above_bytes: refuse_below_bytes.saturating_add(refuse_below_bytes / 4),
            refusing: false,
        }
    }

    /// What follows from the room that was found: true if there is enough to accept writes.
    pub fn judge(&mut self, Space { free_bytes, .. }: Space) -> bool {
        let floor = if self.refusing {
            self.accept_above_bytes
        } else {
            self.refuse_below_bytes
        };
        self.refusing = free_bytes < floor;
        !self.refusing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_a_file_system_with_room() {
        let dir = tempfile::tempdir().unwrap();
        let space = Space::of(dir.path()).unwrap();
        assert!(space.total_bytes >= space.free_bytes);
        assert!(space.total_bytes > 0);
        assert!(Space::of(&dir.path().join("absent")).is_err());
    }

    #[test]
    fn refusing_ends_only_with_room_to_spare() {
        let free = |free_bytes| Space {
            free_bytes,
            total_bytes: 10_000,
        };
        let mut watch = SpaceWatch::new(1_000);
        assert!(watch.judge(free(1_000)));
        assert!(!watch.judge(free(999)));
        assert!(!watch.judge(free(1_249)));
        assert!(watch.judge(free(1_250)));
        assert!(watch.judge(free(1_000)));
    }
}
