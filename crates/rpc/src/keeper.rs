//! Keeps the connection to one peer up: dials, reads what arrives, pings, and publishes what is
//! known of the peer. One task per peer, and one per link for reading.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Streaming;

use crate::dial::{self, DialError, Opened};
use crate::identity::{Class, Identity};
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, SILENCE_MAX, STABLE_AFTER, STALL};
use crate::link::{Link, frame};
use crate::peer::{PeerOptions, PeerState};
use crate::proto::{FrameKind, Frames};

/// What the keeper and the callers of one peer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: Arc<str>,
    pub(crate) state: watch::Sender<PeerState>,
    /// Whether a dial has ended, well or not. Until then callers wait for it.
    pub(crate) dialled: AtomicBool,
    links: RwLock<Option<[Arc<Link>; 3]>>,
    me: Identity,
    options: PeerOptions,
}

impl Shared {
    pub(crate) fn new(address: &str, me: Identity, options: PeerOptions) -> Self {
        Self {
            address: Arc::from(address),
            state: watch::Sender::new(PeerState::Connecting),
            dialled: AtomicBool::new(false),
            links: RwLock::new(None),
            me,
            options,
        }
    }

    /// The link of a class, if the connection is up.
    pub(crate) fn link(&self, class: Class) -> Option<Arc<Link>> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        links
            .as_ref()
            .map(|links| Arc::clone(&links[class.index()]))
    }

    pub(crate) fn dial_timeout(&self) -> Duration {
        self.options.dial_timeout
    }

    fn set_links(&self, links: Option<[Arc<Link>; 3]>) {
        *self.links.write().unwrap_or_else(PoisonError::into_inner) = links;
    }

    pub(crate) fn publish(&self, state: PeerState) {
        let changed = self.state.send_if_modified(|now| {
            let changed = *now != state;
            *now = state;
            changed
        });
        if changed {
            tracing::debug!(peer = %self.address, ?state, "peer");
        }
    }
}

/// What is left of a peer whose keeper is gone.
struct Forgotten<'a>(&'a Shared);

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.0.dialled.store(true, Ordering::Release);
        self.0.publish(PeerState::Unreachable);
    }
}

/// Runs until its task is aborted.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let _forgotten = Forgotten(&shared);
    let mut backoff = Duration::ZERO;
    loop {
        // After a stable connection broke this is no wait at all: a port that refuses says at once
        // that the process is gone.
        if !backoff.is_zero() {
            sleep(backoff).await;
        }
        backoff = (backoff * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
        match dial(&shared).await {
            Ok(opened) => {
                let since = Instant::now();
                let why = Live::new(&shared, &opened).run(opened).await;
                if since.elapsed() >= STABLE_AFTER {
                    backoff = Duration::ZERO;
                }
                tracing::info!(peer = %shared.address, why, "the connection to a peer broke");
                // What is silent stays so until it is heard.
                shared.state.send_if_modified(|state| {
                    let up = *state == PeerState::Up;
                    if up {
                        *state = PeerState::Connecting;
                    }
                    up
                });
            }
            Err(error) => {
                let state = match &error {
                    DialError::Refused => PeerState::Refused,
                    DialError::Silent => PeerState::Silent,
                    DialError::Connect(_) | DialError::TimedOut | DialError::Link(_) => {
                        PeerState::Unreachable
                    }
                };
                if *shared.state.borrow() != state {
                    tracing::info!(peer = %shared.address, %error, "cannot reach a peer");
                }
                shared.dialled.store(true, Ordering::Release);
                shared.publish(state);
            }
        }
    }
}

/// Connects and opens the links. A peer that takes the connection and then says nothing is silent.
async fn dial(shared: &Shared) -> Result<Opened, DialError> {
    let channel = dial::connect(&shared.address, &shared.options).await?;
    let opening = dial::open(channel, &shared.me);
    tokio::pin!(opening);
    tokio::select! {
        opened = &mut opening => return opened,
        () = sleep(shared.options.silence) => {}
    }
    shared.dialled.store(true, Ordering::Release);
    shared.publish(PeerState::Silent);
    match tokio::time::timeout(SILENCE_MAX, opening).await {
        Ok(opened) => opened,
        Err(_elapsed) => Err(DialError::Silent),
    }
}

