//! The HTTP front: authenticate, decode, authorize, route, encode.
//!
//! One port speaks HTTP/1.1 and HTTP/2 with prior knowledge, another the same over TLS. [`Gateway`] answers requests; [`listen`]
//! carries them to it and bounds what strangers can cost: connections, heads, bodies, and time. AWS's
//! codes are given only here. The management pages on the same port come from [`Admin`], which the
//! server implements.
//!
//! This crate is the only importer of the hyper server. It must not know openraft, sled or raft-engine.

// A request is one future, and each layer below is one more level of its type: rustc's own limit is 128.
#![recursion_limit = "256"]

mod access;
mod admin;
mod answer;
mod body;
mod caller;
mod clock;
mod cloudwatch;
mod connection;
mod deduplication;
mod dynamodb;
mod front;
mod handshakes;
mod kinesis;
pub mod limits;
mod listener;
mod metrics;
mod operate;
mod random;
mod sns;
mod sqs;
mod sts;
mod tls;
mod watched_io;

pub use admin::{Admin, AdminAnswer, Operation};
pub use cloudwatch::{METRICS_MAX, MetricFigures, MetricId};
pub use front::{Gateway, GatewayOptions};
pub use listener::{Listening, listen};
pub use metrics::{ActionFigures, LATENCY_BOUNDS_MICROS, Outcome, RequestMetrics};
pub use operate::AdminCallers;
pub use sns::{
    EndpointNote, MessageSigner, PhoneCourier, PhoneMessage, PlatformEndpoint, PushOutcome,
    TopicOptions, carry_out_replays, find_platform_endpoint, note_platform_endpoint,
    publish_certificate, sign_delivered, subscription_arn, text_sender, topic_may_send,
};
pub use sqs::{EnsureQueueError, QueueDeclaration, shown_message};
pub use tls::{Tls, TlsError, Validity};
