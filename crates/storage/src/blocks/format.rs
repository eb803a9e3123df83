//! How a block lies in a segment file.
//!
//! ```text
//! offset  0 magic "LVDBLOCK"   8 salt   16 sequence   24 log   32 first   40 payload length
//!        48 partition   52 version   56 count   60 payload CRC32C   64 header CRC32C   68 zeros
//! payload: count x { position u64, length u32 }, then the records, one after the other
//! ```
//!
//! Numbers are little endian. A block begins at a multiple of [`ALIGNMENT`], so that after a damaged header
//! the next block can be found. The salt is the segment's own random number, which stands in its file's
//! name: a message that looks like a block can't be taken for one.

use bytes::Bytes;
use levada_types::PartitionId;

use super::{BlockId, BlockRecords};

/// Blocks begin at multiples of this: a disk's smallest sector.
pub(super) const ALIGNMENT: u64 = 512;
/// Bytes of a header.
pub(super) const HEADER_LEN: usize = 72;
const MAGIC: &[u8; 8] = b"LVDBLOCK";
const VERSION: u32 = 1;
const CRC_AT: usize = 64;
const TABLE_ROW_LEN: usize = 12;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: BlockId,
    /// Rises with every write of the store: of two copies of a block, the higher one is the newer.
    pub(super) sequence: u64,
    pub(super) count: u32,
    pub(super) payload_len: u64,
    pub(super) payload_crc: u32,
}

impl Header {
    /// Bytes from the block's beginning to the next one's.
    pub(super) fn footprint(&self) -> u64 {
        aligned(HEADER_LEN as u64 + self.payload_len)
    }

    fn encode(&self, salt: u64) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(MAGIC);
        let words = [
            salt,
            self.sequence,
            self.id.log,
            self.id.first,
            self.payload_len,
        ];
        for (n, word) in words.into_iter().enumerate() {
            out[8 + n * 8..16 + n * 8].copy_from_slice(&word.to_le_bytes());
        }
        let halves = [self.id.partition.0, VERSION, self.count, self.payload_crc];
        for (n, half) in halves.into_iter().enumerate() {
            out[48 + n * 4..52 + n * 4].copy_from_slice(&half.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out[..CRC_AT]);
        out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header, or nothing if there is none of this segment.
    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.get(..HEADER_LEN)?.try_into().ok()?;
        let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let half = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).ok();
        let intact = bytes.starts_with(MAGIC)
            && half(CRC_AT)? == crc32c::crc32c(&bytes[..CRC_AT])
            && word(8)? == salt
            && half(52)? == VERSION;
        if !intact {
            return None;
        }
        Some(Self {
            id: BlockId {
                partition: PartitionId(half(48)?),
                log: word(24)?,
                first: word(32)?,
            },
            sequence: word(16)?,
            payload_len: word(40)?,
            count: half(56)?,
            payload_crc: half(60)?,
        })
    }
}

/// The next multiple of [`ALIGNMENT`].
pub(super) fn aligned(len: u64) -> u64 {
    len.next_multiple_of(ALIGNMENT)
}

/// Adds a block to `out`, whose length is a multiple of [`ALIGNMENT`] before and after. Returns the header.
pub(super) fn encode(
    out: &mut Vec<u8>,
    salt: u64,
    sequence: u64,
    id: BlockId,
    records: &[(u64, Bytes)],
) -> Header {
    let begin = out.len();
    out.resize(begin + HEADER_LEN, 0);
    let payload = out.len();
    let bytes: usize = records.iter().map(|(_, record)| record.len()).sum();
    out.reserve(records.len() * TABLE_ROW_LEN + bytes + ALIGNMENT as usize);
    for (position, record) in records {
        out.extend_from_slice(&position.to_le_bytes());
        out.extend_from_slice(&(record.len() as u32).to_le_bytes());
    }
    for (_, record) in records {
        out.extend_from_slice(record);
    }
    let header = Header {
        id,
        sequence,
        count: records.len() as u32,
        payload_len: (out.len() - payload) as u64,
        payload_crc: crc32c::crc32c(&out[payload..]),
    };
    out[begin..payload].copy_from_slice(&header.encode(salt));
    out.resize(begin + header.footprint() as usize, 0);
    header
}

