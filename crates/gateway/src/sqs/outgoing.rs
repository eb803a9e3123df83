//! From a checked message to the command that stores it. Shared by the two actions that send.

use bytes::Bytes;
use levada_cluster::Queue;
use levada_engine::proto::{NewMessage, Sent};
use levada_wire::sqs::paging::sequence_number;
use levada_wire::sqs::{Md5, SendMessageResponse, StoredMessage};

use crate::deduplication::{hash, sha256_hex};
use crate::random::Uuid;

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
