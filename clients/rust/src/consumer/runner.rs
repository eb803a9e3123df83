//! Reads one shard for as long as its lease is held: reader, processor and checkpoints of it, one after the other.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::Client;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::checkpointer::Checkpointer;
use super::keeper::{LeaseLost, keep};
use super::lease::{Change, Lease};
use super::processor::{Processor, ProcessorError, ProcessorFactory, Records, ShardStart};
use super::reader::{Batch, From, Way, open, user_records};
use super::table::Table;
use crate::backoff::Backoff;
use crate::error::CallError;
use crate::hash::HashRange;
use crate::limits::ASKS_MAX;
use crate::position::Checkpoint;
use crate::shards::Shard;

/// What every shard of a worker is read with.
#[derive(Debug)]
pub(crate) struct Shared<F> {
    pub(crate) client: Client,
    pub(crate) table: Table,
    pub(crate) stream: String,
    pub(crate) way: Way,
    /// The time that the application begins at, if it is set to one.
    pub(crate) begins_at: Option<SystemTime>,
    pub(crate) lease_duration: Duration,
    pub(crate) factory: F,
}

/// How reading a shard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it is processed.
    Ended,
    /// Another worker has it.
    Lost,
    /// The worker ends; the lease is handed back.
    Stopped,
}

/// Why a processor is done.
enum Stop {
    Outcome(Outcome),
    /// A new one begins behind the checkpoint.
    Failed(ProcessorError),
}

/// From a lease that was asked for at `since` until it is lost, ended or handed back.
pub(crate) async fn run<F: ProcessorFactory>(
    shared: Arc<Shared<F>>,
    lease: Lease,
    since: Instant,
    stopping: watch::Receiver<bool>,
) -> Outcome {
    let (asks, inbox) = mpsc::channel(ASKS_MAX);
    let (holds, held) = watch::channel(true);
    let duration = shared.lease_duration;
    let mut reading = Reading {
        checkpointer: Checkpointer::new(asks, lease.checkpoint.clone()),
        range: lease.range.unwrap_or(HashRange::WHOLE),
        shard: lease.key.clone(),
        held,
        stopping,
        shared: Arc::clone(&shared),
    };
    tokio::spawn(keep(
        shared.table.clone(),
        lease,
        since,
        duration,
        inbox,
        holds,
    ));
    let outcome = reading.until_it_ends().await;
    info!(
        shard = reading.shard,
        ?outcome,
        "the shard is not read any more"
    );
    outcome
}

struct Reading<F> {
    shared: Arc<Shared<F>>,
    shard: String,
    range: HashRange,
    checkpointer: Checkpointer,
    held: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
}

impl<F: ProcessorFactory> Reading<F> {
    async fn until_it_ends(&mut self) -> Outcome {
        let mut backoff = Backoff::default();
        loop {
            let mut processor = self.shared.factory.make(&self.shard);
            let before = self.checkpointer.written().clone();
            let error = match self.with(&mut processor).await {
                Stop::Outcome(outcome) => return outcome,
                Stop::Failed(error) => error,
            };
            if !*self.held.borrow() {
                // Most likely that is what it failed for.
                processor.lease_lost().await;
                return Outcome::Lost;
            }
            drop(processor);
            if *self.checkpointer.written() != before {
                backoff.reset();
            }
            let pause = backoff.next();
            let at = self.checkpointer.written().word().to_owned();
            warn!(shard = self.shard, %error, at, ?pause, "the processor failed; a new one begins behind the checkpoint");
            tokio::select! {
                stop = stopped(&mut self.held, &mut self.stopping) => return self.without(stop).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One processor's life.
    async fn with<P: Processor>(&mut self, processor: &mut P) -> Stop {
        self.checkpointer.begin();
        let checkpoint = self.checkpointer.written().clone();
        let from = From::checkpoint(&checkpoint, self.shared.begins_at);
        let start = ShardStart {
            shard_id: self.shard.clone(),
            checkpoint: checkpoint.clone(),
        };
        if let Err(error) = processor.initialize(&start).await {
            return Stop::Failed(error);
        }
        let shared = Arc::clone(&self.shared);
        let mut reader = open(
            &shared.client,
            &shared.way,
            &shared.stream,
            &self.shard,
            from,
        );
        loop {
            let batch = tokio::select! {
                biased;
                stop = stopped(&mut self.held, &mut self.stopping) => return self.stop(processor, stop).await,
                batch = reader.next() => batch,
            };
            let Batch {
                records,
                behind_ms,
                end,
            } = batch;
            let records = user_records(records, &self.shard, self.range, &checkpoint);
            if let Some(last) = records.last() {
                self.checkpointer.give(last.position.clone());
                let records = Records { records, behind_ms };
                if let Err(error) = processor.process(records, &mut self.checkpointer).await {
                    return Stop::Failed(error);
                }
            }
            if let Some(children) = end {
                return self.end(processor, children).await;
            }
        }
    }

    /// The shard is read to its end. Its children get their leases before it gets its last checkpoint, so that nobody finds an end
    /// that nothing follows.
    async fn end<P: Processor>(&mut self, processor: &mut P, children: Vec<Shard>) -> Stop {
        let mut backoff = Backoff::default();
        while let Err(error) = self.make_leases(&children).await {
            warn!(shard = self.shard, %error, "the leases of the children were not made; it is tried again");
            tokio::select! {
                stop = stopped(&mut self.held, &mut self.stopping) => return self.stop(processor, stop).await,
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
        if let Err(error) = processor.shard_ended(&mut self.checkpointer).await {
            return Stop::Failed(error);
        }
        let ids = children.iter().map(|child| child.id.to_string()).collect();
        match self.checkpointer.write(Change::End(ids)).await {
            Ok(()) => Stop::Outcome(Outcome::Ended),
            Err(LeaseLost) => {
                processor.lease_lost().await;
                Stop::Outcome(Outcome::Lost)
            }
        }
    }

    async fn make_leases(&self, children: &[Shard]) -> Result<(), CallError> {
        for child in children {
            let lease = Lease::new(child, Checkpoint::TrimHorizon);
            self.shared.table.create(&lease).await?;
        }
        Ok(())
    }

    async fn stop<P: Processor>(&mut self, processor: &mut P, stop: Outcome) -> Stop {
        if stop == Outcome::Lost {
            processor.lease_lost().await;
        } else if let Err(error) = processor.shutdown_requested(&mut self.checkpointer).await {
            warn!(shard = self.shard, %error, "the processor failed at its end; its lease is handed back all the same");
        }
        Stop::Outcome(self.without(stop).await)
    }

    /// Hands the lease back, if it is there to be handed back.
    async fn without(&mut self, stop: Outcome) -> Outcome {
        if stop == Outcome::Stopped && self.checkpointer.write(Change::Release).await.is_err() {
            return Outcome::Lost;
        }
        stop
    }
}

/// Returns when the lease is lost or the worker is to end.
async fn stopped(
    held: &mut watch::Receiver<bool>,
    stopping: &mut watch::Receiver<bool>,
) -> Outcome {
    tokio::select! {
        biased;
        // Whose sender is gone is over too.
        _ = held.wait_for(|held| !held) => Outcome::Lost,
        _ = stopping.wait_for(|stopping| *stopping) => Outcome::Stopped,
    }
}
