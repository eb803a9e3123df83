//! Filter policies: whether one is taken, and which subscriptions of a topic a message passes to.
//!
//! The policies of a topic's subscriptions are read once and kept in an index, in which a message is looked up. When the topic
//! has changed, the index is brought from the version that it is of to the one that is published to: only what changed is read.
//! It is kept as long as the topic's audience is, which has a bound.

use std::collections::BTreeSet;
use std::sync::Arc;

use levada_cluster::{Audience, RouteError};
use levada_engine::Subscription as Row;
use levada_policy::filter::{FilterAttribute, FilterError, FilterIndex, FilterPolicy, FilterScope};
use levada_wire::sns::{
    FilterPolicyScope, MessageAttributeMap, Messages, SubscriptionAttributes, SubscriptionProtocol,
};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

/// Subscriptions whose policies may be read where requests are answered: some milliseconds. More of them are read aside.
const READ_AT_ONCE_MAX: usize = 1_024;

/// Whether AWS would take the filter policy among a subscription's attributes, if there is one.
pub(super) fn check(attributes: &SubscriptionAttributes) -> Result<(), FilterError> {
    let Some(policy) = &attributes.filter_policy else {
        return Ok(());
    };
    let scope = match attributes.filter_policy_scope.unwrap_or_default() {
        FilterPolicyScope::MessageAttributes => FilterScope::MessageAttributes,
        FilterPolicyScope::MessageBody => FilterScope::MessageBody,
    };
    FilterPolicy::parse(policy, scope).map(drop)
}

/// Of a topic's audience those who get this message.
pub(super) async fn narrowed(
    audience: &Arc<Audience>,
    attributes: &MessageAttributeMap,
    texts: &Messages<'_>,
) -> Result<Arc<Audience>, RouteError> {
    let policies = policies_of(audience).await?;
    if policies.index.is_unfiltered() {
        return Ok(audience.clone());
    }
    let get_it = policies.who_gets(attributes, texts);
    let subscriptions = &audience.subscriptions;
    let found = get_it.into_iter().filter_map(|number| {
        let place = subscriptions.binary_search_by_key(&number, |one| one.row.number);
        subscriptions.get(place.ok()?).cloned()
    });
    Ok(Arc::new(audience.with_only(found.collect())))
}

/// The policies of exactly this version.
async fn policies_of(
    audience: &Arc<Audience>,
) -> Result<OwnedRwLockReadGuard<Policies>, RouteError> {
    let kept = audience
        .kept::<Arc<RwLock<Policies>>>()
        .ok_or(RouteError::Unavailable)?;
    let policies = kept.clone().read_owned().await;
    if policies.are_of(audience) {
        return Ok(policies);
    }
    drop(policies);
    let mut policies = kept.write_owned().await;
    if !policies.are_of(audience) {
        if audience.subscriptions.len() <= READ_AT_ONCE_MAX {
            policies.read(audience);
        } else {
            let audience = audience.clone();
            let reading = tokio::task::spawn_blocking(move || {
                policies.read(&audience);
                policies
            });
            policies = reading.await.map_err(|_| RouteError::Unavailable)?;
        }
    }
    Ok(policies.downgrade())
}

/// The filter policies of one version of a topic's subscriptions.
#[derive(Debug, Default)]
struct Policies {
    /// None before any was read.
    version: Option<u64>,
    /// The rows that the index was made of, by number.
    rows: Vec<Arc<Row>>,
    /// All of them: those without a policy let everything pass.
    index: FilterIndex<u64>,
}

impl Policies {
    fn are_of(&self, audience: &Audience) -> bool {
        self.version == Some(audience.topic.row.version)
    }

    /// Reads what is not as it was. The version may be an older one, too.
    fn read(&mut self, audience: &Audience) {
        let mut before = std::mem::take(&mut self.rows).into_iter().peekable();
        for subscription in &audience.subscriptions {
            let row = &subscription.row;
            while let Some(gone) = before.next_if(|old| old.number < row.number) {
                self.index.remove(&gone.number);
            }
            let same = before.next_if(|old| old.number == row.number);
            if !same.is_some_and(|old| Arc::ptr_eq(&old, row)) {
                self.index.insert(row.number, policy_of(row));
            }
        }
        for gone in before {
            self.index.remove(&gone.number);
        }
        let rows = audience.subscriptions.iter();
        self.rows = rows.map(|one| one.row.clone()).collect();
        self.version = Some(audience.topic.row.version);
    }

    /// The numbers of those who get a message. A policy on bodies is asked about the text that its subscription gets.
    fn who_gets(&self, attributes: &MessageAttributeMap, texts: &Messages<'_>) -> Vec<u64> {
        let attributes = read_of(attributes);
        let mut numbers: Vec<u64> = self.index.unfiltered().copied().collect();
        numbers.extend(self.index.matching_attributes(&attributes));
        let text_of = |protocol: &SubscriptionProtocol| texts.for_protocol(*protocol);
        let bodies: BTreeSet<&str> = SubscriptionProtocol::ALL.iter().map(text_of).collect();
        for body in bodies {
            let matching = self.index.matching_body(body).into_iter().copied();
            numbers.extend(matching.filter(|number| self.gets_text(*number, body, texts)));
        }
        numbers.sort_unstable();
        numbers
    }

    fn gets_text(&self, number: u64, text: &str, texts: &Messages<'_>) -> bool {
        let place = self.rows.binary_search_by_key(&number, |row| row.number);
        let row = place.ok().and_then(|place| self.rows.get(place));
        row.is_some_and(|row| texts.for_key(&row.protocol) == text)
    }
}

/// Whether a message that a subscription is to get anew passes its policy.
pub(super) fn passes(policy: &FilterPolicy, attributes: &MessageAttributeMap, text: &str) -> bool {
    policy.is_unfiltered() || policy.matches_message(&read_of(attributes), text)
}

/// Attributes as policies look at them.
fn read_of(attributes: &MessageAttributeMap) -> Vec<FilterAttribute<'_>> {
    attributes
        .iter()
        .map(|(name, value)| FilterAttribute {
            name,
            data_type: &value.data_type,
            value: value.string_value.as_deref().unwrap_or(""),
        })
        .collect()
}

/// A subscription's policy. It was checked when it was set: one that only a newer version understands lets everything pass, as
/// a message too many is better than one that never comes.
pub(super) fn policy_of(row: &Row) -> FilterPolicy {
    let scope = row.attribute("FilterPolicyScope").unwrap_or_default();
    let scope: FilterScope = scope.parse().unwrap_or_default();
    let policy = row.attribute("FilterPolicy").unwrap_or_default();
    FilterPolicy::parse(policy, scope).unwrap_or_else(|_| FilterPolicy::unfiltered(scope))
}
