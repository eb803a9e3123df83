//! What an operator sees of queues: how much each part holds, and messages that wait, without a claim on any. Both are
//! questions to the parts' leaders, so that any node answers, and change nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use levada_engine::catalog::{RedrivePolicy, redrive_policy};
use levada_engine::proto::Record;
use levada_rpc::RemoteError;
use levada_types::{NodeId, PartitionId, QueueId, Timestamp};
use prost::Message as _;

use crate::ask::{Asked, led_and_current};
use crate::broker::Broker;
use crate::core::Core;
use crate::handler::malformed;
use crate::messages::let_time_pass;
use crate::{DeliveryFailure, Queue, QueueCounts, RouteError, method, proto};

/// Messages that one look shows at most: each may have to be read from the disk by itself.
pub const PEEKED_MAX: usize = 100;
/// Bytes of messages that one look shows at most, but one message: a few of the largest.
const PEEKED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One part of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePart {
    /// Where it is.
    pub partition: PartitionId,
    /// Who leads it, as far as the asking node knows.
    pub leader: Option<NodeId>,
    /// What its leader says; `None` if none answered.
    pub holds: Option<PartHolds>,
    /// Of a delivery queue: the last attempt that failed, of those that its leader has made since it leads.
    pub failure: Option<DeliveryFailure>,
}

/// What a part of a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartHolds {
    /// How many messages.
    pub counts: QueueCounts,
    /// How many it has ever taken: from one look to the next this tells the rate, and with the counts what has left.
    pub taken: u64,
    /// For how long the oldest that can be received has been there, in milliseconds and to about a second.
    pub oldest_age_ms: Option<u64>,
}

/// Where a queue's dead letters go.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// What the queue's attributes say.
    pub policy: RedrivePolicy,
    /// The queue that they name, if there is one.
    pub queue: Option<Arc<Queue>>,
}

/// Messages that wait.
#[derive(Clone, Debug, Default)]
pub struct Peek {
    /// The oldest first; within a part in order.
    pub messages: Vec<PeekedMessage>,
    /// Where the next look goes on in each part.
    pub after: BTreeMap<PartitionId, u64>,
    /// There was more than fits.
    pub more: bool,
    /// Parts whose leaders did not answer: what they hold is not among the messages.
    pub silent: Vec<PartitionId>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct PeekedMessage {
    /// The part that holds it.
    pub partition: PartitionId,
    /// Where it is in the part.
    pub position: u64,
    /// How often it was received, before it became a dead letter too.
    pub receive_count: u32,
    /// When it was first received from this queue.
    pub first_received_at: Option<Timestamp>,
    /// The stored message; `None` if it can be read nowhere now.
    pub record: Option<Record>,
}

impl PeekedMessage {
    /// One that cannot be read comes first.
    fn sent_at(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.sent_at)
    }

    fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, Record::encoded_len)
    }
}

impl Broker {
    /// What each part of these queues holds. A leader that does not answer is waited for as long as a request may take.
    pub async fn look_at_queues(&self, queues: &[Arc<Queue>]) -> BTreeMap<QueueId, Vec<QueuePart>> {
        let mut by_partition: BTreeMap<PartitionId, Vec<u64>> = BTreeMap::new();
        for queue in queues {
            for partition in &queue.partitions {
                by_partition.entry(*partition).or_default().push(queue.id.0);
            }
        }
        let asked = by_partition
            .into_iter()
            .map(|(partition, queues)| async move {
                let request = proto::LookRequest { queues };
                let reply: Result<proto::LookReply, _> = self
                    .ask_leader_for(Asked::Queue, partition, method::LOOK, &request)
                    .await;
                (partition, request.queues, reply.ok())
            });
        let mut found: BTreeMap<QueueId, Vec<QueuePart>> = BTreeMap::new();
        for (partition, queues, reply) in futures::future::join_all(asked).await {
            let leader = self.core.route(partition).and_then(|route| route.leader());
            for (place, queue) in queues.into_iter().enumerate() {
                let part = reply.as_ref().and_then(|reply| reply.parts.get(place));
                found.entry(QueueId(queue)).or_default().push(QueuePart {
                    partition,
                    leader,
                    holds: part.map(PartHolds::from_reply),
                    failure: part
                        .and_then(|part| part.failure.as_ref())
                        .map(DeliveryFailure::from_reply),
                });
            }
        }
        found
    }

