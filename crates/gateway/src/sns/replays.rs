//! Replays: handing what a FIFO topic keeps to one of its subscriptions anew, by the node that leads the topic's part.
//!
//! Which replays there are is in the catalog, how far each has come in the part. So whoever leads next goes on from there, and a
//! step that two propose is taken once. What is published meanwhile is left to the replay, which comes to it: it hands that on
//! whatever its policy says, and is done when nothing is left. A policy that is taken away is a replay of nothing but that.

use std::collections::HashMap;

use levada_cluster::{Audience, Broker, Destination, RouteError, ShardRead, Subscription};
use levada_engine::Subscription as Row;
use levada_engine::proto::{Record, Replay, ReplayOutcome, ReplayStatus, ReplayedMessage};
use levada_policy::filter::FilterPolicy;
use levada_types::Timestamp;
use levada_types::limits::MESSAGE_ATTRIBUTES_MAX;
use levada_wire::sns::{Messages, ReplayPolicy, SubscriptionAttributes};
use levada_wire::sqs::StoredMessage;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, error, warn};

use super::filters;
use super::forms::Forms;
use super::recipients;
use crate::limits::{
    REPLAY_CLOCKS_APART_MS, REPLAY_PAUSE, REPLAY_RETRY_PAUSE, REPLAY_STEP_BYTES_MAX,
    REPLAY_STEP_MESSAGES_MAX, REPLAY_WAITING_ITEMS_MAX, REPLAYS_AT_ONCE_MAX,
};

/// Carries out the replays of the topics whose parts this node leads. Runs until it is dropped.
pub async fn carry_out_replays(broker: Broker) {
    let mut watch = broker.watch_replays();
    let mut tasks = JoinSet::new();
    let mut running = HashMap::new();
    loop {
        // Before the look, so that what comes during it is not missed.
        watch.mark_seen();
        for row in broker.replays_due() {
            if tasks.len() >= REPLAYS_AT_ONCE_MAX {
                break;
            }
            if running.values().any(|number| *number == row.number) {
                continue;
            }
            let replaying = Replaying {
                broker: broker.clone(),
                topic: row.topic,
                subscription: row.number,
                replay: row.replay,
            };
            let task = tasks.spawn(replaying.run());
            running.insert(task.id(), row.number);
        }
        tokio::select! {
            () = watch.changed() => {}
            Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                running.remove(&id);
            }
        }
    }
}

/// When a message of an archive was published, as its subscribers are told.
pub(super) fn published_at(record: &Record) -> Timestamp {
    let stored = StoredMessage::from_payload(record.payload.clone());
    stored.map_or(Timestamp::from_millis(record.sent_at), |stored| {
        time_of(&stored, record)
    })
}

fn time_of(stored: &StoredMessage, record: &Record) -> Timestamp {
    let notification = stored.notification.as_ref();
    let time_ms = notification.map_or(record.sent_at, |notification| notification.time_ms);
    Timestamp::from_millis(time_ms)
}

/// What a subscription's row says of its replay; none: it has ended, or is to.
fn replay_policy_of(row: &Row) -> Option<ReplayPolicy> {
    SubscriptionAttributes::from_stored(&row.to_row().attributes).replay_policy
}

/// What became of a step.
enum Step {
    /// There is more to do.
    Taken,
    /// Not now.
    Waits,
    /// Everything was handed on.
    Done,
    /// It is not this node's to carry out any more, or nobody's.
    Over,
}

struct Replaying {
    broker: Broker,
    topic: u64,
    subscription: u64,
    replay: u64,
}

