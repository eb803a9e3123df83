//! Keeps a lease: renews it, writes its checkpoints, hands it back. One task a lease, the only one that writes it while it is held,
//! so every write knows the counter of the one before.
//!
//! A lease that could not be renewed for its duration counts as lost, by this worker's own clock, begun before the request was sent:
//! no other worker takes it earlier.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};

use super::lease::{Change, Lease};
use super::table::{Table, WriteError};
use crate::backoff::Backoff;
use crate::position::Checkpoint;

/// What a keeper is asked for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Write this, and say whether it is written.
    Write(Change, oneshot::Sender<Result<Checkpoint, LeaseLost>>),
}

/// The lease is another worker's, or may be by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease is lost: another worker has it, or may have it by now")]
pub struct LeaseLost;

/// Renews a lease that was just taken, until it is lost, ended or handed back, or nobody asks any more.
///
/// `held` is true until then. `since` is when the lease was asked for.
pub(crate) async fn keep(
    table: Table,
    lease: Lease,
    since: Instant,
    duration: Duration,
    mut asks: mpsc::Receiver<Ask>,
    held: watch::Sender<bool>,
) {
    let mut keeper = Keeper {
        table,
        lease,
        duration,
        valid_until: since + duration,
    };
    // Three tries fit into the time.
    let mut beat = tokio::time::interval(duration / 3);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    loop {
        tokio::select! {
            ask = asks.recv() => {
                // The reader is gone without a word: it panicked, or it was aborted. The lease expires.
                let Some(Ask::Write(change, told)) = ask else { return };
                let last = matches!(change, Change::End(_) | Change::Release);
                let written = keeper.write(&change).await;
                if last || written.is_err() {
                    held.send_replace(false);
                }
                // Who asked may be gone.
                let _ = told.send(written.map(|()| keeper.lease.checkpoint.clone()));
                if last || written.is_err() {
                    return;
                }
            }
            _ = beat.tick() => {
                if keeper.write(&Change::Renew).await.is_err() {
                    held.send_replace(false);
                    return;
                }
            }
        }
    }
}

struct Keeper {
    table: Table,
    lease: Lease,
    duration: Duration,
    valid_until: Instant,
}

impl Keeper {
    /// Writes until it is known to be written, or the lease is lost.
    async fn write(&mut self, change: &Change) -> Result<(), LeaseLost> {
        let mut backoff = Backoff::default();
        loop {
            let began = Instant::now();
            let timeout = self.valid_until.saturating_duration_since(began);
            if timeout.is_zero() {
                warn!(
                    lease = self.lease.key,
                    "the lease could not be renewed in time"
                );
                return Err(LeaseLost);
            }
            // An answer that got lost does not take all the time that is left.
            let timeout = timeout.min(self.duration / 3);
            let wanted = change.apply(&self.lease, self.lease.owner.as_deref().unwrap_or_default());
            match self.table.write(&self.lease, change, timeout).await {
                Ok(lease) => {
                    self.written(lease, began);
                    return Ok(());
                }
                Err(WriteError::Lost(Some(now))) if *now == wanted => {
                    // It was written by a try whose answer got lost: nobody else writes under this worker's name.
                    self.written(*now, began);
                    return Ok(());
                }
                Err(WriteError::Lost(Some(now)))
                    if now.owner == self.lease.owner && now.counter == wanted.counter =>
                {
                    // An earlier write whose answer got lost; this one goes on top of it.
                    self.lease = *now;
                }
                Err(WriteError::Lost(_)) => {
                    info!(lease = self.lease.key, "another worker has the lease");
                    return Err(LeaseLost);
                }
                Err(WriteError::Failed(error)) => {
                    warn!(lease = self.lease.key, %error, "the lease was not written; it is tried again");
                    let left = self.valid_until.saturating_duration_since(Instant::now());
                    tokio::time::sleep(backoff.next().min(left)).await;
                }
            }
        }
    }

    fn written(&mut self, lease: Lease, began: Instant) {
        self.lease = lease;
        self.valid_until = began + self.duration;
    }
}
