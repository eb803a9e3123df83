//! Messages to a topic's part. Answered when they are on the disks of a majority, with all that is to come of them.

use std::sync::Arc;

use bytes::Bytes;
use levada_engine::proto::{
    self, Misconfigured, Publish, PublishOutcome, PublishStatus, Published, PublishedMessage,
    command, outcome,
};
use levada_engine::topic_config_of;
use levada_types::{NodeId, PartitionId};
use thiserror::Error;

use super::Topic;
use crate::broker::Broker;
use crate::{Queue, RouteError};

/// Tries of one publish, between which its part is brought up to the topic's version.
const ATTEMPTS_MAX: usize = 3;

/// A message, in all the forms in which it is to arrive.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// 16 bytes, the same in each try.
    pub message_id: [u8; 16],
    /// FIFO: required.
    pub group: String,
    /// FIFO: the head of SHA-256 of the deduplication id.
    pub deduplication: Option<[u8; 16]>,
    /// Its forms, of which an archive keeps the first. One that nobody gets is not kept.
    pub variants: Vec<Bytes>,
    /// Who gets it, and how.
    pub destinations: Vec<Destination>,
}

/// A queue that gets a copy of a message.
#[derive(Clone, Debug)]
pub struct Destination {
    /// For which subscription; 0: for none.
    pub subscription: u64,
    /// The number of that subscription's latest replay; 0: there was none.
    pub replay: u64,
    /// The queue.
    pub queue: Arc<Queue>,
    /// The place of its form among the variants.
    pub variant: u32,
    /// Follows the form's bytes in that queue.
    pub suffix: Bytes,
    /// The suffix is followed by the message's position in the topic, in 8 bytes, the lowest first.
    pub numbered: bool,
}

/// Why nothing was published, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublishError {
    /// The topic has changed. This node knows the newer version now: decide anew who gets the messages, from
    /// [`Broker::audience`], and publish them under the same ids.
    #[error("the topic has changed meanwhile")]
    Stale,
    /// Too much that was published waits to be handed on.
    #[error("too much waits to be delivered")]
    Full,
    /// It was not carried out, or its outcome is not known.
    #[error(transparent)]
    Route(#[from] RouteError),
}

impl Broker {
    /// Publishes messages to a topic, all or none, by the version of it from which their destinations were chosen. What
    /// became of each, in order.
    pub async fn publish(
        &self,
        topic: &Topic,
        messages: &[Outgoing],
    ) -> Result<Vec<Published>, PublishError> {
        self.refuse_when_full()?;
        // Once a part may have it, it is seen through there, as a send is.
        let part = self.nearest(topic.partitions());
        let part = part.ok_or(RouteError::Unavailable)?;
        let leader = self.core.route(part).and_then(|route| route.leader());
        let messages = messages.iter().map(|message| PublishedMessage {
            message_id: Bytes::copy_from_slice(&message.message_id),
            group: message.group.clone(),
            deduplication: message
                .deduplication
                .map_or_else(Bytes::new, |id| Bytes::copy_from_slice(&id)),
            variants: message.variants.clone(),
            destinations: message
                .destinations
                .iter()
                .filter_map(|to| self.resolve(to, leader, &message.group))
                .collect(),
        });
        let publish = Publish {
            topic: topic.row.topic,
            version: topic.row.version,
            messages: messages.collect(),
        };
        let done = self.publish_at(part, publish).await?;
        match done.status() {
            PublishStatus::Done => Ok(done.published),
            PublishStatus::Full => Err(PublishError::Full),
            PublishStatus::Stale => {
                self.catch_up_catalog().await?;
                Err(PublishError::Stale)
            }
        }
    }

    async fn publish_at(
        &self,
        part: PartitionId,
        publish: Publish,
    ) -> Result<PublishOutcome, RouteError> {
        for _ in 0..ATTEMPTS_MAX {
            let kind = command::Kind::Publish(publish.clone());
            let (answer, _) = self.write(part, kind).await?;
            match answer.kind {
                Some(outcome::Kind::Publish(done)) => return Ok(done),
                Some(outcome::Kind::Misconfigured(Misconfigured { dropped: false, .. })) => {
                    self.bring_up_topic(publish.topic, part).await?;
                }
                Some(outcome::Kind::Misconfigured(_)) => return Err(RouteError::NoSuchTopic),
                _ => break,
            }
        }
        Err(RouteError::Unavailable)
    }

    /// A part did not know the topic, or an older version of it.
    pub(super) async fn bring_up_topic(
        &self,
        topic: u64,
        part: PartitionId,
    ) -> Result<(), RouteError> {
        let directory = &self.core.directory;
        let config = || directory.read(|catalog| catalog.topic(topic).map(topic_config_of));
        if config().is_none() {
            self.catch_up_catalog().await?;
        }
        let config = config().ok_or(RouteError::NoSuchTopic)?;
        self.configure_topic(part, config).await
    }

    /// Where a replayed message of a topic goes; `None` if its queue has no parts.
    pub fn replay_destination(
        &self,
        topic: &Topic,
        to: &Destination,
        group: &str,
    ) -> Option<proto::Destination> {
        let route = topic
            .partitions()
            .first()
            .and_then(|part| self.core.route(*part));
        self.resolve(to, route.and_then(|route| route.leader()), group)
    }

    /// The part of its queue that a copy goes to: a FIFO queue's by the group, so that each group stays in order. Of a
    /// standard queue one that the publishing part's leader leads, or else one whose leader lives.
    fn resolve(
        &self,
        to: &Destination,
        leader: Option<NodeId>,
        group: &str,
    ) -> Option<proto::Destination> {
        let parts = &to.queue.partitions;
        let partition = if to.queue.settings.fifo {
            to.queue.partition_for(group, 0)
        } else if let [only] = parts[..] {
            Some(only)
        } else {
            let parts = parts.iter().copied();
            parts.min_by_key(|part| match self.core.route(*part) {
                Some(route) if *route.healthy.borrow() => u8::from(route.leader() != leader),
                _ => 2,
            })
        };
        Some(proto::Destination {
            queue: to.queue.id.0,
            partition: partition?.0,
            variant: to.variant,
            suffix: to.suffix.clone(),
            subscription: to.subscription,
            numbered: to.numbered,
            replay: to.replay,
        })
    }
}
