//! Brings records to their stream or queue, in their order, for as long as that takes. What was refused of a call is sent
//! again before anything else is, and only that; there is no record that is given up.

mod queue;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::batch::Record;
use crate::broker::{Broker, CallError};
use crate::config::Target;
use crate::limits;
use crate::status::Counters;

/// By when the agent is to end, once it is told to.
pub(crate) type Stop = watch::Receiver<Option<Instant>>;

/// Sends to one target.
pub(crate) struct Sender {
    title: String,
    broker: Arc<Broker>,
    target: Target,
    /// Of a queue, once it was asked for.
    queue_url: Option<String>,
    counters: Arc<Counters>,
    stop: Stop,
    trouble: Option<Trouble>,
}

/// Calls that fail, one after the other.
struct Trouble {
    since: Instant,
    told: Option<Instant>,
}

/// What was refused of a call.
struct Refused {
    /// Which records, by their places in what was sent.
    places: Vec<usize>,
    /// The first reason.
    why: String,
    /// The broker only has too much to do.
    is_throttled: bool,
}

impl Sender {
    pub(crate) fn new(
        title: String,
        broker: Arc<Broker>,
        target: Target,
        counters: Arc<Counters>,
        stop: Stop,
    ) -> Self {
        Self {
            title,
            broker,
            target,
            queue_url: None,
            counters,
            stop,
            trouble: None,
        }
    }

    /// Sends records; true once all are answered for, false if the agent has to end before that.
    pub(crate) async fn send(&mut self, records: &[Record]) -> bool {
        let mut rest = records;
        while !rest.is_empty() {
            let count = match self.target {
                Target::Stream(_) => rest.len(),
                Target::Queue(_) => queue::count_of_call(rest),
            };
            let (call, after) = rest.split_at(count);
            if !self.send_call(call.iter().collect()).await {
                return false;
            }
            rest = after;
        }
        true
    }

    /// Sends what fits into one call, again and again until nothing of it is left.
    async fn send_call(&mut self, mut records: Vec<&Record>) -> bool {
        let mut backoff = Backoff::default();
        let mut stop = self.stop.clone();
        loop {
            let outcome = tokio::select! {
                outcome = self.call(&records) => outcome,
                () = must_end(&mut stop) => return false,
            };
            let (why, is_throttled) = match outcome {
                Ok(None) => {
                    self.answered(&records);
                    self.over();
                    return true;
                }
                Ok(Some(refused)) => {
                    let is_left = |place: &usize| refused.places.contains(place);
                    let (left, done): (Vec<_>, Vec<_>) = records
                        .into_iter()
                        .enumerate()
                        .partition(|(place, _)| is_left(place));
                    let done: Vec<&Record> = done.into_iter().map(|(_, record)| record).collect();
                    records = left.into_iter().map(|(_, record)| record).collect();
                    if !done.is_empty() {
                        backoff.reset();
                        self.answered(&done);
                    }
                    Counters::add(&self.counters.retried, records.len());
                    (refused.why, refused.is_throttled)
                }
                Err(e) => {
                    Counters::add(&self.counters.retried, 1);
                    (e.to_string(), false)
                }
            };
            self.failed(&why, is_throttled);
            let wait: Duration = backoff.next(rand::random());
            tokio::select! {
                () = sleep(wait) => {}
                () = must_end(&mut stop) => return false,
            }
        }
    }

    /// One call. `None` if nothing was refused.
    async fn call(&mut self, records: &[&Record]) -> Result<Option<Refused>, CallError> {
        match &self.target {
            Target::Stream(stream) => stream::put(&self.broker, stream, records).await,
            Target::Queue(queue) => {
                let url = match &self.queue_url {
                    Some(url) => url,
                    None => {
                        let url = queue::url(&self.broker, queue).await?;
                        self.queue_url.insert(url)
                    }
                };
                let sent = queue::send(&self.broker, url, records).await;
                if matches!(sent, Err(CallError::Refused { .. })) {
                    // It may have been deleted and made anew.
                    self.queue_url = None;
                }
                sent
            }
        }
    }

    fn answered(&self, records: &[&Record]) {
        Counters::add(&self.counters.sent, records.len());
        let bytes = records.iter().map(|record| record.data.len()).sum();
        Counters::add(&self.counters.bytes, bytes);
    }

    /// Tells of a failure: at once, and now and then while it lasts; a broker that has too much to do only if it lasts.
    fn failed(&mut self, why: &str, is_throttled: bool) {
        let now = Instant::now();
        let trouble = self.trouble.get_or_insert(Trouble {
            since: now,
            told: None,
        });
        let is_due = match trouble.told {
            Some(told) => now >= told + limits::FAILURE_TOLD_EVERY,
            None => !is_throttled || now >= trouble.since + limits::FAILURE_TOLD_EVERY,
        };
        if is_due {
            trouble.told = Some(now);
            warn!("{}: tried again until it succeeds: {why}", self.title);
        }
    }

    fn over(&mut self) {
        if let Some(trouble) = self.trouble.take()
            && trouble.told.is_some()
        {
            let seconds = trouble.since.elapsed().as_secs();
            info!("{}: goes on after {seconds} s", self.title);
        }
    }
}

/// Returns when the agent may wait no longer.
async fn must_end(stop: &mut Stop) {
    let deadline = match stop.wait_for(Option::is_some).await {
        Ok(deadline) => *deadline,
        // Whoever would say so is gone.
        Err(_) => None,
    };
    if let Some(deadline) = deadline {
        sleep_until(deadline).await;
    }
}
