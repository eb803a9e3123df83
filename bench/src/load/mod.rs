//! The load: what runs against a server, and what is seen of it.
//!
//! Every mode is a closed loop: a connection sends its next request when the last is answered. What is
//! answered after the warm-up and before the end counts.

pub(crate) mod cycle;
pub(crate) mod drain;
pub(crate) mod frames;
pub(crate) mod parked;
pub(crate) mod push;
pub(crate) mod send;
pub(crate) mod steady;
pub(crate) mod tail;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::http::{Api, CallError, Connection};
use crate::usage;

/// After an error a connection waits this long, so that a server that is gone is not asked in a tight loop.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// What is still in flight at the end gets this long, then it is dropped.
const GRACE: Duration = Duration::from_secs(5);

/// The longest time that the histogram tells from longer ones.
const LATENCY_US_MAX: u64 = 120_000_000;

/// One load on one queue or stream.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What the report is called.
    pub(crate) name: String,
    /// Whether it is a queue, a topic or a stream.
    pub(crate) api: Api,
    /// `host:port`; connections are dealt out to them in turn.
    pub(crate) endpoints: Vec<String>,
    /// The name of the queue, or of the stream.
    pub(crate) queue: String,
    /// Sending connections.
    pub(crate) connections: usize,
    /// Receiving connections, for the modes that receive.
    pub(crate) receivers: usize,
    /// Messages, or records, a request.
    pub(crate) batch: usize,
    /// Length of a body.
    pub(crate) message_bytes: usize,
    /// For FIFO queues: message groups, used in turn.
    pub(crate) groups: Option<u64>,
    /// Messages sent and not yet received, for the steady mode.
    pub(crate) window: usize,
    /// What is answered before this is over is not counted.
    pub(crate) warmup: Duration,
    /// How long is counted.
    pub(crate) duration: Duration,
    /// Stop after this many messages, if that comes first.
    pub(crate) messages_max: Option<u64>,
    /// The servers, for their CPU time.
    pub(crate) pids: Vec<u32>,
}

impl Plan {
    /// The endpoint of connection number `index`.
    fn endpoint(&self, index: usize) -> &str {
        &self.endpoints[index % self.endpoints.len()]
    }
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The plan's name.
    pub(crate) name: String,
    /// Messages that were answered for.
    pub(crate) messages: u64,
    /// Messages a second.
    pub(crate) messages_per_s: f64,
    /// Of what the mode measures: requests, or the way from send to receipt.
    pub(crate) latency: Latency,
    /// Calls that failed.
    pub(crate) errors: u64,
    /// The first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_error: Option<String>,
    /// CPU-seconds of the servers for 100,000 messages; absent if no server was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_s_per_100k: Option<f64>,
}

/// Percentiles, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    /// Half were faster.
    pub(crate) p50_us: u64,
    /// 99 of 100 were.
    pub(crate) p99_us: u64,
    /// 999 of 1,000 were.
    pub(crate) p999_us: u64,
    /// All were.
    pub(crate) max_us: u64,
}

impl Latency {
    /// Of a histogram of microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50_us: histogram.value_at_quantile(0.5),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        }
    }
}

/// An empty histogram of microseconds, exact to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    // The bounds are constants that the library accepts; its only error is for bounds that it does not.
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).unwrap_or_else(|_| unreachable!())
}

/// Where the connections of one load write down what they see.
pub(crate) struct Recorder {
    from: Instant,
    until: Instant,
    messages_max: u64,
    taken: AtomicU64,
    messages: AtomicU64,
    errors: AtomicU64,
    first_error: Mutex<Option<String>>,
    latency: Mutex<Histogram<u64>>,
}

impl Recorder {
    /// The clock of the plan starts now.
    pub(crate) fn start(plan: &Plan) -> Self {
        let from = Instant::now() + plan.warmup;
        Self {
            from,
            until: from + plan.duration,
            messages_max: plan.messages_max.unwrap_or(u64::MAX),
            taken: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            first_error: Mutex::new(None),
            latency: Mutex::new(histogram()),
        }
    }

