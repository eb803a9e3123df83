//! The files of a backup, on a disk or wherever a [`Source`] finds them.
//!
//! ```text
//! manifest.json            what the backup holds, with the length and checksum of each file; written last
//! partition-<n>.backup     frames, one after the other:
//! frame                    { length u32, CRC32C of the part u32, a part of a snapshot (raft.proto) }
//! ```
//!
//! Numbers are little endian. Rows come before blocks. A directory without a manifest is no backup.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use levada_replica::proto::SnapshotPart;
use prost::Message as _;
use serde::{Deserialize, Serialize};

/// The format that this version writes; a newer one is refused.
pub(super) const FORMAT_VERSION: u32 = 1;
/// Bytes of one frame: a chunk is full at 1 MiB, and its last block may make it longer.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a manifest: some 200 for each partition.
const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The manifest's name.
pub const MANIFEST_FILE: &str = "manifest.json";

/// Why a backup cannot be written, read or laid down; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in the directory is not a whole backup.
    #[error("{path} is not a whole backup: {reason}; use another one")]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It would write over something.
    #[error(
        "{0} is not empty, and nothing is ever written over; give a directory that does not exist"
    )]
    Occupied(PathBuf),
    /// The directory could not be made from it.
    #[error("{0}")]
    Failed(String),
}

impl BackupError {
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path: path.clone(),
            source,
        }
    }

    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Where a backup is read from.
pub trait Source: Send + Sync {
    /// Where that is, for people: files are shown beneath it.
    fn place(&self) -> PathBuf;

    /// The bytes of a file. May block the thread.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none; else what the system or the store says.
    fn open(&self, file: &str) -> io::Result<Box<dyn Read + Send>>;
}

impl Source for PathBuf {
    fn place(&self) -> PathBuf {
        self.clone()
    }

    fn open(&self, file: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.join(file))?))
    }
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the program that wrote it.
    pub format_version: u32,
    /// The version of that program.
    pub levada_version: String,
    /// The cluster, in hexadecimal.
    pub cluster: String,
    /// When the backup began, in milliseconds since the epoch: what was acknowledged before is in it.
    pub began_ms: u64,
    /// Every partition, in order.
    pub partitions: Vec<FileSummary>,
}

/// One partition's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSummary {
    /// The partition.
    pub partition: u32,
    /// The file's name.
    pub file: String,
    /// The last entry that is contained.
    pub applied_index: u64,
    /// Rows in the file.
    pub rows: usize,
    /// Blocks in the file.
    pub blocks: usize,
    /// The file's length.
    pub bytes: u64,
    /// The CRC32C of the whole file.
    pub crc32c: u32,
}

impl Manifest {
    /// Of a backup that begins now.
    pub fn new(cluster: String, began_ms: u64) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            levada_version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster,
            began_ms,
            partitions: Vec::new(),
        }
    }

    /// What the manifest's file holds.
    pub fn to_json(&self) -> Result<Vec<u8>, BackupError> {
        serde_json::to_vec_pretty(self).map_err(|e| BackupError::Failed(e.to_string()))
    }

    /// Makes the files in a directory, and with the manifest the backup, durable.
    pub fn write(&self, dir: &Path) -> Result<(), BackupError> {
        let path = dir.join(MANIFEST_FILE);
        let text = self.to_json()?;
        let write = || {
            let mut file = File::create_new(&path)?;
            file.write_all(&text)?;
            file.sync_all()?;
            levada_storage::disk::sync_dir(dir)
        };
        write().map_err(BackupError::io(&path))
    }

    /// Reads the manifest of a backup.
    pub fn read(from: &dyn Source) -> Result<Self, BackupError> {
        let place = from.place();
        let path = place.join(MANIFEST_FILE);
        let mut bytes = Vec::new();
        let read = from
            .open(MANIFEST_FILE)
            .and_then(|file| file.take(MANIFEST_BYTES_MAX).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::damaged(
                    &place,
                    format!("it has no {MANIFEST_FILE}, which is written when all else is there"),
                ));
            }
            Err(e) => return Err(BackupError::io(&path)(e)),
        }
        let manifest: Self = serde_json::from_slice(&bytes)
            .map_err(|e| BackupError::damaged(&path, e.to_string()))?;
        if manifest.format_version > FORMAT_VERSION {
            return Err(BackupError::damaged(
                &path,
                format!(
                    "its format version is {}, and this version reads up to {FORMAT_VERSION}: use version {} or a newer one",
                    manifest.format_version, manifest.levada_version
                ),
            ));
        }
        let numbers = manifest.partitions.iter().map(|p| p.partition);
        if manifest.partitions.is_empty() || !numbers.eq(0..manifest.partitions.len() as u32) {
            return Err(BackupError::damaged(
                &path,
                "it does not name every partition",
            ));
        }
        Ok(manifest)
    }
}

