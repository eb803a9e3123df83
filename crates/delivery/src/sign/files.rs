//! The signing key's files: read whole, written whole or not at all.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A key has 1.7 KiB, a certificate of ours 1 KiB; one of an operator's own may come with others.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A file that cannot be read or written.
#[derive(Debug, Error)]
#[error("{path}: {error}")]
pub struct FileError {
    /// The file.
    path: PathBuf,
    /// What the system said.
    error: io::Error,
}

/// The text of a file, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<String>, FileError> {
    let read = || {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(Some(text))
    };
    read().map_err(|error| FileError {
        path: path.to_owned(),
        error,
    })
}

/// Makes a file that is not there; answers what is there afterwards, which is another's if another was first. A crash leaves
/// the whole file or none.
pub(super) fn make(path: &Path, text: &str, mode: u32) -> Result<String, FileError> {
    let failed = |error| FileError {
        path: path.to_owned(),
        error,
    };
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let unique = rand::random::<u64>();
    let temporary = path.with_extension(format!("{unique:016x}.tmp"));
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link fails where a file is: the first one stays, whole.
        match std::fs::hard_link(&temporary, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        std::fs::File::open(directory)?.sync_all()
    })();
    let removed = std::fs::remove_file(&temporary);
    written.map_err(failed)?;
    removed.map_err(failed)?;
    read(path)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))
}