impl Replaying {
    async fn run(self) {
        let (topic, subscription, replay) = (self.topic, self.subscription, self.replay);
        debug!(topic, subscription, replay, "a replay is carried out here");
        loop {
            match self.step().await {
                Ok(Step::Taken) => {}
                Ok(Step::Waits) => sleep(REPLAY_PAUSE).await,
                Ok(Step::Done) => return debug!(topic, subscription, replay, "a replay is done"),
                // Whoever looks for replays next may see what this has seen already.
                Ok(Step::Over) => return sleep(REPLAY_PAUSE).await,
                Err(error) => {
                    warn!(%error, topic, subscription, "a step of a replay is tried again");
                    sleep(REPLAY_RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Looks up anew all that may have changed: the subscription with its policies, and how far the replay has come.
    async fn step(&self) -> Result<Step, RouteError> {
        let Some(audience) = self.broker.audience(self.topic) else {
            return Ok(Step::Over);
        };
        let subscriptions = &audience.subscriptions;
        let place = subscriptions.binary_search_by_key(&self.subscription, |one| one.row.number);
        let Some(subscription) = place.ok().and_then(|place| subscriptions.get(place)) else {
            return Ok(Step::Over);
        };
        let is_mine = self.broker.leads_archive(&audience.topic);
        if subscription.row.replay != self.replay || !is_mine {
            return Ok(Step::Over);
        }
        let policy = replay_policy_of(&subscription.row);
        let known = self.broker.replay_of(&audience.topic, self.subscription);
        let known = known.filter(|known| known.replay == self.replay);
        let step = match known {
            Some(known) if known.status() == ReplayStatus::Done => return Ok(Step::Done),
            Some(known) if known.next != 0 => {
                let waiting = self.broker.waiting_beside_archive(&audience.topic);
                if waiting.is_none_or(|waiting| waiting >= REPLAY_WAITING_ITEMS_MAX) {
                    return Ok(Step::Waits);
                }
                let audience = audience.with_only(vec![subscription.clone()]);
                match self.hand_on(&audience, subscription, policy, known).await? {
                    Some(step) => step,
                    None => return Ok(Step::Waits),
                }
            }
            _ => self.beginning(&audience, policy).await?,
        };
        let done = self.broker.replay(&audience.topic, step).await?;
        Ok(match done.status() {
            ReplayStatus::UnderWay => Step::Taken,
            ReplayStatus::Full => Step::Waits,
            ReplayStatus::Done => Step::Done,
            ReplayStatus::NotBegun => Step::Over,
        })
    }

    /// The step that says where the replay begins.
    async fn beginning(
        &self,
        audience: &Audience,
        policy: Option<ReplayPolicy>,
    ) -> Result<Replay, RouteError> {
        let begin_at = match policy {
            // With what is published from now on, or was left out already.
            None => u64::MAX,
            Some(policy) => {
                let from_ms = policy.starting_point.as_millis();
                let from_ms = from_ms.saturating_sub(REPLAY_CLOCKS_APART_MS);
                let from = Timestamp::from_millis(from_ms);
                let ends = self.broker.archive_ends(&audience.topic, Some(from)).await;
                ends?.since
            }
        };
        Ok(Replay {
            begin_at: Some(begin_at),
            ..self.no_step()
        })
    }

    fn no_step(&self) -> Replay {
        Replay {
            subscription: self.subscription,
            replay: self.replay,
            ..Replay::default()
        }
    }

    /// The step that hands on what comes next; none if there is nothing.
    async fn hand_on(
        &self,
        only: &Audience,
        subscription: &Subscription,
        policy: Option<ReplayPolicy>,
        known: ReplayOutcome,
    ) -> Result<Option<Replay>, RouteError> {
        let (messages_max, bytes_max) = (REPLAY_STEP_MESSAGES_MAX, REPLAY_STEP_BYTES_MAX);
        let read = self
            .broker
            .read_archive(&only.topic, known.next, messages_max, bytes_max);
        let read = read.await?;
        if read.next <= known.next {
            return Ok(None);
        }
        let chosen = chosen(
            &read,
            policy,
            &known,
            &filters::policy_of(&subscription.row),
        );
        let mut ways = Ways::default();
        let mut messages = Vec::with_capacity(chosen.messages.len());
        for message in &chosen.messages {
            let to = ways.of(&self.broker, only, message.attributes).await?;
            let destination = to.and_then(|mut to| {
                if message.is_replayed {
                    to.suffix = StoredMessage::replayed_suffix(&to.suffix);
                }
                let topic = &only.topic;
                self.broker.replay_destination(topic, &to, message.group)
            });
            messages.extend(destination.map(|destination| ReplayedMessage {
                position: message.position,
                destination: Some(destination),
            }));
        }
        Ok(Some(Replay {
            after: known.next,
            messages,
            through: chosen.through,
            ..self.no_step()
        }))
    }
}

/// A message that is handed on.
#[derive(Debug, PartialEq)]
struct Message<'a> {
    position: u64,
    group: &'a str,
    /// How many it has.
    attributes: usize,
    /// It was published before the replay began.
    is_replayed: bool,
}

/// What is handed on of what was read.
#[derive(Debug, PartialEq)]
struct Chosen<'a> {
    messages: Vec<Message<'a>>,
    /// Everything up to here was looked at.
    through: u64,
}

fn chosen<'a>(
    read: &'a ShardRead,
    policy: Option<ReplayPolicy>,
    known: &ReplayOutcome,
    filter: &FilterPolicy,
) -> Chosen<'a> {
    let mut messages = Vec::new();
    for record in &read.records {
        let is_replayed = record.position < known.live_from;
        if is_replayed && policy.is_none_or(|policy| ends_before(policy, record)) {
            // Nothing more of the archive is wanted: it goes on with what was left out.
            let through = known.live_from - 1;
            return Chosen { messages, through };
        }
        let stored = match StoredMessage::from_payload(record.payload.clone()) {
            Ok(stored) => stored,
            Err(error) => {
                error!(%error, position = record.position, "a message of an archive cannot be read: it is not replayed");
                continue;
            }
        };
        let is_wanted = |policy: ReplayPolicy| policy.has(time_of(&stored, record));
        if is_replayed && !policy.is_some_and(is_wanted) {
            continue;
        }
        let attributes = stored.attribute_map();
        let text = std::str::from_utf8(&stored.body).unwrap_or_default();
        if filters::passes(filter, &attributes, text) {
            messages.push(Message {
                position: record.position,
                group: &record.group,
                attributes: attributes.len(),
                is_replayed,
            });
        }
    }
    let through = read.next - 1;
    Chosen { messages, through }
}

/// Whether a message came to its part so late that it, and all that come after it, are beyond the policy's end.
fn ends_before(policy: ReplayPolicy, record: &Record) -> bool {
    policy.ending_point.is_some_and(|end| {
        let end_ms = end.as_millis().saturating_add(REPLAY_CLOCKS_APART_MS);
        record.sent_at > end_ms
    })
}

/// Where a subscription's messages go: looked up once for those that a queue takes with their attributes, once for the others.
#[derive(Default)]
struct Ways([Option<Option<Destination>>; 2]);

impl Ways {
    async fn of(
        &mut self,
        broker: &Broker,
        only: &Audience,
        attributes: usize,
    ) -> Result<Option<Destination>, RouteError> {
        let way = &mut self.0[usize::from(attributes > MESSAGE_ATTRIBUTES_MAX)];
        if let Some(known) = way {
            return Ok(known.clone());
        }
        // An archive keeps the form that queues get. Which text that has makes no difference to where it goes.
        let any_text = Messages::Same("");
        let mut forms = Forms::new(&any_text, true, false);
        let found = recipients::of(broker, only, attributes, &mut forms).await?;
        let found = found.destinations.into_iter().next();
        *way = Some(found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use levada_policy::filter::FilterScope;
    use levada_wire::sns::StoredNotification;
    use levada_wire::sns::{MessageAttributeMap, MessageAttributeValue, Outgoing};

    use super::*;

    /// Published a second after the one before it, and kept half a second later.
    fn record(position: u64, kind: &str) -> Record {
        let kind = MessageAttributeValue::string(kind);
        let attributes = MessageAttributeMap::from([("kind".to_owned(), kind)]);
        let outgoing = Outgoing {
            message: "text",
            subject: None,
            structure: None,
            attributes: &attributes,
            deduplication_id: Some("d"),
            group_id: Some("g"),
            needs_default: true,
        };
        let notification = StoredNotification {
            time_ms: 1_000 * position,
            ..StoredNotification::default()
        };
        let notification = Some(notification);
        let stored = StoredMessage::published(&outgoing, "text", "S", Some("d"), notification);
        Record {
            position,
            group: "g".into(),
            sent_at: 1_000 * position + 500,
            payload: stored.to_payload(),
            ..Record::default()
        }
    }

    fn read(positions: std::ops::Range<u64>) -> ShardRead {
        let next = positions.end;
        let kind = |position: u64| {
            if position.is_multiple_of(2) {
                "even"
            } else {
                "odd"
            }
        };
        ShardRead {
            records: positions.map(|at| record(at, kind(at))).collect(),
            next,
            ..ShardRead::default()
        }
    }

    fn policy(from_secs: u64, to_secs: Option<u64>) -> Option<ReplayPolicy> {
        let at = |secs: u64| Timestamp::from_millis(secs * 1_000);
        Some(ReplayPolicy {
            starting_point: at(from_secs),
            ending_point: to_secs.map(at),
        })
    }

    fn positions(policy: Option<ReplayPolicy>, live_from: u64, filter: &str) -> (Vec<u64>, u64) {
        let known = ReplayOutcome {
            live_from,
            ..ReplayOutcome::default()
        };
        let filter = FilterPolicy::parse(filter, FilterScope::MessageAttributes).unwrap();
        let read = read(3..9);
        let chosen = chosen(&read, policy, &known, &filter);
        for message in &chosen.messages {
            assert_eq!(message.is_replayed, message.position < live_from);
        }
        let positions = chosen.messages.iter().map(|message| message.position);
        (positions.collect(), chosen.through)
    }

    #[test]
    fn times_are_those_that_subscribers_are_told() {
        assert_eq!(positions(policy(4, None), 9, ""), (vec![4, 5, 6, 7, 8], 8));
        assert_eq!(positions(policy(4, Some(6)), 9, ""), (vec![4, 5, 6], 8));
        assert_eq!(
            published_at(&record(7, "odd")),
            Timestamp::from_millis(7_000)
        );
        let broken = Record {
            payload: vec![0xff].into(),
            ..record(7, "odd")
        };
        assert_eq!(published_at(&broken), Timestamp::from_millis(7_500));
    }

    #[test]
    fn what_was_published_meanwhile_comes_whatever_the_policy_says() {
        assert_eq!(positions(policy(4, Some(5)), 7, ""), (vec![4, 5, 7, 8], 8));
        assert_eq!(positions(policy(8, None), 7, ""), (vec![7, 8], 8));
        let even = r#"{"kind": ["even"]}"#;
        assert_eq!(positions(policy(4, Some(5)), 7, even), (vec![4, 8], 8));
    }

    #[test]
    fn beyond_the_end_the_archive_is_not_read_further() {
        // Before the first message by more than clocks may differ.
        let mut long_over = policy(0, Some(1)).unwrap();
        let known = ReplayOutcome {
            live_from: 700,
            ..ReplayOutcome::default()
        };
        let late = ShardRead {
            records: vec![record(100, "even"), record(101, "odd")],
            next: 102,
            ..ShardRead::default()
        };
        let everything = FilterPolicy::unfiltered(FilterScope::MessageAttributes);
        let none = chosen(&late, Some(long_over), &known, &everything);
        assert_eq!((none.messages.len(), none.through), (0, 699));
        let stopped = chosen(&late, None, &known, &everything);
        assert_eq!((stopped.messages.len(), stopped.through), (0, 699));
        long_over.ending_point = Some(Timestamp::from_millis(100_000));
        let one = chosen(&late, Some(long_over), &known, &everything);
        assert_eq!((one.messages.len(), one.through), (1, 101));
    }
}