/// Frames a partition's parts, and counts what will stand in the manifest. Who calls it writes them.
pub struct Framer(FileSummary);

impl Framer {
    /// For a file of that name.
    pub fn new(file: String, partition: u32, applied_index: u64) -> Self {
        Self(FileSummary {
            partition,
            file,
            applied_index,
            ..FileSummary::default()
        })
    }

    /// The header that stands before a part as the node gave it.
    pub fn frame(&mut self, part: &[u8]) -> Result<[u8; 8], BackupError> {
        let read = SnapshotPart::decode(part)
            .map_err(|e| BackupError::Failed(format!("the node's answer cannot be read: {e}")))?;
        if read.rows.is_empty() && read.blocks.is_empty() {
            return Err(BackupError::Failed("the node's answer is empty".into()));
        }
        let length = u32::try_from(part.len())
            .map_err(|_| BackupError::Failed("the node's answer is too long".into()))?;
        let mut header = [0; 8];
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4..].copy_from_slice(&crc32c::crc32c(part).to_le_bytes());
        self.0.rows += read.rows.len();
        self.0.blocks += read.blocks.len();
        for piece in [&header[..], part] {
            self.0.bytes += piece.len() as u64;
            self.0.crc32c = crc32c::crc32c_append(self.0.crc32c, piece);
        }
        Ok(header)
    }

    /// What was framed by now.
    pub fn summary(&self) -> &FileSummary {
        &self.0
    }
}

/// Writes one partition's file in a directory, part by part.
pub struct PartitionWriter {
    path: PathBuf,
    file: BufWriter<File>,
    framer: Framer,
}

impl PartitionWriter {
    /// Begins, or begins anew.
    pub fn create(dir: &Path, partition: u32, applied_index: u64) -> Result<Self, BackupError> {
        let name = format!("partition-{partition}.backup");
        let path = dir.join(&name);
        let file = File::create(&path).map_err(BackupError::io(&path))?;
        Ok(Self {
            path,
            file: BufWriter::new(file),
            framer: Framer::new(name, partition, applied_index),
        })
    }

    /// Adds a part as the node gave it.
    pub fn add(&mut self, part: &[u8]) -> Result<(), BackupError> {
        let header = self.framer.frame(part)?;
        let written = self.file.write_all(&header);
        written
            .and_then(|()| self.file.write_all(part))
            .map_err(BackupError::io(&self.path))
    }

    /// What was added by now.
    pub fn summary(&self) -> &FileSummary {
        self.framer.summary()
    }

    /// Makes the file durable.
    pub fn finish(self) -> Result<FileSummary, BackupError> {
        let synced = self
            .file
            .into_inner()
            .map_err(|e| e.into_error())
            .and_then(|file| file.sync_all());
        synced.map_err(BackupError::io(&self.path))?;
        Ok(self.framer.0)
    }
}

/// Reads a partition's file, and checks it against its summary at the end.
pub(super) struct PartitionReader {
    path: PathBuf,
    file: BufReader<Box<dyn Read + Send>>,
    expected: FileSummary,
    found: FileSummary,
}

