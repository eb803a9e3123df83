//! Follows every shard from its beginning, each read at any machine. Now and then it goes back, waits for the next
//! record as a subscription does, or finds its place by time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use levada_cluster::Stream;
use levada_engine::proto::ShardRow;
use levada_types::Timestamp;

use super::places::Places;
use super::{described, find, seen};
use crate::event::Event;
use crate::net::MachineId;
use crate::random::Random;
use crate::stream_event::{Reader, StreamEvent};
use crate::trace;
use crate::workload::Shared;

/// Pauses between reads, in milliseconds.
const PAUSE_MS_MAX: u64 = 300;
const WAIT_MS_MAX: u64 = 400;
const RECORDS_MAX: u64 = 20;
const BYTES_MAX: u64 = 64 * 1024;
/// Of a thousand turns: the stream is looked at again; a shard is read again from an earlier place; its ends are asked
/// for; the read waits.
const LOOK_PER_MILLE: u64 = 100;
const BACK_PER_MILLE: u64 = 30;
/// So many records back at most, or it would never see the end.
const BACK_MAX: u64 = 30;
const SEARCH_PER_MILLE: u64 = 60;
const WAIT_PER_MILLE: u64 = 300;
/// A search asks for a time so much before or behind that of a record that is known.
const SEARCH_MS: u64 = 1_500;

/// Runs until all is healed; then the sweeper reads everything.
pub(super) async fn run(shared: Arc<Shared>, random: Random, me: u64) {
    let mut follower = Follower {
        shared,
        random,
        me,
        places: Places::default(),
        versions: BTreeMap::new(),
        arrived_ms: BTreeMap::new(),
    };
    let mut stream = None;
    while !follower.shared.drains() {
        let pause = follower.random.within(1..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stream = follower.turn(stream).await;
    }
}

struct Follower {
    shared: Arc<Shared>,
    random: Random,
    me: u64,
    places: Places,
    /// The version of the stream that each machine told last.
    versions: BTreeMap<MachineId, u64>,
    /// When the last record that it saw of a shard had arrived.
    arrived_ms: BTreeMap<u32, u64>,
}

impl Follower {
    /// One call. Gives the stream as it is known afterwards.
    async fn turn(&mut self, stream: Option<Arc<Stream>>) -> Option<Arc<Stream>> {
        let machine = self.random.index(self.shared.access.machines());
        let Some(stream) = stream.filter(|_| !self.random.per_mille(LOOK_PER_MILLE)) else {
            return self.look(machine).await;
        };
        let goes_back = self.random.per_mille(BACK_PER_MILLE);
        let shards: Vec<&ShardRow> = stream
            .shards()
            .filter(|shard| goes_back || !self.places.has_ended(shard.number))
            .collect();
        if shards.is_empty() {
            return None;
        }
        let shard = shards[self.random.index(shards.len())].clone();
        if goes_back {
            let place = self.places.of(shard.number);
            let back = self.random.within(0..=BACK_MAX);
            self.places
                .put(shard.number, place.saturating_sub(back), false);
        }
        if self.random.per_mille(SEARCH_PER_MILLE) {
            self.search(machine, shard).await;
        } else {
            self.read(machine, shard).await;
        }
        Some(stream)
    }

    async fn look(&mut self, machine: MachineId) -> Option<Arc<Stream>> {
        let found = self
            .shared
            .access
            .call(machine, move |broker| async move { find(&broker).await });
        let stream = found.await??;
        if self.versions.insert(machine, stream.row.version) != Some(stream.row.version) {
            self.shared.note(Event::Stream(described(machine, &stream)));
        }
        Some(stream)
    }

    async fn read(&mut self, machine: MachineId, shard: ShardRow) {
        let (number, from) = (shard.number, self.places.of(shard.number));
        let records_max = self.random.within(1..=RECORDS_MAX) as usize;
        let bytes_max = self.random.within(1..=BYTES_MAX) as usize;
        let waits = self.random.per_mille(WAIT_PER_MILLE);
        let wait = Duration::from_millis(self.random.within(0..=WAIT_MS_MAX));
        let read = self.shared.access.call(machine, move |broker| async move {
            if waits {
                broker
                    .await_shard(&shard, from, records_max, bytes_max, wait)
                    .await
            } else {
                broker
                    .read_shard(&shard, from, records_max, bytes_max)
                    .await
            }
        });
        let Some(Ok(read)) = read.await else {
            return;
        };
        self.places.put(number, read.next, read.at_end);
        let Some(last) = read.records.last() else {
            if read.at_end {
                self.note(machine, number, from, &read);
            }
            return;
        };
        self.arrived_ms.insert(number, last.sent_at);
        self.note(machine, number, from, &read);
    }

    fn note(&self, machine: MachineId, shard: u32, from: u64, read: &levada_cluster::ShardRead) {
        self.shared.note(Event::Stream(StreamEvent::Read {
            reader: Reader::Follower(self.me),
            machine,
            shard,
            from,
            records: read.records.iter().map(seen).collect(),
            next: read.next,
            at_end: read.at_end,
            at_ms: trace::now_ms(),
        }));
    }

    async fn search(&mut self, machine: MachineId, shard: ShardRow) {
        let (number, begun_ms) = (shard.number, trace::now_ms());
        let known = self.arrived_ms.get(&number).copied();
        let by_time = self.random.per_mille(700);
        let offset = self.random.within(0..=2 * SEARCH_MS);
        let since_ms = known
            .filter(|_| by_time)
            .map(|at| (at + offset).saturating_sub(SEARCH_MS));
        let ends = self.shared.access.call(machine, move |broker| async move {
            let at = since_ms.map(Timestamp::from_millis);
            broker.shard_ends(&shard, at).await
        });
        let Some(Ok(ends)) = ends.await else {
            return;
        };
        self.shared.note(Event::Stream(StreamEvent::Searched {
            shard: number,
            begun_ms,
            since_ms,
            horizon: ends.horizon,
            next: ends.next,
            since: ends.since,
        }));
        // What it has not seen yet comes first, or a gap would be its own.
        if ends.since <= self.places.of(number) {
            self.places.put(number, ends.since, false);
        }
    }
}
