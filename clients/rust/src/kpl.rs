//! The KPL's aggregated records: several user records in one record of the stream. Pure.
//!
//! ```text
//! 0                4                                N              N+16
//! +----------------+--------------------------------+--------------+
//! | F3 89 9A C2    | AggregatedRecord (protobuf)    | its MD5      |
//! +----------------+--------------------------------+--------------+
//! ```
//!
//! The form is that of `aggregation-format.md` of amazon-kinesis-producer.

mod message;
mod pack;
mod unpack;

pub use pack::Packer;
pub use unpack::{UserRecord, unpack};

/// What an aggregated record begins with.
const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
/// The length of the MD5 behind the message.
const DIGEST_BYTES: usize = 16;
