//! Workers on an inbox in memory, under a clock that runs when nothing else does.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::limits::FAILING_PAUSE_MAX;

/// Messages are numbers; what became of each is kept.
#[derive(Default)]
struct Tray {
    state: Mutex<State>,
    changed: Notify,
    /// Fails so many words and claims.
    fails: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Of those that were never claimed: the next number, and the end.
    fresh: std::ops::Range<u64>,
    /// Messages that wait to be tried again.
    waiting: Vec<(Instant, u64)>,
    attempts: HashMap<u64, u32>,
    claimed: usize,
    claimed_max: usize,
    claims: Vec<usize>,
    done: Vec<u64>,
    given_up: Vec<(u64, GiveUp)>,
    put_back: Vec<(u64, Duration)>,
}

impl Tray {
    fn with(count: u64) -> Arc<Self> {
        let inbox = Self::default();
        inbox.state.lock().unwrap().fresh = 0..count;
        Arc::new(inbox)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn fail(&self) -> Result<(), InboxError> {
        let failed = self
            .fails
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        match failed {
            Ok(_) => Err(InboxError("no leader".to_owned())),
            Err(_) => Ok(()),
        }
    }

    fn settle(&self, with: impl FnOnce(&mut State)) -> Result<(), InboxError> {
        self.fail()?;
        let mut state = self.state();
        state.claimed -= 1;
        with(&mut state);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Waits until the inbox is as it should be.
    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if is_so(&self.state()) {
                return;
            }
            changed.await;
        }
    }
}

impl Inbox for Tray {
    type Claim = u64;
    type Message = u64;

    async fn claim(&self, max: usize) -> ClaimResult<u64, u64> {
        self.fail()?;
        loop {
            let changed = self.changed.notified();
            let next = {
                let mut state = self.state();
                let now = Instant::now();
                let mut ids: Vec<u64> = Vec::new();
                while ids.len() < max {
                    let due = state.waiting.iter().position(|(at, _)| *at <= now);
                    match due {
                        Some(at) => ids.push(state.waiting.swap_remove(at).1),
                        None => match state.fresh.next() {
                            Some(id) => ids.push(id),
                            None => break,
                        },
                    }
                }
                if !ids.is_empty() {
                    state.claimed += ids.len();
                    state.claimed_max = state.claimed_max.max(state.claimed);
                    state.claims.push(ids.len());
                    let mut claimed = Vec::new();
                    for id in ids {
                        let attempt = state.attempts.entry(id).or_default();
                        *attempt += 1;
                        claimed.push(Claimed {
                            claim: id,
                            attempt: *attempt,
                            published_at: SystemTime::now(),
                            message: id,
                        });
                    }
                    return Ok(claimed);
                }
                state.waiting.iter().map(|(at, _)| *at).min()
            };
            tokio::select! {
                () = changed => {}
                () = sleep_until(next) => {}
            }
        }
    }

    async fn done(&self, claim: &u64, _: &Report) -> Result<(), InboxError> {
        self.settle(|state| state.done.push(*claim))
    }

    async fn later(&self, claim: &u64, delay: Duration, _: &Report) -> Result<(), InboxError> {
        self.settle(|state| {
            state.put_back.push((*claim, delay));
            state.waiting.push((Instant::now() + delay, *claim));
        })
    }

    async fn give_up(&self, claim: &u64, why: GiveUp, _: &Report) -> Result<(), InboxError> {
        self.settle(|state| state.given_up.push((*claim, why)))
    }
}

/// An endpoint that does as it is told.
struct Endpoint<F> {
    takes: Duration,
    answer: F,
    tried: Mutex<Vec<(Instant, Standing)>>,
}

fn endpoint<F>(takes: Duration, answer: F) -> Arc<Endpoint<F>> {
    Arc::new(Endpoint {
        takes,
        answer,
        tried: Mutex::default(),
    })
}

