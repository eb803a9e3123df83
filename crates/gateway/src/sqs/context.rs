//! What every action has at hand: the caller, the broker, and how to find a queue.

use std::sync::Arc;

use levada_cluster::{Broker, Queue};
use levada_types::{AccountId, QueueArn, QueueName};
use levada_wire::sqs::{QueueAttributes, QueueFacts, SqsError, queue_url};

use crate::caller::Caller;
use crate::front::{Failure, Gateway};

/// One request's surroundings.
pub(super) struct Context<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) broker: &'a Broker,
    pub(super) caller: &'a Caller,
}

impl Context<'_> {
    /// The queue of a URL, if the caller owns it. Queues of other accounts are closed until queue
    /// policies are obeyed.
    pub(super) async fn queue(&self, url: &str) -> Result<Arc<Queue>, Failure> {
        if let Some(name) = queue_url::bare_name(url) {
            let (account, region) = (self.caller.account, &self.caller.region);
            let found = self.broker.find_queue(account, region, &name).await?;
            return Ok(found.ok_or_else(|| queue_url::invalid_address(url))?);
        }
        let (account, name) = queue_url::parse(url)?;
        let found = self
            .broker
            .find_queue(account, &self.caller.region, &name)
            .await?;
        let queue = found.ok_or_else(SqsError::queue_does_not_exist)?;
        if account != self.caller.account {
            return Err(SqsError::access_denied(url).into());
        }
        Ok(queue)
    }

    /// The same, as current as the catalog's leader has it: for actions that show a queue's attributes or change
    /// the queue. A name may mean another queue by now than this node's copy says, if it was cut off for a while.
    pub(super) async fn current_queue(&self, url: &str) -> Result<Arc<Queue>, Failure> {
        self.broker.catch_up_catalog().await?;
        self.queue(url).await
    }

    /// The queue of an ARN, if the caller owns it.
    pub(super) async fn queue_of_arn(&self, arn: &QueueArn) -> Result<Option<Arc<Queue>>, Failure> {
        if arn.account != self.caller.account || arn.region != self.caller.region {
            return Ok(None);
        }
        Ok(self
            .broker
            .find_queue(arn.account, &arn.region, &arn.name)
            .await?)
    }

    /// A queue's URL as this caller should use it.
    pub(super) fn url(&self, account: AccountId, name: &QueueName) -> String {
        queue_url::build(&self.caller.base_url(&self.gateway.options), account, name)
    }
}

/// A queue's ARN.
pub(super) fn arn_of(queue: &Queue) -> QueueArn {
    QueueArn {
        region: queue.region.clone(),
        account: queue.account,
        name: queue.name.clone(),
    }
}

/// A queue's attributes with what they mean.
pub(super) fn attributes_of(queue: &Queue) -> QueueAttributes {
    QueueAttributes::from_stored(&queue.attributes)
}

/// What checking a message must know of its queue.
pub(super) fn facts_of(queue: &Queue) -> QueueFacts {
    QueueFacts {
        fifo: queue.settings.fifo,
        content_based_deduplication: queue.settings.content_based_deduplication,
        maximum_message_size_bytes: queue.settings.message_size_max_bytes,
    }
}
