//! The catalog's commands on queues.

use levada_types::{QueueId, Timestamp, limits};

use super::attributes::{is_in_force, redrive_policy};
use super::{Catalog, Name, move_tasks};
use crate::effects::Effects;
use crate::proto::{self, CatalogRefusal as Refusal};

impl Catalog {
    /// A queue of that name with those attributes: the one that exists, or a new one.
    pub(super) fn create_queue(
        &mut self,
        at: Timestamp,
        command: proto::CreateQueue,
        effects: &mut Effects,
    ) -> Result<proto::QueueRow, Refusal> {
        Name::check([&command.account, &command.region, &command.name])?;
        let name = Name::new(&command.account, &command.region, &command.name);
        if let Some(row) = self.by_name.get(&name).and_then(|id| self.queues.get(id)) {
            let same = command
                .attributes
                .iter()
                .all(|(k, v)| is_in_force(row, k, v));
            return if same {
                Ok(row.clone())
            } else {
                Err(Refusal::ExistsWithOtherAttributes)
            };
        }
        if command.tags.len() > limits::QUEUE_TAGS_MAX {
            return Err(Refusal::TooManyTags);
        }
        if let Some(deleted_at) = self.deleted.get(&name).copied() {
            let reuse_ms = command
                .reuse_after_ms
                .unwrap_or(limits::DELETED_NAME_REUSE_MS);
            if at.millis_since(deleted_at) < reuse_ms {
                return Err(Refusal::DeletedRecently);
            }
            self.deleted.remove(&name);
            self.deleted_by_time.remove(&(deleted_at, name.clone()));
        }
        let mut attributes = command.attributes;
        attributes.retain(|_, value| !value.is_empty());
        let row = proto::QueueRow {
            queue: self.next_queue,
            version: 1,
            account: command.account,
            region: command.region,
            name: command.name,
            attributes,
            tags: command.tags,
            partitions: command.partitions,
            created_at: at.as_millis(),
            modified_at: at.as_millis(),
            purged_at: 0,
            subscription: 0,
        };
        self.next_queue += 1;
        effects.catalog_queues.push(QueueId(row.queue));
        self.index(&row);
        self.count_parts(&row);
        self.queues.insert(row.queue, row.clone());
        self.redrive_target_changed(&name, effects);
        Ok(row)
    }

    /// Removes a queue, its name's use and its move tasks; its messages are the partitions' to drop.
    pub(super) fn delete_queue(
        &mut self,
        at: Timestamp,
        queue: u64,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let row = self.queues.get(&queue);
        // A delivery queue goes with its subscription.
        row.filter(|row| row.subscription == 0)
            .ok_or(Refusal::NoSuchQueue)?;
        let row = self.queues.remove(&queue).ok_or(Refusal::NoSuchQueue)?;
        let name = Name::of_row(&row);
        self.by_name.remove(&name);
        self.unindex_redrive(&row);
        self.count_in(&row.partitions, false);
        self.deleted_by_time.insert((at, name.clone()));
        self.deleted.insert(name.clone(), at);
        effects.catalog_queues.push(QueueId(queue));
        self.queue_gone_from_move_tasks(queue, effects);
        self.redrive_target_changed(&name, effects);
        Ok(())
    }

    /// Sets attributes. What changes nothing leaves the row, its version and its times as they are.
    pub(super) fn set_queue_attributes(
        &mut self,
        at: Timestamp,
        command: proto::SetQueueAttributes,
        effects: &mut Effects,
    ) -> Result<proto::QueueRow, Refusal> {
        let old = self
            .queues
            .get(&command.queue)
            .ok_or(Refusal::NoSuchQueue)?;
        if command.if_version != 0 && command.if_version != old.version {
            return Err(Refusal::Changed);
        }
        let mut row = old.clone();
        for (name, value) in command.attributes {
            if name == "FifoQueue" {
                continue; // the kind of a queue never changes
            } else if value.is_empty() {
                row.attributes.remove(&name);
            } else {
                row.attributes.insert(name, value);
            }
        }
        if row.attributes == old.attributes {
            return Ok(row);
        }
        row.version += 1;
        row.modified_at = at.as_millis();
        let old = old.clone();
        self.unindex_redrive(&old);
        self.index(&row);
        self.queues.insert(row.queue, row.clone());
        effects.catalog_queues.push(QueueId(row.queue));
        Ok(row)
    }

