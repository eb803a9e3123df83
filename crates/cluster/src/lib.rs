//! Membership, placement, leader balance, and the router that carries a request to its partition.
//!
//! Any node takes any request. This crate must not know HTTP or AWS's wire forms.
//!
//! The way of a request: [`Broker`] finds the queue in the `directory` and chooses a partition; a `lane`
//! gathers commands for it into proposals; the `proposer` brings each to the partition's leader.
//! Beside it run, for each partition, the `driver` (wakes, time), `reconcile` (towards the catalog),
//! `ship` (transfers) and `moves` (move tasks); and for the node `bootstrap` and `background`. What an
//! operator asks for comes by `operations` and `backup`, and the `steward` sees a change of members to its end. Streams
//! have a folder of their own, `stream`, as have tables, `table`, and topics, `topic`.

mod ask;
mod assignment;
mod background;
pub mod backup;
mod balance;
mod bootstrap;
mod broker;
mod core;
mod directory;
mod driver;
mod easing;
mod environment;
mod error;
mod far;
mod handler;
mod health;
mod hearsay;
mod hosting;
mod inspect;
mod lane;
mod leaders;
mod loads;
mod members;
mod messages;
mod method;
mod moves;
mod node;
mod operations;
mod peek;
mod place;
mod placement;
mod placer;
mod proposer;
mod queue;
mod reader;
mod reconcile;
mod replica_sets;
mod report;
mod shelf;
mod ship;
mod standing;
mod start;
mod steward;
mod stream;
mod table;
mod topic;
mod waiters;

pub(crate) mod proto {
    //! What nodes ask of each other, compiled from `proto/levada/v1/cluster.proto`.
    #![allow(missing_docs, unreachable_pub, clippy::all)]
    include!(concat!(env!("OUT_DIR"), "/levada.v1.cluster.rs"));
}

pub use broker::{Broker, Change};
pub use environment::{AskSpace, Environment, OpenStores, StorePaths, Stores};
pub use error::RouteError;
pub use inspect::{Finding, Severity, inspect, judge_space};
pub use node::{
    ChangeStatus, ClusterStatus, CopyStatus, MemberStatus, Node, NodeOptions, NodeStats,
    ON_DEMAND_WINDOW_DEFAULT, PartitionStatus, StartError,
};
pub use operations::{OperationError, Operator};
pub use peek::{DeadLetters, PEEKED_MAX, PartHolds, Peek, PeekedMessage, QueuePart};
pub use queue::{Queue, QueueCounts, QueueSettings, ReceiveOptions, Received, ReceivedMessage};
pub use report::{ClusterReport, NodeReport, PartitionReport};
pub use shelf::{Before, Put as ShelfPut};
pub use standing::empty_directory;
pub use stream::{
    Letters, Put, Resharding, ShardEnds, ShardRead, Stream, StreamCounts, StreamQueue,
    StreamReceipt, StreamRecord, SubscriptionKey, SubscriptionRefused, hash_of,
};
pub use table::Table;
pub use topic::{
    Audience, DeliveryFailure, Destination, Outgoing, PublishError, ReplayWatch, Subscribed,
    Subscription, Topic,
};
