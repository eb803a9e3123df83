//! Takes aggregated records apart.

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message as _;

use super::message::AggregatedRecord;
use super::{DIGEST_BYTES, MAGIC};
use crate::hash::{HashKey, HashRange};
use crate::limits::UNPACKED_RECORDS_MAX;

/// A user record out of an aggregated one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Its place in the aggregated record, from 0.
    pub sub_sequence_number: u64,
    /// The key that its producer gave it.
    pub partition_key: String,
    /// The hash key that its producer gave it instead of its partition key's, decimal.
    pub explicit_hash_key: Option<String>,
    /// What its producer put.
    pub data: Bytes,
}

/// The user records of an aggregated record that belong to a shard of this range; `None` if the bytes are no aggregated record,
/// and mean themselves.
///
/// Those of other ranges came by a producer that did not know yet of a split or merge. It is told the shard, and puts them again
/// where they belong. They keep their numbers, so that a place is the same for every reader.
pub fn unpack(data: &Bytes, range: HashRange) -> Option<Vec<UserRecord>> {
    let end = data.len().checked_sub(DIGEST_BYTES)?;
    if end <= MAGIC.len() || !data.starts_with(&MAGIC) {
        return None;
    }
    let message = data.slice(MAGIC.len()..end);
    if Md5::digest(&message).as_slice() != &data[end..] {
        return None;
    }
    let message = AggregatedRecord::decode(message).ok()?;
    if message.records.len() > UNPACKED_RECORDS_MAX {
        return None;
    }
    let mut records = Vec::with_capacity(message.records.len());
    for (number, record) in message.records.into_iter().enumerate() {
        let partition_key = entry(&message.partition_key_table, record.partition_key_index)?;
        let explicit_hash_key = match record.explicit_hash_key_index {
            Some(index) => Some(entry(&message.explicit_hash_key_table, index)?),
            None => None,
        };
        let hash_key = match &explicit_hash_key {
            Some(text) => HashKey::parse(text)?,
            None => HashKey::of(&partition_key),
        };
        if range.contains(hash_key) {
            records.push(UserRecord {
                sub_sequence_number: number as u64,
                partition_key,
                explicit_hash_key,
                data: record.data,
            });
        }
    }
    Some(records)
}

fn entry(table: &[String], index: u64) -> Option<String> {
    table.get(usize::try_from(index).ok()?).cloned()
}

#[cfg(test)]
mod tests {
    use super::super::Packer;
    use super::super::message::Record;
    use super::*;
    use proptest::prelude::*;

    fn packed(message: &AggregatedRecord) -> Bytes {
        let message = message.encode_to_vec();
        let digest: [u8; 16] = Md5::digest(&message).into();
        [&MAGIC[..], &message, &digest].concat().into()
    }

    #[test]
    fn records_of_another_shard_are_left_out_and_the_others_keep_their_numbers() {
        let mut packer = Packer::new();
        for key in ["a", "b", "c", "d"] {
            packer.push(key, Bytes::from_static(b"x"));
        }
        let data = Bytes::from(packer.finish());
        let first = HashKey::of("a").min(HashKey::of("c"));
        let last = HashKey::of("a").max(HashKey::of("c"));
        let range = HashRange { first, last };
        let kept: Vec<_> = ["a", "b", "c", "d"]
            .iter()
            .zip(0_u64..)
            .filter(|(key, _)| range.contains(HashKey::of(key)))
            .map(|(_, number)| number)
            .collect();
        let found = unpack(&data, range).unwrap();
        let found: Vec<_> = found.iter().map(|r| r.sub_sequence_number).collect();
        assert_eq!(found, kept);
        assert!(
            kept.len() < 4,
            "the keys must differ for this to show anything"
        );
    }

    #[test]
    fn an_explicit_hash_key_decides_before_the_partition_key() {
        let data = packed(&AggregatedRecord {
            partition_key_table: vec!["k".into()],
            explicit_hash_key_table: vec!["7".into()],
            records: vec![Record {
                partition_key_index: 0,
                explicit_hash_key_index: Some(0),
                data: Bytes::from_static(b"x"),
            }],
        });
        let seven = HashRange {
            first: HashKey::new(7),
            last: HashKey::new(7),
        };
        let found = unpack(&data, seven).unwrap();
        assert_eq!(found[0].explicit_hash_key.as_deref(), Some("7"));
        let eight = HashRange {
            first: HashKey::new(8),
            last: HashKey::MAX,
        };
        assert_eq!(unpack(&data, eight).unwrap(), []);
    }

    #[test]
    fn an_index_that_points_nowhere_makes_it_no_aggregated_record() {
        let data = packed(&AggregatedRecord {
            records: vec![Record {
                partition_key_index: 3,
                ..Record::default()
            }],
            ..AggregatedRecord::default()
        });
        assert_eq!(unpack(&data, HashRange::WHOLE), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, seal: bool) {
            let digest: [u8; 16] = Md5::digest(&bytes).into();
            let data = if seal { [&MAGIC[..], &bytes, &digest].concat() } else { bytes };
            let _ = unpack(&data.into(), HashRange::WHOLE);
        }

        #[test]
        fn one_flipped_bit_is_seen(bit in 0_usize..8, at: prop::sample::Index) {
            let mut packer = Packer::new();
            packer.push("k", Bytes::from_static(b"data"));
            packer.push("l", Bytes::from_static(b"more"));
            let mut data = packer.finish();
            let at = at.index(data.len());
            data[at] ^= 1 << bit;
            prop_assert_eq!(unpack(&data.into(), HashRange::WHOLE), None);
        }
    }
}
