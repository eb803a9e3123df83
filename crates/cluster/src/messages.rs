//! Messages on their way: send, receive, delete, change visibility, count.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use levada_engine::proto::{
    self, Command, DeleteResult, NewMessage, ReceiptRef, Receive, ReceiveOutcome, Record, Send,
    Sent, VisibilityResult, command, outcome,
};
use levada_replica::Group;
use levada_rpc::Class;
use levada_types::{PartitionId, QueueId, Receipt, Timestamp};
use prost::Message as _;
use tokio::time::Instant;

use crate::broker::{Broker, REQUEST_TIMEOUT};
use crate::core::{Core, Route};
use crate::proto as peer;
use crate::queue::Parts;
use crate::{Queue, QueueCounts, ReceiveOptions, Received, ReceivedMessage, RouteError, method};

/// A receive whose partition has had no leader that lives for so long looks at the queue's other parts.
const RECEIVE_FAILOVER: Duration = Duration::from_millis(120);
/// Bytes of messages that have left the core and wait for the disk of the node that takes a send: members do
/// alike work, so that its own speaks for all. A disk that cannot follow for so long is told of to the senders.
const UNWRITTEN_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Every so many receives look at another part first, so that a part whose messages nobody takes near
/// its leader is not starved by a busier one.
const RECEIVE_TURN: u64 = 4;

