//! From a checked message to the command that stores it. Shared by the two actions that send.

use std::fmt::Write as _;

use bytes::Bytes;
use levada_cluster::Queue;
use levada_engine::proto::{NewMessage, Sent};
use levada_wire::sqs::paging::sequence_number;
use levada_wire::sqs::{Md5, SendMessageResponse, StoredMessage};
use sha2::{Digest as _, Sha256};

use crate::random::Uuid;

/// Bytes of a hash that name a deduplication id or an attempt in the log.
const HASH_LEN: usize = 16;

/// What is said of a message when it has been sent.
#[derive(Debug)]
pub(super) struct Digests {
    pub(super) body: Md5,
    pub(super) attributes: Option<Md5>,
    pub(super) system_attributes: Option<Md5>,
}

/// The command for one message. On a FIFO queue `stored` gets the deduplication id that it lacks. That ids
/// are told apart by group, where the queue says so, is the engine's business.
pub(super) fn new_message(
    queue: &Queue,
    mut stored: StoredMessage,
    delay_seconds: Option<i64>,
    system_attributes: Option<Md5>,
) -> (NewMessage, Digests) {
    let mut deduplication = Bytes::new();
    let mut delay_ms = None;
    if queue.settings.fifo {
        if stored.deduplication_id.is_empty() {
            stored.deduplication_id = sha256_hex(&stored.body).into();
        }
        deduplication = Bytes::copy_from_slice(&hash(&stored.deduplication_id));
    } else {
        delay_ms = delay_seconds
            .and_then(|secs| u64::try_from(secs).ok())
            .map(|secs| secs * 1_000);
    }
    let digests = Digests {
        body: stored.body_digest(),
        attributes: Md5::from_slice(&stored.attributes_md5),
        system_attributes,
    };
    let group = std::str::from_utf8(&stored.group_id)
        .unwrap_or_default()
        .to_owned();
    let message_id = Bytes::copy_from_slice(&Uuid::random().0);
    let message = NewMessage {
        message_id,
        payload: stored.to_payload(),
        group,
        deduplication,
        delay_ms,
    };
    (message, digests)
}

/// The answer for one message.
pub(super) fn response(queue: &Queue, sent: &Sent, digests: Digests) -> SendMessageResponse {
    SendMessageResponse {
        md5_of_message_body: digests.body,
        md5_of_message_attributes: digests.attributes,
        md5_of_message_system_attributes: digests.system_attributes,
        message_id: Uuid::from_stored(&sent.message_id).text().to_string(),
        sequence_number: queue.settings.fifo.then(|| sequence_number(sent.position)),
    }
}

/// The head of the SHA-256 of an id.
pub(super) fn hash(id: &[u8]) -> [u8; HASH_LEN] {
    let digest: [u8; 32] = Sha256::digest(id).into();
    let mut head = [0; HASH_LEN];
    head.copy_from_slice(&digest[..HASH_LEN]);
    head
}

/// The deduplication id of a message that has none of its own.
fn sha256_hex(body: &[u8]) -> String {
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
