//! Reading what a FIFO topic keeps of what was published, and handing it to one subscription anew.
//!
//! Which replays there are is in the catalog; how far each has come, in the topic's part. Who leads the part carries them out,
//! and whoever leads next goes on from there.

use std::sync::Arc;

use levada_engine::proto::{Replay, ReplayOutcome, ReplayStatus, ShardRow, command, outcome};
use levada_engine::{Subscription as Row, topic_config_of};
use levada_replica::Group;
use levada_types::{QueueId, Timestamp};
use tokio::sync::watch;

use super::Topic;
use crate::RouteError;
use crate::broker::Broker;
use crate::stream::{ShardEnds, ShardRead};

/// Tells when there may be other replays to carry out than before.
#[derive(Debug)]
pub struct ReplayWatch {
    catalog: watch::Receiver<u64>,
    led: watch::Receiver<u64>,
}

impl ReplayWatch {
    /// What has happened up to now counts as seen: to be called before a look.
    pub fn mark_seen(&mut self) {
        self.catalog.mark_unchanged();
        self.led.mark_unchanged();
    }

    /// Waits until the catalog has changed, or this node leads other partitions.
    pub async fn changed(&mut self) {
        tokio::select! {
            _ = self.catalog.changed() => {}
            _ = self.led.changed() => {}
        }
    }
}

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
        self.archive_led(topic).is_some()
    }

    /// By the watch that tells of it, as what is waited for must not be passed over.
    fn archive_led(&self, topic: &Topic) -> Option<Arc<Group>> {
        self.led_by_watch(*topic.partitions().first()?)
    }

    /// How far the latest replay for a subscription has come, where this node leads the topic's part; none if there never
    /// was one.
    pub fn replay_of(&self, topic: &Topic, subscription: u64) -> Option<ReplayOutcome> {
        let group = self.archive_led(topic)?;
        group.read(|p| p.replay_of(QueueId(topic.row.topic), subscription))
    }

    /// The same of a replay of this number, whoever leads: the leader is asked by a step that does nothing.
    pub async fn replay_progress(
        &self,
        topic: &Topic,
        subscription: u64,
        replay: u64,
    ) -> Result<ReplayOutcome, RouteError> {
        let known = self.replay_of(topic, subscription);
        if let Some(known) = known.filter(|known| known.replay == replay) {
            return Ok(known);
        }
        let question = Replay {
            subscription,
            replay,
            ..Replay::default()
        };
        self.replay(topic, question).await
    }

    /// Items that wait to be shipped in the partition of a topic's archive, if this node leads it.
    pub fn waiting_beside_archive(&self, topic: &Topic) -> Option<usize> {
        let group = self.archive_led(topic)?;
        Some(group.read(|p| p.outbox_waiting()))
    }

    /// Whether a topic's archive keeps what is published.
    pub fn has_archive(topic: &Topic) -> bool {
        topic_config_of(&topic.row).retention_ms > 0
    }

    /// Tells of changes of what [`Broker::replays_due`] answers.
    pub fn watch_replays(&self) -> ReplayWatch {
        ReplayWatch {
            catalog: self.core.catalog.subscribe(),
            led: self.core.led.subscribe(),
        }
    }

    /// Subscriptions whose latest replay is this node's to carry out and is not done, by number.
    pub fn replays_due(&self) -> Vec<Arc<Row>> {
        let rows: Vec<Arc<Row>> = self.core.directory.read(|catalog| {
            let confirmed = catalog
                .subscriptions_replayed()
                .filter(|row| row.is_confirmed());
            confirmed.cloned().collect()
        });
        let is_due = |row: &Arc<Row>| {
            let Some(topic) = self.topic(row.topic) else {
                return false;
            };
            let Some(group) = self
                .archive_led(&topic)
                .filter(|_| Self::has_archive(&topic))
            else {
                return false;
            };
            let known = group.read(|p| p.replay_of(QueueId(row.topic), row.number));
            let known = known.filter(|known| known.replay >= row.replay);
            known.is_none_or(|known| known.status() != ReplayStatus::Done)
        };
        rows.into_iter().filter(is_due).collect()
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
