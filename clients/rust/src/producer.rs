//! Puts records: gathered, aggregated, tried again, in order for each key.
//!
//! [`Producer::put`] hands a record to a task of its own (`pump.rs`) and waits only while the buffer is full. What comes of it is
//! told by the [`Receipt`].

mod call;
mod lanes;
#[cfg(test)]
mod lanes_tests;
mod pump;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::CallError;
use crate::limits::{
    AGGREGATE_BYTES, BUFFER_BYTES, ENTRY_BYTES, KEY_CHARS_MAX, MESSAGES_MAX, RECORD_BYTES,
    RECORD_BYTES_MAX,
};
use pump::{Message, Pump, UserRecord};

/// How a producer puts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSettings {
    /// The stream's name.
    pub stream: String,
    /// Whether several user records are put as one. Who reads has to take them apart, as this library's consumer and KCL do.
    pub aggregate: bool,
    /// Bytes of an aggregated record at most; at most [`record_bytes`](Self::record_bytes).
    pub aggregate_bytes: usize,
    /// How long a user record waits for company.
    pub linger: Duration,
    /// For how long a user record is tried before it is given up.
    pub try_for: Duration,
    /// Bytes of user records, keys and bookkeeping that are held at one time. Beyond it [`Producer::put`] waits.
    pub buffer_bytes: usize,
    /// Bytes of a user record with its key at most; what the stream is set to, to [`RECORD_BYTES_MAX`].
    pub record_bytes: usize,
}

impl ProducerSettings {
    /// What suits most: aggregation, 100 ms of waiting for company, a minute of tries.
    pub fn new(stream: impl Into<String>) -> Self {
        Self {
            stream: stream.into(),
            aggregate: true,
            aggregate_bytes: AGGREGATE_BYTES,
            linger: Duration::from_millis(100),
            try_for: Duration::from_secs(60),
            buffer_bytes: BUFFER_BYTES,
            record_bytes: RECORD_BYTES,
        }
    }
}

/// Where a user record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The shard.
    pub shard_id: Arc<str>,
    /// Of the record that holds it.
    pub sequence_number: Arc<str>,
    /// Its place in an aggregated record; `None` if it is a record of its own.
    pub sub_sequence_number: Option<u64>,
}

/// Why a user record is not in the stream, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// Kinesis takes keys of 1 to 256 characters.
    #[error("a partition key has 1 to {KEY_CHARS_MAX} characters, not {0}")]
    KeyLength(usize),
    /// The key and the data are longer than [`ProducerSettings::record_bytes`].
    #[error("the record has {bytes} bytes with its key, {bytes_max} is the most")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// The producer is closed, or its runtime has ended. Whether the record was put is not known if it had a receipt.
    #[error("the producer is closed")]
    Closed,
    /// The service refuses it, and would again.
    #[error("refused: {0}")]
    Refused(CallError),
    /// It was tried for [`ProducerSettings::try_for`]. It may be in the stream if the last answer got lost.
    #[error("given up after {after:?}; the last failure: {last}")]
    GivenUp {
        /// How long it was tried.
        after: Duration,
        /// What was said last.
        last: String,
    },
}

/// What becomes of a user record: a future of its place. Dropped, nothing is told; the record is put all the same.
#[derive(Debug)]
#[must_use = "a record may fail, and only its receipt says so"]
pub struct Receipt(oneshot::Receiver<Result<Placed, PutError>>);

impl Future for Receipt {
    type Output = Result<Placed, PutError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let told = Pin::new(&mut self.0).poll(context);
        told.map(|told| told.unwrap_or(Err(PutError::Closed)))
    }
}

/// Puts user records into a stream. Clones share one buffer and one order.
///
/// When the last clone is dropped, what waits is put still; [`close`](Self::close) waits for that.
#[derive(Debug, Clone)]
pub struct Producer {
    messages: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    buffer_bytes: usize,
    record_bytes: usize,
}

impl Producer {
    /// Starts a producer's task on the Tokio runtime that this is called on; there must be one.
    ///
    /// The client's own retries are not used: this library tries again what failed and nothing else.
    pub fn start(client: Client, settings: ProducerSettings) -> Self {
        let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
        let record_bytes = settings.record_bytes.min(RECORD_BYTES_MAX);
        // One record always fits.
        let buffer_bytes = settings.buffer_bytes.max(record_bytes + ENTRY_BYTES);
        let buffer_bytes = buffer_bytes.min(u32::MAX as usize);
        tokio::spawn(Pump::new(client, settings).run(inbox));
        Self {
            messages,
            room: Arc::new(Semaphore::new(buffer_bytes)),
            buffer_bytes,
            record_bytes,
        }
    }

    /// Takes a user record, and waits for room for it. The order of a key is that in which `put` was called for it.
    pub async fn put(
        &self,
        partition_key: impl Into<String>,
        data: impl Into<Bytes>,
    ) -> Result<Receipt, PutError> {
        let (key, data) = (partition_key.into(), data.into());
        let characters = key.chars().count();
        if !(1..=KEY_CHARS_MAX).contains(&characters) {
            return Err(PutError::KeyLength(characters));
        }
        let bytes = key.len() + data.len();
        if bytes > self.record_bytes {
            return Err(PutError::TooLarge {
                bytes,
                bytes_max: self.record_bytes,
            });
        }
        let cost = (bytes + ENTRY_BYTES).min(self.buffer_bytes);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(cost).await;
        let room = room.map_err(|_| PutError::Closed)?;
        let (told, receipt) = oneshot::channel();
        let record = UserRecord {
            key,
            data,
            told,
            room,
        };
        self.send(Message::Put(record)).await?;
        Ok(Receipt(receipt))
    }

    /// Puts at once what waits for company, and waits until everything that was taken before has its receipt.
    pub async fn flush(&self) -> Result<(), PutError> {
        let (told, done) = oneshot::channel();
        self.send(Message::Flush(told)).await?;
        done.await.map_err(|_| PutError::Closed)
    }

    /// Takes nothing more, puts what waits, and waits for the end of that: at most [`ProducerSettings::try_for`] and one call.
    pub async fn close(self) -> Result<(), PutError> {
        let (told, done) = oneshot::channel();
        self.send(Message::Close(told)).await?;
        done.await.map_err(|_| PutError::Closed)
    }

    async fn send(&self, message: Message) -> Result<(), PutError> {
        let sent = self.messages.send(message).await;
        sent.map_err(|_| PutError::Closed)
    }
}
