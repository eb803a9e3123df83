//! Delivery queues: what is pushed to a subscription's endpoint waits in one. They are queues like any other, but that no name
//! finds them.

use levada_types::{QueueId, Timestamp};

use crate::catalog::Catalog;
use crate::effects::Effects;
use crate::proto::{DeliveryQueue, QueueRow, SubscriptionRow};

impl Catalog {
    /// A new queue for a subscription; its number.
    pub(super) fn add_delivery_queue(
        &mut self,
        at: Timestamp,
        subscription: &SubscriptionRow,
        delivery: DeliveryQueue,
        effects: &mut Effects,
    ) -> u64 {
        let queue = self.next_queue;
        self.next_queue += 1;
        let topic = self.topic(subscription.topic);
        let row = QueueRow {
            queue,
            version: 1,
            // The topic's owner answers for it.
            account: topic.map_or_else(String::new, |topic| topic.account.clone()),
            region: topic.map_or_else(String::new, |topic| topic.region.clone()),
            name: format!("subscription-{}", subscription.subscription),
            attributes: delivery.attributes,
            partitions: delivery.partitions,
            created_at: at.as_millis(),
            modified_at: at.as_millis(),
            subscription: subscription.subscription,
            ..QueueRow::default()
        };
        effects.catalog_queues.push(QueueId(queue));
        self.count_parts(&row);
        self.queues.insert(queue, row);
        queue
    }

    /// Removes a delivery queue; its messages are the partitions' to drop.
    pub(super) fn drop_delivery_queue(&mut self, queue: u64, effects: &mut Effects) {
        if let Some(row) = self.queues.remove(&queue) {
            self.count_in(&row.partitions, false);
            effects.catalog_queues.push(QueueId(queue));
        }
    }
}
