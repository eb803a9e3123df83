//! The catalog's commands on topics and subscriptions: a row is replaced as a whole, on the version that its author read.
//! Numbers and times are given here.
//!
//! Invariants: a name leads to at most one topic; a topic has at most one subscription of a protocol and an endpoint; a
//! topic's version rises with every change of its row and of its subscriptions, and a subscription's is the topic's of its
//! last change; a delivery queue lives as long as its subscription.

mod delivery;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use levada_types::{PartitionId, QueueId, Timestamp};

use super::{Catalog, Name, after_name};
use crate::effects::Effects;
use crate::proto::{self, CatalogRefusal as Refusal, SubscriptionOutcome, TopicRow};

pub use subscription::Subscription;
use subscription::{Index, owner_of};

/// Subscriptions that one command drops at most, so that it has a bounded cost.
pub const SUBSCRIPTIONS_DROPPED_MAX: usize = 1_000;

/// A topic and who subscribed to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Topic {
    pub(super) row: TopicRow,
    subscriptions: BTreeSet<u64>,
    /// How many of them are not confirmed.
    pending: usize,
}

/// Topics and subscriptions, and what finds them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topics {
    pub(super) rows: BTreeMap<u64, Topic>,
    by_name: BTreeMap<Name, u64>,
    pub(super) subscriptions: BTreeMap<u64, Arc<Subscription>>,
    index: Index,
    /// Topics that were deleted and have subscriptions left.
    dropping: BTreeSet<u64>,
}

/// How many subscriptions a topic has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionCounts {
    /// Confirmed.
    pub confirmed: usize,
    /// Not confirmed yet.
    pub pending: usize,
    /// Deleted, ever.
    pub deleted: u64,
}

/// Reads, for the gateway and the cluster.
impl Catalog {
    /// A topic, by its number.
    pub fn topic(&self, topic: u64) -> Option<&TopicRow> {
        let found = self.topics.rows.get(&topic)?;
        Some(&found.row).filter(|row| !row.dropped)
    }

    /// The topic that has this name now.
    pub fn topic_by_name(&self, account: &str, region: &str, name: &str) -> Option<&TopicRow> {
        let id = self.topics.by_name.get(&Name::new(account, region, name))?;
        self.topic(*id)
    }

    /// Every topic, by number.
    pub fn topics(&self) -> impl Iterator<Item = &TopicRow> {
        let rows = self.topics.rows.values().map(|topic| &topic.row);
        rows.filter(|row| !row.dropped)
    }

    /// Up to `max` topics of an account in a region, in order of name, from the first one behind `after`.
    pub fn topics_after(
        &self,
        account: &str,
        region: &str,
        after: Option<&str>,
        max: usize,
    ) -> Vec<&TopicRow> {
        after_name(&self.topics.by_name, account, region, after)
            .filter_map(|id| self.topic(id))
            .take(max)
            .collect()
    }

