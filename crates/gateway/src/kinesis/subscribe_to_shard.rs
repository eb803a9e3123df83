//! `SubscribeToShard`: a task reads the shard and gives frames to the answer, which holds few of them. A reader that
//! takes none for too long is cut off.

use std::sync::Arc;

use levada_cluster::{Broker, ShardRead, Stream, SubscriptionKey, SubscriptionRefused};
use levada_engine::proto::ShardRow;
use levada_wire::Protocol;
use levada_wire::kinesis::subscribe_to_shard::{exception, initial_response};
use levada_wire::kinesis::{
    ConsumerArn, KinesisError, KinesisErrorKind, SubscribeToShardEvent, SubscribeToShardRequest,
};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tracing::debug;

use super::context::{Context, reference_to, unless_rehearsed};
use super::{consumers, shards, start};
use crate::answer::{self, FrameSender, Frames};
use crate::front::Failure;

/// For how long a subscription lasts.
const LASTS: Duration = Duration::from_secs(300);
/// An event goes out this often, with records or without. SDKs give up after 10 s.
const EVENT_EVERY: Duration = Duration::from_secs(5);
/// Records of one event at most.
const EVENT_RECORDS_MAX: usize = 10_000;
/// Bytes of records of one event at most, but for one record that is longer.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Frames that wait to be sent, beside the one that waits for its place.
const FRAMES_WAITING_MAX: usize = 1;
/// For how long a frame waits for its place before the reader is cut off.
const READER_STALLS_MAX: Duration = Duration::from_secs(30);
/// Between two looks at a shard that cannot be read, or for the children of one that has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn call(
    cx: &Context<'_>,
    request: SubscribeToShardRequest,
    protocol: Protocol,
) -> Result<Frames, Failure> {
    let arn = request.consumer()?;
    let reference = reference_to(&arn.stream);
    let mut stream = cx.in_use(&reference).await?;
    if !consumers::by_arn(&stream, &arn).is_ok_and(|consumer| consumer.active) {
        // It may be there by now.
        stream = cx.current(&reference).await?;
    }
    let consumer = consumers::by_arn(&stream, &arn)?;
    if !consumer.active {
        let message = format!(
            "Consumer {} is not ACTIVE, instead in state CREATING",
            arn.name
        );
        return Err(KinesisError::new(KinesisErrorKind::ResourceInUse, message).into());
    }
    let shard = shards::find(&stream, request.shard_id.as_deref().unwrap_or_default())?.clone();
    let (member, action) = ("SequenceNumber", "SubscribeToShard");
    let next = start::position_of(cx, &stream, &shard, request.position()?, member, action).await?;
    unless_rehearsed(request.dry_run)?;
    let key = SubscriptionKey {
        stream: stream.row.stream,
        registered_at: consumer.created_at,
        consumer: consumer.name.clone(),
        shard: shard.number,
    };
    let ended = cx.broker.begin_subscription(key).await;
    let ended = ended.map_err(|refused| {
        let (kind, message) = match refused {
            SubscriptionRefused::TooSoon => (
                KinesisErrorKind::ResourceInUse,
                format!(
                    "Another active subscription exists for this consumer: {arn} and shard: {}. A new one is taken 5 \
                     seconds after the last.",
                    shards::id_of(shard.number)
                ),
            ),
            SubscriptionRefused::TooMany => (KinesisErrorKind::LimitExceeded, "Rate exceeded".to_owned()),
        };
        KinesisError::new(kind, message)
    })?;
    let (sender, frames) = answer::frames(FRAMES_WAITING_MAX);
    let subscription = Subscription {
        broker: cx.broker.clone(),
        draining: cx.gateway.watch_draining(),
        ended,
        stream,
        shard,
        arn,
        next,
        protocol,
    };
    tokio::spawn(subscription.run(sender));
    Ok(frames)
}

/// One subscription, from its first frame to its last.
struct Subscription {
    broker: Broker,
    draining: watch::Receiver<bool>,
    /// Fails when a later one takes over.
    ended: watch::Receiver<()>,
    stream: Arc<Stream>,
    shard: ShardRow,
    arn: ConsumerArn,
    /// The next position to read.
    next: u64,
    protocol: Protocol,
}

/// Why no more frames are sent.
enum End {
    /// All is said.
    Done,
    /// The reader takes nothing.
    Stalled,
    /// The reader is gone.
    Gone,
}

