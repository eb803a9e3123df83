//! A runtime whose time moves only when the simulator moves it.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::Instant;

/// A single-threaded tokio runtime with a stopped clock.
pub(crate) struct Stepped {
    runtime: Runtime,
    begun: Instant,
    begun_ms: u64,
}

impl Stepped {
    /// Begins at a moment of simulated time.
    pub(crate) fn new(now_ms: u64) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let begun = runtime.block_on(async { Instant::now() });
        Ok(Self {
            runtime,
            begun,
            begun_ms: now_ms,
        })
    }

    fn at(&self, now_ms: u64) -> Instant {
        self.begun + Duration::from_millis(now_ms.saturating_sub(self.begun_ms))
    }

    /// Lets its tasks run until time has come to `now_ms`; each timer on the way fires at its own moment.
    pub(crate) fn step(&self, now_ms: u64) {
        let at = self.at(now_ms);
        self.runtime
            .block_on(async { tokio::time::sleep_until(at).await });
    }

    /// As a process that was stopped finds it: time has passed without it, and every timer is late.
    pub(crate) fn leap(&self, now_ms: u64) {
        let at = self.at(now_ms);
        self.runtime.block_on(async {
            tokio::time::advance(at.saturating_duration_since(Instant::now())).await;
        });
    }

    /// To spawn from elsewhere.
    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Spawns a task that nobody waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }
}