    /// Topics that were deleted and have subscriptions left, by number.
    pub fn topics_being_dropped(&self) -> impl Iterator<Item = u64> + '_ {
        self.topics.dropping.iter().copied()
    }

    /// A topic's subscriptions, counted.
    pub fn subscription_counts(&self, topic: u64) -> SubscriptionCounts {
        let Some(topic) = self.topics.rows.get(&topic) else {
            return SubscriptionCounts::default();
        };
        SubscriptionCounts {
            confirmed: topic.subscriptions.len().saturating_sub(topic.pending),
            pending: topic.pending,
            deleted: topic.row.subscriptions_deleted,
        }
    }

    /// A subscription, by its number, unless its topic was deleted.
    pub fn subscription(&self, subscription: u64) -> Option<&Arc<Subscription>> {
        let found = self.topics.subscriptions.get(&subscription)?;
        self.topic(found.topic).map(|_| found)
    }

    /// The topic's subscription of that protocol and endpoint.
    pub fn subscription_of(
        &self,
        topic: u64,
        protocol: &str,
        endpoint: &str,
    ) -> Option<&Arc<Subscription>> {
        let mut alike = self.topics.index.alike(topic, protocol, endpoint);
        alike.find_map(|number| {
            let found = self.topics.subscriptions.get(&number)?;
            found.is_of(topic, protocol, endpoint).then_some(found)
        })
    }

    /// The subscription that waits to be confirmed with this token.
    pub fn subscription_by_token(&self, token: &[u8]) -> Option<&Arc<Subscription>> {
        self.subscription(self.topics.index.by_token(token)?)
    }

    /// Up to `max` subscriptions of a topic, by number, from the first one behind `after`.
    pub fn subscriptions_of_topic(
        &self,
        topic: u64,
        after: u64,
        max: usize,
    ) -> Vec<&Arc<Subscription>> {
        let topic = self.topics.rows.get(&topic);
        let numbers = topic.map(|topic| behind(&topic.subscriptions, after));
        self.rows_of(numbers.into_iter().flatten(), max)
    }

    /// The same of those that an account owns in a region, of whatever topic.
    pub fn subscriptions_of_account(
        &self,
        account: &str,
        region: &str,
        after: u64,
        max: usize,
    ) -> Vec<&Arc<Subscription>> {
        let owned = self.topics.index.of_owner(&owner_of(account, region));
        let numbers = owned.map(|owned| behind(owned, after));
        self.rows_of(numbers.into_iter().flatten(), max)
    }

    /// Up to `max` of those that wait to be confirmed and were made before a time, the oldest first.
    pub fn subscriptions_pending_since(
        &self,
        before: Timestamp,
        max: usize,
    ) -> Vec<&Arc<Subscription>> {
        self.rows_of(self.topics.index.pending_since(before.as_millis()), max)
    }

    /// Subscriptions that ever had a replay, by number; the part of their topic knows how far it has come.
    pub fn subscriptions_replayed(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        let numbers = self.topics.index.replayed();
        numbers.filter_map(|number| self.subscription(number))
    }

    fn rows_of(&self, numbers: impl Iterator<Item = u64>, max: usize) -> Vec<&Arc<Subscription>> {
        numbers
            .filter_map(|number| self.topics.subscriptions.get(&number))
            .take(max)
            .collect()
    }
}

fn behind(numbers: &BTreeSet<u64>, after: u64) -> impl Iterator<Item = u64> + '_ {
    let from = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
    numbers.range::<u64, _>(from).copied()
}

impl Catalog {
    /// A new topic, or a new version of one.
    pub(super) fn set_topic(
        &mut self,
        at: Timestamp,
        command: proto::SetTopic,
        effects: &mut Effects,
    ) -> Result<TopicRow, Refusal> {
        let mut row = command.row.ok_or(Refusal::Unspecified)?;
        if command.if_version == 0 {
            self.begin_topic(at, &mut row)?;
        } else {
            let old = self.topic(row.topic).ok_or(Refusal::NoSuchTopic)?;
            if old.version != command.if_version {
                return Err(Refusal::Changed);
            }
            row = TopicRow {
                attributes: row.attributes,
                tags: row.tags,
                version: old.version + 1,
                ..old.clone()
            };
        }
        effects.catalog_queues.push(QueueId(row.topic));
        self.topics.insert(row.clone());
        Ok(row)
    }

    fn begin_topic(&mut self, at: Timestamp, row: &mut TopicRow) -> Result<(), Refusal> {
        Name::check([&row.account, &row.region, &row.name])?;
        if self
            .topic_by_name(&row.account, &row.region, &row.name)
            .is_some()
        {
            return Err(Refusal::TopicExists);
        }
        row.topic = self.next_queue;
        self.next_queue += 1;
        row.version = 1;
        row.created_at = at.as_millis();
        row.subscriptions_deleted = 0;
        row.dropped = false;
        self.count_in(&row.partitions, true);
        Ok(())
    }

