//! One part of a subscription's delivery queue, as a worker sees it.
//!
//! It ends its worker by itself when there is nothing left to do for it: nothing has come for a while, the part is led by
//! another node, the subscription is gone, or it is to be delivered otherwise than the worker does.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use levada_cluster::{
    Broker, DeliveryFailure, Queue, ReceiveOptions, ReceivedMessage, RouteError, Topic,
};
use levada_delivery::limits::CLAIM_TIME_MIN;
use levada_delivery::{ClaimResult, Claimed, GiveUp, Inbox, InboxError, Report, Verdict};
use levada_engine::Subscription;
use levada_gateway::topic_may_send;
use levada_types::{PartitionId, QueueArn, Receipt, Timestamp};
use levada_wire::sns::SubscriptionAttributes;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::endpoint_shown;
use super::letter::{Letter, asks_to_confirm};
use super::limits::LINGER;
use super::settings::Settings;

/// A part of a delivery queue.
pub(super) struct PartInbox {
    broker: Broker,
    queue: Arc<Queue>,
    partition: PartitionId,
    number: u64,
    settings: Settings,
    known: Mutex<Known>,
    /// Messages that were claimed and that nobody was told of yet.
    under_way: AtomicUsize,
    wake: Arc<Notify>,
    stop: CancellationToken,
}

/// The rows that the last claim was made by.
#[derive(Clone)]
struct Known {
    topic: Arc<Topic>,
    row: Arc<Subscription>,
}

impl Known {
    /// As this node's copy of the catalog has them; none if the subscription is gone.
    async fn look(broker: &Broker, number: u64) -> Result<Option<Self>, RouteError> {
        let Some(row) = broker.find_subscription(number).await? else {
            return Ok(None);
        };
        let topic = broker.topic(row.topic);
        Ok(topic.map(|topic| Self { topic, row }))
    }
}

/// What tells a claim.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    receipt: Receipt,
    /// It asks to confirm: nobody wants that as a dead letter.
    is_confirmation: bool,
}

