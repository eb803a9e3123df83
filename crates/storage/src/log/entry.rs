//! How one entry lies in raft-engine's batches: eight bytes of index, little endian, then the payload.
//!
//! raft-engine takes entries as protobuf messages. An entry of ours is bytes already, so this message
//! writes itself raw: one copy into the write buffer and no field tags. The engine keeps the length and
//! the checksum. Called by the writer and the reader thread only.

use std::any::Any;
use std::sync::OnceLock;

use bytes::Bytes;
use protobuf::reflect::MessageDescriptor;
use protobuf::{
    Clear, CodedInputStream, CodedOutputStream, Message, ProtobufError, ProtobufResult,
    UnknownFields,
};
use raft_engine::MessageExt;

use super::LogEntry;

const INDEX_LEN: usize = size_of::<u64>();

/// An entry in the form that raft-engine stores.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub(super) index: u64,
    pub(super) bytes: Bytes,
    unknown: UnknownFields,
}

/// Names [`Record`] to raft-engine.
pub(super) struct Records;

impl MessageExt for Records {
    type Entry = Record;

    fn index(e: &Record) -> u64 {
        e.index
    }
}

impl From<LogEntry> for Record {
    fn from(entry: LogEntry) -> Self {
        Self {
            index: entry.index,
            bytes: entry.bytes,
            unknown: UnknownFields::default(),
        }
    }
}

impl From<Record> for LogEntry {
    fn from(record: Record) -> Self {
        Self {
            index: record.index,
            bytes: record.bytes,
        }
    }
}

impl Clear for Record {
    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for Record {
    fn descriptor(&self) -> &'static MessageDescriptor {
        // Only asked for the name in an error about required fields, of which there are none.
        protobuf::well_known_types::BytesValue::descriptor_static()
    }

    fn is_initialized(&self) -> bool {
        true
    }

    fn merge_from(&mut self, is: &mut CodedInputStream<'_>) -> ProtobufResult<()> {
        self.index = is.read_fixed64()?;
        let mut bytes = Vec::new();
        while !is.eof()? {
            bytes.push(is.read_raw_byte()?);
        }
        self.bytes = bytes.into();
        Ok(())
    }

    fn parse_from_bytes(bytes: &[u8]) -> ProtobufResult<Self> {
        match bytes.split_first_chunk::<INDEX_LEN>() {
            Some((index, payload)) => Ok(Self {
                index: u64::from_le_bytes(*index),
                bytes: Bytes::copy_from_slice(payload),
                unknown: UnknownFields::default(),
            }),
            None => Err(ProtobufError::WireError(
                protobuf::error::WireError::UnexpectedEof,
            )),
        }
    }

    fn write_to_vec(&self, v: &mut Vec<u8>) -> ProtobufResult<()> {
        v.reserve(INDEX_LEN + self.bytes.len());
        v.extend_from_slice(&self.index.to_le_bytes());
        v.extend_from_slice(&self.bytes);
        Ok(())
    }

    fn write_to_with_cached_sizes(&self, os: &mut CodedOutputStream<'_>) -> ProtobufResult<()> {
        os.write_raw_bytes(&self.index.to_le_bytes())?;
        os.write_raw_bytes(&self.bytes)
    }

    fn compute_size(&self) -> u32 {
        u32::try_from(INDEX_LEN + self.bytes.len()).unwrap_or(u32::MAX)
    }

    fn get_cached_size(&self) -> u32 {
        self.compute_size()
    }

    fn get_unknown_fields(&self) -> &UnknownFields {
        &self.unknown
    }

    fn mut_unknown_fields(&mut self) -> &mut UnknownFields {
        &mut self.unknown
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn new() -> Self {
        Self::default()
    }

    fn default_instance() -> &'static Self {
        static EMPTY: OnceLock<Record> = OnceLock::new();
        EMPTY.get_or_init(Self::default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_and_reading_agree() {
        let record = Record::from(LogEntry {
            index: 7,
            bytes: Bytes::from_static(b"payload"),
        });
        let mut raw = Vec::new();
        record.write_to_vec(&mut raw).unwrap();
        assert_eq!(raw, b"\x07\0\0\0\0\0\0\0payload");
        assert_eq!(record.write_to_bytes().unwrap(), raw);
        assert_eq!(Record::parse_from_bytes(&raw).unwrap(), record);
        let mut merged = Record::default();
        merged.merge_from_bytes(&raw).unwrap();
        assert_eq!(merged, record);
    }

    #[test]
    fn a_record_without_an_index_is_an_error() {
        assert!(Record::parse_from_bytes(b"\x07\0\0").is_err());
    }
}
