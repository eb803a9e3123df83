//! What replicas take from the machine that they run on: its wall clock, where work that blocks is done, and the end.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use levada_types::Timestamp;
use tokio::task::JoinHandle;

/// A machine, as far as replicas see it. The default is the one that the process runs on.
#[derive(Clone)]
pub struct Host {
    /// What the wall clock says. It may be wrong, and it may jump.
    pub wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where work that blocks on the disk is done.
    pub blocking: Blocking,
    /// Ends the process, for what can't go on in it.
    pub end_process: Arc<dyn Fn() + Send + Sync>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            wall: Arc::new(system_time),
            blocking: Blocking::OnThreads,
            end_process: Arc::new(|| std::process::abort()),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("blocking", &self.blocking)
            .finish_non_exhaustive()
    }
}

fn system_time() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::ZERO + since
}

/// Where work that blocks is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// On the runtime's blocking threads.
    OnThreads,
    /// Where it is asked for, so that no thread but one decides what happens when.
    InPlace,
}

impl Blocking {
    /// Does the work and answers its result.
    ///
    /// # Errors
    /// The work panicked.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        self.start(work).result().await
    }

    /// Begins the work, which goes on also if nobody waits for its result.
    pub fn start<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Started<T> {
        match self {
            Self::OnThreads => Started::OnThread(tokio::task::spawn_blocking(work)),
            Self::InPlace => Started::Done(work()),
        }
    }
}

/// Work that was begun.
#[derive(Debug)]
pub enum Started<T> {
    /// It is done.
    Done(T),
    /// A thread does it.
    OnThread(JoinHandle<T>),
}

impl<T> Started<T> {
    /// Waits for its result.
    ///
    /// # Errors
    /// The work panicked.
    pub async fn result(self) -> io::Result<T> {
        match self {
            Self::Done(result) => Ok(result),
            Self::OnThread(thread) => Ok(thread.await?),
        }
    }
}
