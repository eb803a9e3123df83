//! A group of a FIFO topic keeps its order: what its publisher publishes later stands later in the topic, and in each
//! queue, in one partition, the group's messages stand as in the topic.

use std::collections::BTreeMap;

use levada_types::PartitionId;

use crate::event::Event;
use crate::invariants::{Invariant, Verdict};
use crate::topic_event::{Arrival, TopicEvent};

/// What rises with what.
type Rising = BTreeMap<u64, u64>;

#[derive(Default)]
pub(super) struct GroupOrder {
    /// By group: positions in the topic, by number. Numbers rise in the order in which a publisher publishes, and each
    /// group has one publisher.
    published: BTreeMap<u64, Rising>,
    /// By queue and group: the partition, and positions in the topic, by positions in the queue.
    arrived: BTreeMap<(&'static str, u64), (PartitionId, Rising)>,
}

impl GroupOrder {
    fn arrived(&mut self, queue: &'static str, group: u64, copy: Arrival) -> Verdict {
        let (partition, position) = copy.place;
        let (one, arrived) = self
            .arrived
            .entry((queue, group))
            .or_insert((partition, Rising::new()));
        if *one != partition {
            return Err(format!(
                "group {group} of {queue} is in {one}, and {copy:?}"
            ));
        }
        rises(arrived, position, copy.published_at)
            .map_err(|what| format!("group {group} of {queue}, by position in the queue: {what}"))
    }
}

/// Notes that at `key` there is `value`; an error if not all values rise with their keys.
fn rises(all: &mut Rising, key: u64, value: u64) -> Verdict {
    all.insert(key, value);
    let before = all.range(..key).next_back();
    let after = all.range(key + 1..).next();
    if before.is_some_and(|(_, of)| *of >= value) || after.is_some_and(|(_, of)| *of <= value) {
        return Err(format!(
            "at {key} is position {value} of the topic, and beside it (position, position in the topic) {before:?} \
             and {after:?}"
        ));
    }
    Ok(())
}

impl Invariant for GroupOrder {
    fn promise(&self) -> &'static str {
        "a group of a FIFO topic keeps its order"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Topic(TopicEvent::PublishAcknowledged {
                number,
                group: Some(group),
                position,
                ..
            }) => {
                let published = self.published.entry(*group).or_default();
                rises(published, *number, *position)
                    .map_err(|what| format!("group {group}, by number: {what}"))
            }
            Event::Topic(TopicEvent::Arrived { queue, copies }) => {
                copies.iter().try_for_each(|copy| {
                    let group = copy.group;
                    group.map_or(Ok(()), |group| self.arrived(queue, group, *copy))
                })
            }
            _ => Ok(()),
        }
    }
}
