//! Tells a torn tail from damage, before raft-engine sees the files.
//!
//! raft-engine drops everything behind the first batch of its last file that it can't read. That is right
//! for a tail that power loss has torn, and wrong for a flipped bit in the middle of the file: what follows
//! was acknowledged. The two can be told apart, because the writer syncs every batch before it writes
//! the next: at most the very last batch can be torn, so a batch that can't be read with an intact one of
//! the same file behind it is damage. (Files other than the last are checked by raft-engine itself.)
//!
//! ```text
//! file    magic, version u64, alignment u64; then batches
//! batch   length u56, compression u8, footer offset u64; entries, CRC32; footer, CRC32 xor file number
//! ```
//!
//! Numbers of the file and the batch header are big endian, checksums little endian. A file that was
//! recycled holds batches of its former life, which the file number in the checksum tells apart.

use std::io;
use std::path::Path;

use super::{LogOpenError, files};
use crate::disk::Disk;

const MAGIC: &[u8] = b"RAFT-LOG-FILE-HEADER-9986AB3E47F320B394C8E84916EB0ED5";
const FILE_HEADER_LEN: usize = MAGIC.len() + 16;
const BATCH_HEADER_LEN: usize = 16;
const CRC_LEN: usize = 4;
const COMPRESSION_MAX: u8 = 1;
const ZEROS: [u8; 4_096] = [0; 4_096];

