//! Reads a stream with any number of workers, which share its shards by leases in a table, as Amazon's client library does.
//!
//! ```text
//! worker.rs     looks at the leases, takes its share (decide.rs), makes missing ones (lineage.rs)
//!   runner.rs   one shard: reader, processor, checkpoints
//!     reader.rs   poll.rs or fan_out.rs
//!     keeper.rs   its lease: renewed, checkpointed, handed back
//! table.rs      every call to the table; item.rs its items
//! ```

mod checkpointer;
mod decide;
#[cfg(test)]
mod decide_tests;
mod fan_out;
mod item;
mod keeper;
mod lease;
mod lineage;
mod poll;
mod processor;
mod reader;
mod runner;
mod table;
mod worker;

use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::CallError;
use crate::limits::LEASE_DURATION_MIN;

pub use checkpointer::{CheckpointError, Checkpointer};
pub use keeper::LeaseLost;
pub use processor::{Processor, ProcessorError, ProcessorFactory, Record, Records, ShardStart};

/// Where an application begins that has no leases yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record that there is.
    TrimHorizon,
    /// At what comes from now on. Until a shard's first checkpoint `now` is when somebody begins to read it.
    Latest,
    /// At what came at this time or later.
    Timestamp(SystemTime),
}

/// How shards are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// By GetRecords. All applications share five calls a second of a shard on AWS.
    Polling {
        /// The time between two calls.
        pause: Duration,
    },
    /// By SubscribeToShard, with a consumer named as the application is.
    FanOut,
}

/// How a consumer works. Workers of one application are to have the same, but for their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// The application's name: that of its table, and of its consumer of enhanced fan-out.
    pub application: String,
    /// The stream's name.
    pub stream: String,
    /// This worker's name. No two workers may have the same at one time.
    pub worker: String,
    /// Where an application begins that has no leases yet.
    pub start: StartAt,
    /// How shards are read.
    pub read: Read,
    /// A lease that is not renewed for so long is free. It is renewed three times as often. A second at least.
    pub lease_duration: Duration,
    /// Shards that this worker reads at most.
    pub leases_max: usize,
    /// Shards that it takes from another worker at a time.
    pub steals_max: usize,
    /// How often the stream's shards are listed. Splits and merges are seen by their readers, without this.
    pub sync_every: Duration,
    /// How long processors may take when the consumer ends.
    pub shutdown_timeout: Duration,
}

impl ConsumerSettings {
    /// What KCL has by default: polling from the newest record on each second, leases of ten seconds. The worker's name is made up.
    pub fn new(application: impl Into<String>, stream: impl Into<String>) -> Self {
        Self {
            application: application.into(),
            stream: stream.into(),
            worker: format!("{:032x}", fastrand::u128(..)),
            start: StartAt::Latest,
            read: Read::Polling {
                pause: Duration::from_secs(1),
            },
            lease_duration: Duration::from_secs(10),
            leases_max: 1_000,
            steals_max: 1,
            sync_every: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

/// Why a consumer ended, or did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    /// It could not begin, and could not later.
    #[error("the consumer cannot begin: {0}")]
    SetUp(#[from] CallError),
    /// Processors did not end in time. Their leases expire, and others go on behind their last checkpoints.
    #[error("{left} processors did not end within {after:?} and were ended")]
    HurriedEnd {
        /// How many.
        left: usize,
        /// The time that they had.
        after: Duration,
    },
    /// Its task panicked or its runtime ended.
    #[error("the consumer's task is gone")]
    Gone,
}

/// A worker of an application. It works until [`shutdown`](Self::shutdown); dropped, it ends as by that, and nobody waits.
#[derive(Debug)]
pub struct Consumer {
    stopping: watch::Sender<bool>,
    task: JoinHandle<Result<(), ConsumerError>>,
    /// How it ended, once that is known.
    outcome: Option<Result<(), ConsumerError>>,
}

impl Consumer {
    /// Starts a worker on the Tokio runtime that this is called on; there must be one.
    pub fn start<F: ProcessorFactory>(
        kinesis: aws_sdk_kinesis::Client,
        dynamodb: aws_sdk_dynamodb::Client,
        mut settings: ConsumerSettings,
        factory: F,
    ) -> Self {
        settings.lease_duration = settings.lease_duration.max(LEASE_DURATION_MIN);
        let (stopping, stops) = watch::channel(false);
        let table = table::Table::new(dynamodb, &settings.application, &settings.worker);
        let task = tokio::spawn(worker::work(kinesis, table, settings, factory, stops));
        Self {
            stopping,
            task,
            outcome: None,
        }
    }

    /// Waits until the consumer has ended by itself, which it does only if it cannot begin.
    pub async fn ended(&mut self) -> Result<(), ConsumerError> {
        if let Some(outcome) = &self.outcome {
            return outcome.clone();
        }
        let ended = (&mut self.task).await;
        let outcome = ended.unwrap_or(Err(ConsumerError::Gone));
        self.outcome = Some(outcome.clone());
        outcome
    }

    /// Tells every processor to end, waits for that, and hands the leases back: other workers go on at once.
    pub async fn shutdown(mut self) -> Result<(), ConsumerError> {
        self.stopping.send_replace(true);
        self.ended().await
    }
}
