//! Topics: their rows in the catalog, who subscribed to them, and publishing on its way to a topic's part.
//!
//! Who is to get a message is decided by the caller, from an [`Audience`]: the confirmed subscriptions of one version of
//! the topic. The part refuses a message that was made for an older version than it has been told of, and every part is told
//! of a version before the change is answered: whoever has subscribed is not forgotten, whichever node takes the message.

mod archive;
mod audience;
mod change;
mod delivery;
mod failures;
mod keeper;
mod publish;

use std::sync::Arc;

use levada_engine::proto::TopicRow;
use levada_engine::{Subscription as Row, SubscriptionCounts};
use levada_types::{AccountId, PartitionId, Region};

use crate::RouteError;
use crate::broker::Broker;

pub(crate) use audience::Audiences;
pub(crate) use delivery::Deliveries;
pub(crate) use failures::Failures;
pub(crate) use keeper::keep_topics;

pub use archive::ReplayWatch;
pub use audience::{Audience, Subscription};
pub use change::Subscribed;
pub use failures::DeliveryFailure;
pub use publish::{Destination, Outgoing, PublishError};

/// One version of one topic; replaced as a whole when the catalog changes.
#[derive(Clone, Debug)]
pub struct Topic {
    /// The catalog's row.
    pub row: TopicRow,
    /// The account that owns it.
    pub account: AccountId,
    /// The region it was made in.
    pub region: Region,
    partitions: Vec<PartitionId>,
}

impl Topic {
    /// From the catalog's row; `None` if its names are not valid, which its author prevents.
    pub fn from_row(row: TopicRow) -> Option<Self> {
        Some(Self {
            account: row.account.parse().ok()?,
            region: row.region.parse().ok()?,
            partitions: row.partitions.iter().copied().map(PartitionId).collect(),
            row,
        })
    }

    /// First in, first out.
    pub fn is_fifo(&self) -> bool {
        self.row.name.ends_with(".fifo")
    }

    /// Where it has its parts.
    pub fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }
}

impl Broker {
    /// The topic of that name; asks the catalog's leader before it says that there is none.
    pub async fn find_topic(
        &self,
        account: AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Option<Arc<Topic>>, RouteError> {
        self.find_in_catalog(|directory| directory.topic_by_name(account, region, name))
            .await
    }

    /// The topic of that number in this node's copy of the catalog.
    pub fn topic(&self, topic: u64) -> Option<Arc<Topic>> {
        self.core.directory.topic(topic)
    }

    /// Up to `max` topics of an account in a region behind a name, by name.
    pub fn topics(
        &self,
        account: AccountId,
        region: &Region,
        after: Option<&str>,
        max: usize,
    ) -> Vec<Topic> {
        let rows: Vec<TopicRow> = self.core.directory.read(|catalog| {
            let found = catalog.topics_after(&account.to_string(), region.as_str(), after, max);
            found.into_iter().cloned().collect()
        });
        rows.into_iter().filter_map(Topic::from_row).collect()
    }

    /// How many subscriptions a topic has.
    pub fn subscription_counts(&self, topic: u64) -> SubscriptionCounts {
        let directory = &self.core.directory;
        directory.read(|catalog| catalog.subscription_counts(topic))
    }

    /// The subscription of that number; asks the catalog's leader before it says that there is none.
    pub async fn find_subscription(&self, number: u64) -> Result<Option<Arc<Row>>, RouteError> {
        self.find_row(|catalog| catalog.subscription(number)).await
    }

    /// The same of one that waits to be confirmed with this token.
    pub async fn find_subscription_by_token(
        &self,
        token: &[u8; 16],
    ) -> Result<Option<Arc<Row>>, RouteError> {
        self.find_row(|catalog| catalog.subscription_by_token(token))
            .await
    }

    /// The same of a topic's for a protocol and an endpoint.
    pub async fn find_subscription_of(
        &self,
        topic: u64,
        protocol: &str,
        endpoint: &str,
    ) -> Result<Option<Arc<Row>>, RouteError> {
        self.find_row(|catalog| catalog.subscription_of(topic, protocol, endpoint))
            .await
    }

    async fn find_row(
        &self,
        find: impl for<'a> Fn(&'a levada_engine::Catalog) -> Option<&'a Arc<Row>> + Sync,
    ) -> Result<Option<Arc<Row>>, RouteError> {
        self.find_in_catalog(|directory| directory.read(|catalog| find(catalog).cloned()))
            .await
    }

    /// Up to `max` subscriptions of a topic behind a number, by number; those that wait to be confirmed, too.
    pub fn subscriptions_of_topic(&self, topic: u64, after: u64, max: usize) -> Vec<Arc<Row>> {
        self.core.directory.read(|catalog| {
            let found = catalog.subscriptions_of_topic(topic, after, max);
            found.into_iter().cloned().collect()
        })
    }

    /// The same of those that an account owns in a region.
    pub fn subscriptions_of_account(
        &self,
        account: AccountId,
        region: &Region,
        after: u64,
        max: usize,
    ) -> Vec<Arc<Row>> {
        let account = account.to_string();
        self.core.directory.read(|catalog| {
            let found = catalog.subscriptions_of_account(&account, region.as_str(), after, max);
            found.into_iter().cloned().collect()
        })
    }
}
