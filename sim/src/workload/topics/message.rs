//! What is published, and what of it can be told from a copy: number and form, filled up if it is large, and behind it for
//! whom it is and where it is in the topic.

use bytes::Bytes;
use levada_cluster::ReceivedMessage;

use crate::topic_event::Arrival;

const LARGE_BYTES: usize = 24 * 1024;
const HEAD_BYTES: usize = 9;
const TAIL_BYTES: usize = 16;
/// What can't be read has these, which nobody sends.
const STRANGE: u64 = u64::MAX;

/// A message as its publisher made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) number: u64,
    /// FIFO: its group.
    pub(super) group: Option<u64>,
    pub(super) is_large: bool,
}

impl Message {
    /// One of its two forms.
    pub(super) fn form(&self, form: u8) -> Bytes {
        let mut bytes = self.number.to_be_bytes().to_vec();
        bytes.push(form);
        if self.is_large {
            bytes.resize(LARGE_BYTES, self.number as u8);
        }
        bytes.into()
    }
}

/// What a copy ends with; the broker adds the position.
pub(super) fn suffix(subscription: u64) -> Bytes {
    Bytes::copy_from_slice(&subscription.to_be_bytes())
}

/// A copy as it was received. One whose bytes are not those of any message is message 2^64 - 1.
pub(super) fn arrival(message: &ReceivedMessage) -> Arrival {
    let read = read(&message.record.payload);
    let (number, form, subscription, published_at) =
        read.unwrap_or((STRANGE, u8::MAX, STRANGE, STRANGE));
    Arrival {
        number,
        form,
        subscription,
        published_at,
        group: message.record.group.parse().ok(),
        place: (message.receipt.partition, message.receipt.position),
    }
}

fn read(payload: &[u8]) -> Option<(u64, u8, u64, u64)> {
    let (rest, tail) = payload.split_last_chunk::<TAIL_BYTES>()?;
    let (number, _) = rest.split_first_chunk::<8>()?;
    let number = u64::from_be_bytes(*number);
    let (form, filling) = rest[HEAD_BYTES - 1..].split_first()?;
    let is_whole = filling.is_empty() || rest.len() == LARGE_BYTES;
    let is_filled = filling.iter().all(|byte| *byte == number as u8);
    let (subscription, position) = tail.split_first_chunk::<8>()?;
    let position: [u8; 8] = position.try_into().ok()?;
    (is_whole && is_filled).then_some((
        number,
        *form,
        u64::from_be_bytes(*subscription),
        u64::from_le_bytes(position),
    ))
}
