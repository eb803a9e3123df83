//! Connections that are kept for the next request.
//!
//! What is kept too long is closed when the next request comes by; where none comes, the server closes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use tokio_util::task::AbortOnDropHandle;

use super::Call;
use crate::guard::Origin;
use crate::limits::{IDLE_MAX, IDLE_PER_ORIGIN_MAX, IDLE_TIME_MAX, SHARED_CONNECTIONS_MAX};

/// A connection of HTTP/1.1. It is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    pub(super) _task: AbortOnDropHandle<()>,
}

/// A connection of HTTP/2. It is closed when nobody has this any more.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) sender: http2::SendRequest<Full<Bytes>>,
    pub(super) _task: AbortOnDropHandle<()>,
}

/// Which requests a connection serves. Whose address it was is part of it: the guard judged no operator's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    is_tls: bool,
    host: String,
    port: u16,
    is_operators: bool,
}

impl Key {
    pub(super) fn of(call: &Call<'_>) -> Self {
        Self {
            is_tls: call.endpoint.is_tls(),
            host: call.endpoint.host().to_owned(),
            port: call.endpoint.port(),
            is_operators: call.origin == Origin::Operator,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    shared: Mutex<HashMap<Key, Arc<Shared>>>,
}

#[derive(Debug, Default)]
struct Idle {
    by_origin: HashMap<Key, Vec<(Open, Instant)>>,
    count: usize,
}

impl Idle {
    /// Closes what was kept too long or was closed by its server.
    fn sweep(&mut self) {
        let is_good = |(open, since): &(Open, Instant)| {
            since.elapsed() < IDLE_TIME_MAX && !open.sender.is_closed()
        };
        self.by_origin.retain(|_, kept| {
            kept.retain(is_good);
            !kept.is_empty()
        });
        self.count = self.by_origin.values().map(Vec::len).sum();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A connection that is open as far as is known: the one that was used last.
    pub(super) fn take(&self, key: &Key) -> Option<Open> {
        let mut idle = lock(&self.idle);
        idle.sweep();
        let (open, _) = idle.by_origin.get_mut(key)?.pop()?;
        idle.count -= 1;
        Some(open)
    }

    /// Keeps a connection, if there is room.
    pub(super) fn put(&self, key: Key, open: Open) {
        let mut idle = lock(&self.idle);
        idle.sweep();
        if idle.count >= IDLE_MAX {
            return;
        }
        let kept = idle.by_origin.entry(key).or_default();
        if kept.len() < IDLE_PER_ORIGIN_MAX {
            kept.push((open, Instant::now()));
            idle.count += 1;
        }
    }

    pub(super) fn shared(&self, key: &Key) -> Option<Arc<Shared>> {
        lock(&self.shared).get(key).map(Arc::clone)
    }

    pub(super) fn share(&self, key: Key, opened: Arc<Shared>) {
        let mut shared = lock(&self.shared);
        if shared.len() >= SHARED_CONNECTIONS_MAX {
            shared.retain(|_, kept| !kept.sender.is_closed());
        }
        if shared.len() < SHARED_CONNECTIONS_MAX {
            shared.insert(key, opened);
        }
    }

    pub(super) fn forget_shared(&self, key: &Key, which: &Arc<Shared>) {
        let mut shared = lock(&self.shared);
        if shared.get(key).is_some_and(|kept| Arc::ptr_eq(kept, which)) {
            shared.remove(key);
        }
    }
}
