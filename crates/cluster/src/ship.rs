//! Ships what a partition's outboxes hold to the partitions that it is for: dead letters, moved messages and published ones.
//! The engine numbers the items, so shipping one twice changes nothing.
//!
//! Each destination has a loop of its own while there is something for it, so that none waits for another; the next
//! shipment is on its way while the source hears of the last one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use levada_engine::Shipment;
use levada_engine::proto::{Delivered, DropQueue, command, outcome};
use levada_replica::Group;
use levada_types::{PartitionId, QueueId};

use crate::broker::Broker;
use crate::core::Route;

/// Items of one shipment.
const ITEMS_MAX: usize = 4_096;
/// Bytes of payloads after which a shipment is closed.
const SHIPMENT_BYTES: usize = 512 * 1024;
/// Bytes of payloads that a shipment makes where it arrives, after which it is closed: what is published is carried once
/// and kept once for each queue, in memory at first.
const ARRIVING_BYTES: usize = 8 * 1024 * 1024;
/// Destinations that are shipped to at one time: more than a partition is likely to have, and those whose leader lives come
/// first.
const DESTINATIONS_AT_ONCE: usize = 32;
/// Between two tries of a shipment that did not arrive.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Runs as long as the node has its copy of the partition.
pub(crate) async fn ship(broker: Broker, route: Arc<Route>, group: Arc<Group>) {
    let core = broker.core.clone();
    let mut under_way = FuturesUnordered::new();
    let mut busy: BTreeSet<PartitionId> = BTreeSet::new();
    loop {
        // By the same watch that `driver` follows to wake this loop after an election.
        if group.leader() == Some(core.node) {
            for destination in in_turn(&broker, &group) {
                if busy.len() < DESTINATIONS_AT_ONCE && busy.insert(destination) {
                    under_way.push(ship_to(&broker, &group, destination));
                }
            }
        }
        tokio::select! {
            () = route.ship.notified() => {}
            Some(destination) = under_way.next() => {
                busy.remove(&destination);
            }
        }
    }
}

/// Destinations for which there is something: those first whose leader lives.
fn in_turn(broker: &Broker, group: &Group) -> Vec<PartitionId> {
    let mut destinations = group.read(|p| p.outbox_destinations());
    destinations.sort_by_key(|destination| {
        let route = broker.core.route(*destination);
        !route.is_some_and(|route| *route.healthy.borrow())
    });
    destinations
}

/// Ships until there is nothing more, or something has to be tried again.
async fn ship_to(broker: &Broker, group: &Group, destination: PartitionId) -> PartitionId {
    let core = &broker.core;
    // Through which number the destination has applied everything, and through which the source knows.
    let (mut arrived, mut told) = (0, 0);
    while group.leader() == Some(core.node) {
        let is_news = arrived > told;
        let Some(shipment) = load(broker, group, destination, arrived).await else {
            pause().await;
            break;
        };
        if shipment.through() == 0 && !is_news {
            break;
        }
        let through = shipment.through().max(arrived);
        let (sent, heard) = tokio::join!(
            send(broker, destination, shipment),
            hear(broker, group.id(), destination, arrived, is_news),
        );
        if heard {
            told = arrived;
        }
        match sent {
            Sent::Arrived => arrived = through,
            Sent::OnceMore => {}
            Sent::Failed => {
                pause().await;
                break;
            }
        }
        if !heard {
            pause().await;
        }
    }
    destination
}

async fn pause() {
    tokio::time::sleep(RETRY_PAUSE).await;
}

/// What is to be shipped next; empty if there is nothing, none if it cannot be read.
async fn load(
    broker: &Broker,
    group: &Group,
    destination: PartitionId,
    after: u64,
) -> Option<Shipment> {
    let outbox = group.read(|p| p.outbox_after(destination, after, ITEMS_MAX));
    let mut shipment = Shipment::from(group.id());
    for item in outbox {
        let is_full =
            shipment.payload_bytes() > SHIPMENT_BYTES || shipment.arriving_bytes() > ARRIVING_BYTES;
        if is_full {
            break;
        }
        let mut record = None;
        if !shipment.has(&item) {
            let reader = &broker.core.reader;
            record = reader.record(group, item.from_queue, item.position).await;
            if record.is_none() {
                // It was dropped with its queue or topic, or cannot be read.
                if group.read(|p| p.locate(item.from_queue, item.position).is_some()) {
                    tracing::error!(partition = %group.id(), queue = %item.from_queue, position = item.position,
                        "a message on its way to another queue cannot be read; it is tried again");
                }
                return Some(shipment).filter(|shipment| shipment.through() > 0);
            }
        }
        shipment.add(item, record);
    }
    Some(shipment)
}

/// What became of a shipment.
enum Sent {
    Arrived,
    /// A part of it at least; the rest can be sent at once.
    OnceMore,
    Failed,
}

async fn send(broker: &Broker, destination: PartitionId, shipment: Shipment) -> Sent {
    if shipment.through() == 0 {
        return Sent::Arrived;
    }
    let deliver = command::Kind::Deliver(shipment.into_command());
    match broker.write(destination, deliver).await {
        Ok((answer, _)) => match answer.kind {
            Some(outcome::Kind::Misconfigured(m)) => {
                make_room(broker, destination, QueueId(m.queue)).await
            }
            Some(_) => Sent::Arrived,
            None => Sent::Failed,
        },
        Err(_) => Sent::Failed,
    }
}

/// Tells the source what has arrived, if that is news.
async fn hear(
    broker: &Broker,
    source: PartitionId,
    destination: PartitionId,
    through: u64,
    is_news: bool,
) -> bool {
    if !is_news {
        return true;
    }
    let delivered = Delivered {
        destination: destination.0,
        through,
    };
    let kind = command::Kind::Delivered(delivered);
    broker.write(source, kind).await.is_ok()
}

/// The destination does not know the queue: it is configured there. If it was deleted, the destination is told so, and
/// passes over what is meant for it.
async fn make_room(broker: &Broker, destination: PartitionId, queue: QueueId) -> Sent {
    if broker.catch_up_catalog().await.is_err() {
        return Sent::Failed;
    }
    let made = if broker.core.directory.config(queue).is_some() {
        broker.configure(queue, destination).await
    } else {
        tracing::warn!(partition = %destination, %queue, "messages for a deleted queue are dropped");
        let drop = command::Kind::DropQueue(DropQueue { queue: queue.0 });
        broker.write(destination, drop).await.map(|_| ())
    };
    match made {
        Ok(()) => Sent::OnceMore,
        Err(_) => Sent::Failed,
    }
}
