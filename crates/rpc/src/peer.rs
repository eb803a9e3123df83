//! The pool of peers and what can be asked of one.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::error::CallError;
use crate::identity::{Class, Identity};
use crate::keeper::{self, Shared};
use crate::limits::BODY_BYTES_MAX;
use crate::link::{Link, NoStream, frame};
use crate::outbox::{NoRoom, Room};
use crate::proto::{Frame, FrameKind};
use crate::stream::{StreamReceiver, StreamSender};
use crate::transport::Transport;

/// How a [`Peers`] pool behaves.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// How long one attempt to connect and to open the links may take.
    pub dial_timeout: Duration,
    /// How long a peer may be silent before it is pinged.
    pub ping_interval: Duration,
    /// How long a pinged peer may be silent before it is [`PeerState::Silent`].
    pub silence: Duration,
    /// What is dialled through; None for TCP.
    pub transport: Option<Arc<dyn Transport>>,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            dial_timeout: Duration::from_millis(1_000),
            ping_interval: Duration::from_millis(250),
            silence: Duration::from_millis(600),
            transport: None,
        }
    }
}

/// What is known of a peer from its connection alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Being dialled for the first time, or redialled at once after a break.
    Connecting,
    /// All links are open and the peer is not known to be silent.
    Up,
    /// The peer's port refuses: its process is gone. Dialled again and again.
    Refused,
    /// The links are open but no frame came for [`PeerOptions::silence`] though a ping is out: the
    /// process is stopped, its machine has no time for it, or the network drops what it sends.
    Silent,
    /// Dialling failed otherwise: no route, no answer in time, no peer behind the port.
    Unreachable,
}

/// All peers that this node talks to, one per address. Clones share them.
#[derive(Clone, Debug)]
pub struct Peers {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    me: Identity,
    options: PeerOptions,
    /// As many as there are addresses in the cluster's membership.
    peers: Mutex<HashMap<String, Peer>>,
}

impl Peers {
    /// A pool of peers that are told that `me` dials. Nothing is dialled yet.
    pub fn new(me: Identity, options: PeerOptions) -> Self {
        let pool = Pool {
            me,
            options,
            peers: Mutex::default(),
        };
        Self {
            pool: Arc::new(pool),
        }
    }

    /// The peer at `address` (`host:port`), made on first use and kept until [`Peers::forget`].
    /// It is dialled when it is first asked for something. That must happen within a tokio runtime.
    pub fn get(&self, address: &str) -> Peer {
        let mut peers = self.lock();
        if let Some(peer) = peers.get(address) {
            return peer.clone();
        }
        let (me, options) = (self.pool.me.clone(), self.pool.options.clone());
        let peer = Peer {
            kept: Arc::new(Kept {
                shared: Arc::new(Shared::new(address, me, options)),
                keeper: OnceLock::new(),
            }),
        };
        peers.insert(address.to_owned(), peer.clone());
        peer
    }

