//! Which subscriptions there were while a message was published, as far as the subscribers were told.
//!
//! A subscription is in one state after the other: not there, there with a filter, with another one, gone. A state may hold
//! from when it was first asked for until the next one was answered. A message meets every state that may hold at some
//! moment between its first try and its acknowledgement; if it was never acknowledged, at any later moment too.

use std::collections::{BTreeMap, BTreeSet};

use crate::topic_event::{Filter, TopicEvent};
use crate::workload::topic_of;

/// A place in the order of events.
type Moment = u64;

#[derive(Clone, Copy, Debug)]
struct State {
    /// None if it is gone.
    filter: Option<Filter>,
    begun: Moment,
    answered: Option<Moment>,
}

/// A subscription.
#[derive(Debug)]
pub(super) struct Life {
    queue: &'static str,
    /// The first is that in which it was made.
    states: Vec<State>,
}

/// A message.
#[derive(Clone, Copy, Debug)]
struct Published {
    topic: &'static str,
    begun: Moment,
    acknowledged: Option<Moment>,
}

/// Whether a message is for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Must,
    MustNot,
    /// The subscription was changed meanwhile.
    Either,
}

/// Everything that subscribers and publishers said and were told, and what came.
#[derive(Default)]
pub(super) struct History {
    now: Moment,
    lives: BTreeMap<u64, Life>,
    published: BTreeMap<u64, Published>,
    /// By queue: subscribes that nobody has answered. Each may yet make a subscription.
    open: BTreeMap<&'static str, Vec<Moment>>,
    /// Messages that came for subscriptions, by both numbers.
    pub(super) arrived: BTreeSet<(u64, u64)>,
}

impl History {
    pub(super) fn see(&mut self, event: &TopicEvent) {
        self.now += 1;
        let now = self.now;
        match event {
            TopicEvent::SubscribeBegun { queue } => {
                self.open.entry(queue).or_default().push(now);
            }
            TopicEvent::Subscribed {
                queue,
                subscription,
                filter,
            } => {
                let open = self.open.entry(queue).or_default();
                // Any of those that are open may have made it.
                let begun = open.first().copied().unwrap_or(now);
                open.pop();
                self.lives.entry(*subscription).or_insert_with(|| Life {
                    queue,
                    states: vec![State {
                        filter: Some(*filter),
                        begun,
                        answered: Some(now),
                    }],
                });
            }
            TopicEvent::FilterBegun {
                subscription,
                filter,
            } => self.begin(*subscription, Some(*filter)),
            TopicEvent::UnsubscribeBegun { subscription } => self.begin(*subscription, None),
            TopicEvent::FilterSet { subscription } | TopicEvent::Unsubscribed { subscription } => {
                let life = self.lives.get_mut(subscription);
                if let Some(state) = life.and_then(|life| life.states.last_mut()) {
                    state.answered = Some(now);
                }
            }
            TopicEvent::PublishBegun { number, topic } => {
                self.published.entry(*number).or_insert(Published {
                    topic,
                    begun: now,
                    acknowledged: None,
                });
            }
            TopicEvent::PublishAcknowledged { number, .. } => {
                if let Some(published) = self.published.get_mut(number) {
                    published.acknowledged.get_or_insert(now);
                }
            }
            TopicEvent::Arrived { copies, .. } => {
                let copies = copies.iter();
                self.arrived
                    .extend(copies.map(|copy| (copy.number, copy.subscription)));
            }
            TopicEvent::Addressed { .. } => {}
        }
    }

    fn begin(&mut self, subscription: u64, filter: Option<Filter>) {
        let begun = self.now;
        if let Some(life) = self.lives.get_mut(&subscription) {
            life.states.push(State {
                filter,
                begun,
                answered: None,
            });
        }
    }

    /// Whether a message is for a subscription, and what is known of that one.
    pub(super) fn due(&self, number: u64, subscription: u64) -> (Due, Option<&Life>) {
        let life = self.lives.get(&subscription);
        let Some(published) = self.published.get(&number) else {
            return (Due::MustNot, life);
        };
        let due = match life {
            Some(life) => life.due(number, *published),
            // One that was made by a subscribe that nobody answered, and that nobody has found since.
            None if self.open.values().any(|open| !open.is_empty()) => Due::Either,
            None => Due::MustNot,
        };
        (due, life)
    }

    /// Every message that was acknowledged, with every subscription of its topic that it is for.
    pub(super) fn promised(&self) -> impl Iterator<Item = (u64, u64, &Life)> {
        let acknowledged = self.published.iter();
        let acknowledged = acknowledged.filter(|(_, of)| of.acknowledged.is_some());
        acknowledged.flat_map(|(number, published)| {
            let lives = self.lives.iter();
            let due = lives.filter(|(_, life)| life.due(*number, *published) == Due::Must);
            due.map(|(subscription, life)| (*number, *subscription, life))
        })
    }
}

impl Life {
    fn due(&self, number: u64, published: Published) -> Due {
        if topic_of(self.queue) != Some(published.topic) {
            return Due::MustNot;
        }
        let (from, to) = (
            published.begun,
            published.acknowledged.unwrap_or(Moment::MAX),
        );
        let ends = |state: Option<&State>| {
            let next = state.map(|state| state.answered.unwrap_or(Moment::MAX));
            next.unwrap_or(Moment::MAX)
        };
        let may_be_absent = ends(self.states.first()) >= from;
        let mut met = vec![false; usize::from(may_be_absent)];
        for (place, state) in self.states.iter().enumerate() {
            if state.begun <= to && ends(self.states.get(place + 1)) >= from {
                met.push(
                    state
                        .filter
                        .is_some_and(|filter| filter.lets_through(number)),
                );
            }
        }
        match (met.contains(&true), met.contains(&false)) {
            (true, false) => Due::Must,
            (true, true) => Due::Either,
            (false, _) => Due::MustNot,
        }
    }
}