    /// Removes a topic, and so many of its subscriptions; what its parts hold is the partitions' to drop. Of one that is
    /// gone already, more of what is left.
    pub(super) fn drop_topic(
        &mut self,
        command: &proto::DropTopic,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let topic = self.topics.rows.get_mut(&command.topic);
        let topic = topic.ok_or(Refusal::NoSuchTopic)?;
        if command.if_version != 0 && command.if_version != topic.row.version {
            return Err(Refusal::Changed);
        }
        if !topic.row.dropped {
            topic.row.dropped = true;
            topic.row.version += 1;
            let row = &topic.row;
            let name = Name::new(&row.account, &row.region, &row.name);
            self.topics.by_name.remove(&name);
            self.topics.dropping.insert(command.topic);
            let partitions = row.partitions.clone();
            self.count_in(&partitions, false);
        }
        effects.catalog_queues.push(QueueId(command.topic));
        let subscriptions = self.topics.rows.get(&command.topic);
        let subscriptions = subscriptions.map(|topic| &topic.subscriptions);
        let some: Vec<u64> = subscriptions
            .into_iter()
            .flatten()
            .take(SUBSCRIPTIONS_DROPPED_MAX)
            .copied()
            .collect();
        for subscription in some {
            self.remove_subscription(subscription, effects);
        }
        let is_empty = |topic: &Topic| topic.subscriptions.is_empty();
        if self.topics.rows.get(&command.topic).is_some_and(is_empty) {
            self.topics.rows.remove(&command.topic);
            self.topics.dropping.remove(&command.topic);
        }
        Ok(())
    }

    /// A new subscription, the one that there is, or a new version of one.
    pub(super) fn set_subscription(
        &mut self,
        at: Timestamp,
        command: proto::SetSubscription,
        effects: &mut Effects,
    ) -> Result<SubscriptionOutcome, Refusal> {
        let mut row = command.row.ok_or(Refusal::Unspecified)?;
        if !matches!(row.token.len(), 0 | 16) {
            return Err(Refusal::Unspecified); // no gateway makes another
        }
        let replay_before;
        if command.if_version == 0 {
            self.topic(row.topic).ok_or(Refusal::NoSuchTopic)?;
            if let Some(found) = self.subscription_of(row.topic, &row.protocol, &row.endpoint) {
                return Ok(SubscriptionOutcome {
                    row: Some(found.to_row()),
                    existed: true,
                });
            }
            replay_before = 0;
            row.subscription = 0;
            row.created_at = at.as_millis();
            row.queue = 0;
        } else {
            let old = self.subscription(row.subscription);
            let old = old.ok_or(Refusal::NoSuchSubscription)?;
            if old.version != command.if_version {
                return Err(Refusal::Changed);
            }
            replay_before = old.replay;
            row = proto::SubscriptionRow {
                attributes: row.attributes,
                replay: row.replay,
                token: row.token,
                confirmed_by_owner: row.confirmed_by_owner,
                ..old.to_row()
            };
        }
        let with_token = self.topics.index.by_token(&row.token);
        if with_token.is_some_and(|other| other != row.subscription) {
            return Err(Refusal::Unspecified); // tokens are random
        }
        if row.subscription == 0 {
            row.subscription = self.next_queue;
            self.next_queue += 1;
        }
        if let Some(delivery) = command.delivery.filter(|_| row.queue == 0) {
            row.queue = self.add_delivery_queue(at, &row, delivery, effects);
        }
        row.version = self.touch_topic(row.topic, effects);
        if row.replay != replay_before {
            row.replay = row.version;
        }
        self.topics
            .insert_subscription(Subscription::from_row(&row))?;
        Ok(SubscriptionOutcome {
            row: Some(row),
            existed: false,
        })
    }

