//! Reads segment files: the hop over the headers at start, and single blocks later.
//!
//! Opening trusts headers (they have a checksum of their own) and leaves payloads unread, except where a
//! block is there twice: a crash in the middle of copying leaves the old copy and perhaps half of the new
//! one, so the newest copy that verifies is taken.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};

use super::format::{ALIGNMENT, HEADER_LEN, Header, decode_payload};
use super::index::{Index, Place, Segment, SegmentFile};
use super::{BlockError, BlockId, BlockRecords};
use crate::disk::Disk;

/// Bytes read at once while looking for the next block behind a damaged header.
const RESYNC_BYTES: usize = 1 << 20;
const SUFFIX: &str = ".blocks";

/// The name of a segment's file: its number and its salt.
pub(super) fn file_name(number: u64, salt: u64) -> String {
    format!("{number:016x}-{salt:016x}{SUFFIX}")
}

fn parse_file_name(name: &str) -> Option<(u64, u64)> {
    let (number, salt) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let hex = |text: &str| {
        (text.len() == 16)
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
    };
    Some((hex(number)?, hex(salt)?))
}

/// Finds the blocks of a directory, and counts the places that it had to skip.
pub(super) fn scan(dir: &Path, disk: &dyn Disk) -> io::Result<(Index, u64)> {
    let mut index = Index::default();
    let mut places: BTreeMap<BlockId, Vec<Place>> = BTreeMap::new();
    let mut damaged = 0;
    for entry in std::fs::read_dir(dir)? {
        let path: PathBuf = entry?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .and_then(parse_file_name);
        let Some((number, salt)) = name else {
            tracing::warn!(path = %path.display(), "a file that is not a segment is left alone");
            continue;
        };
        let file = disk.open(&path, false)?;
        let file = Arc::new(SegmentFile { path, salt, file });
        let size = file.file.size()?;
        damaged += scan_segment(&file, size, |offset, header| {
            let place = Place {
                segment: number,
                file: file.clone(),
                offset,
                header,
            };
            places.entry(header.id).or_default().push(place);
        })?;
        index.add_segment(number, Segment::new(file, size, true));
    }
    for (id, mut copies) in places {
        copies.sort_by_key(|place| place.header.sequence);
        let newest = copies.last().map_or(0, |place| place.header.sequence);
        index.next_sequence = index.next_sequence.max(newest + 1);
        let intact = match copies.len() {
            0 | 1 => None,
            _ => copies
                .iter()
                .rposition(|place| read_block(id, place).is_ok()),
        };
        let chosen = intact.unwrap_or(copies.len() - 1);
        index.add_found(copies.swap_remove(chosen));
    }
    Ok((index, damaged))
}

/// Calls `found` for every block of a file. Returns how many times it had to look for the next one.
fn scan_segment(
    file: &SegmentFile,
    size: u64,
    mut found: impl FnMut(u64, Header),
) -> io::Result<u64> {
    let mut skipped = 0;
    let mut offset = 0;
    let mut bytes = [0; HEADER_LEN];
    while offset < size {
        let read = file.file.read_at(&mut bytes, offset)?;
        match Header::decode(&bytes[..read], file.salt).filter(|h| fits(h, offset, size)) {
            Some(header) => {
                found(offset, header);
                offset += header.footprint();
            }
            None => {
                skipped += 1;
                let next = next_header(file, offset + ALIGNMENT, size)?;
                tracing::warn!(
                    path = %file.path.display(), offset, next,
                    "a torn or damaged block in a segment file is skipped"
                );
                offset = next;
            }
        }
    }
    Ok(skipped)
}

fn fits(header: &Header, offset: u64, size: u64) -> bool {
    let end = (offset + HEADER_LEN as u64).checked_add(header.payload_len);
    end.is_some_and(|end| end <= size)
}

/// The offset of the next intact header from `offset` on, or `size`.
fn next_header(file: &SegmentFile, mut offset: u64, size: u64) -> io::Result<u64> {
    let mut bytes = vec![0; RESYNC_BYTES];
    while offset < size {
        let read = file.file.read_at(&mut bytes, offset)?;
        if read == 0 {
            break;
        }
        for at in (0..read).step_by(ALIGNMENT as usize) {
            let here = offset + at as u64;
            let header = Header::decode(&bytes[at..read], file.salt);
            if header.is_some_and(|h| fits(&h, here, size)) {
                return Ok(here);
            }
        }
        offset += (read as u64).next_multiple_of(ALIGNMENT);
    }
    Ok(size)
}

/// Reads one block and checks it.
pub(super) fn read_block(id: BlockId, place: &Place) -> Result<BlockRecords, BlockError> {
    let path = || place.file.path.clone();
    let corrupt = |reason| BlockError::Corrupt {
        id,
        path: path(),
        reason,
    };
    let len = usize::try_from(place.header.payload_len)
        .map_err(|_| corrupt("it is longer than memory".to_owned()))?;
    // Not `vec![0; n]`: of that size the allocator zeroes by giving the pages back, and each comes anew from the kernel,
    // which costs more than the reading.
    let mut bytes = BytesMut::with_capacity(HEADER_LEN + len);
    bytes.put_bytes(0, HEADER_LEN + len);
    let read = place
        .file
        .file
        .read_at(&mut bytes, place.offset)
        .map_err(|source| BlockError::Io {
            id,
            path: path(),
            source,
        })?;
    bytes.truncate(read);
    if Header::decode(&bytes, place.file.salt) != Some(place.header) {
        return Err(corrupt("its header is not what it was".to_owned()));
    }
    let payload = bytes.freeze().split_off(HEADER_LEN);
    decode_payload(&place.header, &payload).map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_s_name_holds_its_number_and_salt() {
        let name = file_name(10, u64::MAX);
        assert_eq!(name, "000000000000000a-ffffffffffffffff.blocks");
        assert_eq!(parse_file_name(&name), Some((10, u64::MAX)));
        for other in [
            "a-b.blocks",
            "LOCK",
            "000000000000000a-ffffffffffffffff.blocks.tmp",
        ] {
            assert_eq!(parse_file_name(other), None);
        }
    }
}