impl PartInbox {
    /// None if there is no such subscription.
    pub(super) async fn open(
        broker: Broker,
        queue: Arc<Queue>,
        partition: PartitionId,
        wake: Arc<Notify>,
        stop: CancellationToken,
    ) -> Result<Option<Self>, RouteError> {
        let Some(number) = queue.subscription else {
            return Ok(None);
        };
        let known = Known::look(&broker, number).await?;
        Ok(known.map(|known| Self {
            settings: Settings::of(&known.topic, &known.row, queue.partitions.len()),
            known: Mutex::new(known),
            under_way: AtomicUsize::new(0),
            broker,
            queue,
            partition,
            number,
            wake,
            stop,
        }))
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn protocol(&self) -> String {
        (*self.known().row.protocol).to_owned()
    }

    fn known(&self) -> Known {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rows as they are now; none if another worker is to go on, or nobody.
    async fn current(&self) -> Result<Option<Known>, RouteError> {
        if !self.broker.leads_part(self.partition) {
            return Ok(None);
        }
        let before = self.known();
        let topic = self.broker.topic(before.row.topic);
        // A topic has another version with each change of its subscriptions.
        if topic.is_some_and(|topic| topic.row.version == before.topic.row.version) {
            return Ok(Some(before));
        }
        let Some(now) = Known::look(&self.broker, self.number).await? else {
            return Ok(None);
        };
        let settings = Settings::of(&now.topic, &now.row, self.queue.partitions.len());
        if settings != self.settings {
            return Ok(None);
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = now.clone();
        Ok(Some(now))
    }

    /// Ends the worker, which waits for nothing else then.
    async fn end(&self) -> Infallible {
        self.stop.cancel();
        std::future::pending().await
    }

    /// Claims messages. Whoever does not wait for the end loses none: they are put back.
    async fn receive(&self, max: usize) -> Result<Vec<ReceivedMessage>, RouteError> {
        let (tell, told) = oneshot::channel();
        let (broker, queue, partition) = (self.broker.clone(), self.queue.clone(), self.partition);
        let options = ReceiveOptions {
            messages_max: u32::try_from(max).unwrap_or(1),
            visibility_timeout_ms: Some(millis(CLAIM_TIME_MIN)),
            attempt: None,
            wait_ms: 0,
        };
        tokio::spawn(async move {
            let received = broker.receive_from_part(&queue, partition, options).await;
            let Err(Ok(unwanted)) = tell.send(received.map(|received| received.messages)) else {
                return;
            };
            let back: Vec<_> = unwanted.iter().map(|m| (m.receipt, 0)).collect();
            if !back.is_empty()
                && let Err(error) = broker.change_visibility(&queue, &back).await
            {
                debug!(%error, "claimed messages could not be put back: their claims end by themselves");
            }
        });
        told.await.unwrap_or(Err(RouteError::Unavailable))
    }

    fn letters(
        &self,
        known: &Known,
        messages: Vec<ReceivedMessage>,
    ) -> Vec<Claimed<Claim, Letter>> {
        self.under_way.fetch_add(messages.len(), Ordering::Relaxed);
        let letter = |message: ReceivedMessage| {
            let payload = message.record.payload;
            let published = Duration::from_millis(message.record.sent_at);
            Claimed {
                claim: Claim {
                    receipt: message.receipt,
                    is_confirmation: asks_to_confirm(&payload),
                },
                attempt: message.receive_count,
                published_at: SystemTime::UNIX_EPOCH + published,
                message: Letter {
                    topic: known.topic.clone(),
                    row: known.row.clone(),
                    content_type: self.settings.content_type.clone(),
                    payload,
                },
            }
        };
        messages.into_iter().map(letter).collect()
    }

    /// For an operator who asks how it goes.
    fn note(&self, report: &Report) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let at = Timestamp::from_millis(millis(now));
        let (queue, partition) = (self.queue.id, self.partition);
        match report.verdict {
            Verdict::Delivered => self.broker.note_delivered(queue, partition, at),
            Verdict::Retry | Verdict::Never => {
                let failure = DeliveryFailure {
                    at,
                    status: report.status,
                    detail: report.detail.clone(),
                    delivered_at: None,
                };
                let broker = &self.broker;
                broker.note_delivery_failure(queue, partition, failure);
            }
            Verdict::NotTried => {}
        }
    }

    /// What the queue was told. One that is gone needs to be told nothing.
    fn settled(&self, told: Result<(), RouteError>) -> Result<(), InboxError> {
        match told {
            Ok(()) | Err(RouteError::NoSuchQueue) => {
                self.under_way.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(InboxError(error.to_string())),
        }
    }

    async fn delete(&self, claim: &Claim) -> Result<(), RouteError> {
        let receipts = [claim.receipt];
        let deleted = self.broker.delete(&self.queue, &receipts);
        deleted.await.map(drop)
    }

    /// Where the subscription's dead letters go.
    async fn dead_letters(&self) -> Result<Option<Arc<Queue>>, RouteError> {
        let Some(row) = self.broker.find_subscription(self.number).await? else {
            return Ok(None);
        };
        let attributes = SubscriptionAttributes::from_stored(&row.to_row().attributes);
        let Some(policy) = attributes.redrive_policy else {
            return Ok(None);
        };
        let QueueArn {
            account,
            region,
            name,
        } = policy.dead_letter_target;
        let found = self.broker.find_queue(account, &region, &name).await?;
        if found.is_none() {
            warn!(queue = %name, "a subscription's dead-letter queue is not there: what cannot be delivered is lost");
        }
        let topic = self.known().topic;
        // A FIFO queue wants a group, which messages of standard topics need not have. One of another account is asked.
        Ok(found.filter(|queue| !queue.settings.fifo && topic_may_send(&topic, queue)))
    }

    async fn bury(&self, claim: &Claim) -> Result<(), RouteError> {
        let to = if claim.is_confirmation {
            None
        } else {
            self.dead_letters().await?
        };
        let Some(to) = to else {
            return self.delete(claim).await;
        };
        let id: [u8; 16] = rand::random();
        // Not moved: somebody else has it now, and gives it up.
        let moved = self
            .broker
            .move_claimed(&self.queue, claim.receipt, "", &to, id);
        moved.await.map(drop)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Inbox for PartInbox {
    type Claim = Claim;
    type Message = Letter;

    async fn claim(&self, max: usize) -> ClaimResult<Claim, Letter> {
        let failed = |error: RouteError| InboxError(error.to_string());
        loop {
            let Some(known) = self.current().await.map_err(failed)? else {
                match self.end().await {}
            };
            // In line before looking, so that what comes in between is not missed.
            let mut woken = std::pin::pin!(self.wake.notified());
            woken.as_mut().enable();
            match self.receive(max).await {
                Ok(messages) if !messages.is_empty() => return Ok(self.letters(&known, messages)),
                Ok(_) => {}
                Err(RouteError::NoSuchQueue) => match self.end().await {},
                Err(error) => return Err(failed(error)),
            }
            if tokio::time::timeout(LINGER, woken).await.is_err() {
                if self.under_way.load(Ordering::Relaxed) == 0 {
                    match self.end().await {}
                }
                return Ok(Vec::new());
            }
        }
    }

    async fn done(&self, claim: &Claim, report: &Report) -> Result<(), InboxError> {
        self.note(report);
        self.settled(self.delete(claim).await)
    }

    async fn later(
        &self,
        claim: &Claim,
        delay: Duration,
        report: &Report,
    ) -> Result<(), InboxError> {
        self.note(report);
        let change = [(claim.receipt, millis(delay))];
        let told = self.broker.change_visibility(&self.queue, &change).await;
        self.settled(told.map(drop))
    }

    async fn give_up(&self, claim: &Claim, why: GiveUp, report: &Report) -> Result<(), InboxError> {
        self.note(report);
        let row = self.known().row;
        info!(
            protocol = %row.protocol,
            endpoint = %endpoint_shown(&row.endpoint),
            subscription = self.number,
            why = why.as_str(),
            status = report.status,
            detail = report.detail,
            "a message could not be delivered"
        );
        self.settled(self.bury(claim).await)
    }
}