impl<F: Fn(u64, Instant) -> Report + Send + Sync + 'static> Courier for Endpoint<F> {
    type Message = u64;

    async fn deliver(&self, message: &u64, standing: Standing) -> Report {
        let now = Instant::now();
        self.tried.lock().unwrap().push((now, standing));
        tokio::time::sleep(self.takes).await;
        (self.answer)(*message, now)
    }
}

impl<F> Endpoint<F> {
    fn tried(&self) -> usize {
        self.tried.lock().unwrap().len()
    }
}

struct Running {
    stop: CancellationToken,
    status: Arc<Status>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start<C: Courier<Message = u64>>(
        inbox: &Arc<Tray>,
        courier: &Arc<C>,
        settings: WorkerSettings,
    ) -> Self {
        let (stop, status) = (CancellationToken::new(), Arc::new(Status::default()));
        let task = tokio::spawn(run(
            Arc::clone(inbox),
            Arc::clone(courier),
            settings,
            Arc::clone(&status),
            stop.clone(),
        ));
        Self { stop, status, task }
    }

    async fn stop(self) -> crate::status::StatusSnapshot {
        self.stop.cancel();
        self.task.await.unwrap();
        self.status.snapshot()
    }
}

fn settings() -> WorkerSettings {
    WorkerSettings::new(RetryPolicy::HTTP_DEFAULT)
}

