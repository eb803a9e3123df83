//! The catalog: queues, streams, tables, topics, move tasks and members, as partition 0 holds them.
//!
//! A row names what exists; the partitions hold the messages. Every change goes through
//! [`Catalog::apply`], called by the partition; the gateway and the cluster only read.
//!
//! Invariants: a name (account, region, name) leads to at most one row; ids rise and are never given
//! out twice; a row's version rises with everything that could change the configuration which the
//! partitions derive from it (see `config.rs`), which includes that its redrive target comes or goes.

mod attributes;
mod members;
mod move_tasks;
mod placement;
mod queues;
mod rows;
mod streams;
mod tables;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use levada_types::{PartitionId, QueueArn, QueueId, Timestamp};

use crate::effects::Effects;
use crate::proto;

pub(crate) use attributes::is_fifo;
pub use attributes::{RedrivePolicy, attribute, default_of, redrive_policy};
pub use placement::PARTITIONS_MAX;
pub use topics::{SUBSCRIPTIONS_DROPPED_MAX, Subscription, SubscriptionCounts};

/// What partition 0 knows besides messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    queues: BTreeMap<u64, proto::QueueRow>,
    by_name: BTreeMap<Name, u64>,
    /// Queues by the name that their redrive policy gives, whether or not that queue exists.
    by_redrive_target: BTreeMap<Name, BTreeSet<u64>>,
    /// Names of queues that were deleted lately, and the same by time so that they can be forgotten.
    deleted: BTreeMap<Name, Timestamp>,
    deleted_by_time: BTreeSet<(Timestamp, Name)>,
    /// How many queues, shards, tables and topics have a part in each partition.
    parts: BTreeMap<u32, usize>,
    next_queue: u64,
    move_tasks: BTreeMap<u64, proto::MoveTaskRow>,
    /// A source's tasks, oldest first; at most [`move_tasks::TASKS_KEPT_MAX`].
    move_tasks_by_source: BTreeMap<u64, Vec<u64>>,
    next_move_task: u64,
    members: members::Members,
    streams: streams::Streams,
    tables: tables::Tables,
    topics: topics::Topics,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            queues: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_redrive_target: BTreeMap::new(),
            deleted: BTreeMap::new(),
            deleted_by_time: BTreeSet::new(),
            parts: BTreeMap::new(),
            next_queue: 1,
            move_tasks: BTreeMap::new(),
            move_tasks_by_source: BTreeMap::new(),
            next_move_task: 1,
            members: members::Members::default(),
            streams: streams::Streams::default(),
            tables: tables::Tables::default(),
            topics: topics::Topics::default(),
        }
    }
}

/// `account/region/name` in one string: one allocation a lookup, and one account's queues in one
/// region stand together in order of name. None of the three can hold a slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(Box<str>);

impl Name {
    fn new(account: &str, region: &str, name: &str) -> Self {
        let mut s = String::with_capacity(account.len() + region.len() + name.len() + 2);
        for (part, end) in [(account, "/"), (region, "/"), (name, "")] {
            s.push_str(part);
            s.push_str(end);
        }
        Self(s.into())
    }

    /// Refuses what would not be told apart. No gateway lets such a part pass.
    fn check(parts: [&str; 3]) -> Result<(), proto::CatalogRefusal> {
        if parts.iter().any(|part| part.contains('/')) {
            return Err(proto::CatalogRefusal::Unspecified);
        }
        Ok(())
    }

    fn of_row(row: &proto::QueueRow) -> Self {
        Self::new(&row.account, &row.region, &row.name)
    }

    fn of_arn(arn: &QueueArn) -> Self {
        Self::new(
            &arn.account.to_string(),
            arn.region.as_str(),
            arn.name.as_str(),
        )
    }
}

/// Reads, for the gateway and the cluster.
impl Catalog {
    /// The row of a queue.
    pub fn queue(&self, id: QueueId) -> Option<&proto::QueueRow> {
        self.queues.get(&id.0)
    }

    /// The row of the queue that has this name now.
    pub fn queue_by_name(
        &self,
        account: &str,
        region: &str,
        name: &str,
    ) -> Option<&proto::QueueRow> {
        self.queues
            .get(self.by_name.get(&Name::new(account, region, name))?)
    }

    /// The row of the queue that has this ARN now.
    pub fn queue_by_arn(&self, arn: &QueueArn) -> Option<&proto::QueueRow> {
        self.queues.get(self.by_name.get(&Name::of_arn(arn))?)
    }

    /// How many queues, shards, tables and topics have a part in the partition.
    pub fn parts_in(&self, partition: PartitionId) -> usize {
        self.parts.get(&partition.0).copied().unwrap_or(0)
    }

    /// Every queue, by id; delivery queues, too.
    pub fn queues(&self) -> impl Iterator<Item = &proto::QueueRow> {
        self.queues.values()
    }

