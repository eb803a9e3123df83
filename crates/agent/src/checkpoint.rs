//! How far each file of a flow was answered, on the disk.
//!
//! ```text
//! levada-agent-checkpoint 1 5f0c2a91      the form's version, CRC-32C of what follows
//! {"flow":"...","files":[...]}            JSON
//! ```
//!
//! A new one is written beside the old, synced, renamed over it, and the directory is synced: after any crash there is the
//! old one or the new one. One that is damaged is not taken for none, which would send everything again or nothing.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::identity::{FileId, HeadSum};
use crate::limits::CHECKPOINT_BYTES_MAX;

const MAGIC: &str = "levada-agent-checkpoint";
const VERSION: u32 = 1;

/// What a flow must not forget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The flow, for people.
    pub(crate) flow: String,
    /// Its files.
    pub(crate) files: Vec<FilePosition>,
}

/// How far one file was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FilePosition {
    /// The name under which it is, or was last, one of the flow's.
    pub(crate) path: PathBuf,
    #[serde(flatten)]
    pub(crate) id: FileId,
    pub(crate) head: HeadSum,
    /// What stands before this was sent and answered.
    pub(crate) offset: u64,
    /// How often it was emptied and begun anew.
    pub(crate) generation: u32,
    /// When it was changed last, in nanoseconds since 1970.
    pub(crate) modified_ns: i64,
    /// The file that it took the place of, while that is not read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waits_on: Option<FileId>,
}

/// A checkpoint that cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file or its directory.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Not what was written.
    #[error(
        "{path} is damaged: {why}; put it back from a copy, or move it away to begin where the flow's `start` says"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Of a later version.
    #[error(
        "{path} is of version {version}, and this agent knows version {VERSION} only; use a newer one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// The file that holds a flow's checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: PathBuf,
}

impl Store {
    /// `name` is the flow's.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        Self {
            path: directory.join(format!("{name}.checkpoint")),
        }
    }

    /// What was saved last; `None` if nothing ever was.
    pub(crate) fn load(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.io(e)),
        };
        let mut bytes = Vec::new();
        let read = file.take(CHECKPOINT_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|e| self.io(e))?;
        self.decode(&bytes).map(Some)
    }

    /// Writes a new one in the old one's place.
    pub(crate) fn save(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let bytes = encode(checkpoint).map_err(|e| self.io(e))?;
        self.replace(&bytes).map_err(|e| self.io(e))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let beside = self.path.with_extension("checkpoint.new");
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, &self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    }

    fn decode(&self, bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let damaged = |why: &str| CheckpointError::Damaged {
            path: self.path.clone(),
            why: why.to_owned(),
        };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let (head, body) = text
            .split_once('\n')
            .ok_or_else(|| damaged("it has no end"))?;
        let words: Vec<&str> = head.split(' ').collect();
        let [MAGIC, version, sum] = words[..] else {
            return Err(damaged("it does not begin as a checkpoint"));
        };
        match version.parse::<u32>() {
            Ok(VERSION) => {}
            Ok(version) => {
                return Err(CheckpointError::Newer {
                    path: self.path.clone(),
                    version,
                });
            }
            Err(_) => return Err(damaged("its version is no number")),
        }
        if sum != checksum(body) {
            return Err(damaged("its checksum does not fit"));
        }
        serde_json::from_str(body).map_err(|e| damaged(&e.to_string()))
    }

    fn io(&self, error: io::Error) -> CheckpointError {
        CheckpointError::Io {
            path: self.path.clone(),
            error,
        }
    }
}

fn encode(checkpoint: &Checkpoint) -> io::Result<Vec<u8>> {
    let body = format!("{}\n", serde_json::to_string(checkpoint)?);
    Ok(format!("{MAGIC} {VERSION} {}\n{body}", checksum(&body)).into_bytes())
}

fn checksum(body: &str) -> String {
    format!("{:08x}", crc32c::crc32c(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(path: &str, offset: u64, waits: bool) -> FilePosition {
        FilePosition {
            path: path.into(),
            id: FileId {
                device: 1,
                inode: u64::MAX,
            },
            head: HeadSum::of(b"head"),
            offset,
            generation: 3,
            modified_ns: -1,
            waits_on: waits.then_some(FileId {
                device: 1,
                inode: 2,
            }),
        }
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            flow: "/var/log/*.log to stream logs".to_owned(),
            files: vec![position("/var/log/a.log", 7, false)],
        }
    }

    #[test]
    fn what_was_saved_last_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path(), "one");
        assert!(store.load().unwrap().is_none());
        store.save(&checkpoint()).unwrap();
        store.save(&Checkpoint::default()).unwrap();
        assert_eq!(store.load().unwrap(), Some(Checkpoint::default()));
        // A write that was cut off is of no consequence.
        fs::write(directory.path().join("one.checkpoint.new"), "leva").unwrap();
        assert_eq!(store.load().unwrap(), Some(Checkpoint::default()));
    }

    #[test]
    fn one_of_a_later_version_is_said_to_be_that() {
        let store = Store::new(Path::new("/nowhere"), "one");
        let text = format!("{MAGIC} 2 00000000\n{{}}\n");
        let error = store.decode(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }

    proptest! {
        #[test]
        fn any_is_read_as_it_was_written(
            files in prop::collection::vec(("[a-zé/ \\n\"]{0,20}", any::<u64>(), any::<bool>()), 0..5)
        ) {
            let files = files.iter().map(|(path, offset, waits)| position(path, *offset, *waits));
            let written = Checkpoint { flow: "f".to_owned(), files: files.collect() };
            let store = Store::new(Path::new("/nowhere"), "one");
            prop_assert_eq!(store.decode(&encode(&written).unwrap()).unwrap(), written);
        }

        #[test]
        fn a_changed_or_missing_byte_is_found(at in 0_usize..200, bit in 0_u8..7, is_cut in any::<bool>()) {
            let mut bytes = encode(&checkpoint()).unwrap();
            let at = at % bytes.len();
            if is_cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            prop_assert!(Store::new(Path::new("/nowhere"), "one").decode(&bytes).is_err());
        }
    }
}
