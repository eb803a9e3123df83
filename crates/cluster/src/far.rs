//! Long polls on a queue with parts of which this node has no copy: one question for each part, however many polls
//! are parked here, waits at the part's leader until there is something to receive.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_replica::Group;
use levada_rpc::{Class, RemoteError};
use levada_types::{PartitionId, QueueId};
use prost::Message as _;
use tokio::time::Instant;

use crate::background::spawn;
use crate::broker::Broker;
use crate::core::{Core, Route};
use crate::handler::malformed;
use crate::proposer::NOT_LEADER;
use crate::queue::Parts;
use crate::{RouteError, method, proto};

/// Parts that are watched elsewhere at one time; beyond it a poll is told so.
const WATCHED_MAX: usize = 8_192;
/// For how long a leader keeps a question. Polls that have gone meanwhile cost no more than that.
const ANSWER_AFTER: Duration = Duration::from_secs(5);
/// For how long an answer is waited for.
const ASK_TIMEOUT: Duration = Duration::from_secs(7);
/// Between two questions: the polls that were woken have claimed by then.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two tries while nothing is known to have changed.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

impl Broker {
    /// Has the parts of a queue watched that have no copy here. The caller's poll is parked already.
    pub(crate) fn watch_far_parts(&self, queue: &Parts) -> Result<(), RouteError> {
        for partition in &queue.partitions {
            let Some(route) = self.core.route(*partition).filter(|r| r.group().is_none()) else {
                continue;
            };
            let mut watched = self.core.far.lock().unwrap_or_else(|e| e.into_inner());
            if watched.contains(&(queue.id, *partition)) {
                continue;
            }
            if watched.len() >= WATCHED_MAX {
                return Err(RouteError::Overloaded);
            }
            watched.insert((queue.id, *partition));
            drop(watched);
            spawn(&self.core, watch(self.core.clone(), route, queue.id));
        }
        Ok(())
    }
}

/// Runs while polls are parked.
async fn watch(core: Arc<Core>, route: Arc<Route>, queue: QueueId) {
    while goes_on(&core, &route, queue) {
        let asked = Instant::now();
        match ask(&core, &route, queue).await {
            Some(0) => {}
            Some(messages) => core.waiters.wake(queue, messages),
            None => {
                let leader = route.leader();
                let changed = route.place.leader_changed(leader);
                // At the time-out the same leader is asked again.
                let _ = tokio::time::timeout(RETRY_PAUSE, changed).await;
            }
        }
        tokio::time::sleep_until(asked + PAUSE).await;
    }
}

/// Whether anybody still waits; if not, the next one begins anew.
fn goes_on(core: &Core, route: &Route, queue: QueueId) -> bool {
    // Under the lock, so that a poll that comes now either is seen here or does not see this watch.
    let mut watched = core.far.lock().unwrap_or_else(|e| e.into_inner());
    let goes_on = core.waiters.any(queue) && route.group().is_none();
    if !goes_on {
        watched.remove(&(queue, route.partition()));
    }
    goes_on
}

async fn ask(core: &Core, route: &Route, queue: QueueId) -> Option<u32> {
    let peer = core.members.peer(route.leader()?)?;
    let body = proto::AwaitRequest { queue: queue.0 }
        .encode_to_vec()
        .into();
    let call = peer.call(
        Class::Request,
        method::AWAIT,
        route.partition().0,
        body,
        ASK_TIMEOUT,
    );
    let reply = tokio::select! {
        reply = call => reply.ok()?,
        _ = route.place.leader_changed(route.leader()) => return None,
    };
    Some(proto::AwaitReply::decode(reply).ok()?.messages)
}

/// A member's polls wait for messages of a queue that this node leads.
pub(crate) async fn answer(
    core: &Core,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let request = proto::AwaitRequest::decode(body).map_err(malformed)?;
    let queue = QueueId(request.queue);
    let not_leader = || RemoteError::new(NOT_LEADER, "this node does not lead the partition");
    let group = core
        .route(partition)
        .and_then(|route| route.led_group())
        .ok_or_else(not_leader)?;
    let listener = core.waiters.listen(queue);
    let deadline = Instant::now() + ANSWER_AFTER;
    loop {
        // Listening before looking, so that what comes in between is not missed.
        let mut heard = std::pin::pin!(listener.heard.notified());
        heard.as_mut().enable();
        if !group.is_leader() {
            return Err(not_leader());
        }
        let messages = claimable(&group, queue);
        if messages > 0 || tokio::time::timeout_at(deadline, heard).await.is_err() {
            return Ok(proto::AwaitReply { messages }.encode_to_vec().into());
        }
    }
}

fn claimable(group: &Group, queue: QueueId) -> u32 {
    let now = group.now();
    group.read(|partition| {
        let is_due = partition.next_due().is_some_and(|due| due <= now);
        let view = partition
            .claims_of(queue)
            .filter(|view| view.claimable_now());
        let ready = view.map_or(0, |view| view.counts.ready.max(1));
        u32::try_from(ready)
            .unwrap_or(u32::MAX)
            .max(u32::from(is_due))
    })
}
