//! A partition as a Raft group.
//!
//! This crate joins the deterministic core to the disk and to the peers by way of openraft, of which
//! it is the only importer. It must not know HTTP or AWS.
//!
//! - [`Group`]: one partition's replica on this node: propose, read, checkpoint, hand over.
//! - [`Replicas`]: all groups of a node, and the answering side of the peer protocol.

mod backup;
mod codec;
mod config;
mod detail;
mod group;
mod host;
mod incoming;
mod log_store;
mod machine;
mod network;
mod pace;
mod replicas;
mod retired;
mod session;
mod snapshot;
mod time;

#[cfg(test)]
mod suite;

pub mod proto {
    //! What replicas say to each other, compiled from `proto/levada/v1/raft.proto`.
    #![allow(missing_docs, unreachable_pub, clippy::all)]
    include!(concat!(env!("OUT_DIR"), "/levada.v1.raft.rs"));
}

pub use backup::{Frozen, lay_down};
pub use config::{ReplicaOptions, TypeConfig};
pub use detail::GroupDetail;
pub use group::{Events, Group, GroupStatus, Lead, Pending, ProposeError};
pub use host::{Blocking, Host, Started};
pub use machine::block_id;
pub use replicas::{Replicas, is_raft_method};
pub use retired::is_mark;
