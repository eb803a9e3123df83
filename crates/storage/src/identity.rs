//! The data directory: who the node is, and that nobody else is using it.
//!
//! A node id is made together with its directory, so a node whose directory is lost comes back as a
//! newcomer and can never vote as the node that it was. `node.json` is written whole or not at all; the
//! lock is the file `LOCK`, held by the operating system for as long as [`DataDir`] lives, so a crash
//! leaves nothing to clean up.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use levada_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::disk::{sync_dir, write_atomically};

/// The format that this version writes. A newer one is refused.
pub const FORMAT_VERSION: u32 = 1;

const NODE_FILE: &str = "node.json";
const LOCK_FILE: &str = "LOCK";
const LOG_DIR: &str = "log";
const BLOCKS_DIR: &str = "blocks";
const CHECKPOINTS_DIR: &str = "checkpoints";
/// The key by which the node signs what topics send. The server's own; it goes with the rest.
const SIGNING_DIR: &str = "sns";

/// Why a data directory can't be used. Each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The operating system refused.
    #[error(
        "data directory {path}: {source}; check that it is a directory that this user may write"
    )]
    Io {
        /// The file or directory that was touched.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error(
        "data directory {path} is in use by another process; stop that process, or give this one a \
         directory of its own"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// There are files, but not ours.
    #[error(
        "{path} is not empty and holds no node.json, so it is not a Levada data directory; give an empty \
         directory, or restore node.json if this one has lost it"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// `node.json` can't be read.
    #[error(
        "{path} is damaged ({reason}); restore it from a backup, or move the whole directory away and \
         start with an empty one, so that the node joins as a newcomer"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version of the program wrote it.
    #[error(
        "{path} has format version {found} and this version reads up to {FORMAT_VERSION}; start the \
         version that wrote it, or a newer one"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version that it names.
        found: u32,
    },
    /// The directory belongs to another cluster.
    #[error(
        "data directory {path} belongs to cluster {found:#018x}, not to cluster {wanted:#018x}; give this \
         node the directory of its cluster, or an empty one"
    )]
    OtherCluster {
        /// The directory.
        path: PathBuf,
        /// The cluster that it belongs to.
        found: u64,
        /// The cluster that was to be set.
        wanted: u64,
    },
}

/// What `node.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// [`FORMAT_VERSION`] of the program that wrote it.
    pub format_version: u32,
    /// The node's id, never zero.
    pub node_id: u64,
    /// The cluster that the node has joined.
    pub cluster_id: Option<u64>,
    /// The members that the node last knew, in a form that only the cluster layer reads.
    #[serde(default)]
    pub members: String,
}

/// Enough of `node.json` to tell whether the rest can be read.
#[derive(Deserialize)]
struct VersionOnly {
    format_version: u32,
}

/// A data directory that this process owns.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    node: NodeFile,
    /// Held, not used: the lock ends with the file.
    _lock: File,
}

