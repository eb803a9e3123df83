//! The catalog's commands on move tasks: their life, as the runners on the source's partitions report it.
//!
//! A task runs until each of its source's partitions has reported that it is finished: moved all, or
//! stopped because the task was cancelled. Reports may come twice and in any order.

use levada_types::Timestamp;

use super::Catalog;
use crate::effects::Effects;
use crate::proto::{self, CatalogRefusal as Refusal, MoveTaskStatus as Status};

/// Tasks of one source that are remembered; the API lists at most ten.
pub(super) const TASKS_KEPT_MAX: usize = 10;
/// Why a task failed whose destination was deleted, in the API's words.
pub(super) const DESTINATION_GONE: &str = "AWS.SimpleQueueService.NonExistentQueue";

/// Whether the task has runners, so that another one on its source is refused.
pub(super) fn is_active(task: &proto::MoveTaskRow) -> bool {
    matches!(task.status(), Status::Running | Status::Cancelling)
}

impl Catalog {
    /// Starts a task; one at a time for each source.
    pub(super) fn start_move_task(
        &mut self,
        at: Timestamp,
        command: proto::StartMoveTask,
        effects: &mut Effects,
    ) -> Result<proto::MoveTaskRow, Refusal> {
        let known = |queue| self.queues.contains_key(&queue);
        if !known(command.source) || (command.destination != 0 && !known(command.destination)) {
            return Err(Refusal::NoSuchQueue);
        }
        let tasks = self.move_tasks_by_source.entry(command.source).or_default();
        if tasks
            .iter()
            .filter_map(|task| self.move_tasks.get(task))
            .any(is_active)
        {
            return Err(Refusal::TaskActive);
        }
        let row = proto::MoveTaskRow {
            task: self.next_move_task,
            source: command.source,
            destination: command.destination,
            rate_max: command.rate_max,
            started_at: at.as_millis(),
            status: Status::Running as i32,
            to_move: command.to_move,
            source_arn: command.source_arn,
            destination_arn: command.destination_arn,
            ..Default::default()
        };
        self.next_move_task += 1;
        tasks.push(row.task);
        if tasks.len() > TASKS_KEPT_MAX {
            self.move_tasks.remove(&tasks.remove(0));
        }
        self.move_tasks.insert(row.task, row.clone());
        effects.catalog_other = true;
        Ok(row)
    }

    /// Cancels a task, or takes one partition's report.
    pub(super) fn update_move_task(
        &mut self,
        command: proto::UpdateMoveTask,
        effects: &mut Effects,
    ) -> Result<proto::MoveTaskRow, Refusal> {
        let task = self
            .move_tasks
            .get_mut(&command.task)
            .ok_or(Refusal::NoSuchTask)?;
        let partitions = self
            .queues
            .get(&task.source)
            .map_or(&[][..], |row| &row.partitions);
        let before = task.clone();
        if command.cancel {
            if task.status() != Status::Running {
                return Err(Refusal::TaskNotRunning);
            }
            task.set_status(Status::Cancelling);
        } else if partitions.contains(&command.partition) {
            report(task, &command, partitions);
        }
        effects.catalog_other |= *task != before;
        Ok(task.clone())
    }
}

/// What was moved counts even if the task has ended meanwhile; an end is for ever.
fn report(task: &mut proto::MoveTaskRow, command: &proto::UpdateMoveTask, partitions: &[u32]) {
    let moved = task
        .moved_by_partition
        .entry(command.partition)
        .or_default();
    *moved = command.moved.max(*moved);
    task.moved = task
        .moved_by_partition
        .values()
        .fold(0, |sum, n| sum.saturating_add(*n));
    if !is_active(task) {
        return;
    }
    if !command.failure_reason.is_empty() {
        task.set_status(Status::Failed);
        task.failure_reason.clone_from(&command.failure_reason);
        return;
    }
    if command.finished
        && let Err(place) = task.finished_partitions.binary_search(&command.partition)
    {
        task.finished_partitions.insert(place, command.partition);
    }
    if partitions
        .iter()
        .all(|p| task.finished_partitions.contains(p))
    {
        let cancelled = task.status() == Status::Cancelling;
        task.set_status(if cancelled {
            Status::Cancelled
        } else {
            Status::Completed
        });
    }
}
