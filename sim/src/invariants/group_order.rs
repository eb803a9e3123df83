//! Within a group of a FIFO queue: what one producer sends later stands later, and a message comes only when
//! every earlier one is deleted, or came before it in the same answer.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Verdict};
use crate::event::{Copy, Event};

/// The messages of a group that were acknowledged and that nobody began to delete, by position; with the moment of
/// the acknowledgement.
type Waiting = BTreeMap<u64, (u64, u64)>;

#[derive(Default)]
pub(super) struct GroupOrder {
    /// By queue and group. One partition holds all of a group.
    waiting: BTreeMap<(&'static str, u64), Waiting>,
    /// Numbers rise in the order in which a producer sends, and each group has one producer.
    sent: BTreeMap<(&'static str, u64), BTreeMap<u64, u64>>,
    deleting: BTreeSet<u64>,
}

impl GroupOrder {
    fn acknowledged(
        &mut self,
        (queue, group): (&'static str, u64),
        number: u64,
        position: u64,
        at_ms: u64,
    ) -> Verdict {
        let sent = self.sent.entry((queue, group)).or_default();
        sent.insert(number, position);
        let before = sent.range(..number).next_back();
        let after = sent.range(number + 1..).next();
        if before.is_some_and(|(_, p)| *p >= position) || after.is_some_and(|(_, p)| *p <= position)
        {
            return Err(format!(
                "group {group} of {queue}: message {number} is at {position}, and its neighbours by time of \
                 sending are at {before:?} and {after:?}"
            ));
        }
        if !self.deleting.contains(&number) {
            let waiting = self.waiting.entry((queue, group)).or_default();
            waiting.entry(position).or_insert((number, at_ms));
        }
        Ok(())
    }

    fn received(&self, queue: &'static str, begun_ms: u64, copies: &[Copy]) -> Verdict {
        let mut came = BTreeSet::new();
        for copy in copies {
            let Some(group) = copy.group else { continue };
            let position = copy.receipt.position;
            let earlier = self.waiting.get(&(queue, group)).and_then(|waiting| {
                waiting
                    .range(..position)
                    .find(|(_, (number, at))| *at < begun_ms && !came.contains(number))
            });
            if let Some(earlier) = earlier {
                return Err(format!(
                    "{copy:?} of {queue} came before (position, (number, acknowledged at)) {earlier:?}"
                ));
            }
            came.insert(copy.number);
        }
        Ok(())
    }
}

impl Invariant for GroupOrder {
    fn promise(&self) -> &'static str {
        "a group of a FIFO queue keeps its order"
    }

    fn see(&mut self, event: &Event) -> Verdict {
        match event {
            Event::SendAcknowledged {
                queue,
                number,
                group: Some(group),
                position,
                at_ms,
                ..
            } => self.acknowledged((queue, *group), *number, *position, *at_ms),
            Event::DeleteBegun { queue, copy } => {
                if let Some(group) = copy.group {
                    self.deleting.insert(copy.number);
                    if let Some(waiting) = self.waiting.get_mut(&(*queue, group)) {
                        waiting.remove(&copy.receipt.position);
                    }
                }
                Ok(())
            }
            Event::Received {
                queue,
                begun_ms,
                copies,
                ..
            } => self.received(queue, *begun_ms, copies),
            _ => Ok(()),
        }
    }
}
