//! By what a file is known again: its device and inode, and the checksum of its first bytes, since an inode is given to
//! another file once the first is gone, and a file can be emptied and written anew.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use serde::{Deserialize, Serialize};

use crate::limits::HEAD_BYTES;

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    /// Of a file that was looked at.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// When a file was changed last, in nanoseconds since 1970.
pub(crate) fn modified_ns(metadata: &Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

/// How a file begins, as a checkpoint keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadSum {
    pub(crate) bytes: u32,
    pub(crate) crc32c: u32,
}

impl HeadSum {
    /// Of the first bytes.
    pub(crate) fn of(head: &[u8]) -> Self {
        Self {
            bytes: u32::try_from(head.len()).unwrap_or(u32::MAX),
            crc32c: crc32c::crc32c(head),
        }
    }

    /// Whether the file still begins so; it may have become longer.
    pub(crate) fn fits(self, head: &[u8]) -> bool {
        usize::try_from(self.bytes)
            .ok()
            .and_then(|bytes| head.get(..bytes))
            .is_some_and(|known| crc32c::crc32c(known) == self.crc32c)
    }
}

/// The first bytes of a file, at most [`HEAD_BYTES`].
pub(crate) fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; HEAD_BYTES];
    let count = read_at(file, &mut buffer, 0)?;
    buffer.truncate(count);
    Ok(buffer)
}

/// Fills a buffer from a position on, as far as the file goes.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grew_fits_and_another_does_not() {
        let sum = HeadSum::of(b"2026-01-01 begin\n");
        assert!(sum.fits(b"2026-01-01 begin\n") && sum.fits(b"2026-01-01 begin\nmore"));
        assert!(!sum.fits(b"2026-01-02 begin\n") && !sum.fits(b"2026"));
        assert!(HeadSum::of(b"").fits(b"anything"));
    }
}
