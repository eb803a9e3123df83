//! Makes aggregated records. What it makes of several user records is byte for byte what the KPL makes of them.

use std::collections::HashMap;

use bytes::{BufMut as _, Bytes};
use md5::{Digest, Md5};
use prost::Message as _;
use prost::encoding::encoded_len_varint;

use super::message::{AggregatedRecord, Record, delimited_len};
use super::{DIGEST_BYTES, MAGIC};

/// Gathers user records for one aggregated record, and knows at each moment how long that will be.
#[derive(Debug, Default)]
pub struct Packer {
    message: AggregatedRecord,
    /// Places in the table of keys.
    places: HashMap<String, u64>,
    /// Of the message as it is.
    message_bytes: usize,
}

impl Packer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// User records in it.
    pub fn len(&self) -> usize {
        self.message.records.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.message.records.is_empty()
    }

    /// Bytes of the aggregated record if it ended here.
    pub fn bytes(&self) -> usize {
        MAGIC.len() + self.message_bytes + DIGEST_BYTES
    }

    /// Bytes of the aggregated record if this were in it too.
    pub fn bytes_with(&self, partition_key: &str, data: &[u8]) -> usize {
        let (place, key_bytes) = self.place(partition_key);
        self.bytes() + key_bytes + record_len(place, data)
    }

    /// Adds a user record behind the others.
    pub fn push(&mut self, partition_key: &str, data: Bytes) {
        let (place, key_bytes) = self.place(partition_key);
        if key_bytes > 0 {
            self.places.insert(partition_key.to_owned(), place);
            let table = &mut self.message.partition_key_table;
            table.push(partition_key.to_owned());
        }
        self.message_bytes += key_bytes + record_len(place, &data);
        self.message.records.push(Record {
            partition_key_index: place,
            explicit_hash_key_index: None,
            data,
        });
    }

    /// The bytes of the aggregated record.
    pub fn finish(self) -> Vec<u8> {
        let mut packed = Vec::with_capacity(self.bytes());
        packed.put_slice(&MAGIC);
        self.message.encode_raw(&mut packed);
        let digest = Md5::digest(&packed[MAGIC.len()..]);
        packed.put_slice(&digest);
        packed
    }

    /// A key's place in the table, and the bytes that the table grows by for it.
    fn place(&self, partition_key: &str) -> (u64, usize) {
        match self.places.get(partition_key) {
            Some(place) => (*place, 0),
            None => {
                let next = self.message.partition_key_table.len() as u64;
                (next, delimited_len(partition_key.len()))
            }
        }
    }
}

/// Bytes of a record in the message.
fn record_len(place: u64, data: &[u8]) -> usize {
    delimited_len(1 + encoded_len_varint(place) + delimited_len(data.len()))
}

#[cfg(test)]
mod tests {
    use super::super::unpack;
    use super::*;
    use crate::hash::HashRange;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_are_those_of_the_published_form() {
        let mut packer = Packer::new();
        packer.push("k", Bytes::from_static(b"one"));
        packer.push("other", Bytes::new());
        packer.push("k", Bytes::from_static(b"two"));
        let message = [
            &b"\x0a\x01k"[..],
            b"\x0a\x05other",
            b"\x1a\x07\x08\x00\x1a\x03one",
            b"\x1a\x04\x08\x01\x1a\x00",
            b"\x1a\x07\x08\x00\x1a\x03two",
        ]
        .concat();
        let digest: [u8; 16] = Md5::digest(&message).into();
        let wanted = [&b"\xf3\x89\x9a\xc2"[..], &message, &digest].concat();
        assert_eq!(packer.bytes(), wanted.len());
        assert_eq!(packer.finish(), wanted);
    }

    proptest! {
        // Each case is up to 200 records.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_packed_comes_out_again_and_is_as_long_as_was_said(
            records in prop::collection::vec(("[a-cé]{1,3}", prop::collection::vec(any::<u8>(), 0..300)), 1..200)
        ) {
            let mut packer = Packer::new();
            for (key, data) in &records {
                let said = packer.bytes_with(key, data);
                packer.push(key, data.clone().into());
                prop_assert_eq!(packer.bytes(), said);
            }
            let said = packer.bytes();
            let packed = Bytes::from(packer.finish());
            prop_assert_eq!(packed.len(), said);
            let out = unpack(&packed, HashRange::WHOLE).unwrap();
            let out: Vec<_> = out.into_iter().map(|r| (r.partition_key, r.data.to_vec())).collect();
            prop_assert_eq!(out, records);
        }
    }
}
