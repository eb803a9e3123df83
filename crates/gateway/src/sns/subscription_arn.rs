//! The ARNs of subscriptions. A subscription's row has a number; its ARN ends in a UUID that has the number in it, so that
//! it is found without an index, and a hash, so that nobody knows the UUIDs of others by having seen one.

use levada_cluster::Topic;
use levada_engine::Subscription;
use levada_wire::sns::SubscriptionArn;
use sha2::{Digest as _, Sha256};

use super::context;
use crate::random::Uuid;

/// The bits of a number that a UUID has room for, beside its variant.
const NUMBER_BITS: u32 = 62;

/// A subscription's ARN.
pub fn of(topic: &Topic, row: &Subscription) -> String {
    written(topic, row.number, row.created_at)
}

/// The same by what its row says: its number, and when it was made.
pub(super) fn written(topic: &Topic, number: u64, created_at_ms: u64) -> String {
    let id = uuid_of(topic.row.topic, number, created_at_ms);
    format!("{}:{}", context::arn_of(topic), id.text())
}

/// The number of the subscription that an ARN may be of: whoever looks it up compares the ARN.
pub(super) fn number_of(arn: &SubscriptionArn) -> Option<u64> {
    let digits: String = arn.id.chars().filter(|c| *c != '-').collect();
    let bits = u128::from_str_radix(&digits, 16).ok()?;
    Some(mixed(
        (bits as u64) & (u64::MAX >> (64 - NUMBER_BITS)),
        (bits >> 64) as u64,
    ))
}

fn uuid_of(topic: u64, number: u64, created_at_ms: u64) -> Uuid {
    let mut hash = Sha256::new();
    for part in [topic, number, created_at_ms] {
        hash.update(part.to_be_bytes());
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&hash[..8]);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    let mut head = [0; 8];
    head.copy_from_slice(&bytes[..8]);
    let tail = mixed(number, u64::from_be_bytes(head)) | (0b10 << NUMBER_BITS);
    bytes[8..].copy_from_slice(&tail.to_be_bytes());
    Uuid(bytes)
}

/// Its own inverse.
const fn mixed(number: u64, with: u64) -> u64 {
    (number ^ with) & (u64::MAX >> (64 - NUMBER_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_from_its_uuid() {
        for number in [1, 77, u64::MAX >> 2] {
            let id = uuid_of(5, number, 1_700_000_000_000);
            let text = format!("arn:aws:sns:us-east-1:000000000001:t:{}", id.text());
            let arn = SubscriptionArn::parse(&text).unwrap();
            assert_eq!(number_of(&arn), Some(number));
            assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (4, 0b10));
        }
        assert_ne!(uuid_of(5, 1, 7).0[..6], uuid_of(5, 2, 7).0[..6]);
        assert_ne!(uuid_of(5, 1, 7).0[..6], uuid_of(5, 1, 8).0[..6]);
    }
}