    /// Where a queue's dead letters go, if it has a redrive policy.
    pub fn dead_letters_of(&self, queue: &Queue) -> Option<DeadLetters> {
        let directory = &self.core.directory;
        let policy = directory.read(|catalog| catalog.queue(queue.id).and_then(redrive_policy))?;
        let target = &policy.target;
        let key = (target.account, target.region.clone(), target.name.clone());
        Some(DeadLetters {
            queue: directory.by_name(&key),
            policy,
        })
    }

    /// Up to `max` messages that wait, and no more than [`PEEKED_MAX`], behind where an earlier look ended. Nothing is
    /// claimed, and no receive is counted.
    ///
    /// # Errors
    /// If no part's leader answers.
    pub async fn peek(
        &self,
        queue: &Queue,
        after: &BTreeMap<PartitionId, u64>,
        max: usize,
    ) -> Result<Peek, RouteError> {
        let max = max.min(PEEKED_MAX);
        let asked = queue.partitions.iter().map(|partition| async move {
            let from = after.get(partition).copied().unwrap_or(1);
            let request = proto::PeekRequest {
                queue: queue.id.0,
                from,
                messages_max: max as u32,
                bytes_max: PEEKED_BYTES_MAX as u64,
            };
            let reply = self
                .ask_leader_for(Asked::Queue, *partition, method::PEEK, &request)
                .await;
            let page = reply.and_then(|reply| Page::from_reply(*partition, from, reply));
            (*partition, from, page)
        });
        let mut pages = Vec::new();
        let mut silent = BTreeMap::new();
        let mut failure = None;
        for (partition, from, page) in futures::future::join_all(asked).await {
            match page {
                Ok(page) => pages.push(page),
                Err(error) => {
                    silent.insert(partition, from);
                    failure = Some(error);
                }
            }
        }
        if let (Some(error), true) = (failure, pages.is_empty()) {
            return Err(error);
        }
        let mut peek = merge(pages, max, PEEKED_BYTES_MAX);
        peek.silent = silent.keys().copied().collect();
        peek.after.extend(silent);
        Ok(peek)
    }
}

impl PartHolds {
    fn from_reply(part: &proto::PartLook) -> Self {
        Self {
            counts: QueueCounts {
                ready: part.ready,
                in_flight: part.in_flight,
                delayed: part.delayed,
            },
            taken: part.taken,
            oldest_age_ms: part.oldest_age_ms,
        }
    }
}

/// What one part showed.
struct Page {
    partition: PartitionId,
    /// Where it goes on.
    from: u64,
    messages: VecDeque<PeekedMessage>,
    more: bool,
}

impl Page {
    fn from_reply(
        partition: PartitionId,
        from: u64,
        reply: proto::PeekReply,
    ) -> Result<Self, RouteError> {
        let read = |peeked: proto::Peeked| {
            let record = peeked.record.map(Record::decode).transpose();
            let record = record.map_err(|error| RouteError::Unreadable(error.to_string()))?;
            let before = record.as_ref().map_or(0, |record| record.received_before);
            let first = Some(peeked.first_received_at).filter(|at| *at != 0);
            Ok(PeekedMessage {
                partition,
                position: peeked.position,
                receive_count: peeked.receive_count.saturating_add(before),
                first_received_at: first.map(Timestamp::from_millis),
                record,
            })
        };
        let messages = reply.messages.into_iter().map(read);
        Ok(Self {
            partition,
            from,
            messages: messages.collect::<Result<_, RouteError>>()?,
            more: reply.more,
        })
    }
}

/// The oldest messages of all parts, each part's in order. It ends where what follows in a part was not read.
fn merge(mut pages: Vec<Page>, max: usize, bytes_max: usize) -> Peek {
    let mut messages: Vec<PeekedMessage> = Vec::new();
    let mut bytes = 0;
    while messages.len() < max
        && !pages
            .iter()
            .any(|page| page.more && page.messages.is_empty())
    {
        let heads = pages.iter_mut().filter_map(|page| {
            let sent_at = page.messages.front()?.sent_at();
            Some((sent_at, page))
        });
        let Some((_, page)) = heads.min_by_key(|(sent_at, _)| *sent_at) else {
            break;
        };
        let size = page.messages.front().map_or(0, PeekedMessage::bytes);
        if bytes + size > bytes_max && !messages.is_empty() {
            break;
        }
        if let Some(message) = page.messages.pop_front() {
            bytes += size;
            page.from = message.position + 1;
            messages.push(message);
        }
    }
    Peek {
        messages,
        more: pages
            .iter()
            .any(|page| page.more || !page.messages.is_empty()),
        after: pages
            .iter()
            .map(|page| (page.partition, page.from))
            .collect(),
        silent: Vec::new(),
    }
}

