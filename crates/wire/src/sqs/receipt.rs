//! Receipt handles: what a client holds of a claim.
//!
//! ```text
//! | version 1 | partition u32 | queue u64 | position u64 | generation u32 | CRC32C u32 |
//! ```
//! Big-endian, in URL-safe base64 without padding: 39 characters. The checksum is of all before it, so
//! that a mistyped or truncated handle is refused here and never reaches a partition.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use levada_types::{PartitionId, QueueId, Receipt};

use super::SqsError;

const VERSION: u8 = 1;
const BODY_LEN: usize = 1 + 4 + 8 + 8 + 4;
const LEN: usize = BODY_LEN + 4;

/// The handle of a claim.
pub fn encode(receipt: &Receipt) -> String {
    let mut bytes = [0; LEN];
    bytes[0] = VERSION;
    bytes[1..5].copy_from_slice(&receipt.partition.0.to_be_bytes());
    bytes[5..13].copy_from_slice(&receipt.queue.0.to_be_bytes());
    bytes[13..21].copy_from_slice(&receipt.position.to_be_bytes());
    bytes[21..25].copy_from_slice(&receipt.generation.to_be_bytes());
    let checksum = crc32c::crc32c(&bytes[..BODY_LEN]);
    bytes[BODY_LEN..].copy_from_slice(&checksum.to_be_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The claim of a handle. The caller checks that it is of the queue that the request names.
pub fn decode(handle: &str) -> Result<Receipt, SqsError> {
    parse(handle).ok_or_else(|| SqsError::receipt_handle_is_invalid(handle))
}

fn parse(handle: &str) -> Option<Receipt> {
    let mut bytes = [0; LEN];
    if BASE64_URL_SAFE_NO_PAD
        .decode_slice(handle, &mut bytes)
        .ok()?
        != LEN
    {
        return None;
    }
    let checksum = u32::from_be_bytes(bytes[BODY_LEN..].try_into().ok()?);
    if bytes[0] != VERSION || crc32c::crc32c(&bytes[..BODY_LEN]) != checksum {
        return None;
    }
    Some(Receipt {
        partition: PartitionId(u32::from_be_bytes(bytes[1..5].try_into().ok()?)),
        queue: QueueId(u64::from_be_bytes(bytes[5..13].try_into().ok()?)),
        position: u64::from_be_bytes(bytes[13..21].try_into().ok()?),
        generation: u32::from_be_bytes(bytes[21..25].try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn receipt(partition: u32, queue: u64, position: u64, generation: u32) -> Receipt {
        Receipt {
            partition: PartitionId(partition),
            queue: QueueId(queue),
            position,
            generation,
        }
    }

    #[test]
    fn a_handle_is_short_and_safe_in_a_url() {
        let handle = encode(&receipt(3, 7, 1 << 40, 2));
        assert_eq!(handle.len(), 39);
        assert!(
            handle
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        // What is in clients' hands must be understood by every later version.
        assert_eq!(handle, "AQAAAAMAAAAAAAAABwAAAQAAAAAAAAAAApzIUEM");
    }

    #[test]
    fn garbage_is_refused_in_words() {
        for bad in [
            "",
            "x",
            "dummy",
            "AQAAAAMAAAAAAAAABwAAAQAAAAAAAAAAApzIUEA",
            "ü",
            &"A".repeat(39),
            &"A".repeat(4_000),
        ] {
            let error = decode(bad).unwrap_err();
            assert_eq!(
                error.kind,
                super::super::SqsErrorKind::ReceiptHandleIsInvalid
            );
            assert_eq!(
                error.message,
                format!("The input receipt handle \"{bad}\" is not a valid receipt handle.")
            );
        }
    }

    proptest! {
        #[test]
        fn a_handle_comes_back(p in any::<u32>(), q in any::<u64>(), at in any::<u64>(), g in any::<u32>()) {
            let receipt = receipt(p, q, at, g);
            prop_assert_eq!(decode(&encode(&receipt)).unwrap(), receipt);
        }

        #[test]
        fn one_changed_character_is_noticed(at in any::<u64>(), index in 0..39_usize, c in "[A-Za-z0-9_-]") {
            let handle = encode(&receipt(1, 2, at, 3));
            let mut changed = handle.clone();
            changed.replace_range(index..=index, &c);
            prop_assert!(changed == handle || decode(&changed).is_err());
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in any::<String>()) {
            let _ = decode(&text);
        }
    }
}
