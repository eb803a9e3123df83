//! What must hold of topics, one file each.
//!
//! Between a topic and a queue everything is once and in order: each message that was acknowledged is in each queue that it
//! was addressed to (`delivered`), at one place (`once`), as it was published (`phantoms`), each group in the topic's order
//! (`group_order`). Who it was addressed to follows from what the subscribers were told (`subscribed`, `unsubscribed`, by
//! `history`). And a deduplication id is published once (`deduplication`).
//!
//! Copies are counted by places in the queues' logs: a consumer may be given one place twice, as SQS has it.

mod deduplication;
mod delivered;
mod group_order;
mod history;
mod once;
mod phantoms;
mod subscribed;
mod unsubscribed;

use std::collections::{BTreeMap, BTreeSet};

use super::Invariant;
use crate::topic_event::{Address, TopicEvent};

/// Every one of them.
pub(super) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(deduplication::Deduplication::default()),
        Box::new(delivered::Delivered::default()),
        Box::new(group_order::GroupOrder::default()),
        Box::new(once::Once::default()),
        Box::new(phantoms::Phantoms::default()),
        Box::new(subscribed::Subscribed::default()),
        Box::new(unsubscribed::Unsubscribed::default()),
    ]
}

/// Who messages were addressed to, by number and by the id of the try.
#[derive(Default)]
struct Addressed {
    to: BTreeMap<u64, BTreeMap<u64, BTreeSet<Address>>>,
    /// The id that an answer named, by number.
    acknowledged: BTreeMap<u64, u64>,
}

impl Addressed {
    fn see(&mut self, event: &TopicEvent) {
        match event {
            TopicEvent::Addressed { number, id, to } => {
                let tries = self.to.entry(*number).or_default();
                tries.insert(*id, to.iter().copied().collect());
            }
            TopicEvent::PublishAcknowledged { number, id, .. } => {
                self.acknowledged.insert(*number, *id);
            }
            _ => {}
        }
    }

    /// Of each message that was acknowledged, who was to get it.
    fn of_acknowledged(&self) -> impl Iterator<Item = (u64, Option<&BTreeSet<Address>>)> {
        let acknowledged = self.acknowledged.iter();
        acknowledged.map(|(number, id)| {
            let tries = self.to.get(number);
            (*number, tries.and_then(|tries| tries.get(id)))
        })
    }
}
