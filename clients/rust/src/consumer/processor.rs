//! What an application gives: a processor for each shard.

use std::error::Error;
use std::future::Future;
use std::time::SystemTime;

use bytes::Bytes;

use super::checkpointer::Checkpointer;
use crate::position::{Checkpoint, Position};

/// Whatever went wrong in a processor.
pub type ProcessorError = Box<dyn Error + Send + Sync>;

/// A user record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub position: Position,
    /// The key that its producer gave it.
    pub partition_key: String,
    /// The hash key that its producer gave it, if it came in an aggregated record and had one.
    pub explicit_hash_key: Option<String>,
    /// What its producer put.
    pub data: Bytes,
    /// When the service took the record that holds it.
    pub arrived: Option<SystemTime>,
}

/// User records of a shard, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// At least one.
    pub records: Vec<Record>,
    /// How far behind the newest record of the shard these are.
    pub behind_ms: i64,
}

/// Where a processor begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardStart {
    /// The shard.
    pub shard_id: String,
    /// What is done already; it is given what comes after that.
    pub checkpoint: Checkpoint,
}

/// Processes the records of one shard, one call at a time, from its checkpoint on.
///
/// Records are given at least once: who takes over a shard begins behind the last checkpoint. If a method fails, the processor is
/// dropped, and after a pause a new one begins behind the last checkpoint; the same goes for a panic. Nothing is skipped.
pub trait Processor: Send + 'static {
    /// Before the first records.
    fn initialize(
        &mut self,
        start: &ShardStart,
    ) -> impl Future<Output = Result<(), ProcessorError>> + Send {
        let _ = start;
        async { Ok(()) }
    }

    /// Records. The lease is renewed meanwhile, however long it takes.
    fn process(
        &mut self,
        records: Records,
        checkpointer: &mut Checkpointer,
    ) -> impl Future<Output = Result<(), ProcessorError>> + Send;

    /// Another worker has the shard. It goes on behind the last checkpoint; there can be no more.
    fn lease_lost(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// The shard is closed and all of it was given. When this returns, the end is the checkpoint, and the children are read.
    fn shard_ended(
        &mut self,
        checkpointer: &mut Checkpointer,
    ) -> impl Future<Output = Result<(), ProcessorError>> + Send {
        let _ = checkpointer;
        async { Ok(()) }
    }

    /// The consumer ends. This is the last chance for a checkpoint; when it returns, the lease is handed back.
    fn shutdown_requested(
        &mut self,
        checkpointer: &mut Checkpointer,
    ) -> impl Future<Output = Result<(), ProcessorError>> + Send;
}

/// Makes a processor for each shard that the worker is given. A function of the shard's id is one.
pub trait ProcessorFactory: Send + Sync + 'static {
    /// What it makes.
    type Processor: Processor;

    /// A processor for a shard.
    fn make(&self, shard_id: &str) -> Self::Processor;
}

impl<F, P> ProcessorFactory for F
where
    F: Fn(&str) -> P + Send + Sync + 'static,
    P: Processor,
{
    type Processor = P;

    fn make(&self, shard_id: &str) -> P {
        self(shard_id)
    }
}
