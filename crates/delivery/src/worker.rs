//! Takes a subscription's messages out of its delivery queue and brings them to its endpoint.
//!
//! One for each subscription and part of its queue that this node leads. What waits stays in the queue: a worker knows only
//! what it has claimed, which is little, and next to nothing while the endpoint fails. So a dead endpoint with a million
//! messages behind it costs what one with ten does: a try a second and one socket.

mod pace;

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use levada_wire::sns::RetryPolicy;
use thiserror::Error;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::pace::Pace;
use crate::limits::{
    CLAIM_MAX, DELIVERY_TIME_MAX, IN_FLIGHT_MAX, INBOX_PAUSE, SETTLE_TRIES, SHUTDOWN_GRACE,
};
use crate::report::{Report, Verdict};
use crate::schedule::{GiveUp, Next};
use crate::sockets::Standing;
use crate::status::Status;
use crate::throttle::Throttle;

/// A delivery queue that could not be asked or told, such as one that has no leader now.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the delivery queue: {0}")]
pub struct InboxError(pub String);

/// A message that was claimed.
#[derive(Clone, Debug)]
pub struct Claimed<C, M> {
    /// What tells its claim.
    pub claim: C,
    /// How often it was claimed, this time included.
    pub attempt: u32,
    /// When it was published.
    pub published_at: SystemTime,
    /// What is to be delivered.
    pub message: M,
}

/// What was claimed, or why nothing can be.
pub type ClaimResult<C, M> = Result<Vec<Claimed<C, M>>, InboxError>;

/// A subscription's delivery queue, or a part of it.
///
/// A claim hides a message for [`CLAIM_TIME_MIN`] or longer, and ends by itself: then the message is claimed again, with the
/// next number of attempt.
///
/// [`CLAIM_TIME_MIN`]: crate::limits::CLAIM_TIME_MIN
pub trait Inbox: Send + Sync + 'static {
    /// What tells a claim.
    type Claim: Clone + Send + Sync + 'static;
    /// What is delivered.
    type Message: Send + Sync + 'static;

    /// Claims up to so many messages: waits until there is one, or answers none after a time of its own choice, which is to be
    /// some seconds. It is dropped when the worker stops, and what it may have claimed then waits for its claim's end.
    fn claim(
        &self,
        max: usize,
    ) -> impl Future<Output = ClaimResult<Self::Claim, Self::Message>> + Send;

    /// A message was delivered: deletes it.
    fn done(
        &self,
        claim: &Self::Claim,
        report: &Report,
    ) -> impl Future<Output = Result<(), InboxError>> + Send;

    /// A message is to be tried again: changes its visibility.
    fn later(
        &self,
        claim: &Self::Claim,
        delay: Duration,
        report: &Report,
    ) -> impl Future<Output = Result<(), InboxError>> + Send;

    /// A message is given up: moves it to the subscription's dead letters, or deletes it.
    fn give_up(
        &self,
        claim: &Self::Claim,
        why: GiveUp,
        report: &Report,
    ) -> impl Future<Output = Result<(), InboxError>> + Send;
}

/// Who brings messages to where they go.
pub trait Courier: Send + Sync + 'static {
    /// What is delivered.
    type Message: Send + Sync + 'static;

    /// Makes one attempt, within its own time limit. It may be dropped at any time.
    fn deliver(
        &self,
        message: &Self::Message,
        standing: Standing,
    ) -> impl Future<Output = Report> + Send;
}

/// What differs between subscriptions. When it changes, the worker is stopped and another one runs.
#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    /// The effective policy.
    pub retry: RetryPolicy,
    /// `maxReceivesPerSecond`, divided among the parts of the queue by whoever starts their workers.
    pub receives_per_second: Option<NonZeroU32>,
    /// Attempts under way; at most [`IN_FLIGHT_MAX`].
    pub in_flight_max: usize,
}