impl PartitionReader {
    pub(super) fn open(from: &dyn Source, summary: &FileSummary) -> Result<Self, BackupError> {
        let path = from.place().join(&summary.file);
        let file = from.open(&summary.file).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                BackupError::damaged(&path, "its manifest names it, and it is not there")
            }
            _ => BackupError::io(&path)(e),
        })?;
        Ok(Self {
            path,
            file: BufReader::new(file),
            expected: summary.clone(),
            found: FileSummary {
                bytes: 0,
                crc32c: 0,
                rows: 0,
                blocks: 0,
                ..summary.clone()
            },
        })
    }

    /// The next part; None at the end of a file that is whole.
    pub(super) fn next(&mut self) -> Result<Option<SnapshotPart>, BackupError> {
        if self.found.bytes >= self.expected.bytes {
            if self.found == self.expected {
                return Ok(None);
            }
            return Err(self.damaged("it is not what its manifest says"));
        }
        let header = self.take(8)?;
        let (length, crc) = header.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
        let length = usize::try_from(number(length)).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(self.damaged("a part is longer than any can be"));
        }
        let part = self.take(length)?;
        if crc32c::crc32c(&part) != number(crc) {
            return Err(self.damaged("a checksum does not fit"));
        }
        let part = SnapshotPart::decode(part).map_err(|e| self.damaged(&e.to_string()))?;
        self.found.rows += part.rows.len();
        self.found.blocks += part.blocks.len();
        Ok(Some(part))
    }

    fn take(&mut self, length: usize) -> Result<Bytes, BackupError> {
        let mut bytes = vec![0; length];
        match self.file.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.damaged("it is cut off"));
            }
            Err(e) => return Err(BackupError::io(&self.path)(e)),
        }
        self.found.bytes += length as u64;
        self.found.crc32c = crc32c::crc32c_append(self.found.crc32c, &bytes);
        Ok(bytes.into())
    }

    fn damaged(&self, reason: &str) -> BackupError {
        BackupError::damaged(&self.path, reason)
    }
}

#[cfg(test)]
mod tests {
    use levada_replica::proto::Row;

    use super::*;

    fn part(key: &'static str) -> Vec<u8> {
        let row = Row {
            key: Bytes::from_static(key.as_bytes()),
            value: Bytes::from_static(b"value"),
        };
        SnapshotPart {
            rows: vec![row],
            ..SnapshotPart::default()
        }
        .encode_to_vec()
    }

    fn read_all(dir: &Path, summary: &FileSummary) -> Result<usize, BackupError> {
        let mut reader = PartitionReader::open(&dir.to_owned(), summary)?;
        let mut rows = 0;
        while let Some(part) = reader.next()? {
            rows += part.rows.len();
        }
        Ok(rows)
    }

    #[test]
    fn a_file_reads_back_and_any_flipped_byte_or_cut_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = PartitionWriter::create(dir.path(), 3, 17).unwrap();
        writer.add(&part("one")).unwrap();
        writer.add(&part("two")).unwrap();
        assert_eq!(writer.summary().rows, 2);
        let summary = writer.finish().unwrap();
        assert_eq!(read_all(dir.path(), &summary).unwrap(), 2);
        let path = dir.path().join(&summary.file);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert!(read_all(dir.path(), &summary).is_err(), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(read_all(dir.path(), &summary).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_manifest_must_be_there_of_a_known_format_and_name_every_partition() {
        let dir = tempfile::tempdir().unwrap();
        let error = Manifest::read(&dir.path().to_owned()).unwrap_err();
        assert!(error.to_string().contains("manifest.json"), "{error}");
        let mut manifest = Manifest::new("00ff".into(), 5);
        manifest.partitions = vec![FileSummary::default()];
        manifest.write(dir.path()).unwrap();
        assert_eq!(Manifest::read(&dir.path().to_owned()).unwrap(), manifest);
        assert!(manifest.write(dir.path()).is_err(), "never over another");
        for change in [
            |m: &mut Manifest| m.format_version = 9,
            |m: &mut Manifest| m.partitions[0].partition = 1,
        ] {
            let mut changed = manifest.clone();
            change(&mut changed);
            let dir = tempfile::tempdir().unwrap();
            changed.write(dir.path()).unwrap();
            assert!(Manifest::read(&dir.path().to_owned()).is_err());
        }
    }
}
