//! Workers that share the leases of a table, as those of KCL do: they take them from each other, renew them, keep
//! checkpoints in them, and read, scan and query them, each call at any node. The index by owner comes while they work.
//! When all is healed a sweeper takes every lease once more and reads it at each node.
//!
//! A worker that takes a lease calls itself by a new number, so that whatever it asked for before is refused; and it
//! takes the lease anew when a write of its own has no answer. So a checkpoint needs no condition but the owner.

mod calls;
mod item;
mod sweeper;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use levada_cluster::Broker;
use levada_engine::proto::{
    IndexConfig, IndexRow, KeyPart, KeySchema, KeyType, Projection, TableRow,
};
use levada_types::{AccountId, Region};

use super::Shared;
use crate::random::Random;
use crate::trace::event;

pub(crate) use item::held_by;

const NAME: &str = "reader-leases";
const INDEX: &str = "LeaseOwnerToLeaseKeyIndex";
const WORKERS: u64 = 3;
/// Between two tries of what must succeed.
const AGAIN: Duration = Duration::from_millis(100);
/// The index comes within this time, in milliseconds.
const INDEX_MS_MAX: u64 = 10_000;
/// It is looked this often whether the faults are over, in milliseconds.
const LOOK_MS: u64 = 100;

/// How far the work on the leases is.
#[derive(Default)]
pub(crate) struct Progress {
    workers_ended: AtomicU64,
    indexed: AtomicBool,
    swept: AtomicBool,
}

impl Progress {
    /// Whether every lease was read at every node, after the last worker's last call.
    pub(crate) fn is_swept(&self) -> bool {
        self.swept.load(Ordering::Relaxed)
    }

    fn worker_ends(&self) {
        self.workers_ended.fetch_add(1, Ordering::Relaxed);
    }

    fn nobody_works(&self) -> bool {
        self.workers_ended.load(Ordering::Relaxed) == WORKERS
            && self.indexed.load(Ordering::Relaxed)
    }
}

/// Makes the table, then lets its clients loose.
pub(super) async fn run(shared: Arc<Shared>) {
    until_done(&shared, "no table", |broker| async move {
        if find(&broker).await.is_some() {
            return true;
        }
        let row = TableRow {
            account: AccountId::DEFAULT.to_string(),
            region: Region::us_east_1().to_string(),
            name: NAME.to_owned(),
            key: Some(key_of(item::KEY)),
            on_demand: true,
            ..TableRow::default()
        };
        matches!(broker.create_table(row).await, Ok(Ok(_)))
    })
    .await;
    for n in 0..WORKERS {
        let random = Random::of(shared.seed, &format!("worker {n} of {NAME}"));
        tokio::spawn(worker::run(shared.clone(), random));
    }
    let random = Random::of(shared.seed, INDEX);
    tokio::spawn(add_index(shared.clone(), random));
    tokio::spawn(sweeper::run(shared));
}

/// Asks one machine after the other until one says that it is done.
async fn until_done<F>(
    shared: &Shared,
    not_yet: &str,
    ask: impl Fn(Broker) -> F + Clone + Send + 'static,
) where
    F: Future<Output = bool> + Send + 'static,
{
    let mut machine = 0;
    while shared.access.call(machine, ask.clone()).await != Some(true) {
        event!(shared.trace, "{not_yet} yet at machine {machine}");
        machine = (machine + 1) % shared.access.machines();
        tokio::time::sleep(AGAIN).await;
    }
}

fn key_of(attribute: &str) -> KeySchema {
    KeySchema {
        hash: Some(KeyPart {
            name: attribute.to_owned(),
            r#type: KeyType::String as i32,
        }),
        range: None,
    }
}

/// Gives the table its index when there are items already.
async fn add_index(shared: Arc<Shared>, mut random: Random) {
    let pause_ms = random.within(0..=INDEX_MS_MAX);
    for _ in 0..pause_ms / LOOK_MS {
        if !shared.drains() {
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }
    until_done(&shared, "no index", |broker| async move {
        let Some(table) = find(&broker).await else {
            return false;
        };
        if !table.row.indexes.is_empty() {
            return true;
        }
        let mut row = table.row.clone();
        row.indexes.push(IndexRow {
            config: Some(IndexConfig {
                name: INDEX.to_owned(),
                key: Some(key_of(item::OWNER)),
                projection: Projection::All as i32,
                included: Vec::new(),
            }),
            throughput: None,
        });
        matches!(broker.change_table(row).await, Ok(Ok(_)))
    })
    .await;
    shared.leases.indexed.store(true, Ordering::Relaxed);
}

/// The table as this node knows it.
async fn find(broker: &Broker) -> Option<Arc<levada_cluster::Table>> {
    let region = Region::us_east_1();
    let found = broker.find_table(AccountId::DEFAULT, &region, NAME).await;
    found.ok().flatten()
}