impl WorkerSettings {
    /// With a policy, and nothing else set.
    pub fn new(retry: RetryPolicy) -> Self {
        Self {
            retry,
            receives_per_second: None,
            in_flight_max: IN_FLIGHT_MAX,
        }
    }
}

type Claiming<I> =
    Pin<Box<dyn Future<Output = ClaimResult<<I as Inbox>::Claim, <I as Inbox>::Message>> + Send>>;

/// Delivers until it is told to stop. Then nothing more is claimed, what is under way has [`SHUTDOWN_GRACE`], and what is not done
/// by then is put back, for whoever leads next; that has as long again. What could not be put back waits for its claim's end.
pub async fn run<I, C>(
    inbox: Arc<I>,
    courier: Arc<C>,
    settings: WorkerSettings,
    status: Arc<Status>,
    stop: CancellationToken,
) where
    I: Inbox,
    C: Courier<Message = I::Message>,
{
    let now = Instant::now();
    let mut worker = Worker {
        inbox,
        courier,
        retry: settings.retry,
        status,
        throttle: Throttle::new(settings.receives_per_second, now),
        pace: Pace::new(settings.in_flight_max, now),
        attempts: JoinSet::new(),
        abandon: CancellationToken::new(),
    };
    worker.work(&stop).await;
    worker.finish().await;
}

struct Worker<I, C> {
    inbox: Arc<I>,
    courier: Arc<C>,
    retry: RetryPolicy,
    status: Arc<Status>,
    throttle: Throttle,
    pace: Pace,
    attempts: JoinSet<Verdict>,
    abandon: CancellationToken,
}

impl<I, C> Worker<I, C>
where
    I: Inbox,
    C: Courier<Message = I::Message>,
{
    async fn work(&mut self, stop: &CancellationToken) {
        // A claim is never dropped for an attempt that ends meanwhile: it would lose what it had just claimed.
        let mut claiming: Option<(usize, Claiming<I>)> = None;
        loop {
            let mut wait = None;
            if claiming.is_none() {
                match self.room() {
                    Room::Some(max) => {
                        let inbox = Arc::clone(&self.inbox);
                        let claim = Box::pin(async move { inbox.claim(max).await });
                        claiming = Some((max, claim));
                    }
                    Room::NoneBefore(at) => wait = Some(at),
                    Room::NoneBeforeAnEnd => {}
                }
            }
            let has_attempts = !self.attempts.is_empty();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(ended) = self.attempts.join_next(), if has_attempts => self.note(ended),
                claimed = claim(&mut claiming) => {
                    let max = claiming.take().map_or(0, |(max, _)| max);
                    self.take_in(max, claimed);
                }
                () = sleep_until(wait) => {}
            }
        }
    }

    /// How many messages may be claimed now.
    fn room(&mut self) -> Room {
        let now = Instant::now();
        let free = self.pace.window().saturating_sub(self.attempts.len());
        if free == 0 {
            return Room::NoneBeforeAnEnd;
        }
        if let Some(at) = self.pace.paused_until(now) {
            return Room::NoneBefore(at);
        }
        match self.throttle.take(free.min(CLAIM_MAX), now) {
            0 => Room::NoneBefore(now + self.throttle.wait()),
            max => Room::Some(max),
        }
    }

    fn take_in(&mut self, max: usize, claimed: ClaimResult<I::Claim, I::Message>) {
        let claimed = claimed.unwrap_or_else(|error| {
            debug!(%error, "nothing can be claimed");
            self.pace.pause(Instant::now() + INBOX_PAUSE);
            Vec::new()
        });
        self.throttle.put_back(max.saturating_sub(claimed.len()));
        for one in claimed {
            self.begin(one);
        }
    }

    fn begin(&mut self, claimed: Claimed<I::Claim, I::Message>) {
        let attempt = Attempt {
            inbox: Arc::clone(&self.inbox),
            courier: Arc::clone(&self.courier),
            status: Arc::clone(&self.status),
            retry: self.retry,
            standing: self.pace.standing(),
            abandon: self.abandon.clone(),
            claimed,
        };
        self.attempts.spawn(attempt.make());
    }

    fn note(&mut self, ended: Result<Verdict, JoinError>) {
        // An attempt that panicked has told nobody; its claim ends by itself.
        let verdict = ended.unwrap_or_else(|error| {
            warn!(%error, "an attempt to deliver a message did not end");
            Verdict::Retry
        });
        self.pace.note(verdict, Instant::now());
    }

    async fn finish(&mut self) {
        if self.all_ended().await {
            return;
        }
        self.abandon.cancel();
        // As long again, for an inbox that is to take the messages back.
        if !self.all_ended().await {
            self.attempts.shutdown().await;
        }
    }

    async fn all_ended(&mut self) -> bool {
        let ended = async { while self.attempts.join_next().await.is_some() {} };
        tokio::time::timeout(SHUTDOWN_GRACE, ended).await.is_ok()
    }
}