/// An error if the last file of the log in `dir` is damaged and not just torn.
pub(super) fn check(dir: &Path, disk: &dyn Disk) -> Result<(), LogOpenError> {
    let io = |source| LogOpenError::Io {
        path: dir.to_owned(),
        source,
    };
    let Some((number, path)) = files::numbered(dir).map_err(io)?.pop_last() else {
        return Ok(());
    };
    let bytes = read(disk, &path).map_err(io)?;
    match find_damage(&bytes, number as u32) {
        None => Ok(()),
        Some(at) => Err(LogOpenError::Damaged {
            path,
            reason: format!("what stands at byte {at} can't be read, but what follows it can"),
        }),
    }
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, false)?;
    let mut bytes = vec![0; usize::try_from(file.size()?).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Where damage begins, if there is any.
fn find_damage(bytes: &[u8], signature: u32) -> Option<usize> {
    let mut at = 0;
    if bytes.starts_with(MAGIC) {
        at = FILE_HEADER_LEN;
        while let Some(batch) = Batch::at(bytes, at, signature) {
            // Only the last batch may have entries that don't fit: a tear can spare the footer.
            if !batch.entries_intact(bytes) {
                break;
            }
            at = batch.end;
        }
    }
    batch_follows(bytes, at + 1, signature).then_some(at)
}

/// Whether an intact batch begins anywhere from `at` on.
fn batch_follows(bytes: &[u8], mut at: usize, signature: u32) -> bool {
    while at < bytes.len() {
        // What was filled ahead with zeros is most of the file after a crash.
        if bytes[at..].starts_with(&ZEROS) {
            at += ZEROS.len() - BATCH_HEADER_LEN;
        } else if Batch::at(bytes, at, signature).is_some() {
            return true;
        } else {
            at += 1;
        }
    }
    false
}

/// The extent of a batch whose footer is intact.
struct Batch {
    entries: usize,
    footer: usize,
    end: usize,
}

impl Batch {
    fn at(bytes: &[u8], at: usize, signature: u32) -> Option<Self> {
        let header = bytes.get(at..at + BATCH_HEADER_LEN)?;
        let (first, second) = header.split_at(8);
        let len_and_type = u64::from_be_bytes(first.try_into().ok()?);
        let footer = usize::try_from(u64::from_be_bytes(second.try_into().ok()?)).ok()?;
        let len = usize::try_from(len_and_type >> 8).ok()?;
        let plausible = len_and_type as u8 <= COMPRESSION_MAX
            && len <= bytes.len() - at
            && footer >= BATCH_HEADER_LEN
            && footer.checked_add(CRC_LEN).is_some_and(|least| least < len);
        let batch = Self {
            entries: at + BATCH_HEADER_LEN,
            footer: at.checked_add(footer)?,
            end: at + len,
        };
        (plausible && crc_fits(&bytes[batch.footer..batch.end], signature)).then_some(batch)
    }

    fn entries_intact(&self, bytes: &[u8]) -> bool {
        let entries = &bytes[self.entries..self.footer];
        entries.is_empty() || crc_fits(entries, 0)
    }
}

/// Whether bytes end with their checksum.
fn crc_fits(bytes: &[u8], signature: u32) -> bool {
    bytes
        .split_last_chunk::<CRC_LEN>()
        .is_some_and(|(content, crc)| {
            !content.is_empty() && crc32fast::hash(content) == u32::from_le_bytes(*crc) ^ signature
        })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{P0, entry, options, wait};
    use std::path::PathBuf;

    use super::super::{LogStore, StateKey};
    use super::*;
    use crate::disk::RealDisk;

    /// A log of three batches, and where each ends.
    fn written() -> (tempfile::TempDir, PathBuf, Vec<u8>, Vec<usize>) {
        let dir = tempfile::tempdir().unwrap();
        let log = LogStore::open(&dir.path().join("log"), options()).unwrap();
        wait(|done| log.append(P0, vec![entry(1, 300)], done)).unwrap();
        wait(|done| log.put_state(P0, StateKey::VOTE, vec![7; 40].into(), done)).unwrap();
        wait(|done| log.append(P0, vec![entry(2, 300), entry(3, 0)], done)).unwrap();
        drop(log);
        let (number, path) = files::numbered(&dir.path().join("log"))
            .unwrap()
            .pop_last()
            .unwrap();
        assert_eq!(number, 1);
        let bytes = std::fs::read(&path).unwrap();
        let mut ends = vec![FILE_HEADER_LEN];
        while let Some(batch) = Batch::at(&bytes, ends[ends.len() - 1], 1) {
            assert!(batch.entries_intact(&bytes));
            ends.push(batch.end);
        }
        assert_eq!((ends.len(), ends[3]), (4, bytes.len()));
        (dir, path, bytes, ends)
    }

    #[test]
    fn a_cut_anywhere_is_a_torn_tail() {
        let (dir, path, bytes, _) = written();
        for len in 0..bytes.len() {
            assert_eq!(find_damage(&bytes[..len], 1), None, "cut to {len}");
        }
        for len in [0, 40, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let log = LogStore::open(&dir.path().join("log"), options()).unwrap();
            assert_eq!(log.bounds(P0), (len > 40).then_some((1, 1)));
        }
    }

    #[test]
    fn a_flip_before_the_last_batch_is_damage() {
        let (dir, path, bytes, ends) = written();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x04;
            // The magic is compared; version and alignment are raft-engine's to judge.
            let expected = match at {
                at if at < MAGIC.len() => Some(0),
                at if at < FILE_HEADER_LEN || at >= ends[2] => None,
                at => ends.iter().rfind(|&&end| end <= at).copied(),
            };
            assert_eq!(find_damage(&flipped, 1), expected, "byte {at}");
        }
        let mut flipped = bytes;
        flipped[ends[1] + 20] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        let error = LogStore::open(&dir.path().join("log"), options())
            .err()
            .unwrap();
        assert!(matches!(error, LogOpenError::Damaged { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("move the whole data directory away"),
            "{error}"
        );
    }

    #[test]
    fn a_former_life_is_not_mistaken_for_what_follows() {
        let (_, _, bytes, ends) = written();
        assert_eq!(find_damage(&bytes, 2), None);
        let mut recycled = bytes.clone();
        recycled[ends[1]..ends[2]].fill(0);
        assert_eq!(find_damage(&recycled, 1), Some(ends[1]));
    }

    #[test]
    fn an_empty_directory_has_no_tail() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), &RealDisk).unwrap();
        check(&dir.path().join("absent"), &RealDisk).unwrap();
    }
}
