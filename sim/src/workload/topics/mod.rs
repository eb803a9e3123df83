//! Topics under work: publishers publish batches to them, each at any node, and choose by filters which subscriptions a
//! message is for, as the gateway does; somebody subscribes queues, changes their filters and takes them away again. Consumers
//! take what arrives, which says for whom and as what it was published.

mod consumer;
mod message;
mod publisher;
mod subscriber;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use levada_cluster::{Broker, Queue, Topic};
use levada_engine::proto::TopicRow;
use levada_types::{AccountId, Region};

use super::{Shared, create_queue};
use crate::random::Random;
use crate::trace::event;

/// A topic of the workload.
#[derive(Clone, Copy, Debug)]
struct Plan {
    name: &'static str,
    fifo: bool,
    publishers: u64,
    /// Its subscribers, at times.
    queues: [&'static str; 4],
}

const PLANS: [Plan; 3] = [
    Plan {
        name: "news",
        fifo: false,
        publishers: 1,
        queues: ["news-0", "news-1", "news-2", "news-3"],
    },
    Plan {
        name: "alarms",
        fifo: false,
        publishers: 1,
        queues: ["alarms-0", "alarms-1", "alarms-2", "alarms-3"],
    },
    Plan {
        name: "trades.fifo",
        fifo: true,
        publishers: 2,
        queues: [
            "trades-0.fifo",
            "trades-1.fifo",
            "trades-2.fifo",
            "trades-3.fifo",
        ],
    },
];

const CONSUMERS: u64 = 2;
/// Between two tries of what must succeed.
const AGAIN: Duration = Duration::from_millis(100);
/// Where a subscription has its filter.
const FILTER: &str = "FilterPolicy";

/// How far the work on the topics is.
#[derive(Default)]
pub(crate) struct Progress {
    /// Publishers and subscribers.
    ended: AtomicU64,
}

impl Progress {
    /// Whether nobody publishes, subscribes or unsubscribes any more.
    pub(crate) fn has_ended(&self) -> bool {
        let all: u64 = PLANS.iter().map(|plan| plan.publishers + 1).sum();
        self.ended.load(Ordering::Relaxed) == all
    }

    fn one_ends(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// In which form a queue gets what is published: there are two, and every other queue of a topic gets the second.
pub(crate) fn form_of(queue: &str) -> u8 {
    let places = PLANS.iter().flat_map(|plan| plan.queues.iter().enumerate());
    let mut of_it = places.filter(|(_, name)| **name == queue);
    of_it.next().map_or(u8::MAX, |(place, _)| (place % 2) as u8)
}

/// The topic that a queue subscribes to.
pub(crate) fn topic_of(queue: &str) -> Option<&'static str> {
    let plan = PLANS.iter().find(|plan| plan.queues.contains(&queue));
    plan.map(|plan| plan.name)
}

/// Makes the topics and their queues, then lets their clients loose.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut queues: Vec<(&'static str, Arc<Queue>)> = Vec::new();
    for plan in PLANS {
        for name in plan.queues {
            let fifo = plan.fifo.then(|| ("FifoQueue".into(), "true".into()));
            let attributes = fifo.into_iter().collect();
            queues.push((name, create_queue(&shared, name, &attributes).await));
        }
        create(&shared, plan).await;
    }
    let queues = Arc::new(queues);
    for plan in PLANS {
        let random = Random::of(shared.seed, &format!("subscriber of {}", plan.name));
        tokio::spawn(subscriber::run(shared.clone(), plan, random));
        for n in 0..plan.publishers {
            let random = Random::of(shared.seed, &format!("publisher {n} of {}", plan.name));
            tokio::spawn(publisher::run(shared.clone(), plan, random, n));
        }
    }
    for n in 0..CONSUMERS {
        let random = Random::of(shared.seed, &format!("consumer {n} of the topics' queues"));
        tokio::spawn(consumer::run(shared.clone(), queues.clone(), random));
    }
}

async fn create(shared: &Shared, plan: Plan) {
    let mut machine = 0;
    loop {
        let row = TopicRow {
            account: AccountId::DEFAULT.to_string(),
            region: Region::us_east_1().to_string(),
            name: plan.name.to_owned(),
            attributes: BTreeMap::new(),
            ..TopicRow::default()
        };
        let created = shared.access.call(machine, move |broker| async move {
            if find(&broker, plan.name).await.is_some() {
                return true;
            }
            matches!(broker.create_topic(row).await, Ok(Ok(_)))
        });
        if created.await == Some(true) {
            return;
        }
        event!(
            shared.trace,
            "no topic {} yet at machine {machine}",
            plan.name
        );
        machine = (machine + 1) % shared.access.machines();
        tokio::time::sleep(AGAIN).await;
    }
}

/// The topic as this node knows it.
async fn find(broker: &Broker, name: &str) -> Option<Arc<Topic>> {
    let region = Region::us_east_1();
    let found = broker.find_topic(AccountId::DEFAULT, &region, name).await;
    found.ok().flatten()
}