impl Broker {
    /// Stores messages; answers when they are on the disks of a majority.
    pub async fn send(
        &self,
        queue: &Arc<Queue>,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Sent>, RouteError> {
        self.refuse_when_full()?;
        let send = Send {
            queue: queue.id.0,
            config_version: queue.version,
            messages,
        };
        // Once a part may have it, it is seen through there, election or not: the lane's numbers keep it
        // from being stored twice, which another part's would not. Only what comes later goes elsewhere.
        let partition = self
            .nearest(&queue.partitions)
            .ok_or(RouteError::Unavailable)?;
        match self
            .on_queue(queue, partition, command::Kind::Send(send))
            .await?
        {
            outcome::Kind::Send(sent) => Ok(sent.sent),
            _ => Err(RouteError::Unavailable),
        }
    }

    /// Refuses what would make a disk fuller that has no room, or cannot follow.
    pub(crate) fn refuse_when_full(&self) -> Result<(), RouteError> {
        if self.core.disk_full.load(Ordering::Relaxed) {
            return Err(RouteError::DiskFull);
        }
        let unwritten = &self.core.reader.blocks.stats().unwritten_bytes;
        if unwritten.load(Ordering::Relaxed) > UNWRITTEN_BYTES_MAX {
            return Err(RouteError::Overloaded);
        }
        Ok(())
    }

    /// The nearest part: one that this node leads, else one with a leader that lives.
    pub(crate) fn nearest(&self, parts: &[PartitionId]) -> Option<PartitionId> {
        parts
            .iter()
            .copied()
            .min_by_key(|p| match self.core.route(*p) {
                Some(route) if self.leads(&route) => 0,
                Some(route) if *route.healthy.borrow() => 1,
                _ => 2,
            })
    }

    fn leads(&self, route: &Route) -> bool {
        route.leader() == Some(self.core.node)
    }

    /// Claims messages, waiting for a first one if asked. Dropping the future ends the wait.
    pub async fn receive(
        &self,
        queue: &Arc<Queue>,
        options: ReceiveOptions,
    ) -> Result<Received, RouteError> {
        self.receive_from(&|| queue.parts(), options).await
    }

    /// The same from whatever has parts. They are asked for anew for each round.
    pub(crate) async fn receive_from(
        &self,
        parts: &(dyn Fn() -> Parts + Sync),
        options: ReceiveOptions,
    ) -> Result<Received, RouteError> {
        if options.wait_ms == 0 {
            return self.claim(&parts(), &options, false).await;
        }
        let deadline = Instant::now() + Duration::from_millis(options.wait_ms);
        let id = parts().id;
        let place = self.core.waiters.park(id);
        let mut woken = false;
        loop {
            let queue = &parts();
            self.watch_far_parts(queue)?;
            // In line before looking, so that what comes in between is not missed.
            let mut notified = std::pin::pin!(place.notify.notified());
            notified.as_mut().enable();
            let received = self.claim(queue, &options, woken).await?;
            if !received.messages.is_empty() {
                if self.core.waiters.others(id) {
                    place.notify.notify_one();
                }
                return Ok(received);
            }
            if received.over_limit || tokio::time::timeout_at(deadline, notified).await.is_err() {
                return Ok(received);
            }
            if self.core.leaving.load(Ordering::Relaxed) || self.core.directory.is_gone(id) {
                return Ok(received);
            }
            woken = true;
        }
    }

    /// One round over the queue's parts. After a wake, a part in which this node's own replica sees
    /// nothing is passed over: what woke the poll was applied here.
    async fn claim(
        &self,
        queue: &Parts,
        options: &ReceiveOptions,
        woken: bool,
    ) -> Result<Received, RouteError> {
        let mut received = Received::default();
        let mut failed = None;
        let mut answered = false;
        for partition in self.parts_for_receive(queue) {
            if woken && !self.may_hold(queue.id, partition) {
                answered = true;
                continue;
            }
            match self.claim_from(queue, partition, options).await {
                Ok(part) => {
                    answered = true;
                    received.over_limit |= part.over_limit;
                    received.messages = to_messages(partition, part)?;
                }
                Err(RouteError::Unavailable) => failed = Some(RouteError::Unavailable),
                Err(error) => return Err(error),
            }
            if !received.messages.is_empty() {
                received.over_limit = false;
                return Ok(received);
            }
        }
        match failed {
            Some(error) if !answered => Err(error),
            _ => Ok(received),
        }
    }

    async fn claim_from(
        &self,
        queue: &Parts,
        partition: PartitionId,
        options: &ReceiveOptions,
    ) -> Result<ReceiveOutcome, RouteError> {
        let route = self.core.route(partition).ok_or(RouteError::Unavailable)?;
        let receive = Receive {
            queue: queue.id.0,
            config_version: queue.version,
            messages_max: options.messages_max,
            visibility_timeout_ms: options.visibility_timeout_ms,
            attempt: options
                .attempt
                .map(|a| Bytes::copy_from_slice(&a))
                .unwrap_or_default(),
        };
        let command = Command {
            kind: Some(command::Kind::Receive(receive)),
        };
        // A repeated attempt is answered with messages that are in flight, so it is always asked.
        let claims_from = if options.attempt.is_some() {
            0
        } else {
            queue.id.0
        };
        let several = queue.partitions.len() > 1;
        for _ in 0..3 {
            let claiming = route
                .claims
                .submit(command.clone(), claims_from, REQUEST_TIMEOUT);
            let (answer, _) = tokio::select! {
                answer = claiming => answer?,
                // The other parts can be asked meanwhile.
                () = given_up(&route), if several => return Err(RouteError::Unavailable),
            };
            match answer.kind {
                Some(outcome::Kind::Receive(received)) => return Ok(received),
                Some(outcome::Kind::Misconfigured(_)) => self.bring_up(queue.id, partition).await?,
                _ => break,
            }
        }
        Err(RouteError::Unavailable)
    }

    fn may_hold(&self, queue: QueueId, partition: PartitionId) -> bool {
        let Some(route) = self.core.route(partition) else {
            return false;
        };
        let Some(group) = route.group() else {
            return true;
        };
        let now = group.now();
        group.read(|p| {
            p.claims_of(queue).is_none_or(|view| view.claimable_now())
                || p.next_due().is_some_and(|due| due <= now)
        })
    }

    /// Parts that this node leads first, in turn; now and then another one first.
    fn parts_for_receive(&self, queue: &Parts) -> Vec<PartitionId> {
        let mut parts = queue.partitions.clone();
        if parts.len() > 1 {
            let turn = self.core.turn.fetch_add(1, Ordering::Relaxed);
            let by = turn as usize % parts.len();
            parts.rotate_left(by);
            if !turn.is_multiple_of(RECEIVE_TURN) {
                parts.sort_by_key(|p| match self.core.route(*p) {
                    Some(route) => u8::from(!self.leads(&route)),
                    None => 2,
                });
            }
        }
        parts
    }

    /// Deletes what the receipts name; answers in their order.
    pub async fn delete(
        &self,
        queue: &Arc<Queue>,
        receipts: &[Receipt],
    ) -> Result<Vec<DeleteResult>, RouteError> {
        let groups = by_partition(receipts.iter().map(|r| (r.partition, *r)));
        let deletes = groups.iter().map(|(partition, receipts)| async move {
            let delete = proto::Delete {
                queue: queue.id.0,
                receipts: receipts.iter().map(|(_, r)| reference(r)).collect(),
            };
            match self
                .on_queue(queue, *partition, command::Kind::Delete(delete))
                .await?
            {
                outcome::Kind::Delete(outcome) => Ok(outcome.results),
                _ => Err(RouteError::Unavailable),
            }
        });
        let results = futures::future::try_join_all(deletes).await?;
        Ok(in_order(receipts.len(), groups.values(), results, |r| {
            DeleteResult::try_from(r).unwrap_or(DeleteResult::Deleted)
        }))
    }

    /// Sets visibility timeouts, in milliseconds from now; answers in the order of the receipts.
    pub async fn change_visibility(
        &self,
        queue: &Arc<Queue>,
        changes: &[(Receipt, u64)],
    ) -> Result<Vec<VisibilityResult>, RouteError> {
        let groups = by_partition(changes.iter().map(|(r, ms)| (r.partition, (*r, *ms))));
        let all = groups.iter().map(|(partition, changes)| async move {
            let change = proto::ChangeVisibility {
                queue: queue.id.0,
                changes: changes
                    .iter()
                    .map(|(_, (receipt, ms))| proto::NewVisibility {
                        receipt: Some(reference(receipt)),
                        visibility_timeout_ms: *ms,
                    })
                    .collect(),
            };
            match self
                .on_queue(queue, *partition, command::Kind::ChangeVisibility(change))
                .await?
            {
                outcome::Kind::ChangeVisibility(outcome) => Ok(outcome.results),
                _ => Err(RouteError::Unavailable),
            }
        });
        let results = futures::future::try_join_all(all).await?;
        Ok(in_order(changes.len(), groups.values(), results, |r| {
            VisibilityResult::try_from(r).unwrap_or(VisibilityResult::Gone)
        }))
    }

    /// Counts of one part, from its leader; from this node's replica if the leader does not answer.
    pub(crate) async fn counts_of(
        &self,
        queue: QueueId,
        partition: PartitionId,
    ) -> Result<QueueCounts, RouteError> {
        let route = self.core.route(partition).ok_or(RouteError::Unavailable)?;
        if !self.leads(&route)
            && let Some(leader) = route.leader()
            && let Some(peer) = self.core.members.peer(leader)
        {
            let body = peer::CountsRequest { queue: queue.0 }
                .encode_to_vec()
                .into();
            let reply = peer
                .call(
                    Class::Request,
                    method::COUNTS,
                    partition.0,
                    body,
                    Duration::from_secs(1),
                )
                .await;
            if let Ok(Ok(counts)) = reply.map(peer::CountsReply::decode) {
                return Ok(QueueCounts {
                    ready: counts.ready,
                    in_flight: counts.in_flight,
                    delayed: counts.delayed,
                });
            }
        }
        Ok(counts_here(&self.core, queue, partition).await)
    }
}

/// Counts of one part from this node's replica; a leader first lets time take effect.
pub(crate) async fn counts_here(
    core: &Core,
    queue: QueueId,
    partition: PartitionId,
) -> QueueCounts {
    let Some(route) = core.route(partition) else {
        return QueueCounts::default();
    };
    let Some(group) = route.group() else {
        return QueueCounts::default();
    };
    if group.is_leader()
        && !group.leads_with_all_applied()
        && let Ok(index) = group.read_index().await
    {
        // A new leader: what was committed before it may not be applied yet.
        group.wait_applied(index, Duration::from_secs(1)).await;
    }
    let_time_pass(&route, &group).await;
    group.read(|p| {
        p.queue(queue)
            .map_or_else(QueueCounts::default, |view| QueueCounts {
                ready: view.counts.ready,
                in_flight: view.counts.in_flight,
                delayed: view.counts.delayed,
            })
    })
}

/// At the leader: lets what is due take effect, as time does by itself a moment later.
pub(crate) async fn let_time_pass(route: &Route, group: &Group) {
    let now = group.now();
    if group.is_leader() && group.read(|p| p.next_due().is_some_and(|due| due <= now)) {
        // Without it things are as they were a moment ago, which is what is promised.
        route.tick().await;
    }
}

/// Resolves when the partition has had no healthy leader for [`RECEIVE_FAILOVER`].
async fn given_up(route: &Route) {
    let mut healthy = route.healthy.subscribe();
    loop {
        if healthy.wait_for(|healthy| !healthy).await.is_err() {
            std::future::pending::<()>().await;
        }
        let recovered = healthy.wait_for(|healthy| *healthy);
        if tokio::time::timeout(RECEIVE_FAILOVER, recovered)
            .await
            .is_err()
        {
            return;
        }
    }
}

fn reference(receipt: &Receipt) -> ReceiptRef {
    ReceiptRef {
        position: receipt.position,
        generation: receipt.generation,
        log: 0,
    }
}

/// Items by partition, each with its place in the request.
pub(crate) fn by_partition<T>(
    items: impl Iterator<Item = (PartitionId, T)>,
) -> BTreeMap<PartitionId, Vec<(usize, T)>> {
    let mut groups: BTreeMap<PartitionId, Vec<(usize, T)>> = BTreeMap::new();
    for (i, (partition, item)) in items.enumerate() {
        groups.entry(partition).or_default().push((i, item));
    }
    groups
}

/// Puts the partitions' results back into the order of the request.
pub(crate) fn in_order<'a, T: 'a, R: Copy>(
    count: usize,
    groups: impl Iterator<Item = &'a Vec<(usize, T)>>,
    results: Vec<Vec<i32>>,
    decode: impl Fn(i32) -> R,
) -> Vec<R> {
    let mut ordered = vec![decode(0); count];
    for (group, results) in groups.zip(results) {
        for ((place, _), result) in group.iter().zip(results) {
            ordered[*place] = decode(result);
        }
    }
    ordered
}

fn to_messages(
    partition: PartitionId,
    part: ReceiveOutcome,
) -> Result<Vec<ReceivedMessage>, RouteError> {
    let queue = QueueId(part.queue);
    let messages = part.claimed.into_iter().filter_map(|claimed| {
        // Unreadable here: its claim ends and it is tried again, perhaps at another replica. A record of a stream is
        // read by who asked.
        let is_of_stream = claimed.log != 0;
        let record = match claimed.record {
            None if is_of_stream => Record::default(),
            record => record?,
        };
        let (queue, generation) = if is_of_stream {
            (QueueId(claimed.log), claimed.generation)
        } else {
            (queue, claimed.receive_count)
        };
        Some(ReceivedMessage {
            receipt: Receipt {
                partition,
                queue,
                position: claimed.position,
                generation,
            },
            receive_count: claimed.receive_count.saturating_add(record.received_before),
            first_received_at: Timestamp::from_millis(claimed.first_received_at),
            record,
        })
    });
    Ok(messages.collect())
}