/// Answers a node that looks at queues, if this one leads the partition.
pub(crate) async fn answer(
    core: &Core,
    method: u32,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    match method {
        method::LOOK => answer_look(core, partition, body).await,
        method::PEEK => answer_peek(core, partition, body).await,
        other => Err(malformed(format!("no such method of a queue: {other}"))),
    }
}

async fn answer_look(
    core: &Core,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = proto::LookRequest::decode(body).map_err(malformed)?;
    let group = led_and_current(core, partition).await?;
    if let Some(route) = core.route(partition) {
        let_time_pass(&route, &group).await;
    }
    let now = group.now();
    let looks = request.queues.iter().map(|queue| {
        // One at a time, so that nothing waits long. A part that is not configured yet holds nothing.
        let view = group.read(|p| p.queue(QueueId(*queue)));
        let failure = core.delivery_failures.of(QueueId(*queue), partition);
        view.map_or_else(proto::PartLook::default, |view| proto::PartLook {
            ready: view.counts.ready,
            in_flight: view.counts.in_flight,
            delayed: view.counts.delayed,
            taken: view.taken,
            oldest_age_ms: view.oldest_ready_at.map(|at| now.millis_since(at)),
            failure: failure.map(|failure| failure.to_reply()),
        })
    });
    let reply = proto::LookReply {
        parts: looks.collect(),
    };
    Ok(reply.encode_to_vec().into())
}