impl Subscription {
    async fn run(mut self, sender: FrameSender) {
        let mut draining = self.draining.clone();
        let mut ended = self.ended.clone();
        let end = tokio::select! {
            end = self.push(&sender) => end,
            () = tokio::time::sleep(LASTS) => End::Done,
            _ = draining.wait_for(|draining| *draining) => End::Done,
            // Its sender is dropped when a later one takes over.
            _ = ended.changed() => End::Done,
            () = sender.frames.closed() => End::Gone,
        };
        match end {
            End::Stalled => {
                debug!(consumer = %self.arn, "the reader of a subscription stalled");
                sender.cut_off();
            }
            End::Done | End::Gone => {}
        }
    }

    /// Sends events until the shard ends, the stream or the consumer is gone, or the reader fails.
    async fn push(&mut self, sender: &FrameSender) -> End {
        let Ok(frame) = initial_response(self.protocol) else {
            return End::Done;
        };
        if let Err(end) = send(sender, frame).await {
            return end;
        }
        loop {
            let event = match self.next_event().await {
                Ok(event) => event,
                Err(error) => {
                    if let Ok(frame) = exception(&error, self.protocol) {
                        let _ = send(sender, frame).await;
                    }
                    return End::Done;
                }
            };
            let is_last = event.child_shards.is_some();
            // Records of one event are bounded far below a frame.
            let Ok(frame) = event.frame(self.protocol) else {
                return End::Done;
            };
            drop(event);
            if let Err(end) = send(sender, frame).await {
                return end;
            }
            if is_last {
                return End::Done;
            }
        }
    }

    async fn next_event(&mut self) -> Result<SubscribeToShardEvent, KinesisError> {
        let until = Instant::now() + EVENT_EVERY;
        loop {
            let wait = until.saturating_duration_since(Instant::now());
            let read = self.broker.await_shard(
                &self.shard,
                self.next,
                EVENT_RECORDS_MAX,
                EVENT_BYTES_MAX,
                wait,
            );
            let read = match read.await {
                Ok(read) => read,
                // An election, or a block that cannot be read now: the reader is told nothing, and it is looked again.
                Err(error) if Instant::now() < until => {
                    debug!(consumer = %self.arn, %error, "a shard that is pushed cannot be read");
                    tokio::time::sleep(LOOK_PAUSE).await;
                    continue;
                }
                Err(_) => ShardRead {
                    next: self.next,
                    ..ShardRead::default()
                },
            };
            self.look_again().await?;
            let children = if read.at_end {
                shards::children(&self.stream, self.shard.number)
            } else {
                Vec::new()
            };
            if read.at_end
                && children.is_empty()
                && read.records.is_empty()
                && Instant::now() < until
            {
                // They are being opened.
                tokio::time::sleep(LOOK_PAUSE).await;
                continue;
            }
            self.next = read.next.max(self.next);
            return Ok(self.event(read, children));
        }
    }

    fn event(
        &self,
        read: ShardRead,
        children: Vec<levada_wire::kinesis::ChildShard>,
    ) -> SubscribeToShardEvent {
        let is_last = !children.is_empty();
        let last = self.next.saturating_sub(1);
        let number = shards::number_of(self.shard.number, self.shard.opened_at, last);
        let records = read.records.into_iter();
        SubscribeToShardEvent {
            records: records
                .map(|stored| shards::record(&self.stream, &self.shard, stored))
                .collect(),
            continuation_sequence_number: (!is_last).then_some(number),
            millis_behind_latest: read.behind_ms,
            child_shards: is_last.then_some(children),
        }
    }

    /// Looks whether the stream and the consumer are still there.
    async fn look_again(&mut self) -> Result<(), KinesisError> {
        let (account, region) = (self.stream.account, &self.stream.region);
        let name = &self.stream.row.name;
        // Without an answer it is looked at again with the next event.
        if let Ok(found) = self.broker.find_stream(account, region, name).await {
            let found = found.filter(|found| found.row.stream == self.stream.row.stream);
            self.stream = found.ok_or_else(|| KinesisError::stream_not_found(name, account))?;
        }
        consumers::by_arn(&self.stream, &self.arn).map(|_| ())
    }
}

async fn send(sender: &FrameSender, frame: bytes::Bytes) -> Result<(), End> {
    let sent = sender.frames.send_timeout(frame, READER_STALLS_MAX).await;
    sent.map_err(|error| match error {
        tokio::sync::mpsc::error::SendTimeoutError::Timeout(_) => End::Stalled,
        tokio::sync::mpsc::error::SendTimeoutError::Closed(_) => End::Gone,
    })
}
