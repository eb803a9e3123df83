//! Changes of topics and subscriptions: the catalog first, then every part, and only then the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{join_all, try_join_all};
use levada_engine::proto::{
    self, ConfigureTopic, DeliveryQueue, DropQueue, DropSubscription, DropTopic, SetSubscription,
    SetTopic, SubscriptionOutcome, SubscriptionRow, TopicConfig, TopicRow, catalog,
    catalog_outcome, command, outcome,
};
use levada_engine::topic_config_of;
use levada_types::PartitionId;

use super::Topic;
use crate::RouteError;
use crate::broker::{Broker, Change, unexpected};

/// What a Subscribe found or made.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribed {
    /// The subscription.
    pub row: SubscriptionRow,
    /// There was one of that protocol and endpoint, and it is as it was.
    pub existed: bool,
}

impl Broker {
    /// A new topic. Its row's names, attributes and tags are the caller's.
    pub async fn create_topic(&self, mut row: TopicRow) -> Change<Arc<Topic>> {
        let fifo = row.name.ends_with(".fifo");
        row.partitions = self.place(&row.name, fifo);
        let topic = match self.write_topic(row, 0).await? {
            Ok(topic) => topic,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Nobody has subscribed yet. A part whose leader cannot be reached now is configured by it when it sees the
        // catalog, or by the first publish that finds it behind.
        let config = topic_config_of(&topic.row);
        let parts = topic.partitions.iter();
        join_all(parts.map(|partition| self.configure_topic(*partition, config))).await;
        Ok(Ok(topic))
    }

    /// Replaces a topic's attributes and tags, on the version that its row was read in.
    pub async fn set_topic(&self, row: TopicRow) -> Change<Arc<Topic>> {
        let version = row.version;
        let changed = self.write_topic(row, version).await?;
        if let Ok(topic) = &changed {
            self.tell_parts(topic.row.topic).await?;
        }
        Ok(changed)
    }

    async fn write_topic(&self, row: TopicRow, if_version: u64) -> Change<Arc<Topic>> {
        let set = SetTopic {
            row: Some(row),
            if_version,
        };
        match self.change(catalog::Kind::SetTopic(set)).await? {
            Ok(catalog_outcome::Kind::Topic(row)) => {
                let topic = Topic::from_row(row).ok_or(RouteError::Unavailable)?;
                Ok(Ok(Arc::new(topic)))
            }
            other => unexpected(other),
        }
    }

    /// Deletes a topic, whatever its version. Its subscriptions go with it: a thousand at once, the rest soon after.
    pub async fn delete_topic(&self, topic: &Topic) -> Change<()> {
        let dropped = self.drop_topic(topic.row.topic).await?;
        if dropped.is_ok() {
            // So that no node that has yet to hear of it publishes any more. Without an answer the partition's leader does
            // it when it sees the catalog.
            let drops = topic.partitions.iter().map(|partition| {
                let queue = topic.row.topic;
                self.write(*partition, command::Kind::DropQueue(DropQueue { queue }))
            });
            join_all(drops).await;
        }
        Ok(dropped)
    }

    pub(super) async fn drop_topic(&self, topic: u64) -> Change<()> {
        let drop = DropTopic {
            topic,
            if_version: 0,
        };
        self.plain_change(catalog::Kind::DropTopic(drop)).await
    }

    /// A new subscription, or the one that there is of its protocol and endpoint. Who publishes after this has answered
    /// publishes to it, if it is confirmed. `delivery`: it gets a delivery queue with these attributes.
    ///
    /// # Errors
    /// When a part could not be told. The subscription is there all the same: subscribing again finds it and tells the
    /// parts.
    pub async fn subscribe(
        &self,
        mut row: SubscriptionRow,
        delivery: Option<BTreeMap<String, String>>,
    ) -> Change<Subscribed> {
        row.version = 0;
        self.set_subscription(row, delivery).await
    }

    /// Replaces a subscription's attributes, token and confirmation, on the version that its row was read in. `delivery`:
    /// as with `subscribe`, if it has none yet.
    ///
    /// # Errors
    /// As with `subscribe`; the change is made.
    pub async fn set_subscription(
        &self,
        row: SubscriptionRow,
        delivery: Option<BTreeMap<String, String>>,
    ) -> Change<Subscribed> {
        let delivery = delivery.map(|attributes| DeliveryQueue {
            partitions: self.place(&row.endpoint, false),
            attributes,
        });
        let set = SetSubscription {
            if_version: row.version,
            row: Some(row),
            delivery,
        };
        let outcome = match self.change(catalog::Kind::SetSubscription(set)).await? {
            Ok(catalog_outcome::Kind::Subscription(outcome)) => outcome,
            other => return unexpected(other),
        };
        let SubscriptionOutcome { row, existed } = outcome;
        let row = row.ok_or(RouteError::Unavailable)?;
        self.tell_parts(row.topic).await?;
        Ok(Ok(Subscribed { row, existed }))
    }

    /// Deletes a subscription, and what waits in its delivery queue; with a version that is not 0 only on that.
    ///
    /// # Errors
    /// When a part could not be told: what is published may go to it a while longer.
    pub async fn unsubscribe(&self, topic: u64, number: u64, if_version: u64) -> Change<()> {
        let drop = DropSubscription {
            subscription: number,
            if_version,
        };
        let kind = catalog::Kind::DropSubscription(drop);
        let dropped = self.plain_change(kind).await?;
        if dropped.is_ok() {
            match self.tell_parts(topic).await {
                // The topic went with it.
                Ok(()) | Err(RouteError::NoSuchTopic) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }

    /// Has every part of a topic know the version that this node's copy of the catalog has.
    pub(super) async fn tell_parts(&self, topic: u64) -> Result<(), RouteError> {
        let directory = &self.core.directory;
        let told = directory.read(|catalog| {
            let row = catalog.topic(topic)?;
            Some((topic_config_of(row), row.partitions.clone()))
        });
        let (config, partitions) = told.ok_or(RouteError::NoSuchTopic)?;
        let parts = partitions.into_iter().map(PartitionId);
        try_join_all(parts.map(|partition| self.configure_topic(partition, config))).await?;
        Ok(())
    }

    /// Brings one part up to a version.
    pub(super) async fn configure_topic(
        &self,
        partition: PartitionId,
        config: TopicConfig,
    ) -> Result<(), RouteError> {
        let configure = ConfigureTopic {
            config: Some(config),
        };
        let kind = command::Kind::ConfigureTopic(configure);
        let (answer, _) = self.write(partition, kind).await?;
        match answer.kind {
            Some(outcome::Kind::Done(proto::Done {})) => Ok(()),
            Some(outcome::Kind::Misconfigured(_)) => Err(RouteError::NoSuchTopic),
            _ => Err(RouteError::Unavailable),
        }
    }
}