const QUICK: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn all_are_delivered_and_few_are_claimed_at_one_time() {
    let inbox = Tray::with(1000);
    let courier = endpoint(QUICK, |_, _| Report::delivered(Some(200), ""));
    let running = Running::start(&inbox, &courier, settings());
    inbox.until(|state| state.done.len() == 1000).await;
    let status = running.stop().await;
    let state = inbox.state();
    assert_eq!(state.claimed_max, IN_FLIGHT_MAX);
    assert!(state.claims.iter().all(|count| *count <= CLAIM_MAX));
    assert!(state.attempts.values().all(|count| *count == 1));
    assert_eq!(
        (status.delivered, status.failed, status.in_flight),
        (1000, 0, 0)
    );
    assert_eq!(status.last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_tried_by_the_policy_and_then_given_up() {
    let inbox = Tray::with(2);
    let courier = endpoint(QUICK, |message, _| match message {
        0 => Report::retry(Some(500), "down"),
        _ => Report::never(Some(403), "no"),
    });
    let running = Running::start(&inbox, &courier, settings());
    inbox.until(|state| state.given_up.len() == 2).await;
    let status = running.stop().await;
    let state = inbox.state();
    assert_eq!(
        state.given_up,
        [(1, GiveUp::Refused), (0, GiveUp::Exhausted)]
    );
    assert_eq!(state.put_back, [(0, Duration::from_secs(20)); 3]);
    assert_eq!((state.attempts[&0], state.attempts[&1]), (4, 1));
    assert_eq!(
        (status.delivered, status.failed, status.given_up),
        (0, 5, 2)
    );
    let last = status.last_error.unwrap();
    assert_eq!((last.status, &*last.detail), (Some(500), "down"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_with_a_million_messages_costs_one_socket_and_a_try_a_second() {
    let inbox = Tray::with(1_000_000);
    let begun = Instant::now();
    let dead_for = Duration::from_secs(600);
    let courier = endpoint(QUICK, move |_, now| {
        if now - begun < dead_for {
            Report::retry(None, "cannot connect")
        } else {
            Report::delivered(Some(200), "")
        }
    });
    let running = Running::start(&inbox, &courier, settings());
    tokio::time::sleep(dead_for).await;
    let tried = courier.tried();
    let pauses = dead_for.as_secs() as usize / FAILING_PAUSE_MAX.as_secs() as usize;
    assert!(tried < pauses + IN_FLIGHT_MAX + CLAIM_MAX, "{tried}");
    assert!(tried > pauses / 2, "{tried}");
    {
        let mut state = inbox.state();
        assert!(state.attempts.len() < tried + 1);
        assert!(state.claimed <= 1, "{}", state.claimed);
        state.claimed_max = 0;
    }
    let tries = courier.tried.lock().unwrap().clone();
    let late = tries
        .iter()
        .filter(|(at, _)| *at - begun > Duration::from_secs(10));
    assert!(late.clone().count() > 0);
    assert!(
        late.clone()
            .all(|(_, standing)| *standing == Standing::Failing)
    );

    // It lives: within a second this is seen, and the window opens.
    inbox.until(|state| state.done.len() > 10_000).await;
    running.stop().await;
    assert_eq!(inbox.state().claimed_max, IN_FLIGHT_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept() {
    let inbox = Tray::with(10_000);
    let courier = endpoint(QUICK, |_, _| Report::delivered(Some(200), ""));
    let slow = WorkerSettings {
        receives_per_second: NonZeroU32::new(5),
        ..settings()
    };
    let running = Running::start(&inbox, &courier, slow);
    tokio::time::sleep(Duration::from_secs(20)).await;
    running.stop().await;
    let tries: Vec<Instant> = courier
        .tried
        .lock()
        .unwrap()
        .iter()
        .map(|(at, _)| *at)
        .collect();
    assert!(tries.len() > 90, "{}", tries.len());
    for window in tries.windows(7) {
        assert!(window[6] - window[0] >= Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_tried_is_no_failure() {
    let inbox = Tray::with(1);
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let courier = endpoint(QUICK, move |_, _| {
        match count.fetch_add(1, Ordering::SeqCst) {
            0..10 => Report::not_tried("busy"),
            _ => Report::delivered(Some(200), ""),
        }
    });
    let running = Running::start(&inbox, &courier, settings());
    inbox.until(|state| state.done.len() == 1).await;
    let status = running.stop().await;
    assert_eq!(
        (status.not_tried, status.failed, status.given_up),
        (10, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_fails_is_asked_again() {
    let inbox = Tray::with(20);
    inbox.fails.store(7, Ordering::SeqCst);
    let courier = endpoint(QUICK, |_, _| Report::delivered(Some(200), ""));
    let running = Running::start(&inbox, &courier, settings());
    inbox.until(|state| state.done.len() == 20).await;
    assert_eq!(inbox.fails.load(Ordering::SeqCst), 0);
    assert_eq!(running.stop().await.delivered, 20);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_attempts_end_or_puts_their_messages_back() {
    for (takes, done, back) in [
        (SHUTDOWN_GRACE / 2, 5, 0),
        (Duration::from_secs(3600), 0, 5),
    ] {
        let inbox = Tray::with(5);
        let courier = endpoint(takes, |_, _| Report::delivered(Some(200), ""));
        let running = Running::start(&inbox, &courier, settings());
        while courier.tried() < 5 {
            tokio::task::yield_now().await;
        }
        let begun = Instant::now();
        running.stop().await;
        assert!(begun.elapsed() <= SHUTDOWN_GRACE);
        let state = inbox.state();
        assert_eq!((state.done.len(), state.put_back.len()), (done, back));
        assert!(state.put_back.iter().all(|(_, delay)| delay.is_zero()));
        assert_eq!(state.claimed, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_without_end_is_ended() {
    let inbox = Tray::with(1);
    let courier = endpoint(Duration::from_secs(1_000_000), |_, _| {
        Report::delivered(Some(200), "")
    });
    let running = Running::start(&inbox, &courier, settings());
    inbox.until(|state| state.given_up.len() == 1).await;
    let status = running.stop().await;
    assert_eq!((status.failed, status.given_up), (4, 1));
    assert_eq!(courier.tried(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_worker_that_waits_for_messages() {
    let inbox = Tray::with(0);
    let courier = endpoint(QUICK, |_, _| Report::delivered(Some(200), ""));
    let running = Running::start(&inbox, &courier, settings());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    running.stop().await;
    assert_eq!(courier.tried(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_ends_no_worker() {
    let inbox = Tray::with(10);
    let courier = endpoint(QUICK, |message, _| {
        assert_ne!(message, 3, "for the test");
        Report::delivered(Some(200), "")
    });
    let running = Running::start(&inbox, &courier, settings());
    inbox.until(|state| state.done.len() == 9).await;
    assert_eq!(running.stop().await.in_flight, 0);
}