    /// Removes a subscription, and its delivery queue.
    pub(super) fn drop_subscription(
        &mut self,
        command: &proto::DropSubscription,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let row = self.subscription(command.subscription);
        let row = row.ok_or(Refusal::NoSuchSubscription)?;
        if command.if_version != 0 && command.if_version != row.version {
            return Err(Refusal::Changed);
        }
        let topic = row.topic;
        self.remove_subscription(command.subscription, effects);
        self.touch_topic(topic, effects);
        Ok(())
    }

    /// A topic has another version now.
    fn touch_topic(&mut self, topic: u64, effects: &mut Effects) -> u64 {
        effects.catalog_queues.push(QueueId(topic));
        let topic = self.topics.rows.get_mut(&topic);
        topic.map_or(0, |topic| {
            topic.row.version += 1;
            topic.row.version
        })
    }

    fn remove_subscription(&mut self, subscription: u64, effects: &mut Effects) {
        let Some(row) = self.topics.remove_subscription(subscription) else {
            return;
        };
        if row.queue != 0 {
            self.drop_delivery_queue(row.queue, effects);
        }
    }

    /// Takes a topic that is read from a snapshot.
    pub(super) fn load_topic(&mut self, row: TopicRow) {
        if !row.dropped {
            let partitions = row.partitions.clone();
            self.count_in(&partitions, true);
        }
        self.topics.insert(row);
    }

    /// Takes a subscription that is read from a snapshot, after its topic.
    pub(super) fn load_subscription(
        &mut self,
        row: &proto::SubscriptionRow,
    ) -> Result<(), crate::snapshot::RestoreError> {
        let taken = self.topics.insert_subscription(Subscription::from_row(row));
        taken.map_err(|_| crate::snapshot::RestoreError::Row("subscription"))
    }

    /// Where a topic has its parts.
    pub fn topic_partitions(&self, topic: u64) -> Vec<PartitionId> {
        let row = self.topic(topic);
        let partitions = row.into_iter().flat_map(|row| &row.partitions);
        partitions.copied().map(PartitionId).collect()
    }
}

impl Topics {
    /// Takes a row in the place of the one before it, if there was one.
    fn insert(&mut self, row: TopicRow) {
        if row.dropped {
            self.dropping.insert(row.topic);
        } else {
            let name = Name::new(&row.account, &row.region, &row.name);
            self.by_name.insert(name, row.topic);
        }
        match self.rows.get_mut(&row.topic) {
            Some(topic) => topic.row = row,
            None => {
                let topic = Topic {
                    row,
                    subscriptions: BTreeSet::new(),
                    pending: 0,
                };
                self.rows.insert(topic.row.topic, topic);
            }
        }
    }

    /// The same of a subscription, whose topic must be there.
    fn insert_subscription(&mut self, row: Subscription) -> Result<(), Refusal> {
        let topic = self.rows.get_mut(&row.topic).ok_or(Refusal::NoSuchTopic)?;
        if let Some(old) = self.subscriptions.get(&row.number) {
            topic.pending = topic
                .pending
                .saturating_sub(usize::from(!old.is_confirmed()));
            self.index.remove(old, &topic.row.region);
        }
        topic.subscriptions.insert(row.number);
        topic.pending += usize::from(!row.is_confirmed());
        self.index.insert(&row, &topic.row.region);
        self.subscriptions.insert(row.number, Arc::new(row));
        Ok(())
    }

    fn remove_subscription(&mut self, subscription: u64) -> Option<Arc<Subscription>> {
        let row = self.subscriptions.remove(&subscription)?;
        if let Some(topic) = self.rows.get_mut(&row.topic) {
            topic.subscriptions.remove(&subscription);
            topic.pending = topic
                .pending
                .saturating_sub(usize::from(!row.is_confirmed()));
            topic.row.subscriptions_deleted += 1;
            self.index.remove(&row, &topic.row.region);
        }
        Some(row)
    }
}
