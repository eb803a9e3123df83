//! Queues: what they hold, in whole and by partition, and the messages that wait in them.
//!
//! A figure of which a part's leader did not answer is null.

use std::collections::BTreeMap;
use std::sync::Arc;

use levada_cluster::{DeadLetters, PEEKED_MAX, PartHolds, Queue, QueuePart};
use levada_types::{PartitionId, QueueId};
use serde_json::{Value, json};

use super::{PAGE, Request, Scope, ViewError, now_ms};

/// Messages that are shown if nothing is said.
const PEEKED_DEFAULT: usize = 10;
/// Queues of which it is told that their dead letters go to one.
const SOURCES_MAX: usize = 1_000;

/// What each part of some queues holds.
pub(super) type Holds = BTreeMap<QueueId, Vec<QueuePart>>;

/// A page of queues.
pub(super) async fn list(scope: &Scope, request: &Request) -> Value {
    let prefix = request.prefix.as_deref().unwrap_or_default();
    let after = request.after.as_deref();
    let broker = &scope.broker;
    let queues = broker.queues(scope.account, &scope.region, prefix, after, PAGE);
    let (found, holds) = look(scope, &queues).await;
    let last = queues.last().filter(|_| queues.len() == PAGE);
    let shown = queues
        .iter()
        .zip(&found)
        .map(|(queue, dead_letters)| summary(queue, dead_letters.as_ref(), &holds));
    json!({
        "account": scope.account.to_string(),
        "region": scope.region.as_str(),
        "at_ms": now_ms(),
        "queues": shown.collect::<Vec<_>>(),
        "after": last.map(|queue| queue.name.as_str()),
    })
}

/// One queue, and its parts.
pub(super) async fn show(scope: &Scope, name: &str) -> Result<Value, ViewError> {
    let queue = find(scope, name).await?;
    let (found, holds) = look(scope, std::slice::from_ref(&queue)).await;
    let mut shown = summary(&queue, found.first().and_then(Option::as_ref), &holds);
    let parts = holds.get(&queue.id).map_or(&[][..], Vec::as_slice);
    let sources = scope
        .broker
        .dead_letter_sources(queue.id, None, SOURCES_MAX);
    shown["account"] = json!(scope.account.to_string());
    shown["region"] = json!(scope.region.as_str());
    shown["at_ms"] = json!(now_ms());
    shown["created_at_ms"] = json!(queue.created_at.as_millis());
    shown["modified_at_ms"] = json!(queue.modified_at.as_millis());
    shown["tags"] = json!(queue.tags);
    shown["dead_letters_of"] = sources.iter().map(|s| json!(s.name.as_str())).collect();
    shown["partitions"] = parts.iter().map(part).collect();
    Ok(shown)
}

/// Messages that wait.
pub(super) async fn peek(scope: &Scope, request: &Request) -> Result<Value, ViewError> {
    let count = request.count.unwrap_or(PEEKED_DEFAULT);
    if !(1..=PEEKED_MAX).contains(&count) {
        return Err(ViewError::Malformed(format!(
            "1 to {PEEKED_MAX} messages can be shown at a time, not {count}; the answer says where to go on"
        )));
    }
    let after = match &request.after {
        Some(text) => cursor(text).ok_or_else(|| {
            ViewError::Malformed(format!(
                "{text:?} is not where an earlier answer ended, such as 3:12,5:40"
            ))
        })?,
        None => BTreeMap::new(),
    };
    let queue = find(scope, request.name()?).await?;
    let peek = scope.broker.peek(&queue, &after, count).await?;
    let broker = &scope.broker;
    let messages = peek.messages.into_iter();
    let messages = messages.map(|m| levada_gateway::shown_message(broker, &queue, m));
    let after = peek.after.iter().map(|(p, from)| format!("{}:{from}", p.0));
    let silent = peek.silent.iter().map(|p| p.0);
    Ok(json!({
        "queue": queue.name.as_str(),
        "at_ms": now_ms(),
        "messages": messages.collect::<Vec<_>>(),
        "after": after.collect::<Vec<_>>().join(","),
        "more": peek.more,
        "silent_partitions": silent.collect::<Vec<_>>(),
    }))
}

async fn find(scope: &Scope, name: &str) -> Result<Arc<Queue>, ViewError> {
    let missing = || scope.missing("queue", name);
    let parsed = name.parse().map_err(|_| missing())?;
    let broker = &scope.broker;
    let found = broker.find_queue(scope.account, &scope.region, &parsed);
    found.await?.ok_or_else(missing)
}