impl DataDir {
    /// Takes the directory, and makes it, with a new node id, if it is absent or empty.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let io = |at: &Path| {
            let path = at.to_owned();
            move |source| DataDirError::Io { path, source }
        };
        std::fs::create_dir_all(path).map_err(io(path))?;
        let lock = take_lock(path)?;
        let node_path = path.join(NODE_FILE);
        let node = match std::fs::read(&node_path) {
            Ok(bytes) => parse(&node_path, &bytes)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if holds_anything_else(path).map_err(io(path))? {
                    return Err(DataDirError::Foreign {
                        path: path.to_owned(),
                    });
                }
                let node = NodeFile {
                    format_version: FORMAT_VERSION,
                    node_id: rand::random_range(1..=u64::MAX),
                    cluster_id: None,
                    members: String::new(),
                };
                write_node(&node_path, &node)?;
                node
            }
            Err(source) => {
                return Err(DataDirError::Io {
                    path: node_path,
                    source,
                });
            }
        };
        for sub in [LOG_DIR, BLOCKS_DIR, CHECKPOINTS_DIR] {
            let sub = path.join(sub);
            std::fs::create_dir_all(&sub).map_err(io(&sub))?;
        }
        sync_dir(path).map_err(io(path))?;
        Ok(Self {
            path: path.to_owned(),
            node,
            _lock: lock,
        })
    }

    /// Reads `node.json` of a directory and changes nothing, not even the lock: for a look from outside.
    /// None if there is no such directory, or an empty one.
    pub fn peek(path: &Path) -> Result<Option<NodeFile>, DataDirError> {
        let io = |source| DataDirError::Io {
            path: path.to_owned(),
            source,
        };
        let node_path = path.join(NODE_FILE);
        match std::fs::read(&node_path) {
            Ok(bytes) => parse(&node_path, &bytes).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if path.try_exists().map_err(io)? && holds_anything_else(path).map_err(io)? {
                    return Err(DataDirError::Foreign {
                        path: path.to_owned(),
                    });
                }
                Ok(None)
            }
            Err(e) => Err(io(e)),
        }
    }

    /// Whether a process uses the directory now.
    pub fn is_in_use(path: &Path) -> bool {
        let lock = File::options().write(true).open(path.join(LOCK_FILE));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Where each part of a directory lives: the log, the blocks, the checkpoints.
    pub fn parts(path: &Path) -> [PathBuf; 3] {
        [LOG_DIR, BLOCKS_DIR, CHECKPOINTS_DIR].map(|part| path.join(part))
    }

    /// The node's id.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.node.node_id)
    }

    /// What `node.json` holds.
    pub fn node(&self) -> &NodeFile {
        &self.node
    }

    /// Writes down the cluster and its members. A directory never changes its cluster.
    pub fn set_cluster(&mut self, cluster_id: u64, members: &str) -> Result<(), DataDirError> {
        if let Some(found) = self.node.cluster_id.filter(|&id| id != cluster_id) {
            return Err(DataDirError::OtherCluster {
                path: self.path.clone(),
                found,
                wanted: cluster_id,
            });
        }
        if self.node.cluster_id == Some(cluster_id) && self.node.members == members {
            return Ok(());
        }
        let mut node = self.node.clone();
        node.cluster_id = Some(cluster_id);
        members.clone_into(&mut node.members);
        write_node(&self.path.join(NODE_FILE), &node)?;
        self.node = node;
        Ok(())
    }

    /// Deletes everything that the node kept, and gives the directory back, as if it were new. Interrupted, the
    /// directory is still that of the node: `node.json` goes last.
    pub fn empty(self) -> Result<(), DataDirError> {
        let failed = |source| DataDirError::Io {
            path: self.path.clone(),
            source,
        };
        for sub in [LOG_DIR, BLOCKS_DIR, CHECKPOINTS_DIR, SIGNING_DIR] {
            match std::fs::remove_dir_all(self.path.join(sub)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
                _ => {}
            }
        }
        sync_dir(&self.path).map_err(failed)?;
        std::fs::remove_file(self.path.join(NODE_FILE)).map_err(failed)?;
        sync_dir(&self.path).map_err(failed)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the log lives.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG_DIR)
    }

    /// Where the blocks live.
    pub fn blocks_path(&self) -> PathBuf {
        self.path.join(BLOCKS_DIR)
    }

    /// Where the checkpoints live.
    pub fn checkpoints_path(&self) -> PathBuf {
        self.path.join(CHECKPOINTS_DIR)
    }
}

