//! One flow as it runs: while a batch is on its way, the next one is read, and no more than that. So a broker that is slow
//! or away slows reading, and memory holds two batches. Only what was answered for is committed.

use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::sleep;

use crate::batch::Batch;
use crate::config::BufferBounds;
use crate::send::{Sender, Stop};
use crate::tailer::Tailer;

/// A flow ended by a fault of ours.
#[derive(Debug, Error)]
#[error(
    "a flow ended: {0}; this is a fault of the agent, which goes on where it was when it is started again"
)]
pub struct FlowError(#[from] JoinError);

/// A flow that can run.
pub(crate) struct Flow {
    pub(crate) tailer: Tailer,
    pub(crate) sender: Sender,
    pub(crate) bounds: BufferBounds,
    pub(crate) poll: Duration,
    pub(crate) stop: Stop,
}

/// What reading gave.
struct Filled {
    tailer: Tailer,
    batch: Batch,
    is_more: bool,
}

impl Flow {
    /// Runs until it is told to end: then a last batch of what is there is sent, if there is time.
    pub(crate) async fn run(mut self) -> Result<(), FlowError> {
        let (mut tailer, mut batch) = (self.tailer, Batch::new(self.bounds));
        loop {
            let is_stopping = self.stop.borrow().is_some();
            if is_stopping {
                tailer.look_again();
            }
            let filled = fill(tailer, batch).await?;
            (tailer, batch) = (filled.tailer, filled.batch);
            let now = Instant::now();
            let is_due =
                is_stopping || batch.is_full() || batch.due().is_some_and(|due| now >= due);
            if batch.records().is_empty() {
                // What yields nothing was dealt with all the same.
                tailer.commit(batch.ends());
                batch = Batch::new(self.bounds);
            } else if is_due {
                let next = Batch::new(self.bounds);
                let (is_sent, filled) = tokio::join!(
                    self.sender.send(batch.records()),
                    fill_unless(is_stopping, tailer, next)
                );
                let filled = filled?;
                tailer = filled.tailer;
                if !is_sent {
                    break;
                }
                tailer.commit(batch.ends());
                batch = filled.batch;
                if !is_stopping {
                    continue;
                }
            }
            if is_stopping {
                break;
            }
            if !filled.is_more {
                let wait = batch.due().map(|due| due.saturating_duration_since(now));
                let wait = wait.map_or(self.poll, |wait| wait.min(self.poll));
                tokio::select! {
                    () = sleep(wait) => {}
                    _ = self.stop.changed() => {}
                }
            }
        }
        let save = move || tailer.save_if_due(Instant::now(), true);
        Ok(spawn_blocking(save).await?)
    }
}

/// Files are read on a thread on which that may take its time.
async fn fill(mut tailer: Tailer, mut batch: Batch) -> Result<Filled, FlowError> {
    let filled = spawn_blocking(move || {
        let now = Instant::now();
        tailer.save_if_due(now, false);
        let is_more = tailer.fill(&mut batch, now);
        Filled {
            tailer,
            batch,
            is_more,
        }
    });
    Ok(filled.await?)
}

async fn fill_unless(is_stopping: bool, tailer: Tailer, batch: Batch) -> Result<Filled, FlowError> {
    if is_stopping {
        return Ok(Filled {
            tailer,
            batch,
            is_more: false,
        });
    }
    fill(tailer, batch).await
}
