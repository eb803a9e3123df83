//! A worker for each part of a delivery queue that this node leads and in which something waits.
//!
//! Who ends is looked at once more: what came while it ended is not forgotten. Beyond [`WORKERS_MAX`] parts wait, and those
//! that have run longest make room.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use levada_cluster::{Broker, Queue};
use levada_types::{PartitionId, QueueId};
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::inbox::PartInbox;
use super::limits::{TURN, TURN_LOOK, WORKERS_MAX};
use super::node_courier::NodeCourier;
use super::statuses::Statuses;

/// A part of a queue.
type Key = (QueueId, PartitionId);

/// Runs workers until it is told to stop; ends when they have.
pub(super) async fn run(
    broker: Broker,
    courier: Arc<NodeCourier>,
    statuses: Arc<Statuses>,
    stop: CancellationToken,
) {
    let mut workers = Workers {
        broker: broker.clone(),
        courier,
        statuses,
        stop: stop.clone(),
        running: BTreeMap::new(),
        keys: HashMap::new(),
        tasks: JoinSet::new(),
        waiting: VecDeque::new(),
        is_waiting: BTreeSet::new(),
    };
    // It is never dropped while it waits: it would take the notes that it has with it.
    let mut ready = Box::pin(broker.next_deliveries());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = workers.tasks.join_next_with_id(), if !workers.tasks.is_empty() => {
                workers.ended(ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            parts = &mut ready => {
                for (queue, partition) in parts {
                    workers.woken((queue.id, partition));
                }
                ready.set(broker.next_deliveries());
            }
            () = tokio::time::sleep(TURN_LOOK), if !workers.waiting.is_empty() => workers.take_turns(),
        }
        workers.start_waiting();
    }
    // Their tokens are children of this one's.
    while workers.tasks.join_next().await.is_some() {}
}

struct Running {
    wake: Arc<Notify>,
    stop: CancellationToken,
    since: Instant,
}

struct Workers {
    broker: Broker,
    courier: Arc<NodeCourier>,
    statuses: Arc<Statuses>,
    stop: CancellationToken,
    running: BTreeMap<Key, Running>,
    keys: HashMap<Id, Key>,
    tasks: JoinSet<()>,
    /// Each is here once.
    waiting: VecDeque<Key>,
    is_waiting: BTreeSet<Key>,
}

impl Workers {
    /// Something waits in a part.
    fn woken(&mut self, key: Key) {
        if let Some(running) = self.running.get(&key) {
            running.wake.notify_one();
        } else if self.is_waiting.insert(key) {
            self.waiting.push_back(key);
        }
    }

    fn ended(&mut self, id: Id) {
        let Some(key) = self.keys.remove(&id) else {
            return;
        };
        self.running.remove(&key);
        if self.broker.has_claimable(key.0, key.1) {
            self.woken(key);
        }
    }

    fn start_waiting(&mut self) {
        while self.running.len() < WORKERS_MAX
            && let Some(key) = self.waiting.pop_front()
        {
            self.is_waiting.remove(&key);
            // Gone, or another node's by now.
            let queue = self.broker.queue(key.0);
            if let Some(queue) = queue.filter(|_| self.broker.leads_part(key.1)) {
                self.start(key, queue);
            }
        }
    }

    fn start(&mut self, key: Key, queue: Arc<Queue>) {
        let running = Running {
            wake: Arc::new(Notify::new()),
            stop: self.stop.child_token(),
            since: Instant::now(),
        };
        let work = work(
            self.broker.clone(),
            queue,
            key.1,
            Arc::clone(&self.courier),
            Arc::clone(&self.statuses),
            Arc::clone(&running.wake),
            running.stop.clone(),
        );
        let task = self.tasks.spawn(work);
        self.keys.insert(task.id(), key);
        self.running.insert(key, running);
    }

    /// Ends as many as others wait, of those whose turn is over, the longest first.
    fn take_turns(&mut self) {
        let now = Instant::now();
        let mut over: Vec<&Running> = self.running.values().collect();
        over.retain(|running| now - running.since >= TURN && !running.stop.is_cancelled());
        over.sort_by_key(|running| running.since);
        for running in over.into_iter().take(self.waiting.len()) {
            running.stop.cancel();
        }
    }
}

async fn work(
    broker: Broker,
    queue: Arc<Queue>,
    partition: PartitionId,
    courier: Arc<NodeCourier>,
    statuses: Arc<Statuses>,
    wake: Arc<Notify>,
    stop: CancellationToken,
) {
    let inbox = PartInbox::open(broker, queue, partition, wake, stop.clone()).await;
    let inbox = match inbox {
        Ok(Some(inbox)) => inbox,
        Ok(None) => return,
        Err(error) => {
            error!(%error, "a subscription cannot be looked up: its messages wait");
            return;
        }
    };
    let status = statuses.of(&inbox.protocol());
    let settings = inbox.settings().worker();
    debug!(?settings, "a worker begins");
    levada_delivery::run(Arc::new(inbox), courier, settings, status, stop).await;
}
