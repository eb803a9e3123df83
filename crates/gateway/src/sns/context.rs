//! What every action has at hand: the caller, the broker, how to find a topic and a subscription, and how to change them.

use std::sync::Arc;

use levada_cluster::{Broker, RouteError, Topic};
use levada_engine::Subscription;
use levada_engine::proto::{CatalogRefusal, SubscriptionRow, TopicRow};
use levada_policy::iam::Outcome;
use levada_wire::sns::{SnsError, SubscriptionArn, TopicArn, TopicAttributes, is_shared_action};

use super::{policy, refusal, subscription_arn};
use crate::access;
use crate::caller::Caller;
use crate::front::{Failure, Gateway};
use crate::limits::CHANGE_ATTEMPTS_MAX;

/// Where a topic's row keeps its data protection policy, which is no attribute of SNS's.
pub(super) const DATA_PROTECTION: &str = "DataProtectionPolicy";

/// One request's surroundings.
pub(super) struct Context<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) broker: &'a Broker,
    pub(super) caller: &'a Caller,
}

impl Context<'_> {
    /// A topic, if the caller's account owns it or the topic's policy lets the caller do this to it.
    pub(super) async fn topic(&self, arn: &TopicArn, action: &str) -> Result<Arc<Topic>, Failure> {
        self.topic_for(arn, action, &[]).await
    }

    /// The same, where conditions can look at more than of any request.
    pub(super) async fn topic_for(
        &self,
        arn: &TopicArn,
        action: &str,
        keys: &[(&str, &str)],
    ) -> Result<Arc<Topic>, Failure> {
        if arn.region != self.caller.region {
            return Err(SnsError::invalid_parameter("TopicArn").into());
        }
        if arn.account == self.caller.account {
            return self.topic_of(arn).await;
        }
        // Put aside, or every call would hold room for it.
        Box::pin(self.topic_of_another(arn, action, keys)).await
    }

    /// A topic of another account. Whether it is there is told to nobody to whom its policy does not open it.
    async fn topic_of_another(
        &self,
        arn: &TopicArn,
        action: &str,
        keys: &[(&str, &str)],
    ) -> Result<Arc<Topic>, Failure> {
        if !is_shared_action(action) {
            return Err(self.not_authorized(action, arn).into());
        }
        let mut judged = self.judge(arn, action, keys).await?;
        if judged.is_err() {
            // What was allowed through another node can be done at once through this one.
            self.broker.catch_up_catalog().await?;
            judged = self.judge(arn, action, keys).await?;
        }
        judged.map_err(|outcome| self.refused(action, arn, outcome == Outcome::Deny).into())
    }

    /// The topic if its policy allows this by this node's copy of the catalog, and otherwise what the policy says.
    async fn judge(
        &self,
        arn: &TopicArn,
        action: &str,
        keys: &[(&str, &str)],
    ) -> Result<Result<Arc<Topic>, Outcome>, RouteError> {
        let (region, name) = (&arn.region, arn.name.as_str());
        let found = self.broker.find_topic(arn.account, region, name).await?;
        let Some(topic) = found else {
            return Ok(Err(Outcome::NoMatch));
        };
        Ok(match self.policy_says(&topic, action, keys) {
            Outcome::Allow => Ok(topic),
            other => Err(other),
        })
    }

    fn policy_says(&self, topic: &Topic, action: &str, keys: &[(&str, &str)]) -> Outcome {
        let caller = self.caller.account.to_string();
        // The account that a request comes from: by it the policy of a new topic is its owner's alone.
        let mut all = vec![("aws:SourceOwner", caller.as_str())];
        all.extend_from_slice(keys);
        let asked = access::Asked {
            action: &format!("SNS:{action}"),
            resource: &arn_of(topic),
            owner: topic.account,
            keys: &all,
        };
        let policy = topic.row.attributes.get(policy::ATTRIBUTE);
        access::decide(policy.map(String::as_str), self.caller, asked)
    }

    /// The same, as current as the catalog's leader has it: for what shows a topic or changes it.
    pub(super) async fn current_topic(
        &self,
        arn: &TopicArn,
        action: &str,
    ) -> Result<Arc<Topic>, Failure> {
        self.broker.catch_up_catalog().await?;
        self.topic(arn, action).await
    }

    /// The topic of an ARN, whoever owns it.
    pub(super) async fn topic_of(&self, arn: &TopicArn) -> Result<Arc<Topic>, Failure> {
        let found = self
            .broker
            .find_topic(arn.account, &arn.region, arn.name.as_str());
        Ok(found.await?.ok_or_else(SnsError::topic_does_not_exist)?)
    }

    /// Changes a topic on the version that was read, and anew when somebody else was faster.
    pub(super) async fn change_topic(
        &self,
        arn: &TopicArn,
        action: &str,
        edit: impl Fn(&Topic, &mut TopicRow) -> Result<(), SnsError> + Send + Sync,
    ) -> Result<Arc<Topic>, Failure> {
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let before = self.current_topic(arn, action).await?;
            let mut row = before.row.clone();
            edit(&before, &mut row)?;
            match self
                .broker
                .set_topic(row)
                .await
                .map_err(refusal::of_route)?
            {
                Ok(after) => return Ok(after),
                Err(CatalogRefusal::Changed) => {}
                Err(other) => return Err(refusal::of_change(other, &before.row.name)),
            }
        }
        // Somebody else changed the topic at the same time, again and again.
        Err(SnsError::throttled().into())
    }

    /// The subscription of an ARN and its topic, as current as the catalog's leader has them.
    pub(super) async fn find_subscription(
        &self,
        arn: &SubscriptionArn,
    ) -> Result<Option<(Arc<Topic>, Arc<Subscription>)>, Failure> {
        self.broker.catch_up_catalog().await?;
        let Some(number) = subscription_arn::number_of(arn) else {
            return Ok(None);
        };
        let Some(row) = self.broker.find_subscription(number).await? else {
            return Ok(None);
        };
        let Some(topic) = self.broker.topic(row.topic) else {
            return Ok(None);
        };
        let is_it = subscription_arn::of(&topic, &row) == arn.to_string();
        Ok(is_it.then_some((topic, row)))
    }

    /// The same of one that is the caller's, or whose topic is.
    pub(super) async fn subscription(
        &self,
        arn: &SubscriptionArn,
        action: &str,
    ) -> Result<(Arc<Topic>, Arc<Subscription>), Failure> {
        let found = self.find_subscription(arn).await?;
        let (topic, row) = found.ok_or_else(SnsError::subscription_does_not_exist)?;
        if !self.owns(&topic, &row) {
            return Err(self.not_authorized(action, arn).into());
        }
        Ok((topic, row))
    }

    /// Whether the caller is a subscription's owner or its topic's.
    pub(super) fn owns(&self, topic: &Topic, row: &Subscription) -> bool {
        let account = self.caller.account;
        topic.account == account || *row.account == *account.to_string()
    }

    /// Changes a subscription on the version that was read, and anew when somebody else was faster.
    pub(super) async fn change_subscription(
        &self,
        number: u64,
        edit: impl Fn(&Subscription, &mut SubscriptionRow) -> Result<(), SnsError> + Send + Sync,
    ) -> Result<SubscriptionRow, Failure> {
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            self.broker.catch_up_catalog().await?;
            let found = self.broker.find_subscription(number).await?;
            let before = found.ok_or_else(SnsError::subscription_does_not_exist)?;
            let mut row = before.to_row();
            edit(&before, &mut row)?;
            let changed = self.broker.set_subscription(row, None).await;
            match changed.map_err(refusal::of_route)? {
                Ok(changed) => return Ok(changed.row),
                Err(CatalogRefusal::Changed) => {}
                Err(other) => return Err(refusal::of_change(other, "a subscription")),
            }
        }
        Err(SnsError::throttled().into())
    }

    /// What AWS tells of what is another account's.
    pub(super) fn not_authorized(
        &self,
        action: &str,
        resource: &impl std::fmt::Display,
    ) -> SnsError {
        self.refused(action, resource, false)
    }

    fn refused(
        &self,
        action: &str,
        resource: &impl std::fmt::Display,
        is_denied: bool,
    ) -> SnsError {
        SnsError::not_authorized(&self.caller.arn(), action, resource, is_denied)
    }
}

/// A topic's ARN.
pub(super) fn arn_of(topic: &Topic) -> String {
    let (region, account, name) = (&topic.region, topic.account, &topic.row.name);
    format!("arn:aws:sns:{region}:{account}:{name}")
}

/// What publishing looks at.
const FOR_PUBLISHING: &[&str] = &[
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "FifoTopic",
    "MaximumMessageSize",
    "SignatureVersion",
];

/// Those of a topic's attributes that each publish looks at: policies, which take long to read, are not among them.
pub(super) fn attributes_for_publishing(row: &TopicRow) -> TopicAttributes {
    let attributes = row.attributes.iter();
    TopicAttributes::from_stored(
        attributes.filter(|(name, _)| FOR_PUBLISHING.contains(&name.as_str())),
    )
}

/// A topic's attributes with what they mean.
pub(super) fn attributes_of(row: &TopicRow) -> TopicAttributes {
    let attributes = row.attributes.iter();
    TopicAttributes::from_stored(attributes.filter(|(name, _)| *name != DATA_PROTECTION))
}
