//! What waits in delivery queues, for whoever pushes it: the node that leads a part of such a queue does that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use levada_engine::proto::{Move, MoveOut, command, outcome};
use levada_replica::Group;
use levada_types::{PartitionId, QueueId, Receipt};
use tokio::sync::Notify;

use crate::broker::Broker;
use crate::directory::Directory;
use crate::queue::Parts;
use crate::{Queue, ReceiveOptions, Received, RouteError};

/// Parts of delivery queues that this node leads and in which messages became claimable. Each is here once.
#[derive(Default)]
pub(crate) struct Deliveries {
    ready: Mutex<BTreeSet<(QueueId, PartitionId)>>,
    notify: Notify,
}

impl Deliveries {
    /// Messages of a queue became claimable in a part that this node leads.
    pub(crate) fn woken(&self, directory: &Directory, queue: QueueId, partition: PartitionId) {
        // One that this node has not heard of yet may be one: who waits for it catches up.
        let is_one = match directory.by_id(queue) {
            Some(queue) => queue.subscription.is_some(),
            None => directory.is_unheard_of(queue),
        };
        if is_one {
            self.lock().insert((queue, partition));
            self.notify.notify_one();
        }
    }

    /// This node leads the partition from now on: what is claimable there already.
    pub(crate) fn taken_over(&self, directory: &Directory, group: &Group) {
        let claimable: Vec<QueueId> = group.read(|p| {
            let is_claimable = |id: &QueueId| p.queue(*id).is_some_and(|v| v.claimable_now());
            p.queues().filter(is_claimable).collect()
        });
        for queue in claimable {
            self.woken(directory, queue, group.id());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<(QueueId, PartitionId)>> {
        self.ready.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Broker {
    /// Waits until messages are claimable in parts of delivery queues that this node leads, and takes note of these parts
    /// away: whoever calls this claims from each until there is nothing more. For one caller.
    pub async fn next_deliveries(&self) -> Vec<(Arc<Queue>, PartitionId)> {
        let deliveries = &self.core.deliveries;
        loop {
            let ready = std::mem::take(&mut *deliveries.lock());
            let unheard_of = |(queue, _): &(QueueId, PartitionId)| self.queue(*queue).is_none();
            if ready.iter().any(unheard_of) && self.catch_up_catalog().await.is_err() {
                // Nobody leads the catalog now. They are looked at again.
                deliveries.lock().extend(ready);
                continue;
            }
            let parts: Vec<_> = ready
                .into_iter()
                .filter(|(_, partition)| self.leads_part(*partition))
                .filter_map(|(queue, partition)| Some((self.queue(queue)?, partition)))
                .filter(|(queue, _)| queue.subscription.is_some())
                .collect();
            if !parts.is_empty() {
                return parts;
            }
            deliveries.notify.notified().await;
        }
    }

    /// Whether this node leads a partition.
    pub fn leads_part(&self, partition: PartitionId) -> bool {
        self.led_by_watch(partition).is_some()
    }

    /// Whether a message of a queue can be claimed now in a part that this node leads.
    pub fn has_claimable(&self, queue: QueueId, partition: PartitionId) -> bool {
        self.led_by_watch(partition).is_some_and(|group| {
            group.read(|p| p.queue(queue).is_some_and(|view| view.claimable_now()))
        })
    }

    /// A partition's group, if this node leads it: by the watch that has told of it, as the replica's own state may say so a
    /// moment later, and what was noted would be passed over.
    pub(super) fn led_by_watch(&self, partition: PartitionId) -> Option<Arc<Group>> {
        let group = self.core.route(partition)?.group()?;
        (group.leader() == Some(self.core.node)).then_some(group)
    }

    /// Claims messages of one part of a queue.
    pub async fn receive_from_part(
        &self,
        queue: &Queue,
        partition: PartitionId,
        options: ReceiveOptions,
    ) -> Result<Received, RouteError> {
        let part = || Parts {
            partitions: vec![partition],
            ..queue.parts()
        };
        self.receive_from(&part, options).await
    }

    /// Ends a claim and moves its message to another queue, under a new id. False if it was not moved, as somebody else has
    /// claimed or deleted it; it is where it was then.
    pub async fn move_claimed(
        &self,
        queue: &Arc<Queue>,
        receipt: Receipt,
        group: &str,
        to: &Queue,
        message_id: [u8; 16],
    ) -> Result<bool, RouteError> {
        let Some(to_partition) = to.partition_for(group, receipt.position) else {
            return Ok(false);
        };
        let moved = Move {
            position: receipt.position,
            to_queue: to.id.0,
            to_partition: to_partition.0,
            new_message_id: Bytes::copy_from_slice(&message_id),
            generation: receipt.generation,
        };
        let kind = command::Kind::MoveOut(MoveOut {
            queue: queue.id.0,
            moves: vec![moved],
        });
        match self.on_queue(queue, receipt.partition, kind).await? {
            outcome::Kind::MoveOut(out) => Ok(out.moved == 1),
            _ => Err(RouteError::Unavailable),
        }
    }
}
