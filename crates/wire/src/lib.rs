//! The AWS protocols and the typed shapes of each action.
//!
//! [`decode`] turns a request's head and body into an [`Incoming`]: which protocol, which action, and
//! the typed request or the error that AWS answers. Each service's module holds one file per action, or per
//! handful of actions that are alike (request, response, validation), and its errors. Responses encode
//! themselves into bytes.
//!
//! This crate must not know the engine or sockets, and it holds no state. The gateway calls it.

#[macro_use]
mod names;

mod batch;
pub mod cloudwatch;
pub mod dynamodb;
pub mod error;
pub mod kinesis;
pub mod protocol;
pub mod sigv4;
pub mod sns;
pub mod sqs;
mod statements;
pub mod sts;

pub use error::{AwsError, Fault};
pub use protocol::{Call, Encoded, Incoming, Protocol, Service, decode};
