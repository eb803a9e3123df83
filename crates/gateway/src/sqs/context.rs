//! What every action has at hand: the caller, the broker, and how to find a queue.

use std::sync::Arc;

use levada_cluster::{Broker, Queue};
use levada_policy::iam::Outcome;
use levada_types::{AccountId, QueueArn, QueueName};
use levada_wire::sqs::{Action, QueueAttributes, QueueFacts, SqsError, queue_url};

use super::policy;
use crate::access;
use crate::caller::Caller;
use crate::front::{Failure, Gateway};

/// One request's surroundings.
pub(super) struct Context<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) broker: &'a Broker,
    pub(super) caller: &'a Caller,
    /// What is asked for, as policies see it.
    pub(super) action: Action,
}

impl Context<'_> {
    /// The queue of a URL, if the caller's account owns it or the queue's policy lets the caller do this to it.
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
        if account == self.caller.account {
            return Ok(queue);
        }
        // Put aside, or every call would hold room for it.
        match Box::pin(self.judge(queue)).await? {
            (queue, Outcome::Allow) => Ok(queue),
            (queue, outcome) => Err(self.access_denied(&queue, outcome).into()),
        }
    }

    /// What the policy of a queue of another account says to this request, and the queue as it was when it said that.
    pub(super) async fn judge(&self, queue: Arc<Queue>) -> Result<(Arc<Queue>, Outcome), Failure> {
        let Some(action) = self.action.permission() else {
            return Ok((queue, Outcome::NoMatch));
        };
        let outcome = self.policy_says(&queue, action);
        if outcome == Outcome::Allow {
            return Ok((queue, outcome));
        }
        // What was allowed through another node can be done at once through this one.
        self.broker.catch_up_catalog().await?;
        let (account, region) = (queue.account, &queue.region);
        let found = self.broker.find_queue(account, region, &queue.name);
        let queue = found.await?.ok_or_else(SqsError::queue_does_not_exist)?;
        let outcome = self.policy_says(&queue, action);
        Ok((queue, outcome))
    }

    fn policy_says(&self, queue: &Queue, action: Action) -> Outcome {
        let policy = queue.attributes.get(policy::ATTRIBUTE).map(String::as_str);
        let asked = access::Asked {
            action: &format!("sqs:{}", action.name()),
            resource: &arn_of(queue).to_string(),
            owner: queue.account,
            keys: &[],
        };
        access::decide(policy, self.caller, asked)
    }

    fn access_denied(&self, queue: &Queue, outcome: Outcome) -> SqsError {
        let is_denied = outcome == Outcome::Deny;
        SqsError::access_denied(&self.caller.arn(), self.action, &arn_of(queue), is_denied)
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
