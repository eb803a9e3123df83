//! Reads a shard by SubscribeToShard: a consumer of its own, to which records are pushed.
//!
//! A subscription ends after five minutes, or when the node behind it goes; the next one goes on from the number that the last
//! event gave.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::event_stream::EventReceiver;
use aws_sdk_kinesis::types::error::SubscribeToShardEventStreamError;
use aws_sdk_kinesis::types::{ConsumerStatus, SubscribeToShardEvent, SubscribeToShardEventStream};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::poll::followers;
use super::reader::{Batch, From, children};
use crate::backoff::Backoff;
use crate::error::{CallError, within};
use crate::limits::{ACTIVE_TIMEOUT, CALL_TIMEOUT, SUBSCRIBE_PAUSE, SUBSCRIPTION_SILENCE_MAX};
use crate::shards;

type Events = EventReceiver<SubscribeToShardEventStream, SubscribeToShardEventStreamError>;

/// Where a subscription is.
pub(crate) struct FanOut {
    client: Client,
    consumer_arn: String,
    stream: String,
    shard: String,
    from: From,
    events: Option<Events>,
    backoff: Backoff,
    not_before: Instant,
}

impl std::fmt::Debug for FanOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("FanOut");
        shown.field("shard", &self.shard).field("from", &self.from);
        shown.finish_non_exhaustive()
    }
}

impl FanOut {
    pub(crate) fn new(
        client: Client,
        consumer_arn: &str,
        stream: &str,
        shard: &str,
        from: From,
    ) -> Self {
        Self {
            client,
            consumer_arn: consumer_arn.to_owned(),
            stream: stream.to_owned(),
            shard: shard.to_owned(),
            from,
            events: None,
            backoff: Backoff::default(),
            not_before: Instant::now(),
        }
    }

    /// The next event; subscribes as often as that needs.
    pub(crate) async fn next(&mut self) -> Batch {
        loop {
            let Some(events) = &mut self.events else {
                tokio::time::sleep_until(self.not_before).await;
                match self.subscribe().await {
                    Ok(None) => {}
                    Ok(Some(end)) => return end,
                    Err(error) => self.failed(&error),
                }
                continue;
            };
            match tokio::time::timeout(SUBSCRIPTION_SILENCE_MAX, events.recv()).await {
                Ok(Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)))) => {
                    self.backoff.reset();
                    match self.take(event) {
                        Ok(batch) => return batch,
                        Err(error) => self.failed(&error),
                    }
                }
                // A kind of event that this version does not know.
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) => {
                    debug!(shard = self.shard, "the subscription ended");
                    self.events = None;
                }
                Ok(Err(error)) => {
                    let error = CallError::of_event("SubscribeToShard", &error);
                    self.failed(&error);
                }
                Err(_) => self.failed(&CallError::malformed("SubscribeToShard", "event in time")),
            }
        }
    }

    fn failed(&mut self, error: &CallError) {
        self.events = None;
        self.not_before = self.not_before.max(Instant::now() + self.backoff.next());
        warn!(shard = self.shard, %error, "the subscription failed; it is made again");
    }

    /// Gives a batch if the shard is gone.
    async fn subscribe(&mut self) -> Result<Option<Batch>, CallError> {
        const ACTION: &str = "SubscribeToShard";
        self.not_before = Instant::now() + SUBSCRIBE_PAUSE;
        let call = self
            .client
            .subscribe_to_shard()
            .consumer_arn(&self.consumer_arn)
            .shard_id(&self.shard)
            .set_starting_position(self.from.starting_position());
        match within(ACTION, CALL_TIMEOUT, call.send()).await {
            Ok(answer) => {
                self.events = Some(answer.event_stream);
                Ok(None)
            }
            Err(error) if error.is("ResourceNotFoundException") => {
                let listed = shards::list(&self.client, &self.stream, None).await?;
                if listed.iter().any(|shard| *shard.id == *self.shard) {
                    return Err(error);
                }
                // It has expired with all its records.
                Ok(Some(Batch {
                    records: Vec::new(),
                    behind_ms: 0,
                    end: Some(followers(listed, &self.shard)),
                }))
            }
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, event: SubscribeToShardEvent) -> Result<Batch, CallError> {
        const ACTION: &str = "SubscribeToShard";
        let told = children(event.child_shards());
        let told = told.ok_or_else(|| CallError::malformed(ACTION, "hash keys of a child"))?;
        let number = event.continuation_sequence_number;
        let ended = number.is_empty() || !told.is_empty();
        if !number.is_empty() {
            self.from = From::After(number);
        }
        Ok(Batch {
            records: event.records,
            behind_ms: event.millis_behind_latest,
            end: ended.then_some(told),
        })
    }
}

/// The ARN of the application's consumer of a stream, which is registered if it is not yet.
pub(crate) async fn register(
    client: &Client,
    stream: &str,
    application: &str,
) -> Result<String, CallError> {
    let call = client.describe_stream_summary().stream_name(stream).send();
    let summary = within("DescribeStreamSummary", CALL_TIMEOUT, call).await?;
    let summary = summary.stream_description_summary;
    let stream_arn = summary.map(|summary| summary.stream_arn);
    let stream_arn = stream_arn
        .ok_or_else(|| CallError::malformed("DescribeStreamSummary", "ARN of the stream"))?;
    let deadline = Instant::now() + ACTIVE_TIMEOUT;
    let mut backoff = Backoff::default();
    loop {
        let call = client
            .describe_stream_consumer()
            .stream_arn(&stream_arn)
            .consumer_name(application)
            .send();
        match within("DescribeStreamConsumer", CALL_TIMEOUT, call).await {
            Ok(answer) => {
                let found = answer.consumer_description;
                if let Some(found) = found.filter(|c| c.consumer_status == ConsumerStatus::Active) {
                    return Ok(found.consumer_arn);
                }
            }
            Err(error) if error.is("ResourceNotFoundException") => {
                let call = client
                    .register_stream_consumer()
                    .stream_arn(&stream_arn)
                    .consumer_name(application)
                    .send();
                match within("RegisterStreamConsumer", CALL_TIMEOUT, call).await {
                    // Another worker was first.
                    Err(error) if !error.is("ResourceInUseException") => return Err(error),
                    _ => {}
                }
            }
            Err(error) => return Err(error),
        }
        if Instant::now() >= deadline {
            return Err(CallError::malformed(
                "DescribeStreamConsumer",
                "active consumer in time",
            ));
        }
        tokio::time::sleep(backoff.next()).await;
    }
}
