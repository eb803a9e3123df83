//! Ships what a partition's outbox holds to the partitions that it is for: dead letters and moved
//! messages. The engine numbers the items, so shipping one twice changes nothing.

use std::sync::Arc;
use std::time::Duration;

use levada_engine::proto::{Deliver, Delivered, TransferItem, command, outcome};
use levada_replica::Group;
use levada_types::{PartitionId, QueueId};

use crate::broker::Broker;
use crate::core::Route;

/// Items of one shipment.
const ITEMS_MAX: usize = 100;
/// Bytes after which a shipment is closed.
const SHIPMENT_BYTES: usize = 512 * 1024;
/// Between two tries of a shipment that did not arrive.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Runs as long as the node has its copy of the partition.
pub(crate) async fn ship(broker: Broker, route: Arc<Route>, group: Arc<Group>) {
    let core = broker.core.clone();
    loop {
        route.ship.notified().await;
        // By the same watch that `driver` follows to wake this loop after an election.
        while group.leader() == Some(core.node) {
            let destinations = group.read(|p| p.outbox_destinations());
            if destinations.is_empty() {
                break;
            }
            let mut all_arrived = true;
            for destination in destinations {
                all_arrived &= ship_to(&broker, &group, destination).await;
            }
            if !all_arrived {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

/// One shipment; false if it has to be tried again.
async fn ship_to(broker: &Broker, group: &Group, destination: PartitionId) -> bool {
    let source = group.id();
    let outbox = group.read(|p| p.outbox(destination, ITEMS_MAX));
    let Some(first) = outbox.first() else {
        return true;
    };
    let queue = first.to_queue;
    let mut items: Vec<TransferItem> = Vec::with_capacity(outbox.len());
    let mut bytes = 0;
    let mut through = 0;
    // For one queue at a time: a queue that was deleted then holds up nothing else.
    for item in outbox.into_iter().take_while(|item| item.to_queue == queue) {
        if bytes > SHIPMENT_BYTES {
            break;
        }
        let number = item.number;
        let Some(record) = broker
            .core
            .reader
            .record(group, item.from_queue, item.position)
            .await
        else {
            tracing::error!(partition = %source, queue = %item.from_queue, position = item.position,
                "a message on its way to another queue cannot be read; it is tried again");
            break;
        };
        bytes += record.payload.len();
        items.push(item.into_transfer(record));
        through = number;
    }
    if items.is_empty() {
        return false;
    }
    let deliver = Deliver {
        source: source.0,
        items,
    };
    match broker
        .write(destination, command::Kind::Deliver(deliver))
        .await
    {
        Ok((answer, _)) => match answer.kind {
            Some(outcome::Kind::Misconfigured(_)) => {
                return make_room(broker, source, destination, queue, through).await;
            }
            Some(_) => {}
            None => return false,
        },
        Err(_) => return false,
    }
    delivered(broker, source, destination, through).await
}

async fn delivered(
    broker: &Broker,
    source: PartitionId,
    destination: PartitionId,
    through: u64,
) -> bool {
    let delivered = Delivered {
        destination: destination.0,
        through,
    };
    broker
        .write(source, command::Kind::Delivered(delivered))
        .await
        .is_ok()
}

/// The destination does not know the queue: it is configured there; if it was deleted, what was meant
/// for it is given up with it.
async fn make_room(
    broker: &Broker,
    source: PartitionId,
    destination: PartitionId,
    queue: QueueId,
    through: u64,
) -> bool {
    if broker.catch_up_catalog().await.is_err() {
        return false;
    }
    if broker.queue(queue).is_some() {
        return broker.configure(queue, destination).await.is_ok();
    }
    tracing::warn!(partition = %source, %queue, "messages for a deleted queue are dropped");
    delivered(broker, source, destination, through).await
}