    /// Ends the connection to `address`. Its calls and streams end as if the link broke, and
    /// whoever still holds the peer finds it unreachable.
    pub fn forget(&self, address: &str) {
        let peer = self.lock().remove(address);
        if let Some(keeper) = peer.as_ref().and_then(|peer| peer.kept.keeper.get()) {
            keeper.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Peer>> {
        (self.pool.peers.lock()).unwrap_or_else(PoisonError::into_inner)
    }
}

/// One peer. Clones share its connection, which ends when the pool and all clones are gone.
#[derive(Clone)]
pub struct Peer {
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    shared: Arc<Shared>,
    keeper: OnceLock<AbortHandle>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

impl Peer {
    /// The address that is dialled.
    pub fn address(&self) -> &str {
        &self.kept.shared.address
    }

    /// Sends one call and waits for its answer. Dropping the future tells the peer that nobody
    /// waits any more. The answer is a slice of the buffer that it was received in: copy what is
    /// small and kept for long.
    ///
    /// # Errors
    /// At once [`CallError::Unreachable`] while the peer is down (only the very first dial is
    /// waited for) and when the link breaks; [`CallError::Overloaded`] at once for
    /// [`Class::Request`] when the link's queue is full, while the other classes wait for room;
    /// [`CallError::TimedOut`] when the call left and no answer came; what the peer answered.
    pub async fn call(
        &self,
        class: Class,
        method: u32,
        partition: u32,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let bytes = body.len();
        if bytes > BODY_BYTES_MAX {
            return Err(CallError::TooLarge { bytes });
        }
        let deadline = Instant::now() + timeout;
        let link = self.link(class, deadline).await?;
        let room = room(&link, class, bytes, deadline).await?;
        let call = link.next_call();
        let (answer, waiting) = link.expect(call)?;
        let frame = Frame {
            method,
            partition,
            body,
            ..frame(call, FrameKind::Call)
        };
        if link.outbox.push(room, frame).is_err() {
            return Err(CallError::Unreachable { sent: false });
        }
        match timeout_at(deadline, answer).await {
            Ok(answer) => {
                waiting.answered();
                // The link answers every call before it lets go of one.
                answer.unwrap_or(Err(CallError::Unreachable { sent: true }))
            }
            Err(_elapsed) => Err(CallError::TimedOut),
        }
    }

    /// Opens a stream in both directions. Items are delivered in order; dropping a half closes its
    /// direction. Returns before the peer has seen it: a peer that doesn't take it ends it.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] and [`CallError::Overloaded`] as for [`Peer::call`].
    pub async fn open(
        &self,
        class: Class,
        method: u32,
        partition: u32,
    ) -> Result<(StreamSender, StreamReceiver), CallError> {
        let deadline = Instant::now() + self.kept.shared.dial_timeout();
        let link = self.link(class, deadline).await?;
        let room = room(&link, class, 0, deadline).await?;
        let call = link.next_call();
        let frame = Frame {
            method,
            partition,
            ..frame(call, FrameKind::StreamOpen)
        };
        let stream = link.open_stream(call).map_err(|error| match error {
            NoStream::TooMany | NoStream::Taken => CallError::Overloaded,
            NoStream::Ended => CallError::Unreachable { sent: false },
        })?;
        match link.outbox.push(room, frame) {
            Ok(()) => Ok(stream),
            Err(_ended) => Err(CallError::Unreachable { sent: false }),
        }
    }

    /// What is known of the peer, published the moment that it changes. Dials the peer if nothing
    /// was asked of it before.
    pub fn state(&self) -> watch::Receiver<PeerState> {
        self.keep();
        self.kept.shared.state.subscribe()
    }

    fn keep(&self) {
        self.kept.keeper.get_or_init(|| {
            let shared = Arc::clone(&self.kept.shared);
            tokio::spawn(keeper::keep(shared)).abort_handle()
        });
    }

    /// The link of a class. Waits for the first dial only.
    async fn link(&self, class: Class, deadline: Instant) -> Result<Arc<Link>, CallError> {
        let shared = &self.kept.shared;
        if let Some(link) = shared.link(class) {
            return Ok(link);
        }
        self.keep();
        if !shared.dialled.load(Ordering::Acquire) {
            let mut state = shared.state.subscribe();
            let dialled = state.wait_for(|state| *state != PeerState::Connecting);
            // Either way the links tell.
            let _ = timeout_at(deadline, dialled).await;
        }
        (shared.link(class)).ok_or(CallError::Unreachable { sent: false })
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("address", &self.address())
            .field("state", &*self.kept.shared.state.borrow())
            .finish()
    }
}

/// Room on a link for a body of `bytes`. Requests are turned away rather than made to wait.
async fn room(
    link: &Link,
    class: Class,
    bytes: usize,
    deadline: Instant,
) -> Result<Room<'_>, CallError> {
    match link.outbox.try_room(bytes) {
        Ok(room) => return Ok(room),
        Err(NoRoom::Ended) => return Err(CallError::Unreachable { sent: false }),
        Err(NoRoom::Full) if class == Class::Request => return Err(CallError::Overloaded),
        Err(NoRoom::Full) => {}
    }
    match timeout_at(deadline, link.outbox.room(bytes)).await {
        Ok(Ok(room)) => Ok(room),
        Ok(Err(_ended)) => Err(CallError::Unreachable { sent: false }),
        Err(_elapsed) => Err(CallError::Overloaded),
    }
}
