//! A stream under work: producers put records, readers follow its shards at any node, and somebody splits and merges
//! them meanwhile. When all is healed a sweeper reads everything once more at each node.

mod places;
mod producer;
mod reader;
mod resharder;
mod sweeper;

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use levada_cluster::{Broker, Stream};
use levada_engine::proto::{Record, StreamRow};
use levada_types::{AccountId, Region};

use super::Shared;
use crate::net::MachineId;
use crate::random::Random;
use crate::stream_event::{Seen, Sent, StreamEvent};
use crate::trace::event;

const NAME: &str = "clicks";
/// Shards that it begins with.
const SHARDS: u32 = 3;
/// Longer than any run, so that nothing may expire.
const RETENTION_HOURS: u32 = 24;
const PRODUCERS: u64 = 2;
const READERS: u64 = 2;
/// Partition keys of one producer.
const KEYS: u64 = 4;
/// Between two tries of what must succeed.
const AGAIN: Duration = Duration::from_millis(100);

/// How far the work on the stream is.
#[derive(Default)]
pub(crate) struct Progress {
    producers_ended: AtomicU64,
    swept: AtomicBool,
}

impl Progress {
    /// Whether every shard was read to its end at every node, after the last put.
    pub(crate) fn is_swept(&self) -> bool {
        self.swept.load(Ordering::Relaxed)
    }

    fn producer_ends(&self) {
        self.producers_ended.fetch_add(1, Ordering::Relaxed);
    }

    fn nobody_puts(&self) -> bool {
        self.producers_ended.load(Ordering::Relaxed) == PRODUCERS
    }
}

/// Makes the stream, then lets its clients loose.
pub(super) async fn run(shared: Arc<Shared>) {
    create(&shared).await;
    for n in 0..PRODUCERS {
        let random = Random::of(shared.seed, &format!("producer {n} of {NAME}"));
        tokio::spawn(producer::run(shared.clone(), random, n));
    }
    for n in 0..READERS {
        let random = Random::of(shared.seed, &format!("reader {n} of {NAME}"));
        tokio::spawn(reader::run(shared.clone(), random, n));
    }
    let random = Random::of(shared.seed, "resharder");
    tokio::spawn(resharder::run(shared.clone(), random));
    tokio::spawn(sweeper::run(shared));
}

async fn create(shared: &Shared) {
    let mut machine = 0;
    loop {
        let row = StreamRow {
            account: AccountId::DEFAULT.to_string(),
            region: Region::us_east_1().to_string(),
            name: NAME.to_owned(),
            retention_hours: RETENTION_HOURS,
            ..StreamRow::default()
        };
        let created = shared.access.call(machine, move |broker| async move {
            if find(&broker).await.is_some() {
                return true;
            }
            matches!(broker.create_stream(row, SHARDS).await, Ok(Ok(_)))
        });
        if created.await == Some(true) {
            return;
        }
        event!(shared.trace, "no stream yet at machine {machine}");
        machine = (machine + 1) % shared.access.machines();
        tokio::time::sleep(AGAIN).await;
    }
}

/// The stream as this node knows it.
async fn find(broker: &Broker) -> Option<Arc<Stream>> {
    let region = Region::us_east_1();
    let found = broker.find_stream(AccountId::DEFAULT, &region, NAME).await;
    found.ok().flatten()
}

/// What the stream consists of, as a node tells it.
fn described(machine: MachineId, stream: &Stream) -> StreamEvent {
    StreamEvent::Described {
        machine,
        version: stream.row.version,
        shards: stream.shards().cloned().collect(),
    }
}

/// Where a partition key falls to. Keys in order are as far apart as can be.
pub(crate) fn hash_of_key(key: u64) -> u128 {
    u128::from(key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}

fn digest_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// A record as it came; what has no number is record 0, which nobody sends.
fn seen(record: &Record) -> Seen {
    let number = record.payload.first_chunk::<8>();
    Seen {
        position: record.position,
        arrived_ms: record.sent_at,
        sent: Sent {
            number: number.map_or(0, |bytes| u64::from_be_bytes(*bytes)),
            key: record.group.parse().unwrap_or(u64::MAX),
            digest: digest_of(&record.payload),
        },
    }
}
