//! One node as a process: its configuration, its wiring, its logs, its metrics, and its end.
//!
//! The `levada` binary calls [`Config::load`] and [`serve`]. What a page of management says is here; how
//! it is served is the gateway's.

// A request is one future, and each layer below is one more level of its type: rustc's own limit is 128.
#![recursion_limit = "256"]

pub mod config;
pub use levada_cluster::backup;

mod declare;
mod deliver;
pub mod doctor;
mod logs;
mod operations;
mod pages;
mod process;
mod prometheus;
mod serve;
mod status;
mod tls;
mod views;

pub use config::{Config, ConfigError};
pub use deliver::WaysError;
pub use logs::start_logs;
pub use serve::{Ending, ServeError, serve};
pub use tls::TlsStartError;
