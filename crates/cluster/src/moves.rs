//! Carries out move tasks: the leader of each of the source queue's partitions moves what it holds, at
//! the task's rate, and reports to the catalog. All that a task needs is in the catalog and the
//! partition, so another leader goes on where this one stopped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_engine::proto::{
    self, Move, MoveOut, MoveTaskRow, MoveTaskStatus, UpdateMoveTask, catalog, command, outcome,
};
use levada_replica::Group;
use levada_types::{PartitionId, QueueId};
use tokio::time::Instant;

use crate::broker::Broker;

/// Messages of one step.
const STEP_MESSAGES_MAX: usize = 64;
/// Items that wait in an outbox before the task waits for them to be shipped.
const OUTBOX_MAX: usize = 1_000;
/// Between two reports of progress to the catalog.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Between two looks for tasks and two tries.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Runs as long as the node has its copy of the partition.
pub(crate) async fn run_moves(broker: Broker, group: Arc<Group>) {
    let core = broker.core.clone();
    let partition = group.id();
    let mut generation = None;
    loop {
        let now = core.directory.group().events().catalog_generation();
        let tasks = if generation == Some(now) {
            Vec::new()
        } else {
            tasks_here(&broker, partition)
        };
        if tasks.is_empty() {
            generation = Some(now);
            core.tasks_changed(now).await;
            continue;
        }
        for task in tasks {
            if group.is_leader() {
                run_task(&broker, &group, task).await;
            }
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Tasks whose source has a part here that is not finished.
fn tasks_here(broker: &Broker, partition: PartitionId) -> Vec<MoveTaskRow> {
    broker.core.directory.read(|catalog| {
        let here = |task: &&&MoveTaskRow| {
            !task.finished_partitions.contains(&partition.0)
                && catalog
                    .queue(QueueId(task.source))
                    .is_none_or(|row| row.partitions.contains(&partition.0))
        };
        catalog
            .running_move_tasks()
            .iter()
            .filter(here)
            .map(|task| (*task).clone())
            .collect()
    })
}

/// Moves until there is nothing more, the task ends, or leadership does.
async fn run_task(broker: &Broker, group: &Group, task: MoveTaskRow) {
    let partition = group.id();
    let mut moved = task
        .moved_by_partition
        .get(&partition.0)
        .copied()
        .unwrap_or(0);
    let mut reported = Instant::now();
    let mut pace = Pace::new(task.rate_max, source_parts(broker, &task));
    while group.is_leader() {
        let Some(current) = broker.move_task(task.task) else {
            return;
        };
        let step = if current.status == MoveTaskStatus::Running as i32 {
            step(broker, group, &task, pace.allowance()).await
        } else {
            Step::Finished
        };
        match step {
            Step::Moved(count) => {
                moved += u64::from(count);
                pace.spent(count).await;
            }
            Step::Wait => tokio::time::sleep(LOOK_PAUSE).await,
            Step::Finished => {
                if report(broker, &task, partition, moved, true, String::new()).await {
                    return;
                }
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            Step::Failed(reason) => {
                if report(broker, &task, partition, moved, false, reason).await {
                    return;
                }
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
        if reported.elapsed() >= REPORT_EVERY {
            report(broker, &task, partition, moved, false, String::new()).await;
            reported = Instant::now();
        }
    }
}

enum Step {
    Moved(u32),
    Wait,
    Finished,
    Failed(String),
}

fn source_parts(broker: &Broker, task: &MoveTaskRow) -> usize {
    broker
        .queue(QueueId(task.source))
        .map_or(1, |queue| queue.partitions.len().max(1))
}

async fn step(broker: &Broker, group: &Group, task: &MoveTaskRow, max: usize) -> Step {
    let source = QueueId(task.source);
    let waiting = group.read(|p| p.outbox_waiting());
    if waiting >= OUTBOX_MAX {
        return Step::Wait;
    }
    let positions = group.read(|p| p.peek_ready(source, max));
    if positions.is_empty() {
        return Step::Finished;
    }
    let mut moves = Vec::with_capacity(positions.len());
    for position in positions {
        let Some(record) = broker.core.reader.record(group, source, position).await else {
            return Step::Wait;
        };
        let to = match (task.destination, record.dead_letter_source) {
            // Sent to the dead-letter queue directly: it has no source to go back to.
            (0, 0) => return Step::Failed("CouldNotDetermineMessageSource".into()),
            (0, source) => QueueId(source),
            (destination, _) => QueueId(destination),
        };
        let Some(queue) = broker.queue(to) else {
            return Step::Failed("AWS.SimpleQueueService.NonExistentQueue".into());
        };
        let Some(to_partition) = queue.partition_for(&record.group, position) else {
            return Step::Wait;
        };
        moves.push(Move {
            position,
            to_queue: to.0,
            to_partition: to_partition.0,
            new_message_id: Bytes::copy_from_slice(&rand::random::<[u8; 16]>()),
            generation: 0,
        });
    }
    let kind = command::Kind::MoveOut(MoveOut {
        queue: source.0,
        moves,
    });
    match broker.write(group.id(), kind).await {
        Ok((answer, _)) => match answer.kind {
            Some(outcome::Kind::MoveOut(out)) => Step::Moved(out.moved),
            _ => Step::Wait,
        },
        Err(_) => Step::Wait,
    }
}

async fn report(
    broker: &Broker,
    task: &MoveTaskRow,
    partition: PartitionId,
    moved: u64,
    finished: bool,
    failure: String,
) -> bool {
    let update = UpdateMoveTask {
        task: task.task,
        cancel: false,
        partition: partition.0,
        moved,
        finished,
        failure_reason: failure,
    };
    let change = proto::Catalog {
        kind: Some(catalog::Kind::UpdateMoveTask(update)),
    };
    broker
        .write(PartitionId::CATALOG, command::Kind::Catalog(change))
        .await
        .is_ok()
}

/// Keeps a task to its rate: each partition takes its share.
struct Pace {
    per_second: Option<f64>,
    start: Instant,
    count: u64,
}

impl Pace {
    fn new(rate_max: u32, parts: usize) -> Self {
        let per_second = (rate_max > 0).then(|| f64::from(rate_max) / parts as f64);
        Self {
            per_second,
            start: Instant::now(),
            count: 0,
        }
    }

    /// Messages of the next step: about a fifth of a second's, so that a cancel takes effect soon.
    fn allowance(&self) -> usize {
        match self.per_second {
            None => STEP_MESSAGES_MAX,
            Some(rate) => ((rate / 5.0) as usize).clamp(1, STEP_MESSAGES_MAX),
        }
    }

    async fn spent(&mut self, count: u32) {
        self.count += u64::from(count);
        if let Some(rate) = self.per_second {
            tokio::time::sleep_until(
                self.start + Duration::from_secs_f64(self.count as f64 / rate),
            )
            .await;
        }
    }
}
