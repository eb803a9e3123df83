//! The agent: follows files and sends what is written to them to a stream or a queue.
//!
//! It is a client of AWS's API and knows nothing of how a broker works: no engine, storage, cluster or gateway. What it
//! promises: each record of a file is sent at least once, in the file's order, and a file that was rotated is read to its
//! end before the one that took its place. Memory is bounded by `limits.rs`: a slow broker slows reading.
//!
//! - `tailer` finds files and reads them; it is synchronous, and given the time.
//! - `split` and `convert` make records of bytes. Pure.
//! - `send` brings a batch to the broker, for as long as that takes.
//! - `flow` joins the two; `checkpoint` keeps what was answered.
//!
//! The binary's `levada agent` calls [`Config::load`], [`Config::describe`] and [`run`].

mod backoff;
mod batch;
mod broker;
mod checkpoint;
pub mod config;
mod convert;
mod flow;
mod glob;
mod identity;
mod limits;
mod run;
mod send;
mod series;
mod sign;
mod split;
mod status;
mod tailer;

pub use config::{Config, ConfigError};
pub use run::{RunError, run};
