//! Now and then has dead letters moved back to the queue that they came from.

use std::sync::Arc;
use std::time::Duration;

use levada_engine::proto::StartMoveTask;
use levada_types::QueueId;

use super::Shared;
use crate::random::Random;
use crate::trace::event;

/// Between two tasks, in milliseconds.
const PAUSE_MS_MIN: u64 = 4_000;
const PAUSE_MS_MAX: u64 = 12_000;

/// Runs until the sending ends.
pub(super) async fn run(shared: Arc<Shared>, source: QueueId, mut random: Random) {
    loop {
        let pause = random.within(PAUSE_MS_MIN..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if !shared.sends() {
            return;
        }
        let machine = random.index(shared.access.machines());
        let task = StartMoveTask {
            source: source.0,
            rate_max: u32::try_from(random.within(0..=50)).unwrap_or(0),
            ..StartMoveTask::default()
        };
        let started = shared
            .access
            .call(machine, move |broker| async move {
                broker.start_move_task(task).await
            })
            .await;
        event!(shared.trace, "a move task: {started:?}");
    }
}
