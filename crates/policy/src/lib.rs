//! The policy languages of the AWS services, as functions of their texts.
//!
//! [`filter`]: which subscription of a topic gets which message. [`iam`]: who may do what to a queue or a topic.
//!
//! This crate must not know where policies are kept, what a request is or what time it is: it has no I/O, no clock and
//! no state but what it is given. Whatever the text, it answers; it never panics, and its recursion is bounded. The
//! gateway validates with it, and whoever delivers asks it who gets a message.

mod cidr;
pub mod filter;
pub mod iam;
mod json;
