//! The protobuf messages of the format (proto2), by hand: the derive would bring a second copy of what the AWS SDK compiles.
//!
//! `required` is not enforced: a missing index is the first key and missing data is empty, as with proto3.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{
    DecodeContext, WireType, bytes as blob, encoded_len_varint, message, skip_field, string, uint64,
};
use prost::{DecodeError, Message};

/// `message AggregatedRecord`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AggregatedRecord {
    /// 1: the partition keys, each once.
    pub(super) partition_key_table: Vec<String>,
    /// 2: the explicit hash keys, decimal.
    pub(super) explicit_hash_key_table: Vec<String>,
    /// 3: in their order.
    pub(super) records: Vec<Record>,
}

/// `message Record`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Record {
    /// 1: into the first table.
    pub(super) partition_key_index: u64,
    /// 2: into the second table.
    pub(super) explicit_hash_key_index: Option<u64>,
    /// 3: what the user put. Field 4, the tags, is skipped: neither of Amazon's libraries has them.
    pub(super) data: Bytes,
}

impl Message for AggregatedRecord {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        string::encode_repeated(1, &self.partition_key_table, buf);
        string::encode_repeated(2, &self.explicit_hash_key_table, buf);
        message::encode_repeated(3, &self.records, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 => string::merge_repeated(wire_type, &mut self.partition_key_table, buf, ctx),
            2 => string::merge_repeated(wire_type, &mut self.explicit_hash_key_table, buf, ctx),
            3 => message::merge_repeated(wire_type, &mut self.records, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        string::encoded_len_repeated(1, &self.partition_key_table)
            + string::encoded_len_repeated(2, &self.explicit_hash_key_table)
            + message::encoded_len_repeated(3, &self.records)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for Record {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        // Of proto2, required: index 0 and empty data are written too.
        uint64::encode(1, &self.partition_key_index, buf);
        if let Some(index) = &self.explicit_hash_key_index {
            uint64::encode(2, index, buf);
        }
        blob::encode(3, &self.data, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 => uint64::merge(wire_type, &mut self.partition_key_index, buf, ctx),
            2 => {
                let index = self.explicit_hash_key_index.get_or_insert_default();
                uint64::merge(wire_type, index, buf, ctx)
            }
            3 => blob::merge(wire_type, &mut self.data, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let hash_key = self.explicit_hash_key_index.as_ref();
        uint64::encoded_len(1, &self.partition_key_index)
            + hash_key.map_or(0, |index| uint64::encoded_len(2, index))
            + blob::encoded_len(3, &self.data)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Bytes of a field that is a tag below 16, a length, and so many bytes.
pub(super) fn delimited_len(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}