/// Checks a payload against its header and cuts it into records, which share its memory.
pub(super) fn decode_payload(header: &Header, payload: &Bytes) -> Result<BlockRecords, String> {
    if payload.len() as u64 != header.payload_len {
        return Err(format!(
            "{} of {} bytes are there",
            payload.len(),
            header.payload_len
        ));
    }
    let crc = crc32c::crc32c(payload);
    if crc != header.payload_crc {
        return Err(format!(
            "its checksum is {crc:#010x}, not {:#010x}",
            header.payload_crc
        ));
    }
    // From here on only a fault of ours could be wrong; it is an error all the same.
    let mismatch = || "its table does not fit its length".to_owned();
    let count = header.count as usize;
    let mut at = count
        .checked_mul(TABLE_ROW_LEN)
        .filter(|&t| t <= payload.len())
        .ok_or_else(mismatch)?;
    let mut records = Vec::with_capacity(count);
    for row in payload[..at].chunks_exact(TABLE_ROW_LEN) {
        let (position, len) = row.split_at(8);
        let position = u64::from_le_bytes(position.try_into().map_err(|_| mismatch())?);
        let len = u32::from_le_bytes(len.try_into().map_err(|_| mismatch())?) as usize;
        if payload.len() - at < len {
            return Err(mismatch());
        }
        records.push((position, payload.slice(at..at + len)));
        at += len;
    }
    if at == payload.len() {
        Ok(records.into())
    } else {
        Err(mismatch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: BlockId = BlockId {
        partition: PartitionId(3),
        log: 9,
        first: 100,
    };

    fn block() -> (Vec<u8>, Header) {
        let mut out = Vec::new();
        let records = [(100, Bytes::from_static(b"one")), (107, Bytes::new())];
        let header = encode(&mut out, 42, 5, ID, &records);
        (out, header)
    }

    #[test]
    fn a_block_comes_back() {
        let (bytes, header) = block();
        assert_eq!(bytes.len() as u64, ALIGNMENT);
        assert_eq!(Header::decode(&bytes, 42), Some(header));
        assert_eq!((header.id, header.sequence, header.count), (ID, 5, 2));
        let payload = Bytes::copy_from_slice(&bytes[HEADER_LEN..HEADER_LEN + 27]);
        let records = decode_payload(&header, &payload).unwrap();
        assert_eq!(records[0], (100, Bytes::from_static(b"one")));
        assert_eq!(records[1], (107, Bytes::new()));
    }

    #[test]
    fn another_segments_block_is_none_of_ours() {
        assert_eq!(Header::decode(&block().0, 43), None);
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (bytes, header) = block();
        for at in 0..(HEADER_LEN + 27) * 8 {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            if at / 8 < CRC_AT + 4 {
                assert_eq!(Header::decode(&bytes, 42), None, "bit {at}");
            } else if at / 8 >= HEADER_LEN {
                let payload = Bytes::copy_from_slice(&bytes[HEADER_LEN..HEADER_LEN + 27]);
                assert!(decode_payload(&header, &payload).is_err(), "bit {at}");
            }
        }
    }

    #[test]
    fn a_table_that_does_not_fit_is_an_error() {
        let mut payload = vec![0_u8; TABLE_ROW_LEN];
        payload[8] = 200;
        let payload = Bytes::from(payload);
        let header = |count| Header {
            id: ID,
            sequence: 1,
            count,
            payload_len: payload.len() as u64,
            payload_crc: crc32c::crc32c(&payload),
        };
        assert!(decode_payload(&header(1), &payload).is_err());
        assert!(decode_payload(&header(u32::MAX), &payload).is_err());
        assert!(decode_payload(&header(0), &payload).is_err());
    }
}
