//! Puts a few records at a time, and those that nobody acknowledged again: so some are in the stream twice. A key has
//! one producer, which goes on to the next record of it when the last is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_cluster::{Put, StreamRecord};

use super::{KEYS, digest_of, find, hash_of_key};
use crate::event::Event;
use crate::random::Random;
use crate::stream_event::{Sent, Sequence, StreamEvent};
use crate::trace;
use crate::workload::Shared;

/// Records of one call.
const RECORDS_MAX: u64 = 4;
/// Pauses between calls, in milliseconds.
const PAUSE_MS_MAX: u64 = 500;
/// Of a thousand records so many are large, so that some leave memory for blocks.
const LARGE_PER_MILLE: u64 = 150;
const LARGE_BYTES: usize = 24 * 1024;
const ATTEMPTS_MAX: u32 = 8;
/// Of a thousand calls that were acknowledged so many are made again all the same.
const AGAIN_PER_MILLE: u64 = 50;

/// A record, and how its invariants know it.
type Known = (Sent, StreamRecord);

/// Runs until the sending ends.
pub(super) async fn run(shared: Arc<Shared>, mut random: Random, me: u64) {
    while shared.sends() {
        let count = random.within(1..=RECORDS_MAX);
        let records: Vec<Known> = (0..count)
            .map(|_| {
                let key = me * KEYS + random.within(0..=KEYS - 1);
                record(shared.take_number(), key, random.per_mille(LARGE_PER_MILLE))
            })
            .collect();
        let mut left = records.clone();
        for _ in 0..ATTEMPTS_MAX {
            left = put(&shared, &mut random, left).await;
            if left.is_empty() {
                break;
            }
        }
        if left.is_empty() && random.per_mille(AGAIN_PER_MILLE) {
            put(&shared, &mut random, records).await;
        }
        let pause = random.within(1..=PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    shared.stream.producer_ends();
}

fn record(number: u64, key: u64, large: bool) -> Known {
    let mut data = number.to_be_bytes().to_vec();
    if large {
        data.resize(LARGE_BYTES, number as u8);
    }
    let sent = Sent {
        number,
        key,
        digest: digest_of(&data),
    };
    let record = StreamRecord {
        hash: hash_of_key(key),
        partition_key: key.to_string(),
        data: Bytes::from(data),
    };
    (sent, record)
}

/// One call; those that were not acknowledged.
async fn put(shared: &Shared, random: &mut Random, records: Vec<Known>) -> Vec<Known> {
    shared.note(Event::Stream(StreamEvent::PutBegun {
        records: records.iter().map(|(sent, _)| *sent).collect(),
    }));
    let machine = random.index(shared.access.machines());
    let call: Vec<StreamRecord> = records.iter().map(|(_, record)| record.clone()).collect();
    let puts = shared.access.call(machine, move |broker| async move {
        let stream = find(&broker).await?;
        broker.put_records(&stream, call).await.ok()
    });
    let Some(Some(puts)) = puts.await else {
        return records;
    };
    let mut left = Vec::new();
    for (known, put) in records.into_iter().zip(puts) {
        let Put::Kept {
            shard,
            opened_at,
            position,
        } = put
        else {
            left.push(known);
            continue;
        };
        shared.note(Event::Stream(StreamEvent::PutAcknowledged {
            number: known.0.number,
            key: known.0.key,
            sequence: Sequence {
                opened_secs: opened_at / 1_000,
                position,
                shard,
            },
            at_ms: trace::now_ms(),
        }));
    }
    left
}