    /// Asks for leave to send `count` messages: false when the time or the number is used up.
    pub(crate) fn take(&self, count: usize) -> bool {
        Instant::now() < self.until
            && self.taken.fetch_add(count as u64, Ordering::Relaxed) < self.messages_max
    }

    /// True until the end.
    pub(crate) fn running(&self) -> bool {
        Instant::now() < self.until
    }

    /// Messages that were answered for, at `done`.
    pub(crate) fn count(&self, done: Instant, messages: usize) {
        if done >= self.from && done < self.until {
            self.messages.fetch_add(messages as u64, Ordering::Relaxed);
        }
    }

    /// A latency that ended at `done`.
    pub(crate) fn latency(&self, done: Instant, latency: Duration) {
        if done >= self.from && done < self.until {
            let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            lock(&self.latency).saturating_record(latency_us);
        }
    }

    /// A call that failed.
    pub(crate) fn error(&self, error: &CallError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        lock(&self.first_error).get_or_insert_with(|| error.to_string());
    }

    /// Messages answered for so far.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Waits for the tasks of the load, and reports.
    pub(crate) async fn finish(&self, plan: &Plan, mut tasks: JoinSet<()>) -> Report {
        tokio::time::sleep_until(self.from.into()).await;
        let cpu_before_s = usage::cpu_s(&plan.pids);
        let end: tokio::time::Instant = self.until.into();
        // A fill ends when all is sent; a load by time ends at its end, and takes its CPU time there.
        tokio::time::timeout_at(end, joined(&mut tasks)).await.ok();
        let ended = Instant::now().min(self.until);
        let cpu_s = usage::cpu_s(&plan.pids) - cpu_before_s;
        tokio::time::timeout_at(end + GRACE, joined(&mut tasks))
            .await
            .ok();
        self.report(plan, ended.saturating_duration_since(self.from), cpu_s)
    }

    fn report(&self, plan: &Plan, counted: Duration, cpu_s: f64) -> Report {
        let messages = self.messages();
        let per_100k = || cpu_s * 100_000.0 / messages.max(1) as f64;
        Report {
            name: plan.name.clone(),
            messages,
            messages_per_s: messages as f64 / counted.as_secs_f64().max(f64::EPSILON),
            latency: Latency::of(&lock(&self.latency)),
            errors: self.errors.load(Ordering::Relaxed),
            first_error: lock(&self.first_error).clone(),
            cpu_s_per_100k: (!plan.pids.is_empty()).then(per_100k),
        }
    }
}

/// A connection that is made anew after an error, with a pause.
pub(crate) struct Line<'a> {
    endpoint: &'a str,
    connection: Option<Connection>,
}

impl<'a> Line<'a> {
    /// Connects at the first call.
    pub(crate) fn to(endpoint: &'a str) -> Self {
        Self {
            endpoint,
            connection: None,
        }
    }

    /// One call. Errors are recorded, and give `None`.
    pub(crate) async fn call(&mut self, request: &[u8], recorder: &Recorder) -> Option<&[u8]> {
        match self.attempt(request).await {
            Ok(()) => self.connection.as_ref().map(Connection::body),
            Err(error) => {
                recorder.error(&error);
                if !matches!(error, CallError::Refused { .. }) {
                    self.connection = None;
                }
                tokio::time::sleep(ERROR_PAUSE).await;
                None
            }
        }
    }

    async fn attempt(&mut self, request: &[u8]) -> Result<(), CallError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.endpoint).await?,
        };
        self.connection
            .insert(connection)
            .call(request)
            .await
            .map(|_| ())
    }
}

async fn joined(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// Nanoseconds on a clock of this process, for the time that a body carries.
pub(crate) fn now_ns() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let began = BEGAN.get_or_init(Instant::now);
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A number that no message of this or an earlier run had: for deduplication ids, and for keys of records.
pub(crate) fn unique() -> u64 {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        AtomicU64::new(u64::try_from(since_epoch.as_nanos()).unwrap_or_default())
    });
    next.fetch_add(1, Ordering::Relaxed)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic elsewhere leaves counters that are still counters.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
