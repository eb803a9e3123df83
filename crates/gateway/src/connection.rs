//! What is known of one open connection, and the sweep that cuts off those that overstay.
//!
//! No timer is set for a request: a connection notes in atomics, to the second, since when it has been
//! in which phase, and one task looks at all of them once a second. The I/O below hyper and the front
//! above it both report here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Instant;

use tokio::task::AbortHandle;

use crate::limits::{HEAD_READ_SECS_MAX, IDLE_SECS_MAX, WRITE_STALL_SECS_MAX};

/// `stalled_since` of a connection whose peer takes what is written.
const NOT_STALLED: u32 = u32::MAX;

/// One connection's phase. Times are seconds of the table's clock.
#[derive(Debug)]
pub(crate) struct Connection {
    clock: Arc<Clock>,
    /// A head is being read: its first byte has arrived, its last has not.
    in_head: AtomicBool,
    /// Since when the phase lasts.
    since: AtomicU32,
    /// Requests that the front has and has not answered.
    requests: AtomicU32,
    /// HTTP/2 frames arrive at any time, so that bytes say nothing about heads.
    is_h2: AtomicBool,
    stalled_since: AtomicU32,
    is_tls: bool,
}

/// Seconds since the listener started, as of the last sweep.
#[derive(Debug, Default)]
struct Clock(AtomicU32);

