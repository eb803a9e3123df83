//! What each command does.

use std::collections::btree_map::Entry;

use levada_types::{PartitionId, QueueId, Timestamp};

use super::Partition;
use super::queue::Queue;
use super::topics::Kind;
use crate::effects::Effects;
use crate::proto::{
    self, ChangeVisibility, ChangeVisibilityOutcome, Claimed, Delete, DeleteOutcome, Deliver,
    Delivered, Done, Misconfigured, MoveOut, MoveOutOutcome, QueueConfig, Receive, ReceiveOutcome,
    Send, SendOutcome, command, outcome,
};
use crate::shard::Shard;
use crate::transfer::{OutboxKind, pick, published};
use crate::turn::DeadLetter;

impl Partition {
    /// Does one command.
    pub(super) fn run(&mut self, command: command::Kind, fx: &mut Effects) -> outcome::Kind {
        match command {
            command::Kind::Send(c) => self.send(c, fx),
            command::Kind::Receive(c) => self.receive(&c, fx),
            command::Kind::Delete(c) => self.delete(&c, fx),
            command::Kind::ChangeVisibility(c) => self.change_visibility(&c, fx),
            command::Kind::Purge(c) => self
                .on_queue(c.queue, 0, |queue, at| queue.purge(at, fx))
                .map(|()| done()),
            command::Kind::ConfigureQueue(c) => self.configure_queue(c.config, fx),
            command::Kind::DropQueue(c) => Ok(self.drop_queue(QueueId(c.queue), fx)),
            // Time has advanced already.
            command::Kind::Tick(_) => Ok(done()),
            command::Kind::Deliver(c) => self.deliver(c, fx),
            command::Kind::Delivered(c) => Ok(self.delivered(&c, fx)),
            command::Kind::MoveOut(c) => self.move_out(c, fx),
            command::Kind::Catalog(c) => self.apply_catalog(c, fx),
            command::Kind::PutRecords(c) => self.put_records(c, fx),
            command::Kind::ConfigureShard(c) => self.configure_shard(c.config, fx),
            command::Kind::ConfigureTable(c) => self.configure_table(c.config),
            command::Kind::WriteItems(c) => self.write_items(c),
            command::Kind::RestoreRecords(c) => self.restore_records(&c, fx),
            command::Kind::ConfigureTopic(c) => self.configure_topic(c.config, fx),
            command::Kind::Publish(c) => self.publish(c, fx),
            command::Kind::Replay(c) => self.replay(c, fx),
        }
        .unwrap_or_else(outcome::Kind::Misconfigured)
    }

    /// Runs `f` on a queue that has at least configuration `version`, and reschedules it.
    fn on_queue<T>(
        &mut self,
        queue: u64,
        version: u64,
        f: impl FnOnce(&mut Queue, Timestamp) -> T,
    ) -> Result<T, Misconfigured> {
        let id = QueueId(queue);
        match self.queues.get_mut(&id) {
            Some(q) if q.config.version >= version => {
                let result = f(q, self.at);
                self.reschedule(id);
                Ok(result)
            }
            Some(q) => Err(Misconfigured {
                queue,
                have_version: q.config.version,
                dropped: false,
            }),
            None => Err(self.misconfigured(queue)),
        }
    }

    /// The answer to a command for a queue that the partition does not have.
    pub(super) fn misconfigured(&self, queue: u64) -> Misconfigured {
        let dropped = self.dropped.contains_key(&QueueId(queue));
        Misconfigured {
            queue,
            have_version: 0,
            dropped,
        }
    }

    fn send(&mut self, c: Send, fx: &mut Effects) -> Result<outcome::Kind, Misconfigured> {
        let sent = self.on_queue(c.queue, c.config_version, |queue, at| {
            c.messages
                .into_iter()
                .map(|message| queue.send(at, fx, message))
                .collect()
        })?;
        Ok(outcome::Kind::Send(SendOutcome { sent }))
    }

    fn receive(&mut self, c: &Receive, fx: &mut Effects) -> Result<outcome::Kind, Misconfigured> {
        if let Some(of) = self.stream_queue(c.queue) {
            return Ok(self.receive_from_stream(of, c, fx));
        }
        let (outcome, dead) = self.on_queue(c.queue, c.config_version, |queue, at| {
            let received = queue.receive(at, fx, c);
            let claimed = received.claimed.into_iter().map(|claim| Claimed {
                position: claim.position,
                receive_count: claim.receive_count,
                first_received_at: claim.first_received_at.as_millis(),
                record: queue.log.record(claim.position),
                ..Claimed::default()
            });
            let claimed = claimed.collect();
            (
                ReceiveOutcome {
                    claimed,
                    over_limit: received.over_limit,
                    queue: c.queue,
                },
                received.dead,
            )
        })?;
        self.bury(QueueId(c.queue), &dead, fx);
        Ok(outcome::Kind::Receive(outcome))
    }

