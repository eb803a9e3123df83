//! The deterministic core: what a partition holds, and what each command does to it.
//!
//! Nothing here knows clocks, randomness, tokio, files, sockets or AWS wire forms. The same commands
//! at the same stamps give the same bytes on every replica and in every replay.
//!
//! [`Partition::apply`] is the only way in. It answers one [`proto::Outcome`] for each command and
//! says in [`Effects`] what the leader should do next; followers drop them. [`Partition::snapshot`]
//! and [`Partition::restore`] carry the whole state as rows; payloads that left memory are blocks,
//! which the layer above keeps.

pub mod catalog;
pub mod config;
mod effects;
mod fifo;
mod known;
mod log;
mod partition;
mod remembered;
mod shard;
mod snapshot;
mod standard;
mod table;
mod topic;
mod transfer;
mod turn;
mod view;

pub use catalog::{Catalog, Subscription, SubscriptionCounts};
pub use config::{config_of, replaced_shards, shard_config_of, table_config_of, topic_config_of};
pub use effects::{BlockRef, Effects, SealedBlock};
pub use known::{NotKnown, read_proposal};
pub use partition::Partition;
pub use snapshot::RestoreError;
pub use transfer::{OutboxItem, OutboxKind, Shipment, partition_of_group};
pub use view::{Counts, Location, LogSlice, QueueView, ShardView, Waiting};

pub mod proto {
    //! The commands of the log, compiled from `command.proto`, `tables.proto` and `topics.proto` in
    //! `proto/levada/v1/`.
    #![allow(missing_docs, unreachable_pub, clippy::all)]
    include!(concat!(env!("OUT_DIR"), "/levada.v1.rs"));
}
