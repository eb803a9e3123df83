//! What clients do to the cluster, and what they see: every call becomes events that the invariants judge.
//!
//! A message is a number, published or sent, and so are a record of the stream, and whoever has a lease. A producer sends each number once, or on a FIFO queue again with the same deduplication id
//! until it is acknowledged; consumers receive, and then delete, put back, or forget.

mod access;
mod consumer;
mod leases;
mod mover;
mod producer;
mod stream;
mod topics;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use levada_cluster::Queue;
use levada_engine::proto::CreateQueue;
use levada_types::{AccountId, Region};

use crate::event::Event;
use crate::random::Random;
use crate::stepped::Stepped;
use crate::trace::{self, Trace, event};

pub(crate) use access::Access;
pub(crate) use leases::held_by;
pub(crate) use stream::hash_of_key;
pub(crate) use topics::{form_of, topic_of};

/// Producers and consumers of each queue.
const PRODUCERS: u64 = 2;
const CONSUMERS: u64 = 2;

/// A queue of the workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Its name.
    pub(crate) name: &'static str,
    /// First in, first out.
    pub(crate) fifo: bool,
    /// Its dead-letter queue.
    pub(crate) dead: Option<&'static str>,
    /// Producers send to it.
    pub(crate) fed: bool,
    /// Consumers take from it while faults happen; else only at the end.
    pub(crate) drunk: bool,
}

/// Every queue, dead-letter queues before those that name them.
pub(crate) const PLANS: [Plan; 4] = [
    Plan {
        name: "orders",
        fifo: false,
        dead: None,
        fed: true,
        drunk: true,
    },
    Plan {
        name: "orders.fifo",
        fifo: true,
        dead: None,
        fed: true,
        drunk: true,
    },
    Plan {
        name: "tasks-dead",
        fifo: false,
        dead: None,
        fed: false,
        drunk: false,
    },
    Plan {
        name: "tasks",
        fifo: false,
        dead: Some("tasks-dead"),
        fed: true,
        drunk: true,
    },
];

/// What all clients share.
pub(crate) struct Shared {
    pub(crate) access: Arc<Access>,
    pub(crate) trace: Arc<Trace>,
    pub(crate) seed: u64,
    events: Mutex<Vec<Event>>,
    last_event_ms: AtomicU64,
    next_number: AtomicU64,
    /// Producers send while this is set.
    sending: AtomicBool,
    /// Consumers delete all that they get, and from every queue.
    draining: AtomicBool,
    queues: Mutex<BTreeMap<&'static str, Arc<Queue>>>,
    pub(crate) stream: stream::Progress,
    pub(crate) leases: leases::Progress,
    pub(crate) topics: topics::Progress,
}

impl Shared {
    pub(crate) fn new(access: Arc<Access>, trace: Arc<Trace>, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            access,
            trace,
            seed,
            events: Mutex::default(),
            last_event_ms: AtomicU64::new(0),
            next_number: AtomicU64::new(1),
            sending: AtomicBool::new(true),
            draining: AtomicBool::new(false),
            queues: Mutex::default(),
            stream: stream::Progress::default(),
            leases: leases::Progress::default(),
            topics: topics::Progress::default(),
        })
    }

    /// Notes what happened, for the invariants and the trace.
    pub(crate) fn note(&self, event: Event) {
        event!(self.trace, "{event:?}");
        self.last_event_ms.store(trace::now_ms(), Ordering::Relaxed);
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }

    /// What happened since the last call.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When a client last did or saw something.
    pub(crate) fn last_event_ms(&self) -> u64 {
        self.last_event_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn take_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn sends(&self) -> bool {
        self.sending.load(Ordering::Relaxed)
    }

    pub(crate) fn drains(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// No more sends; what is there is to be taken and deleted.
    pub(crate) fn drain(&self) {
        self.sending.store(false, Ordering::Relaxed);
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The queues that exist by now.
    pub(crate) fn queues(&self) -> BTreeMap<&'static str, Arc<Queue>> {
        self.queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Begins the workload: creates the queues, then lets the clients loose.
pub(crate) fn begin(shared: &Arc<Shared>, clients: &Stepped) {
    let shared = shared.clone();
    clients.spawn(async move {
        for plan in PLANS {
            let queue = create(&shared, plan).await;
            shared
                .queues
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(plan.name, queue);
        }
        let queues = shared.queues();
        for plan in PLANS {
            let queue = &queues[plan.name];
            for n in 0..PRODUCERS {
                if plan.fed {
                    let random = Random::of(shared.seed, &format!("producer {n} of {}", plan.name));
                    tokio::spawn(producer::run(
                        shared.clone(),
                        plan,
                        queue.clone(),
                        random,
                        n,
                    ));
                }
            }
            for n in 0..CONSUMERS {
                let random = Random::of(shared.seed, &format!("consumer {n} of {}", plan.name));
                tokio::spawn(consumer::run(shared.clone(), plan, queue.clone(), random));
            }
        }
        tokio::spawn(stream::run(shared.clone()));
        tokio::spawn(leases::run(shared.clone()));
        tokio::spawn(topics::run(shared.clone()));
        let random = Random::of(shared.seed, "mover");
        tokio::spawn(mover::run(shared.clone(), queues["tasks-dead"].id, random));
    });
}

async fn create(shared: &Shared, plan: Plan) -> Arc<Queue> {
    let mut attributes = BTreeMap::new();
    if plan.fifo {
        attributes.insert("FifoQueue".to_owned(), "true".to_owned());
    }
    if let Some(dead) = plan.dead {
        let (region, account) = (Region::us_east_1(), AccountId::DEFAULT);
        let policy = format!(
            r#"{{"deadLetterTargetArn":"arn:aws:sqs:{region}:{account}:{dead}","maxReceiveCount":2}}"#
        );
        attributes.insert("RedrivePolicy".to_owned(), policy);
    }
    create_queue(shared, plan.name, &attributes).await
}

/// Asks one machine after the other until there is a queue of that name.
async fn create_queue(
    shared: &Shared,
    name: &str,
    attributes: &BTreeMap<String, String>,
) -> Arc<Queue> {
    let mut machine = 0;
    loop {
        let command = CreateQueue {
            account: AccountId::DEFAULT.to_string(),
            region: Region::us_east_1().to_string(),
            name: name.to_owned(),
            attributes: attributes.clone(),
            ..CreateQueue::default()
        };
        let created = shared
            .access
            .call(machine, move |broker| async move {
                broker.create_queue(command).await
            })
            .await;
        match created {
            Some(Ok(Ok(queue))) => return queue,
            other => event!(shared.trace, "no queue {name} yet: {other:?}"),
        }
        machine = (machine + 1) % shared.access.machines();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
