//! Subscribes a topic's queues, changes their filters and ends subscriptions, one thing after the other; what was begun is
//! asked for until somebody says that it is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use levada_cluster::Broker;
use levada_engine::proto::{CatalogRefusal, SubscriptionRow};
use levada_types::AccountId;

use super::{AGAIN, FILTER, Plan, find};
use crate::event::Event;
use crate::random::Random;
use crate::topic_event::{Filter, TopicEvent};
use crate::workload::Shared;

/// Between two changes, in milliseconds.
const PAUSE_MS_MAX: u64 = 2_500;
/// Of a thousand changes of a subscription so many end it; the others change its filter.
const ENDS_PER_MILLE: u64 = 500;
const PROTOCOL: &str = "sqs";

/// Runs until the sending ends.
pub(super) async fn run(shared: Arc<Shared>, plan: Plan, random: Random) {
    let mut subscriber = Subscriber {
        shared: shared.clone(),
        plan,
        random,
        subscribed: BTreeMap::new(),
    };
    for queue in plan.queues {
        subscriber.subscribe(queue).await;
    }
    while shared.sends() {
        let pause = subscriber.random.within(1..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        subscriber.change().await;
    }
    shared.topics.one_ends();
}

struct Subscriber {
    shared: Arc<Shared>,
    plan: Plan,
    random: Random,
    /// The numbers of the subscriptions that there are, as far as it knows.
    subscribed: BTreeMap<&'static str, u64>,
}

impl Subscriber {
    async fn change(&mut self) {
        let queue = self.plan.queues[self.random.index(self.plan.queues.len())];
        match self.subscribed.get(queue) {
            None => self.subscribe(queue).await,
            Some(_) if self.random.per_mille(ENDS_PER_MILLE) => self.unsubscribe(queue).await,
            Some(subscription) => self.filter(*subscription).await,
        }
    }

    fn draw(&mut self) -> Filter {
        Filter(self.random.within(0..=Filter::COUNT - 1))
    }

    fn note(&self, event: TopicEvent) {
        self.shared.note(Event::Topic(event));
    }

    async fn subscribe(&mut self, queue: &'static str) {
        let (filter, plan) = (self.draw(), self.plan);
        loop {
            self.note(TopicEvent::SubscribeBegun { queue });
            let machine = self.random.index(self.shared.access.machines());
            let asked = self.shared.access.call(machine, move |broker| async move {
                subscribe(&broker, plan, queue, filter).await
            });
            if let Some(Some((subscription, filter))) = asked.await {
                self.note(TopicEvent::Subscribed {
                    queue,
                    subscription,
                    filter,
                });
                self.subscribed.insert(queue, subscription);
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn filter(&mut self, subscription: u64) {
        let filter = self.draw();
        self.note(TopicEvent::FilterBegun {
            subscription,
            filter,
        });
        loop {
            let machine = self.random.index(self.shared.access.machines());
            let asked = self.shared.access.call(machine, move |broker| async move {
                set_filter(&broker, subscription, filter).await
            });
            if asked.await == Some(true) {
                self.note(TopicEvent::FilterSet { subscription });
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn unsubscribe(&mut self, queue: &'static str) {
        let Some(subscription) = self.subscribed.remove(queue) else {
            return;
        };
        let plan = self.plan;
        self.note(TopicEvent::UnsubscribeBegun { subscription });
        loop {
            let machine = self.random.index(self.shared.access.machines());
            let asked = self.shared.access.call(machine, move |broker| async move {
                unsubscribe(&broker, plan, subscription).await
            });
            if asked.await == Some(true) {
                self.note(TopicEvent::Unsubscribed { subscription });
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// The subscription's number, and the filter that it has: one that was there already keeps its own.
async fn subscribe(
    broker: &Broker,
    plan: Plan,
    queue: &str,
    filter: Filter,
) -> Option<(u64, Filter)> {
    let topic = find(broker, plan.name).await?;
    let row = SubscriptionRow {
        topic: topic.row.topic,
        account: AccountId::DEFAULT.to_string(),
        protocol: PROTOCOL.to_owned(),
        endpoint: queue.to_owned(),
        attributes: [(FILTER.to_owned(), filter.0.to_string())].into(),
        confirmed_by_owner: true,
        ..SubscriptionRow::default()
    };
    let subscribed = broker.subscribe(row, None).await.ok()?.ok()?;
    let filter = subscribed.row.attributes.get(FILTER)?.parse().ok()?;
    Some((subscribed.row.subscription, Filter(filter)))
}

/// Whether it is done.
async fn set_filter(broker: &Broker, subscription: u64, filter: Filter) -> bool {
    if broker.catch_up_catalog().await.is_err() {
        return false;
    }
    let Ok(Some(before)) = broker.find_subscription(subscription).await else {
        return false;
    };
    let mut row = before.to_row();
    row.attributes
        .insert(FILTER.to_owned(), filter.0.to_string());
    matches!(broker.set_subscription(row, None).await, Ok(Ok(_)))
}

/// Whether it is done. One that is gone is, as the gateway has it.
async fn unsubscribe(broker: &Broker, plan: Plan, subscription: u64) -> bool {
    let Some(topic) = find(broker, plan.name).await else {
        return false;
    };
    let gone = broker.unsubscribe(topic.row.topic, subscription, 0).await;
    matches!(gone, Ok(Ok(()) | Err(CatalogRefusal::NoSuchSubscription)))
}