/// When something last arrived, on any link of one connection.
#[derive(Debug)]
struct Heard {
    since: Instant,
    at_us: AtomicU64,
    /// Whether the peer is published as silent, so that the next frame must take that back.
    silent: AtomicBool,
}

impl Heard {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            at_us: AtomicU64::new(0),
            silent: AtomicBool::new(false),
        }
    }

    fn now(&self) {
        let at = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.at_us.store(at, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.since + Duration::from_micros(self.at_us.load(Ordering::Relaxed))
    }
}

/// A connection that is up. Dropping it ends its links, even if the keeper is aborted.
struct Live<'a> {
    shared: &'a Arc<Shared>,
    links: [Arc<Link>; 3],
    heard: Arc<Heard>,
}

impl<'a> Live<'a> {
    fn new(shared: &'a Arc<Shared>, opened: &Opened) -> Self {
        let links = [0, 1, 2].map(|class| Arc::clone(&opened[class].0));
        shared.set_links(Some(links.clone()));
        shared.dialled.store(true, Ordering::Release);
        shared.publish(PeerState::Up);
        Self {
            shared,
            links,
            heard: Arc::new(Heard::new()),
        }
    }

    /// Reads and pings until a link ends. Returns why.
    async fn run(self, opened: Opened) -> String {
        let mut readers = JoinSet::new();
        for (link, inbound) in opened {
            let (shared, heard) = (Arc::clone(self.shared), Arc::clone(&self.heard));
            readers.spawn(read(shared, heard, link, inbound));
        }
        tokio::select! {
            why = readers.join_next() => match why {
                Some(Ok(why)) => why,
                Some(Err(error)) => error.to_string(),
                None => String::new(),
            },
            () = self.watch() => "it was silent for too long".to_owned(),
        }
    }

    /// Pings while nothing arrives. Returns when the peer was silent for too long.
    async fn watch(&self) {
        let options = &self.shared.options;
        let mut pinged: Option<Instant> = None;
        // What came before this instant isn't asked for: until then this process itself stood still.
        let mut excused = self.heard.last();
        loop {
            let heard = self.heard.last().max(excused);
            // A ping is out only as long as nothing arrived after it.
            pinged = pinged.filter(|&ping| ping > heard);
            let silent = self.heard.silent.load(Ordering::Relaxed);
            let started = Instant::now();
            let due = match pinged {
                None => heard + options.ping_interval,
                Some(_) if !silent => heard + options.silence,
                // Looks often whether it was heard again, so that a second silence isn't missed.
                Some(_) => started + options.ping_interval,
            };
            let due = due.max(started);
            sleep_until(due).await;
            let now = Instant::now();
            if now.duration_since(due) > STALL {
                excused = now;
                pinged = None;
                continue;
            }
            if self.heard.last().max(excused) != heard {
                continue;
            }
            match pinged {
                None => {
                    let ping = frame(0, FrameKind::Ping);
                    let _ = self.links[Class::Raft.index()].outbox.push_small(ping);
                    pinged = Some(now);
                }
                Some(_) if !silent => self.publish_silent(heard),
                Some(_) if now.duration_since(heard) < SILENCE_MAX => {}
                Some(_) => return,
            }
        }
    }

    fn publish_silent(&self, heard: Instant) {
        self.heard.silent.store(true, Ordering::SeqCst);
        self.shared.publish(PeerState::Silent);
        // A frame may have arrived just before the flag was there for its reader to see.
        if self.heard.last() > heard {
            speaks_again(self.shared, &self.heard);
        }
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.shared.set_links(None);
        for link in &self.links {
            link.end();
        }
    }
}

fn speaks_again(shared: &Shared, heard: &Heard) {
    if heard.silent.swap(false, Ordering::SeqCst) {
        shared.publish(PeerState::Up);
    }
}

/// Reads one link until it ends. Returns why.
async fn read(
    shared: Arc<Shared>,
    heard: Arc<Heard>,
    link: Arc<Link>,
    mut inbound: Streaming<Frames>,
) -> String {
    loop {
        match inbound.message().await {
            Ok(Some(frames)) => {
                heard.now();
                if heard.silent.load(Ordering::SeqCst) {
                    speaks_again(&shared, &heard);
                }
                for frame in frames.frames {
                    link.take(frame.kind(), frame);
                }
            }
            Ok(None) => return "the peer ended it".to_owned(),
            Err(status) => return status.to_string(),
        }
    }
}
