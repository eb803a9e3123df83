//! When all is healed and nobody puts any more: waits until the last change of shards is done, and reads every shard
//! from its beginning to its end at each machine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use levada_cluster::Stream;
use levada_engine::proto::{ShardRow, StreamStatus};

use super::{AGAIN, described, find, seen};
use crate::event::Event;
use crate::net::MachineId;
use crate::stream_event::{Reader, StreamEvent};
use crate::trace::{self, event};
use crate::workload::Shared;

const RECORDS_MAX: usize = 1_000;
const BYTES_MAX: usize = 1 << 20;
/// A machine whose node says nothing so often is no member any more.
const FAILURES_MAX: u32 = 50;

/// Ends when it has read everything.
pub(super) async fn run(shared: Arc<Shared>) {
    while !(shared.drains() && shared.stream.nobody_puts()) {
        tokio::time::sleep(AGAIN).await;
    }
    let stream = settled(&shared).await;
    for machine in 0..shared.access.machines() {
        if sweep(&shared, machine, &stream).await {
            shared.note(Event::Stream(StreamEvent::Swept { machine }));
        }
    }
    shared.stream.swept.store(true, Ordering::Relaxed);
}

/// The stream when nothing of it is being changed any more.
async fn settled(shared: &Shared) -> Arc<Stream> {
    let mut machine = 0;
    loop {
        let found = shared.access.call(machine, |broker| async move {
            broker.catch_up_catalog().await.ok()?;
            find(&broker).await
        });
        match found.await.flatten() {
            Some(stream) if stream.row.status() == StreamStatus::Active => {
                shared.note(Event::Stream(described(machine, &stream)));
                return stream;
            }
            Some(stream) => event!(shared.trace, "the stream is {:?}", stream.row.status()),
            None => machine = (machine + 1) % shared.access.machines(),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether every shard could be read to its end.
async fn sweep(shared: &Shared, machine: MachineId, stream: &Stream) -> bool {
    for shard in stream.shards() {
        if sweep_shard(shared, machine, shard).await.is_none() {
            return false;
        }
    }
    true
}

async fn sweep_shard(shared: &Shared, machine: MachineId, shard: &ShardRow) -> Option<()> {
    let mut failures = 0;
    let (mut from, mut end) = (0, None);
    // Positions begin at 1, also where there is nothing.
    while end.is_none_or(|end| from.max(1) < end) {
        if failures > FAILURES_MAX {
            event!(shared.trace, "machine {machine} can't read {shard:?}");
            return None;
        }
        let asked = shard.clone();
        let read = shared.access.call(machine, move |broker| async move {
            // The leader's end, which this machine may not have reached.
            let ends = broker.shard_ends(&asked, None).await.ok()?;
            let read = broker.read_shard(&asked, from, RECORDS_MAX, BYTES_MAX);
            Some((ends, read.await.ok()?))
        });
        let Some((ends, read)) = read.await.flatten() else {
            if !shared.access.is_open(machine) {
                return None;
            }
            failures += 1;
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        end = Some(ends.next);
        if read.records.is_empty() && read.next < ends.next {
            failures += 1;
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        shared.note(Event::Stream(StreamEvent::Read {
            reader: Reader::Sweeper,
            machine,
            shard: shard.number,
            from,
            records: read.records.iter().map(seen).collect(),
            next: read.next,
            at_end: read.at_end,
            at_ms: trace::now_ms(),
        }));
        from = read.next;
    }
    Some(())
}