    /// Puts dead letters into the outboxes of the redrive target's partitions.
    fn bury(&mut self, source: QueueId, dead: &[DeadLetter], fx: &mut Effects) {
        if dead.is_empty() {
            return;
        }
        let Some(queue) = self.queues.get_mut(&source) else {
            return;
        };
        let Some(redrive) = &queue.config.redrive else {
            return;
        };
        for letter in dead {
            // `Turn::receive_count_max` says that there is a redrive only if there is a partition.
            let Some(to) = pick(letter.spread, &redrive.target_partitions) else {
                return;
            };
            queue.log.hold(letter.position);
            let kind = OutboxKind::DeadLetter {
                received_before: letter.receive_count,
            };
            let target = QueueId(redrive.target_queue);
            self.transfers
                .push(to, target, (source, letter.position), kind);
            fx.add_outbox(to);
        }
    }

    fn delete(&mut self, c: &Delete, fx: &mut Effects) -> Result<outcome::Kind, Misconfigured> {
        if let Some(of) = self.stream_queue(c.queue) {
            return Ok(self.acknowledge(of, c));
        }
        let results = self.on_queue(c.queue, 0, |queue, at| {
            c.receipts
                .iter()
                .map(|r| queue.delete(at, fx, r).into())
                .collect()
        })?;
        Ok(outcome::Kind::Delete(DeleteOutcome { results }))
    }

    fn change_visibility(
        &mut self,
        c: &ChangeVisibility,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        if let Some(of) = self.stream_queue(c.queue) {
            return Ok(self.change_in_stream(of, c, fx));
        }
        let results = self.on_queue(c.queue, 0, |queue, at| {
            c.changes
                .iter()
                .map(|n| queue.change_visibility(at, fx, n).into())
                .collect()
        })?;
        Ok(outcome::Kind::ChangeVisibility(ChangeVisibilityOutcome {
            results,
        }))
    }

    fn configure_queue(
        &mut self,
        config: Option<QueueConfig>,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        let Some(config) = config else {
            return Ok(done());
        };
        let id = QueueId(config.queue);
        if self.is_another_kind(id, Kind::Queue) || self.dropped.contains_key(&id) {
            return Err(self.misconfigured(id.0));
        }
        match self.queues.get_mut(&id) {
            None => {
                self.queues.insert(id, Queue::new(config));
            }
            Some(queue)
                if config.version > queue.config.version && config.fifo == queue.config.fifo =>
            {
                let claimable = queue.view().claimable_now();
                queue.config = config;
                // A shorter retention holds at once.
                queue.advance(self.at, fx);
                if !claimable && queue.view().claimable_now() {
                    // A wider in-flight limit has room for somebody who waits.
                    fx.add_wake(id, 1);
                }
                self.reschedule(id);
            }
            Some(_) => {}
        }
        Ok(done())
    }

    fn put_records(
        &mut self,
        c: proto::PutRecords,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        let id = QueueId(c.log);
        let Some(shard) = self.shards.get_mut(&id) else {
            return Err(self.misconfigured(c.log));
        };
        let put = shard.put(self.at, c.records, fx);
        self.reschedule(id);
        Ok(outcome::Kind::PutRecords(put))
    }

    fn configure_shard(
        &mut self,
        config: Option<proto::ShardConfig>,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        let Some(config) = config else {
            return Ok(done());
        };
        let id = QueueId(config.log);
        if self.is_another_kind(id, Kind::Shard) || self.dropped.contains_key(&id) {
            return Err(self.misconfigured(id.0));
        }
        let shard = match self.shards.entry(id) {
            Entry::Occupied(shard) => {
                let shard = shard.into_mut();
                shard.configure(self.at, config, fx);
                shard
            }
            Entry::Vacant(place) => place.insert(Shard::new(config)),
        };
        let next_position = shard.view().next;
        self.note_queues(id);
        self.reschedule(id);
        Ok(outcome::Kind::ConfigureShard(
            proto::ConfigureShardOutcome { next_position },
        ))
    }