fn take_lock(path: &Path) -> Result<File, DataDirError> {
    let lock_path = path.join(LOCK_FILE);
    let io = |source| DataDirError::Io {
        path: lock_path.clone(),
        source,
    };
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Where a node that serves over TLS by a certificate of its own making keeps that, from before it is anybody.
const TLS_DIR: &str = "tls";

/// Whether there is anything but the lock, a certificate, the leftovers of an interrupted first start, and what a file
/// system puts into its root.
fn holds_anything_else(path: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != LOCK_FILE && name != TLS_DIR && name != "node.tmp" && name != "lost+found" {
            return Ok(true);
        }
    }
    Ok(false)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<NodeFile, DataDirError> {
    let damaged = |reason: String| DataDirError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let version: VersionOnly = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
    if version.format_version > FORMAT_VERSION {
        return Err(DataDirError::TooNew {
            path: path.to_owned(),
            found: version.format_version,
        });
    }
    let node: NodeFile = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
    if node.format_version == 0 || node.node_id == 0 {
        return Err(damaged(
            "the format version or the node id is zero".to_owned(),
        ));
    }
    Ok(node)
}

fn write_node(path: &Path, node: &NodeFile) -> Result<(), DataDirError> {
    let io = |source| DataDirError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = serde_json::to_vec_pretty(node).map_err(|e| io(e.into()))?;
    bytes.push(b'\n');
    write_atomically(path, &bytes).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDir::open(&path).unwrap();
        let id = first.node_id();
        assert_ne!(id.0, 0);
        drop(first);
        assert_eq!(DataDir::open(&path).unwrap().node_id(), id);
        assert!(path.join("log").is_dir() && path.join("blocks").is_dir());
    }

    #[test]
    fn two_processes_never_share_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(matches!(error, DataDirError::InUse { .. }), "{error}");
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_look_from_outside_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        assert!(DataDir::peek(&path).unwrap().is_none());
        assert!(!path.exists() && !DataDir::is_in_use(&path));
        let data = DataDir::open(&path).unwrap();
        assert!(DataDir::is_in_use(&path));
        assert_eq!(DataDir::peek(&path).unwrap().as_ref(), Some(data.node()));
        drop(data);
        assert!(!DataDir::is_in_use(&path));
        std::fs::remove_file(path.join(NODE_FILE)).unwrap();
        let error = DataDir::peek(&path).unwrap_err();
        assert!(matches!(error, DataDirError::Foreign { .. }), "{error}");
    }

    #[test]
    fn the_cluster_is_kept_and_never_changes() {
        let dir = tempfile::tempdir().unwrap();
        let mut data = DataDir::open(dir.path()).unwrap();
        data.set_cluster(7, "a,b,c").unwrap();
        drop(data);
        let mut data = DataDir::open(dir.path()).unwrap();
        assert_eq!(
            (data.node().cluster_id, data.node().members.as_str()),
            (Some(7), "a,b,c")
        );
        data.set_cluster(7, "a,b,d").unwrap();
        let error = data.set_cluster(8, "").unwrap_err();
        assert!(matches!(
            error,
            DataDirError::OtherCluster {
                found: 7,
                wanted: 8,
                ..
            }
        ));
        assert_eq!(data.node().members, "a,b,d");
    }

    #[test]
    fn what_is_not_ours_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(NODE_FILE);
        let refused = |text: &str| {
            std::fs::write(&file, text).unwrap();
            DataDir::open(dir.path()).unwrap_err()
        };
        let newer = refused(r#"{"format_version": 9, "something": "else"}"#);
        assert!(matches!(newer, DataDirError::TooNew { found: 9, .. }));
        assert!(newer.to_string().contains("or a newer one"), "{newer}");
        for garbage in [
            "",
            "\0\0\0",
            "{}",
            r#"{"format_version":1,"node_id":0,"cluster_id":null}"#,
        ] {
            let error = refused(garbage);
            assert!(
                matches!(error, DataDirError::Damaged { .. }),
                "{garbage:?}: {error}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::write(dir.path().join("holiday.jpg"), "x").unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(matches!(error, DataDirError::Foreign { .. }), "{error}");
    }

    #[test]
    fn an_emptied_directory_is_that_of_another_node() {
        let dir = tempfile::tempdir().unwrap();
        let mut data = DataDir::open(dir.path()).unwrap();
        data.set_cluster(7, "a").unwrap();
        let was = data.node_id();
        std::fs::write(data.log_path().join("entries"), "x").unwrap();
        std::fs::create_dir(dir.path().join(SIGNING_DIR)).unwrap();
        std::fs::write(dir.path().join(SIGNING_DIR).join("key"), "x").unwrap();
        data.empty().unwrap();
        let new = DataDir::open(dir.path()).unwrap();
        assert_ne!(new.node_id(), was);
        assert_eq!(new.node().cluster_id, None);
        assert!(!new.log_path().join("entries").exists());
        assert!(!dir.path().join(SIGNING_DIR).exists());
    }

    #[test]
    fn a_first_start_that_was_cut_off_can_be_repeated() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("node.tmp"), "{\"form").unwrap();
        std::fs::write(dir.path().join(LOCK_FILE), "").unwrap();
        DataDir::open(dir.path()).unwrap();
    }
}
