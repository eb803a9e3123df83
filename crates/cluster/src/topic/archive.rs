//! Reading what a FIFO topic keeps of what was published, and handing it to one subscription anew.

use levada_engine::proto::{Replay, ReplayOutcome, ShardRow, command, outcome};
use levada_types::{QueueId, Timestamp};

use super::Topic;
use crate::RouteError;
use crate::broker::Broker;
use crate::stream::{ShardEnds, ShardRead};

impl Broker {
    /// Reads a topic's archive from a position on: up to so many messages, and bytes (but one message). Each is in the form
    /// that was its first.
    pub async fn read_archive(
        &self,
        topic: &Topic,
        from: u64,
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<ShardRead, RouteError> {
        let log = as_shard(topic)?;
        let mut read = self.read_shard(&log, from, messages_max, bytes_max).await?;
        // Other forms are there as long as they are on their way.
        read.records.retain(|record| record.variant == 0);
        Ok(read)
    }

    /// The ends of a topic's archive, and where what was published at `at` or later begins: there or before it, as only
    /// the messages themselves say exactly.
    pub async fn archive_ends(
        &self,
        topic: &Topic,
        at: Option<Timestamp>,
    ) -> Result<ShardEnds, RouteError> {
        self.shard_ends(&as_shard(topic)?, at).await
    }

    /// Whether this node leads the part that a topic's archive is in: then replays are its to do.
    pub fn leads_archive(&self, topic: &Topic) -> bool {
        let part = topic.partitions().first();
        let route = part.and_then(|part| self.core.route(*part));
        route.is_some_and(|route| route.led_group().is_some())
    }

    /// How far the latest replay for a subscription has come, where this node leads the topic's part; none if there never
    /// was one.
    pub fn replay_of(&self, topic: &Topic, subscription: u64) -> Option<ReplayOutcome> {
        let route = self.core.route(*topic.partitions().first()?)?;
        let group = route.led_group()?;
        group.read(|p| p.replay_of(QueueId(topic.row.topic), subscription))
    }

    /// Takes a step of a replay: begins it, hands on what matches, or forgets it. Its topic is filled in here, and for
    /// destinations the caller asks [`Broker::replay_destination`].
    pub async fn replay(&self, topic: &Topic, step: Replay) -> Result<ReplayOutcome, RouteError> {
        let part = *topic.partitions().first().ok_or(RouteError::Unavailable)?;
        let step = Replay {
            topic: topic.row.topic,
            ..step
        };
        for _ in 0..3 {
            let kind = command::Kind::Replay(step.clone());
            let (answer, _) = self.write(part, kind).await?;
            match answer.kind {
                Some(outcome::Kind::Replay(done)) => return Ok(done),
                Some(outcome::Kind::Misconfigured(m)) if !m.dropped => {
                    self.bring_up_topic(topic.row.topic, part).await?;
                }
                Some(outcome::Kind::Misconfigured(_)) => return Err(RouteError::NoSuchTopic),
                _ => break,
            }
        }
        Err(RouteError::Unavailable)
    }
}

/// The archive as a shard that is read: of a FIFO topic, which has one part.
fn as_shard(topic: &Topic) -> Result<ShardRow, RouteError> {
    let part = topic.partitions().first().ok_or(RouteError::Unavailable)?;
    Ok(ShardRow {
        log: topic.row.topic,
        partition: part.0,
        ..ShardRow::default()
    })
}
