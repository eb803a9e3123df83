//! Publishes batches of messages, one after the other. What a batch's node knows of the topic decides who gets its messages;
//! if the topic has changed meanwhile the node decides anew, under the same ids. On a FIFO topic a batch that nobody
//! acknowledged is published again, under new ids and the same deduplication ids.

use std::sync::Arc;
use std::time::Duration;

use levada_cluster::{Audience, Broker, Destination, Outgoing, PublishError, Queue};
use levada_engine::proto::Published;
use levada_types::{AccountId, QueueName, Region};

use super::message::{Message, suffix};
use super::{FILTER, Plan, find, form_of};
use crate::event::Event;
use crate::random::Random;
use crate::topic_event::{Address, Filter, TopicEvent};
use crate::workload::Shared;

/// Messages of one call.
const MESSAGES_MAX: u64 = 3;
/// Groups of a FIFO topic that one publisher publishes to.
const GROUPS: u64 = 2;
/// Pauses between calls, in milliseconds.
const PAUSE_MS_MAX: u64 = 700;
/// Of a thousand messages so many are large, so that some leave memory for blocks.
const LARGE_PER_MILLE: u64 = 50;
/// A FIFO batch that nobody answers is published again, so often at most.
const ATTEMPTS_MAX: u32 = 8;
/// Of a thousand acknowledged FIFO batches so many are published again all the same.
const AGAIN_PER_MILLE: u64 = 100;
/// How often a node addresses a batch because the topic has changed: as the gateway has it.
const ADDRESSED_MAX: u32 = 16;

/// A message, and the id of this try.
type Tried = (Message, [u8; 16]);

/// Runs until the sending ends.
pub(super) async fn run(shared: Arc<Shared>, plan: Plan, mut random: Random, me: u64) {
    while shared.sends() {
        let count = random.within(1..=MESSAGES_MAX);
        let mut message = || {
            let group = me * GROUPS + random.within(0..=GROUPS - 1);
            Message {
                number: shared.take_number(),
                group: plan.fifo.then_some(group),
                is_large: random.per_mille(LARGE_PER_MILLE),
            }
        };
        let messages: Vec<Message> = (0..count).map(|_| message()).collect();
        let attempts = if plan.fifo { ATTEMPTS_MAX } else { 1 };
        let mut published_again = false;
        for _ in 0..attempts {
            if publish(&shared, plan, &mut random, &messages).await {
                // As a publisher does that did not hear of the answer.
                if published_again || !random.per_mille(AGAIN_PER_MILLE) {
                    break;
                }
                published_again = true;
            }
        }
        let pause = random.within(1..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    shared.topics.one_ends();
}

/// One call. Whether it was acknowledged.
async fn publish(
    shared: &Arc<Shared>,
    plan: Plan,
    random: &mut Random,
    messages: &[Message],
) -> bool {
    let mut tried: Vec<Tried> = Vec::new();
    for message in messages {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&random.within(0..=u64::MAX).to_be_bytes());
        id[8..].copy_from_slice(&message.number.to_be_bytes());
        tried.push((*message, id));
        shared.note(Event::Topic(TopicEvent::PublishBegun {
            number: message.number,
            topic: plan.name,
        }));
    }
    let machine = random.index(shared.access.machines());
    let at_node = shared.clone();
    let published = shared.access.call(machine, move |broker| async move {
        publish_at(&broker, &at_node, plan, &tried).await
    });
    let Some(Some(published)) = published.await else {
        return false;
    };
    for (message, published) in messages.iter().zip(published) {
        shared.note(Event::Topic(TopicEvent::PublishAcknowledged {
            number: message.number,
            group: message.group,
            id: head_of(&published.message_id),
            position: published.position,
        }));
    }
    true
}

fn head_of(id: &[u8]) -> u64 {
    id.first_chunk::<8>()
        .map_or(0, |head| u64::from_be_bytes(*head))
}

/// What the node does.
async fn publish_at(
    broker: &Broker,
    shared: &Shared,
    plan: Plan,
    messages: &[Tried],
) -> Option<Vec<Published>> {
    let topic = find(broker, plan.name).await?;
    for _ in 0..ADDRESSED_MAX {
        let audience = broker.audience(topic.row.topic)?;
        let mut outgoing = Vec::with_capacity(messages.len());
        for (message, id) in messages {
            let to = addressed(broker, &audience, plan, message.number).await?;
            shared.note(Event::Topic(TopicEvent::Addressed {
                number: message.number,
                id: head_of(id),
                to: to.iter().map(|(address, _)| *address).collect(),
            }));
            outgoing.push(Outgoing {
                message_id: *id,
                group: message
                    .group
                    .map_or_else(String::new, |group| group.to_string()),
                deduplication: message.group.map(|_| deduplication_of(message.number)),
                variants: vec![message.form(0), message.form(1)],
                destinations: to.into_iter().map(destination).collect(),
            });
        }
        match broker.publish(&audience.topic, &outgoing).await {
            Ok(published) => return Some(published),
            Err(PublishError::Stale) => {}
            Err(_) => return None,
        }
    }
    None
}

fn deduplication_of(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

fn destination((address, queue): (Address, Arc<Queue>)) -> Destination {
    Destination {
        subscription: address.subscription,
        queue,
        variant: u32::from(address.form),
        suffix: suffix(address.subscription),
        numbered: true,
        replay: 0,
    }
}

/// Who gets a message of those that have subscribed.
async fn addressed(
    broker: &Broker,
    audience: &Audience,
    plan: Plan,
    number: u64,
) -> Option<Vec<(Address, Arc<Queue>)>> {
    let mut to = Vec::new();
    for subscription in &audience.subscriptions {
        // Made once for each version of the row, as the gateway has it.
        let filter = subscription.derived(|row| row.attribute(FILTER).and_then(|f| f.parse().ok()));
        let filter = Filter((*filter?)?);
        if !filter.lets_through(number) {
            continue;
        }
        let endpoint = &*subscription.row.endpoint;
        let queue = *plan.queues.iter().find(|queue| **queue == endpoint)?;
        let address = Address {
            queue,
            subscription: subscription.row.number,
            form: form_of(queue),
        };
        to.push((address, queue_of(broker, queue).await?));
    }
    Some(to)
}

async fn queue_of(broker: &Broker, name: &str) -> Option<Arc<Queue>> {
    let name: QueueName = name.parse().ok()?;
    let region = Region::us_east_1();
    let found = broker.find_queue(AccountId::DEFAULT, &region, &name).await;
    found.ok().flatten()
}