async fn answer_peek(
    core: &Core,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = proto::PeekRequest::decode(body).map_err(malformed)?;
    let group = led_and_current(core, partition).await?;
    if let Some(route) = core.route(partition) {
        let_time_pass(&route, &group).await;
    }
    let queue = QueueId(request.queue);
    let max = PEEKED_MAX.min(request.messages_max as usize);
    let bytes_max = usize::try_from(request.bytes_max).unwrap_or(usize::MAX);
    let mut waiting = group.read(|p| p.waiting(queue, request.from, max + 1));
    let mut reply = proto::PeekReply {
        more: waiting.len() > max,
        messages: Vec::with_capacity(max),
    };
    waiting.truncate(max);
    let mut bytes = 0;
    for message in waiting {
        let record = core.reader.record(&group, queue, message.position).await;
        if record.is_none() && group.read(|p| p.locate(queue, message.position).is_none()) {
            // It was deleted since.
            continue;
        }
        let record = record.map(|record| Bytes::from(record.encode_to_vec()));
        bytes += record.as_ref().map_or(0, Bytes::len);
        if bytes > bytes_max.min(PEEKED_BYTES_MAX) && !reply.messages.is_empty() {
            reply.more = true;
            break;
        }
        reply.messages.push(proto::Peeked {
            position: message.position,
            receive_count: message.receive_count,
            first_received_at: message.first_received_at.as_millis(),
            record,
        });
    }
    Ok(reply.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use levada_engine::proto::{CreateQueue, NewMessage};

    use super::*;
    use crate::{Node, NodeOptions};

    fn page(partition: u32, more: bool, messages: &[(u64, u64)]) -> Page {
        let partition = PartitionId(partition);
        let messages = messages.iter().map(|(position, sent_at)| PeekedMessage {
            partition,
            position: *position,
            receive_count: 0,
            first_received_at: None,
            record: Some(Record {
                sent_at: *sent_at,
                payload: vec![7; 100].into(),
                ..Record::default()
            }),
        });
        Page {
            partition,
            from: 1,
            messages: messages.collect(),
            more,
        }
    }

    fn seen(peek: &Peek) -> Vec<(u32, u64)> {
        let messages = peek.messages.iter();
        messages.map(|m| (m.partition.0, m.position)).collect()
    }

    #[test]
    fn parts_are_merged_by_age_and_each_stays_in_order() {
        let pages = || {
            vec![
                // A dead letter is as old as it was where it died.
                page(1, false, &[(4, 10), (5, 3), (9, 40)]),
                page(2, false, &[(1, 20), (2, 30)]),
                page(3, false, &[]),
            ]
        };
        let all = merge(pages(), 10, usize::MAX);
        assert_eq!(seen(&all), [(1, 4), (1, 5), (2, 1), (2, 2), (1, 9)]);
        assert!(!all.more);
        let after = [(1, 10), (2, 3), (3, 1)].map(|(p, from)| (PartitionId(p), from));
        assert_eq!(all.after, after.into());
        let some = merge(pages(), 3, usize::MAX);
        assert_eq!(seen(&some), [(1, 4), (1, 5), (2, 1)]);
        assert!(some.more);
        assert_eq!(some.after[&PartitionId(1)], 6);
        assert_eq!(some.after[&PartitionId(2)], 2);
    }

    #[test]
    fn a_part_that_was_not_read_to_its_end_ends_the_look() {
        let pages = vec![
            page(1, true, &[(1, 10)]),
            page(2, false, &[(1, 5), (2, 20)]),
        ];
        let peek = merge(pages, 10, usize::MAX);
        // What follows in the first part may be older than the second's second.
        assert_eq!(seen(&peek), [(2, 1), (1, 1)]);
        assert!(peek.more);
    }

    #[test]
    fn bytes_end_a_look_but_one_message_is_always_shown() {
        let pages = || vec![page(1, false, &[(1, 10), (2, 11), (3, 12)])];
        assert_eq!(seen(&merge(pages(), 10, 1)), [(1, 1)]);
        let peek = merge(pages(), 10, 250);
        assert_eq!((seen(&peek), peek.more), (vec![(1, 1), (1, 2)], true));
    }

    #[test]
    fn what_cannot_be_read_is_shown_as_such_and_first() {
        let reply = proto::PeekReply {
            messages: vec![proto::Peeked {
                position: 7,
                receive_count: 2,
                first_received_at: 9,
                record: None,
            }],
            more: false,
        };
        let lost = Page::from_reply(PartitionId(2), 1, reply).unwrap();
        let peek = merge(vec![page(1, false, &[(1, 10)]), lost], 10, usize::MAX);
        assert_eq!(seen(&peek), [(2, 7), (1, 1)]);
        assert_eq!(peek.messages[0].record, None);
        assert_eq!(peek.messages[0].receive_count, 2);
    }

    async fn alone(dir: &std::path::Path) -> (Node, Arc<Queue>) {
        let options = NodeOptions {
            data_dir: dir.join("data"),
            peers_listen: None,
            members: Vec::new(),
            peers_address: String::new(),
            http_address: String::new(),
            zone: String::new(),
            partitions: 1,
            on_demand_window: crate::ON_DEMAND_WINDOW_DEFAULT,
        };
        let node = Node::start(options).await.unwrap();
        node.wait_ready().await;
        let create = CreateQueue {
            account: levada_types::AccountId::DEFAULT.to_string(),
            region: "us-east-1".into(),
            name: "orders".into(),
            ..CreateQueue::default()
        };
        let queue = node.broker().create_queue(create).await.unwrap().unwrap();
        (node, queue)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_in_a_lost_block_is_told_as_lost_and_the_rest_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let (node, queue) = alone(dir.path()).await;
        let broker = node.broker();
        // More than a log keeps in memory.
        for n in 0..30 {
            let message = NewMessage {
                message_id: vec![n; 16].into(),
                payload: vec![n; 10_000].into(),
                ..NewMessage::default()
            };
            broker.send(&queue, vec![message]).await.unwrap();
        }
        let blocks = node.storage.blocks.ids(queue.partitions[0]);
        assert_eq!(blocks.len(), 1, "{blocks:?}");
        let none = BTreeMap::new();
        let whole = broker.peek(&queue, &none, PEEKED_MAX).await.unwrap();
        assert!(whole.messages.iter().all(|m| m.record.is_some()));
        node.storage.blocks.drop_block(blocks[0]);
        let peek = broker.peek(&queue, &none, PEEKED_MAX).await.unwrap();
        let positions: Vec<u64> = peek.messages.iter().map(|m| m.position).collect();
        assert_eq!(positions, (1..=30).collect::<Vec<_>>());
        let lost = peek.messages.iter().take_while(|m| m.record.is_none());
        let lost = lost.count();
        assert!((1..30).contains(&lost), "{lost}");
        assert_eq!(peek.messages[lost..], whole.messages[lost..]);
        let holds = broker.look_at_queues(std::slice::from_ref(&queue)).await[&queue.id][0].holds;
        let holds = holds.unwrap();
        assert_eq!(
            (holds.counts.ready, holds.counts.in_flight, holds.taken),
            (30, 0, 30)
        );
        node.shutdown().await;
    }
}
