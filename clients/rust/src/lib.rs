//! Producer and consumer of Kinesis streams, on the AWS SDK, against any endpoint of the public API.
//!
//! Rust has none of Amazon's own libraries. This one keeps to their formats: what [`Producer`] aggregates is what the KPL
//! aggregates, and the leases of [`Consumer`] are those of KCL. It makes no clients: endpoint, credentials, TLS and HTTP are those
//! of the clients that it is given.
//!
//! It knows nothing of Levada, which it is a part of.

mod backoff;
mod consumer;
mod error;
mod hash;
mod kpl;
pub mod limits;
mod position;
mod producer;
mod shards;

pub use consumer::{
    CheckpointError, Checkpointer, Consumer, ConsumerError, ConsumerSettings, LeaseLost, Processor,
    ProcessorError, ProcessorFactory, Read, Record, Records, ShardStart, StartAt,
};
pub use error::CallError;
pub use hash::{HashKey, HashRange};
pub use kpl::{Packer, UserRecord, unpack};
pub use position::{Checkpoint, Position, SequenceNumber};
pub use producer::{Placed, Producer, ProducerSettings, PutError, Receipt};