enum Room {
    /// For so many.
    Some(usize),
    /// For none before this time.
    NoneBefore(Instant),
    /// For none before an attempt ends.
    NoneBeforeAnEnd,
}

/// What is being claimed; never, if nothing is.
async fn claim<T, F: Future<Output = T> + Unpin>(claiming: &mut Option<(usize, F)>) -> T {
    match claiming {
        Some((_, claim)) => claim.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// One attempt, and the word to the inbox of what became of it.
struct Attempt<I: Inbox, C> {
    inbox: Arc<I>,
    courier: Arc<C>,
    status: Arc<Status>,
    retry: RetryPolicy,
    standing: Standing,
    abandon: CancellationToken,
    claimed: Claimed<I::Claim, I::Message>,
}

impl<I, C> Attempt<I, C>
where
    I: Inbox,
    C: Courier<Message = I::Message>,
{
    async fn make(self) -> Verdict {
        let _counted = Counted::new(&self.status);
        let delivery = self.courier.deliver(&self.claimed.message, self.standing);
        let report = tokio::select! {
            biased;
            report = tokio::time::timeout(DELIVERY_TIME_MAX, delivery) => Some(report),
            () = self.abandon.cancelled() => None,
        };
        let Some(report) = report else {
            // Nobody is told to wait: the next leader tries at once.
            self.settle(
                Next::Later(Duration::ZERO),
                &Report::not_tried("the node stops"),
            )
            .await;
            return Verdict::NotTried;
        };
        let report = report.unwrap_or_else(|_| Report::retry(None, "the delivery took too long"));
        let next = Next::after(&self.retry, self.claimed.attempt, &report);
        let dwell = self.claimed.published_at.elapsed().unwrap_or_default();
        self.status.note(&report, next, dwell);
        self.settle(next, &report).await;
        report.verdict
    }

    /// Tells the inbox. If it cannot be told, the claim ends by itself and the message is tried again, delivered or not.
    async fn settle(&self, next: Next, report: &Report) {
        let claim = &self.claimed.claim;
        let mut pause = INBOX_PAUSE / 10;
        for _ in 0..SETTLE_TRIES {
            let told = match next {
                Next::Done => self.inbox.done(claim, report).await,
                Next::Later(delay) => self.inbox.later(claim, delay, report).await,
                Next::GiveUp(why) => self.inbox.give_up(claim, why, report).await,
            };
            let Err(error) = told else { return };
            debug!(%error, "the delivery queue cannot be told what became of a message");
            tokio::select! {
                () = tokio::time::sleep(pause) => pause *= 2,
                () = self.abandon.cancelled() => return,
            }
        }
    }
}

/// Counts an attempt for as long as it is under way, however it ends.
struct Counted<'a>(&'a Status);

impl<'a> Counted<'a> {
    fn new(status: &'a Status) -> Self {
        status.begin();
        Self(status)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests;