    /// Up to `max` queues of an account in a region whose name begins with `prefix`, in order of name,
    /// from the first one behind `after`.
    pub fn queues_by_prefix(
        &self,
        account: &str,
        region: &str,
        prefix: &str,
        after: Option<&str>,
        max: usize,
    ) -> Vec<&proto::QueueRow> {
        let first = Name::new(account, region, prefix);
        let from = match after.filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(Name::new(account, region, after)),
            None => Bound::Included(first.clone()),
        };
        self.by_name
            .range((from, Bound::Unbounded))
            .take_while(|(name, _)| name.0.starts_with(&*first.0))
            .filter_map(|(_, id)| self.queues.get(id))
            .take(max)
            .collect()
    }

    /// The queues whose redrive policy names this queue, by id.
    pub fn dead_letter_sources(&self, id: QueueId) -> Vec<&proto::QueueRow> {
        let sources = self
            .queue(id)
            .and_then(|row| self.by_redrive_target.get(&Name::of_row(row)));
        sources
            .into_iter()
            .flatten()
            .filter_map(|source| self.queues.get(source))
            .collect()
    }

    /// When the queue of this name was deleted, if that was lately and no other one has taken it.
    pub fn deleted_at(&self, account: &str, region: &str, name: &str) -> Option<Timestamp> {
        self.deleted.get(&Name::new(account, region, name)).copied()
    }

    /// The number that the next queue, stream, shard's log, table, topic or subscription will have.
    pub fn next_queue_id(&self) -> QueueId {
        QueueId(self.next_queue)
    }

    /// A move task, also one that has ended, as long as it is kept.
    pub fn move_task(&self, task: u64) -> Option<&proto::MoveTaskRow> {
        self.move_tasks.get(&task)
    }

    /// A source's latest tasks, newest first.
    pub fn move_tasks(&self, source: QueueId) -> Vec<&proto::MoveTaskRow> {
        let tasks = self.move_tasks_by_source.get(&source.0);
        tasks
            .into_iter()
            .flatten()
            .rev()
            .filter_map(|task| self.move_tasks.get(task))
            .collect()
    }

    /// Tasks that have a runner: those that run, and those that are being cancelled.
    pub fn running_move_tasks(&self) -> Vec<&proto::MoveTaskRow> {
        self.move_tasks
            .values()
            .filter(|task| move_tasks::is_active(task))
            .collect()
    }
}

/// Changes, for the partition.
impl Catalog {
    /// Applies one command. Never panics, whatever it holds: what is not a command is refused.
    pub(crate) fn apply(
        &mut self,
        at: Timestamp,
        command: proto::Catalog,
        effects: &mut Effects,
    ) -> proto::CatalogOutcome {
        use proto::catalog::Kind;
        self.forget_deleted_names(at);
        let result = match command.kind {
            Some(Kind::CreateQueue(c)) => self.create_queue(at, c, effects).map(queue_outcome),
            Some(Kind::DeleteQueue(c)) => self.delete_queue(at, c.queue, effects).map(done),
            Some(Kind::SetQueueAttributes(c)) => {
                self.set_queue_attributes(at, c, effects).map(queue_outcome)
            }
            Some(Kind::TagQueue(c)) => self.tag_queue(c, effects).map(queue_outcome),
            Some(Kind::UntagQueue(c)) => self.untag_queue(c, effects).map(queue_outcome),
            Some(Kind::NotePurge(c)) => self.note_purge(at, c.queue, effects).map(queue_outcome),
            Some(Kind::StartMoveTask(c)) => {
                self.start_move_task(at, c, effects).map(move_task_outcome)
            }
            Some(Kind::UpdateMoveTask(c)) => {
                self.update_move_task(c, effects).map(move_task_outcome)
            }
            Some(Kind::SetMember(c)) => self.members.set(c, effects).map(done),
            Some(Kind::RemoveMember(c)) => {
                self.members.remove(at, c.node, effects);
                Ok(done(()))
            }
            Some(Kind::ChangeMembers(c)) => self.members.change(at, c, effects).map(done),
            Some(Kind::SetStream(c)) => self
                .set_stream(at, c, effects)
                .map(proto::catalog_outcome::Kind::Stream),
            Some(Kind::DropStream(c)) => self.drop_stream(c.stream, effects).map(done),
            Some(Kind::SetTable(c)) => self
                .set_table(at, c, effects)
                .map(proto::catalog_outcome::Kind::Table),
            Some(Kind::DropTable(c)) => self.drop_table(&c, effects).map(done),
            Some(Kind::SetTopic(c)) => self
                .set_topic(at, c, effects)
                .map(proto::catalog_outcome::Kind::Topic),
            Some(Kind::DropTopic(c)) => self.drop_topic(&c, effects).map(done),
            Some(Kind::SetSubscription(c)) => self
                .set_subscription(at, c, effects)
                .map(proto::catalog_outcome::Kind::Subscription),
            Some(Kind::DropSubscription(c)) => self.drop_subscription(&c, effects).map(done),
            None => Err(proto::CatalogRefusal::Unspecified),
        };
        let kind = result.unwrap_or_else(|why| proto::catalog_outcome::Kind::Refusal(why as i32));
        proto::CatalogOutcome { kind: Some(kind) }
    }
}

/// What an account has in a region, in order of name, from the first one behind `after`.
fn after_name<'a>(
    names: &'a BTreeMap<Name, u64>,
    account: &str,
    region: &str,
    after: Option<&str>,
) -> impl Iterator<Item = u64> + use<'a> {
    let first = Name::new(account, region, "");
    let from = match after {
        Some(after) => Bound::Excluded(Name::new(account, region, after)),
        None => Bound::Included(first.clone()),
    };
    names
        .range((from, Bound::Unbounded))
        .take_while(move |(name, _)| name.0.starts_with(&*first.0))
        .map(|(_, number)| *number)
}

fn queue_outcome(row: proto::QueueRow) -> proto::catalog_outcome::Kind {
    proto::catalog_outcome::Kind::Queue(row)
}

fn move_task_outcome(row: proto::MoveTaskRow) -> proto::catalog_outcome::Kind {
    proto::catalog_outcome::Kind::MoveTask(row)
}

fn done((): ()) -> proto::catalog_outcome::Kind {
    proto::catalog_outcome::Kind::Done(proto::Done {})
}
