//! How rows and manifests lie in sled.
//!
//! ```text
//! row       key 0x01 key          value { CRC32C of key and value u32, value }
//! manifest  key 0x00              value { CRC32C of the rest u32, version u32, save u64, applied u64,
//!                                         count u64, CRC32C over all rows u32, opaque }
//! ```
//!
//! Numbers are little endian. sled has checksums of its own; these make sure that what it gives back is
//! what this crate gave it, all of it, and of one save.

use bytes::Bytes;

use super::CheckpointMeta;

pub(super) const MANIFEST_KEY: &[u8] = &[0];
pub(super) const ROW_PREFIX: &[u8] = &[1];
const VERSION: u32 = 1;
const CRC_LEN: usize = 4;
const MANIFEST_LEN: usize = CRC_LEN + 4 + 8 + 8 + 8 + 4;

/// What one generation holds, and which save wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Rises with every save of the partition.
    pub(super) save: u64,
    pub(super) meta: CheckpointMeta,
    pub(super) count: u64,
    pub(super) rows_crc: u32,
}

impl Manifest {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; CRC_LEN];
        out.extend_from_slice(&VERSION.to_le_bytes());
        for word in [self.save, self.meta.applied_index, self.count] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.rows_crc.to_le_bytes());
        out.extend_from_slice(&self.meta.opaque);
        let crc = crc32c::crc32c(&out[CRC_LEN..]);
        out[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (crc, rest) = bytes
            .split_first_chunk::<CRC_LEN>()
            .ok_or("the manifest is cut off")?;
        if bytes.len() < MANIFEST_LEN {
            return Err("the manifest is cut off".to_owned());
        }
        if u32::from_le_bytes(*crc) != crc32c::crc32c(rest) {
            return Err("the manifest's checksum does not fit".to_owned());
        }
        let half = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes);
        let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes);
        let read = || -> Result<(u32, Self), std::array::TryFromSliceError> {
            let meta = CheckpointMeta {
                applied_index: word(16)?,
                opaque: Bytes::copy_from_slice(&bytes[MANIFEST_LEN..]),
            };
            let manifest = Self {
                save: word(8)?,
                meta,
                count: word(24)?,
                rows_crc: half(32)?,
            };
            Ok((half(4)?, manifest))
        };
        match read() {
            Ok((VERSION, manifest)) => Ok(manifest),
            Ok((version, _)) => Err(format!(
                "it has format version {version} and this version reads {VERSION}; start the version that \
                 wrote it"
            )),
            Err(e) => Err(e.to_string()),
        }
    }
}

/// The checksum over all rows, in the order of their keys.
#[derive(Default)]
pub(super) struct RowsCrc(u32);

impl RowsCrc {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, &(key.len() as u64).to_le_bytes());
        self.0 = crc32c::crc32c_append(self.0, &(value.len() as u64).to_le_bytes());
        self.0 = crc32c::crc32c_append(self.0, key);
        self.0 = crc32c::crc32c_append(self.0, value);
    }

    pub(super) fn value(&self) -> u32 {
        self.0
    }
}

fn row_crc(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

pub(super) fn encode_key(key: &[u8]) -> Vec<u8> {
    [ROW_PREFIX, key].concat()
}

pub(super) fn encode_value(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&row_crc(key, value).to_le_bytes(), value].concat()
}

/// Whether sled holds this very row.
pub(super) fn same_value(stored: &[u8], key: &[u8], value: &[u8]) -> bool {
    stored
        .split_first_chunk::<CRC_LEN>()
        .is_some_and(|(crc, old)| old == value && u32::from_le_bytes(*crc) == row_crc(key, value))
}

/// Checks a row that sled gave back and cuts out key and value.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<(Bytes, Bytes), String> {
    let key = key
        .strip_prefix(ROW_PREFIX)
        .ok_or("a row has a key of an unknown kind")?;
    let (crc, value) = value
        .split_first_chunk::<CRC_LEN>()
        .ok_or("a row is cut off")?;
    if u32::from_le_bytes(*crc) != row_crc(key, value) {
        return Err(format!(
            "the checksum of row {} does not fit",
            key.escape_ascii()
        ));
    }
    Ok((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back_or_is_refused() {
        let manifest = Manifest {
            save: 3,
            meta: CheckpointMeta {
                applied_index: 77,
                opaque: Bytes::from_static(b"opaque"),
            },
            count: 5,
            rows_crc: 9,
        };
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            assert!(Manifest::decode(&bytes).is_err(), "byte {at}");
            assert!(Manifest::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_row_belongs_to_its_key() {
        let value = encode_value(b"key", b"value");
        assert_eq!(
            decode(&encode_key(b"key"), &value),
            Ok((Bytes::from_static(b"key"), Bytes::from_static(b"value")))
        );
        assert!(decode(&encode_key(b"kez"), &value).is_err());
        assert!(decode(b"\x02key", &value).is_err());
        assert!(decode(&encode_key(b"key"), &value[..3]).is_err());
        assert!(same_value(&value, b"key", b"value"));
        assert!(!same_value(&value, b"key", b"walue"));
    }
}
