//! Ids, names, time and limits that every layer shares.
//!
//! This crate is level 0: it depends on nothing of Levada and does no I/O.

pub mod attribute;
pub mod ids;
pub mod limits;
pub mod names;
pub mod number;
pub mod time;

pub use attribute::{AttributeValue, Item};
pub use ids::{LogId, NodeId, PartitionId, QueueId, Receipt};
pub use names::{AccountId, QueueArn, QueueName, Region, is_fifo_or_standard_name};
pub use number::Number;
pub use time::Timestamp;
