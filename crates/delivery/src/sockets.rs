//! Who may use a socket now: bounds over all subscriptions of a node, over those that fail, and over one host.
//!
//! Whoever hangs holds a socket for a quarter of a minute. So those whose endpoints fail have few of them among them, and a
//! host has few whoever sends to it: what is left is enough for the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{SOCKET_WAIT_MAX, SOCKETS_FAILING_MAX, SOCKETS_MAX, SOCKETS_PER_HOST_MAX};

/// How a subscription's endpoint does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It answers, or was never asked.
    #[default]
    Healthy,
    /// It failed several times in a row.
    Failing,
}

/// No socket became free in time.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no socket became free: too many deliveries are under way")]
pub struct NoSocket;

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub struct SocketSettings {
    /// In all; at most [`SOCKETS_MAX`].
    pub all: usize,
    /// Of failing endpoints; at most [`SOCKETS_FAILING_MAX`].
    pub failing: usize,
    /// To one host; at most [`SOCKETS_PER_HOST_MAX`].
    pub per_host: usize,
    /// For how long one waits; at most [`SOCKET_WAIT_MAX`].
    pub wait: Duration,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            all: SOCKETS_MAX,
            failing: SOCKETS_FAILING_MAX,
            per_host: SOCKETS_PER_HOST_MAX,
            wait: SOCKET_WAIT_MAX,
        }
    }
}

/// The sockets of a node. Cloned freely.
#[derive(Clone, Debug)]
pub struct Sockets {
    all: Arc<Semaphore>,
    failing: Arc<Semaphore>,
    /// Only of hosts that are used now: no more than attempts are under way or wait.
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    settings: SocketSettings,
}

/// The right to use a socket, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    _failing: Option<OwnedSemaphorePermit>,
    /// Taken when the permit goes, before its host is forgotten.
    host: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
    _entry: Entry,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.host = None;
    }
}

/// Keeps a host in the table while somebody uses it or waits for it.
#[derive(Debug)]
struct Entry {
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    host: String,
    semaphore: Arc<Semaphore>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's and this one: nobody else's.
        if Arc::strong_count(&self.semaphore) <= 2 {
            hosts.remove(&self.host);
        }
    }
}

impl Default for Sockets {
    fn default() -> Self {
        Self::new(SocketSettings::default())
    }
}

impl Sockets {
    /// With these bounds, which may be lower than the named ones and not higher.
    pub fn new(settings: SocketSettings) -> Self {
        let settings = SocketSettings {
            all: settings.all.clamp(1, SOCKETS_MAX),
            failing: settings.failing.clamp(1, SOCKETS_FAILING_MAX),
            per_host: settings.per_host.clamp(1, SOCKETS_PER_HOST_MAX),
            wait: settings.wait.min(SOCKET_WAIT_MAX),
        };
        Self {
            all: Arc::new(Semaphore::new(settings.all)),
            failing: Arc::new(Semaphore::new(settings.failing)),
            hosts: Arc::default(),
            settings,
        }
    }

    /// Waits for a socket to a host. The scarcest comes first: who waits holds none that others could use.
    pub async fn acquire(&self, host: &str, standing: Standing) -> Result<Permit, NoSocket> {
        let acquired = tokio::time::timeout(self.settings.wait, async {
            let failing = match standing {
                Standing::Healthy => None,
                Standing::Failing => Some(Arc::clone(&self.failing).acquire_owned().await.ok()?),
            };
            let entry = self.entry(host);
            let of_host = Arc::clone(&entry.semaphore).acquire_owned().await.ok()?;
            let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Permit {
                _failing: failing,
                host: Some(of_host),
                _all: all,
                _entry: entry,
            })
        });
        acquired.await.ok().flatten().ok_or(NoSocket)
    }

    /// Sockets in use.
    pub fn in_use(&self) -> usize {
        self.settings.all - self.all.available_permits().min(self.settings.all)
    }

    fn entry(&self, host: &str) -> Entry {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let per_host = self.settings.per_host;
        let semaphore = hosts
            .entry(host.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(per_host)));
        Entry {
            semaphore: Arc::clone(semaphore),
            hosts: Arc::clone(&self.hosts),
            host: host.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few(all: usize, failing: usize, per_host: usize) -> Sockets {
        Sockets::new(SocketSettings {
            all,
            failing,
            per_host,
            ..SocketSettings::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_has_few_and_others_go_on() {
        let sockets = few(3, 3, 2);
        let first = sockets.acquire("a", Standing::Healthy).await.unwrap();
        let _second = sockets.acquire("a", Standing::Healthy).await.unwrap();
        let third = sockets.acquire("a", Standing::Healthy).await;
        assert_eq!(third.unwrap_err(), NoSocket);
        let other = sockets.acquire("b", Standing::Healthy).await.unwrap();
        let full = sockets.acquire("c", Standing::Healthy).await;
        assert_eq!(full.unwrap_err(), NoSocket);
        assert_eq!(sockets.in_use(), 3);
        drop(other);
        drop(first);
        sockets.acquire("a", Standing::Healthy).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_fail_leave_sockets_to_the_others() {
        let sockets = few(4, 1, 4);
        let _failing = sockets.acquire("dead", Standing::Failing).await.unwrap();
        let more = sockets.acquire("dead too", Standing::Failing).await;
        assert_eq!(more.unwrap_err(), NoSocket);
        sockets.acquire("alive", Standing::Healthy).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_are_forgotten_when_nobody_uses_them() {
        let sockets = few(1, 1, 1);
        let held = sockets.acquire("a", Standing::Healthy).await.unwrap();
        assert!(sockets.acquire("a", Standing::Healthy).await.is_err());
        assert!(sockets.acquire("b", Standing::Healthy).await.is_err());
        assert_eq!(sockets.hosts.lock().unwrap().len(), 1);
        drop(held);
        assert_eq!(sockets.hosts.lock().unwrap().len(), 0);
        assert_eq!(sockets.in_use(), 0);
        sockets.acquire("b", Standing::Healthy).await.unwrap();
    }
}