    /// Forgets a queue, a shard, a table or a topic, what it holds, and what of it waits in an outbox.
    fn drop_queue(&mut self, id: QueueId, fx: &mut Effects) -> outcome::Kind {
        if let Some(shard) = self.shards.remove(&id) {
            if let Some(due) = shard.due {
                self.due.remove(&(due, id));
            }
            shard.log.drop_all(fx);
            self.note_queues(id);
        }
        self.tables.remove(&id);
        if let Some(topic) = self.topics.remove(&id) {
            if let Some(due) = topic.due {
                self.due.remove(&(due, id));
            }
            topic.log.drop_all(fx);
            self.transfers.drop_source(id);
        }
        if let Some(queue) = self.queues.remove(&id) {
            if let Some(due) = queue.due {
                self.due.remove(&(due, id));
            }
            queue.log.drop_all(fx);
            self.transfers.drop_source(id);
        }
        if !self.dropped.contains_key(&id) {
            self.dropped.insert(id, self.at);
            self.dropped_order.insert((self.at, id));
        }
        done()
    }

    /// Applies a source's items that were not applied before. What goes to a queue that was
    /// dropped here goes with it. At a queue that is not known here it stops: what came before has
    /// been applied, and the source sends the rest again.
    fn deliver(&mut self, c: Deliver, fx: &mut Effects) -> Result<outcome::Kind, Misconfigured> {
        let source = PartitionId(c.source);
        for item in c.items {
            if item.number <= self.transfers.applied_from(source) {
                continue;
            }
            let dropped = self.dropped.contains_key(&QueueId(item.queue));
            let place = item.shared.checked_sub(1).map(|place| place as usize);
            let shared = place.and_then(|place| c.shared.get(place));
            if let Some(record) = shared.filter(|_| !dropped) {
                let record = published(record, item.queue, &item.suffix);
                self.on_queue(item.queue, 0, |q, at| q.take_published(at, fx, record))?;
            } else if let Some(record) = item.record.filter(|_| !dropped) {
                self.on_queue(item.queue, 0, |queue, at| queue.deliver(at, fx, record))?;
            }
            self.transfers.set_applied(source, item.number);
        }
        Ok(done())
    }

    /// Lets go of what a destination has applied.
    fn delivered(&mut self, c: &Delivered, fx: &mut Effects) -> outcome::Kind {
        let destination = PartitionId(c.destination);
        for item in self.transfers.delivered(destination, c.through) {
            let from = item.from_queue;
            if let Some(queue) = self.queues.get_mut(&from) {
                queue.log.release(item.position, fx);
            } else if let Some(topic) = self.topics.get_mut(&from) {
                let is_original = match item.kind {
                    OutboxKind::Publish { is_original, .. } => is_original,
                    OutboxKind::DeadLetter { .. } | OutboxKind::Move { .. } => false,
                };
                topic.let_go(item.position, is_original, fx);
            }
            self.reschedule(from);
        }
        done()
    }

    /// Moves messages into outboxes, ready ones or those of a claim; all others stay where they are.
    fn move_out(&mut self, c: MoveOut, fx: &mut Effects) -> Result<outcome::Kind, Misconfigured> {
        let source = QueueId(c.queue);
        let taken: Vec<_> = self.on_queue(c.queue, 0, |queue, at| {
            let taken = c
                .moves
                .into_iter()
                .filter(|m| queue.take(at, fx, m.position, m.generation));
            let taken: Vec<_> = taken.collect();
            for m in &taken {
                queue.log.hold(m.position);
            }
            taken
        })?;
        // A batch of moves is bounded by the size of an entry.
        let moved = taken.len() as u32;
        for m in taken {
            let to = PartitionId(m.to_partition);
            let kind = OutboxKind::Move {
                message_id: m.new_message_id,
            };
            self.transfers
                .push(to, QueueId(m.to_queue), (source, m.position), kind);
            fx.add_outbox(to);
        }
        Ok(outcome::Kind::MoveOut(MoveOutOutcome { moved }))
    }

    fn apply_catalog(
        &mut self,
        c: proto::Catalog,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        let Some(catalog) = &mut self.catalog else {
            return Err(Misconfigured::default());
        };
        Ok(outcome::Kind::Catalog(catalog.apply(self.at, c, fx)))
    }
}

fn done() -> outcome::Kind {
    outcome::Kind::Done(Done {})
}
