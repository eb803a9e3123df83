//! A partition's parts of topics: commands, and reads on its leader.

use std::collections::btree_map::Entry;

use levada_types::QueueId;

use super::Partition;
use crate::effects::Effects;
use crate::proto::{
    Done, Misconfigured, Publish, PublishOutcome, PublishStatus, Replay, ReplayOutcome,
    TopicConfig, outcome,
};
use crate::topic::{Out, Topic, WAITING_ITEMS_MAX};

impl Partition {
    pub(super) fn configure_topic(
        &mut self,
        config: Option<TopicConfig>,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        let Some(config) = config else {
            return Ok(outcome::Kind::Done(Done {}));
        };
        let id = QueueId(config.topic);
        if self.is_another_kind(id, Kind::Topic) || self.dropped.contains_key(&id) {
            return Err(self.misconfigured(id.0));
        }
        match self.topics.entry(id) {
            Entry::Occupied(topic) => topic.into_mut().configure(self.at, config, fx),
            Entry::Vacant(place) => {
                place.insert(Topic::new(config));
            }
        }
        self.reschedule(id);
        Ok(outcome::Kind::Done(Done {}))
    }

    /// Publishes all messages, or none.
    pub(super) fn publish(
        &mut self,
        c: Publish,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        let id = QueueId(c.topic);
        let at = self.at;
        let answer = |status: PublishStatus, published| {
            outcome::Kind::Publish(PublishOutcome {
                status: status.into(),
                published,
            })
        };
        let Some(topic) = self.topics.get_mut(&id) else {
            return Err(self.misconfigured(c.topic));
        };
        if c.version > topic.config.version {
            return Err(Misconfigured {
                queue: c.topic,
                have_version: topic.config.version,
                dropped: false,
            });
        }
        if c.version < topic.config.version {
            return Ok(answer(PublishStatus::Stale, Vec::new()));
        }
        if self.transfers.waiting() >= WAITING_ITEMS_MAX {
            return Ok(answer(PublishStatus::Full, Vec::new()));
        }
        let out = &mut Out {
            transfers: &mut self.transfers,
            effects: fx,
        };
        let messages = c.messages.into_iter();
        let published = messages.map(|message| topic.publish(at, message, out));
        let published = published.collect();
        self.reschedule(id);
        Ok(answer(PublishStatus::Done, published))
    }

    pub(super) fn replay(
        &mut self,
        c: Replay,
        fx: &mut Effects,
    ) -> Result<outcome::Kind, Misconfigured> {
        let Some(topic) = self.topics.get_mut(&QueueId(c.topic)) else {
            return Err(self.misconfigured(c.topic));
        };
        let out = &mut Out {
            transfers: &mut self.transfers,
            effects: fx,
        };
        Ok(outcome::Kind::Replay(topic.replay(c, out)))
    }

    /// Whether the number is that of a log of another kind.
    pub(super) fn is_another_kind(&self, id: QueueId, than: Kind) -> bool {
        (than != Kind::Queue && self.queues.contains_key(&id))
            || (than != Kind::Shard && self.shards.contains_key(&id))
            || (than != Kind::Table && self.tables.contains_key(&id))
            || (than != Kind::Topic && self.topics.contains_key(&id))
    }

    /// The version of a topic that its part here has seen; none if it is not here.
    pub fn topic_version(&self, topic: QueueId) -> Option<u64> {
        Some(self.topics.get(&topic)?.config.version)
    }

    /// Every topic that has a part here, in order.
    pub fn topics(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.topics.keys().copied()
    }

    /// How far the latest replay for a subscription has come; none if there never was one, or it is forgotten.
    pub fn replay_of(&self, topic: QueueId, subscription: u64) -> Option<ReplayOutcome> {
        self.topics.get(&topic)?.replay_of(subscription)
    }
}

/// What has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Queue,
    Shard,
    Table,
    Topic,
}