impl Clock {
    fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connection {
    fn new(clock: Arc<Clock>, is_tls: bool) -> Self {
        let since = AtomicU32::new(clock.now());
        Self {
            clock,
            // What a client has to say first is a head; one that says nothing is idle from the start.
            in_head: AtomicBool::new(false),
            since,
            requests: AtomicU32::new(0),
            is_h2: AtomicBool::new(false),
            stalled_since: AtomicU32::new(NOT_STALLED),
            is_tls,
        }
    }

    /// Whether the client came by TLS.
    pub(crate) const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Bytes have arrived.
    pub(crate) fn bytes_read(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 && !self.in_head.load(Ordering::Relaxed) {
            self.since.store(self.clock.now(), Ordering::Relaxed);
            self.in_head.store(true, Ordering::Relaxed);
        }
    }

    /// The peer does not take what is written.
    pub(crate) fn write_stalled(&self) {
        if self.stalled_since.load(Ordering::Relaxed) == NOT_STALLED {
            self.stalled_since
                .store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// The peer took something.
    pub(crate) fn bytes_written(&self) {
        if self.stalled_since.load(Ordering::Relaxed) != NOT_STALLED {
            self.stalled_since.store(NOT_STALLED, Ordering::Relaxed);
        }
    }

    /// A head is complete: a request begins. It ends when the guard is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>, is_h2: bool) -> RequestGuard {
        if is_h2 && !self.is_h2.load(Ordering::Relaxed) {
            self.is_h2.store(true, Ordering::Relaxed);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_head.store(false, Ordering::Relaxed);
        RequestGuard(Arc::clone(self))
    }

    /// Whether it has been in a phase for longer than the phase may last.
    fn is_overdue(&self, now: u32) -> bool {
        let stalled_since = self.stalled_since.load(Ordering::Relaxed);
        if stalled_since != NOT_STALLED && now.saturating_sub(stalled_since) > WRITE_STALL_SECS_MAX
        {
            return true;
        }
        if self.requests.load(Ordering::Relaxed) > 0 {
            return false;
        }
        let in_head = self.in_head.load(Ordering::Relaxed) && !self.is_h2.load(Ordering::Relaxed);
        let allowed = if in_head {
            HEAD_READ_SECS_MAX
        } else {
            IDLE_SECS_MAX
        };
        now.saturating_sub(self.since.load(Ordering::Relaxed)) > allowed
    }
}

/// One request under way on a connection.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<Connection>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.since.store(self.0.clock.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Entry {
    connection: Arc<Connection>,
    task: Option<AbortHandle>,
    waker: Option<Waker>,
}

/// All open connections. Locked when one opens or ends, and once a second.
pub(crate) struct Connections {
    started: Instant,
    clock: Arc<Clock>,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Entry>>,
}

/// A connection's key in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Connections {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            clock: Arc::new(Clock::default()),
            next: AtomicU64::new(0),
            open: Mutex::new(HashMap::new()),
        }
    }

    /// A new connection. It is in the table until [`Self::leave`].
    pub(crate) fn enter(&self, is_tls: bool) -> (Key, Arc<Connection>) {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(Arc::clone(&self.clock), is_tls));
        let entry = Entry {
            connection: Arc::clone(&connection),
            task: None,
            waker: None,
        };
        self.lock().insert(key, entry);
        (Key(key), connection)
    }

    /// Notes the task that runs the connection, if that has not ended already.
    pub(crate) fn set_task(&self, key: Key, task: AbortHandle) {
        if let Some(entry) = self.lock().get_mut(&key.0) {
            entry.task = Some(task);
        }
    }

    /// Notes how to wake the connection's task when it should begin to drain.
    pub(crate) fn set_waker(&self, key: Key, waker: &Waker) {
        if let Some(entry) = self.lock().get_mut(&key.0) {
            entry.waker = Some(waker.clone());
        }
    }

    /// A connection has ended.
    pub(crate) fn leave(&self, key: Key) {
        let entry = self.lock().remove(&key.0);
        drop(entry);
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Wakes every connection's task, so that it sees that it should drain.
    pub(crate) fn wake_all(&self) {
        for entry in self.lock().values() {
            if let Some(waker) = &entry.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Ends all that are still open.
    pub(crate) fn abort_all(&self) {
        for entry in self.lock().values() {
            if let Some(task) = &entry.task {
                task.abort();
            }
        }
    }

    /// Moves the clock on and cuts off the overdue; says how many.
    pub(crate) fn sweep(&self) -> usize {
        let now = u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX);
        self.clock.0.store(now, Ordering::Relaxed);
        let overdue: Vec<AbortHandle> = self
            .lock()
            .values()
            .filter(|entry| entry.connection.is_overdue(now))
            .filter_map(|entry| entry.task.clone())
            .collect();
        overdue.iter().for_each(AbortHandle::abort);
        overdue.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Entry>> {
        // Nothing below panics half way through a change of the table.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Arc<Connection> {
        Arc::new(Connection::new(Arc::new(Clock::default()), false))
    }

    #[test]
    fn a_head_that_dribbles_is_overdue_before_an_idle_connection() {
        let slow = connection();
        slow.bytes_read();
        slow.clock.0.store(HEAD_READ_SECS_MAX, Ordering::Relaxed);
        slow.bytes_read();
        assert!(!slow.is_overdue(HEAD_READ_SECS_MAX));
        assert!(
            slow.is_overdue(HEAD_READ_SECS_MAX + 1),
            "later bytes do not start the time anew"
        );
        let idle = connection();
        assert!(!idle.is_overdue(IDLE_SECS_MAX));
        assert!(idle.is_overdue(IDLE_SECS_MAX + 1));
    }

    #[test]
    fn a_request_under_way_is_never_overdue_but_a_reader_that_stalls_is() {
        let connection = connection();
        connection.bytes_read();
        let guard = connection.begin_request(false);
        assert!(!connection.is_overdue(u32::MAX - 1));
        connection.write_stalled();
        assert!(connection.is_overdue(WRITE_STALL_SECS_MAX + 1));
        connection.bytes_written();
        assert!(!connection.is_overdue(WRITE_STALL_SECS_MAX + 1));
        connection.clock.0.store(100, Ordering::Relaxed);
        drop(guard);
        assert!(!connection.is_overdue(100 + IDLE_SECS_MAX));
        assert!(connection.is_overdue(101 + IDLE_SECS_MAX));
    }

    #[test]
    fn frames_of_http2_are_not_heads() {
        let connection = connection();
        drop(connection.begin_request(true));
        connection.bytes_read();
        assert!(!connection.is_overdue(HEAD_READ_SECS_MAX + 1));
    }
}