/// Where the dead letters of each go, and what all of these queues hold.
async fn look(scope: &Scope, queues: &[Arc<Queue>]) -> (Vec<Option<DeadLetters>>, Holds) {
    let found: Vec<Option<DeadLetters>> = queues
        .iter()
        .map(|queue| scope.broker.dead_letters_of(queue))
        .collect();
    let targets = found.iter().flatten().filter_map(|d| d.queue.clone());
    let all: BTreeMap<QueueId, Arc<Queue>> = queues
        .iter()
        .cloned()
        .chain(targets)
        .map(|queue| (queue.id, queue))
        .collect();
    let all: Vec<Arc<Queue>> = all.into_values().collect();
    let holds = scope.broker.look_at_queues(&all).await;
    (found, holds)
}

fn summary(queue: &Queue, dead_letters: Option<&DeadLetters>, holds: &Holds) -> Value {
    let whole = whole(queue.id, holds);
    let dead_letters = dead_letters.map(|d| {
        let messages = d
            .queue
            .as_ref()
            .and_then(|queue| self::whole(queue.id, holds));
        json!({
            "queue": d.policy.target.name.as_str(),
            "receive_count_max": d.policy.receive_count_max,
            "exists": d.queue.is_some(),
            "messages": messages.map(|h| h.counts.ready + h.counts.in_flight + h.counts.delayed),
        })
    });
    let mut shown = figures(whole.as_ref());
    shown["name"] = json!(queue.name.as_str());
    shown["fifo"] = json!(queue.settings.fifo);
    shown["dead_letters"] = json!(dead_letters);
    shown
}

fn part(part: &QueuePart) -> Value {
    let mut shown = figures(part.holds.as_ref());
    shown["partition"] = json!(part.partition.0);
    shown["leader"] = json!(part.leader.map(|node| node.to_string()));
    shown
}

fn figures(holds: Option<&PartHolds>) -> Value {
    json!({
        "waiting": holds.map(|h| h.counts.ready),
        "in_flight": holds.map(|h| h.counts.in_flight),
        "delayed": holds.map(|h| h.counts.delayed),
        "taken": holds.map(|h| h.taken),
        "oldest_age_ms": holds.and_then(|h| h.oldest_age_ms),
    })
}

/// What all parts hold together; `None` if one did not say.
pub(super) fn whole(queue: QueueId, holds: &Holds) -> Option<PartHolds> {
    let mut sum = PartHolds::default();
    for part in holds.get(&queue)? {
        let part = part.holds?;
        sum.counts.ready += part.counts.ready;
        sum.counts.in_flight += part.counts.in_flight;
        sum.counts.delayed += part.counts.delayed;
        sum.taken += part.taken;
        sum.oldest_age_ms = sum.oldest_age_ms.max(part.oldest_age_ms);
    }
    Some(sum)
}

/// Where an earlier look ended: a position in each partition.
fn cursor(text: &str) -> Option<BTreeMap<PartitionId, u64>> {
    let place = |place: &str| {
        let (partition, from) = place.split_once(':')?;
        Some((PartitionId(partition.parse().ok()?), from.parse().ok()?))
    };
    text.split(',').map(place).collect()
}

#[cfg(test)]
mod tests {
    use levada_cluster::QueueCounts;

    use super::*;

    fn holds(ready: u64, oldest_age_ms: Option<u64>) -> PartHolds {
        PartHolds {
            counts: QueueCounts {
                ready,
                in_flight: 1,
                delayed: 0,
            },
            taken: 10,
            oldest_age_ms,
        }
    }

    fn parts(of: &[Option<PartHolds>]) -> Holds {
        let part = |(n, holds): (u32, &Option<PartHolds>)| QueuePart {
            partition: PartitionId(n),
            leader: None,
            holds: *holds,
            failure: None,
        };
        let parts = (1..).zip(of).map(part).collect();
        BTreeMap::from([(QueueId(1), parts)])
    }

    #[test]
    fn a_queue_is_the_sum_of_its_parts_if_all_have_answered() {
        let all = parts(&[Some(holds(3, Some(70))), Some(holds(0, None))]);
        let sum = whole(QueueId(1), &all).unwrap();
        assert_eq!((sum.counts.ready, sum.counts.in_flight), (3, 2));
        assert_eq!((sum.taken, sum.oldest_age_ms), (20, Some(70)));
        let some = parts(&[Some(holds(3, Some(70))), None]);
        assert_eq!(whole(QueueId(1), &some), None);
        assert_eq!(figures(None)["waiting"], Value::Null);
    }

    #[test]
    fn where_a_look_ended_is_read_back() {
        let read = cursor("3:12,5:40").unwrap();
        assert_eq!(read, [(PartitionId(3), 12), (PartitionId(5), 40)].into());
        for bad in ["", "3", "3:", "3:1,", "a:1", "-1:2"] {
            assert_eq!(cursor(bad), None, "{bad}");
        }
    }
}