    /// Adds tags, or gives them other values.
    pub(super) fn tag_queue(
        &mut self,
        command: proto::TagQueue,
        effects: &mut Effects,
    ) -> Result<proto::QueueRow, Refusal> {
        let row = self
            .queues
            .get_mut(&command.queue)
            .ok_or(Refusal::NoSuchQueue)?;
        let added = command
            .tags
            .keys()
            .filter(|key| !row.tags.contains_key(*key))
            .count();
        if row.tags.len() + added > limits::QUEUE_TAGS_MAX {
            return Err(Refusal::TooManyTags);
        }
        row.tags.extend(command.tags);
        effects.catalog_queues.push(QueueId(row.queue));
        Ok(row.clone())
    }

    /// Removes tags; those that are not there are none the less gone.
    pub(super) fn untag_queue(
        &mut self,
        command: proto::UntagQueue,
        effects: &mut Effects,
    ) -> Result<proto::QueueRow, Refusal> {
        let row = self
            .queues
            .get_mut(&command.queue)
            .ok_or(Refusal::NoSuchQueue)?;
        for key in &command.keys {
            row.tags.remove(key);
        }
        effects.catalog_queues.push(QueueId(row.queue));
        Ok(row.clone())
    }

    /// Notes that a purge begins, unless one began less than a minute ago.
    pub(super) fn note_purge(
        &mut self,
        at: Timestamp,
        queue: u64,
        effects: &mut Effects,
    ) -> Result<proto::QueueRow, Refusal> {
        let row = self.queues.get_mut(&queue).ok_or(Refusal::NoSuchQueue)?;
        let last = Timestamp::from_millis(row.purged_at);
        if row.purged_at != 0 && at.millis_since(last) < limits::PURGE_INTERVAL_MS {
            return Err(Refusal::PurgeInProgress);
        }
        row.purged_at = at.as_millis();
        effects.catalog_queues.push(QueueId(queue));
        Ok(row.clone())
    }

    /// Names stay taken for a minute; older ones only cost memory.
    pub(super) fn forget_deleted_names(&mut self, at: Timestamp) {
        while let Some((deleted_at, _)) = self.deleted_by_time.first()
            && at.millis_since(*deleted_at) >= limits::DELETED_NAME_REUSE_MS
        {
            if let Some((_, name)) = self.deleted_by_time.pop_first() {
                self.deleted.remove(&name);
            }
        }
    }

    /// Counts the parts of a queue that is new here.
    pub(super) fn count_parts(&mut self, row: &proto::QueueRow) {
        self.count_in(&row.partitions, true);
    }

    /// One part more, or less, in each of these partitions.
    pub(super) fn count_in(&mut self, partitions: &[u32], is_more: bool) {
        for partition in partitions {
            let count = self.parts.entry(*partition).or_default();
            *count = count.saturating_add_signed(if is_more { 1 } else { -1 });
            if *count == 0 {
                self.parts.remove(partition);
            }
        }
    }

    /// Enters a row's name and redrive target. The caller has taken out those of the row before it. A delivery queue has
    /// neither.
    pub(super) fn index(&mut self, row: &proto::QueueRow) {
        if row.subscription != 0 {
            return;
        }
        self.by_name.insert(Name::of_row(row), row.queue);
        if let Some(policy) = redrive_policy(row) {
            let target = Name::of_arn(&policy.target);
            self.by_redrive_target
                .entry(target)
                .or_default()
                .insert(row.queue);
        }
    }

    fn unindex_redrive(&mut self, row: &proto::QueueRow) {
        let Some(policy) = redrive_policy(row).filter(|_| row.subscription == 0) else {
            return;
        };
        let target = Name::of_arn(&policy.target);
        if let Some(sources) = self.by_redrive_target.get_mut(&target) {
            sources.remove(&row.queue);
            if sources.is_empty() {
                self.by_redrive_target.remove(&target);
            }
        }
    }

    /// The queue of this name came or went. Partitions know their redrive target by its id, so the
    /// queues that name it get a new version and with it a new configuration.
    fn redrive_target_changed(&mut self, target: &Name, effects: &mut Effects) {
        let Some(sources) = self.by_redrive_target.get(target) else {
            return;
        };
        for id in sources {
            if let Some(row) = self.queues.get_mut(id) {
                row.version += 1;
                effects.catalog_queues.push(QueueId(*id));
            }
        }
    }

    fn queue_gone_from_move_tasks(&mut self, queue: u64, effects: &mut Effects) {
        for task in self.move_tasks_by_source.remove(&queue).unwrap_or_default() {
            effects.catalog_other |= self.move_tasks.remove(&task).is_some();
        }
        let headed_there = |task: &&mut proto::MoveTaskRow| {
            task.destination == queue && move_tasks::is_active(task)
        };
        for task in self.move_tasks.values_mut().filter(headed_there) {
            task.set_status(proto::MoveTaskStatus::Failed);
            task.failure_reason = move_tasks::DESTINATION_GONE.into();
            effects.catalog_other = true;
        }
    }
}
