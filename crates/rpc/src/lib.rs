//! The peer protocol: calls and streams between the nodes of a cluster, over one tonic connection
//! per peer. It carries opaque bytes and must know neither Raft nor the engine nor AWS.
//!
//! `replica` sends Raft's messages through it, `cluster` forwards requests and ships transfers.
//! A [`Peers`] pool dials other nodes and keeps each connection up; a [`PeerServer`] answers what
//! they dial. On each connection run three links, one per [`Class`], so that bulk data never waits
//! in front of a heartbeat. Small frames that gather while the connection is busy leave as one
//! HTTP/2 message.
//!
//! Invariants: every queue is bounded in frames and in bytes (`limits`); a link that breaks ends
//! every call and stream on it at once; a reader of frames never waits for the consumer of a
//! stream, so no stream can hold up another.

mod dial;
mod error;
mod handler;
mod identity;
mod keeper;
pub mod limits;
mod link;
mod outbox;
mod peer;
mod proto;
mod serve;
mod server;
mod stream;
mod transport;

pub use error::{CallError, Closed, RemoteError, code};
pub use handler::{Caller, PeerHandler};
pub use identity::{Class, Identity};
pub use peer::{Peer, PeerOptions, PeerState, Peers};
pub use server::{PeerServer, TransportServer};
pub use stream::{StreamReceiver, StreamSender};
pub use transport::{ByteStream, Connection, Incoming, Transport};
