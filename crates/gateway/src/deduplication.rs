//! Deduplication ids: how they are named in the log, and what stands in for one. Shared by queues and topics.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Bytes of a hash that name a deduplication id or an attempt in the log.
const HASH_LEN: usize = 16;

/// The head of the SHA-256 of an id.
pub(crate) fn hash(id: &[u8]) -> [u8; HASH_LEN] {
    let digest: [u8; 32] = Sha256::digest(id).into();
    let mut head = [0; HASH_LEN];
    head.copy_from_slice(&digest[..HASH_LEN]);
    head
}

/// The deduplication id of a message that has none of its own.
pub(crate) fn sha256_hex(body: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let mut text = String::with_capacity(64);
    for byte in digest {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_stands_in_for_a_deduplication_id() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hash(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
