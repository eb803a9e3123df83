//! Tests of the lanes: order, bounds, and what a failed record does to those behind it.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::lanes::{Entry, Lanes, Parcel, Rules};
use crate::hash::HashKey;
use crate::limits::{CALL_BYTES_MAX, CALL_RECORDS_MAX};
use crate::shards::ShardMap;
use crate::shards::tests::even;

const LINGER: Duration = Duration::from_millis(100);

fn rules(aggregate_bytes: Option<usize>) -> Rules {
    Rules {
        aggregate_bytes,
        linger: LINGER,
    }
}

fn entry(number: u64, key: &str, bytes: usize, arrived: Instant) -> Entry<()> {
    Entry {
        number,
        key: key.to_owned(),
        hash_key: HashKey::of(key),
        data: Bytes::from(vec![b'x'; bytes]),
        arrived,
        owner: (),
    }
}

fn lanes(shards: u128, aggregate_bytes: Option<usize>) -> Lanes<()> {
    Lanes::new(rules(aggregate_bytes), ShardMap::new(even(shards)))
}

fn numbers(call: &[Parcel<()>]) -> Vec<u64> {
    let entries = call.iter().flat_map(|parcel| &parcel.entries);
    entries.map(|entry| entry.number).collect()
}

#[test]
fn a_record_waits_for_company_and_goes_when_there_is_enough_of_it() {
    let now = Instant::now();
    let mut lanes = lanes(1, Some(100));
    lanes.add(entry(0, "k", 10, now));
    assert!(lanes.gather(now, false).is_empty());
    assert_eq!(lanes.ready_at(), Some(now + LINGER));
    lanes.add(entry(1, "k", 100, now));
    assert_eq!(numbers(&lanes.gather(now, false)), [0]);
    lanes.land(0, None);
    assert_eq!(numbers(&lanes.gather(now + LINGER, false)), [1]);
}

#[test]
fn a_lane_is_in_one_call_at_a_time() {
    let now = Instant::now();
    let mut lanes = lanes(1, Some(1_000));
    lanes.add(entry(0, "k", 10, now));
    assert_eq!(numbers(&lanes.gather(now, true)), [0]);
    lanes.add(entry(1, "k", 10, now));
    assert!(lanes.gather(now + LINGER, true).is_empty());
    assert_eq!(
        lanes.ready_at(),
        None,
        "nothing but the call's end makes it ready"
    );
    lanes.land(0, None);
    assert_eq!(numbers(&lanes.gather(now, true)), [1]);
}

#[test]
fn without_aggregation_a_call_has_a_key_once() {
    let now = Instant::now();
    let mut lanes = lanes(1, None);
    for (number, key) in [(0, "a"), (1, "a"), (2, "b"), (3, "a"), (4, "c")] {
        lanes.add(entry(number, key, 1, now));
    }
    let call = lanes.gather(now, true);
    assert_eq!(numbers(&call), [0, 2, 4]);
    // The first of "a" failed, the others did not: it goes before the second of "a".
    let failed = call.into_iter().next().unwrap().entries;
    lanes.put_back(failed);
    lanes.land(0, Some(now + LINGER));
    assert!(lanes.gather(now, true).is_empty(), "the lane is paused");
    assert_eq!(numbers(&lanes.gather(now + LINGER, true)), [0]);
}

#[test]
fn one_alone_is_put_as_it_is_and_several_as_the_kpl_does() {
    let now = Instant::now();
    let mut lanes = lanes(1, Some(1_000));
    lanes.add(entry(0, "k", 3, now));
    let call = lanes.gather(now, true);
    assert_eq!(
        (call[0].partition_key.as_str(), call[0].data.as_slice()),
        ("k", &b"xxx"[..])
    );
    assert_eq!(call[0].explicit_hash_key, None);
    lanes.land(0, None);
    lanes.add(entry(1, "k", 3, now));
    lanes.add(entry(2, "l", 3, now));
    let call = lanes.gather(now, true);
    assert_eq!(call[0].partition_key, "a");
    assert_eq!(call[0].explicit_hash_key, Some(HashKey::of("k")));
    assert!(call[0].data.starts_with(b"\xf3\x89\x9a\xc2"));
}

#[test]
fn after_a_split_each_record_goes_to_its_new_lane_in_order() {
    let now = Instant::now();
    let mut lanes = lanes(1, Some(10_000));
    let keys = ["a", "b", "c", "d", "e", "f"];
    for (key, number) in keys.iter().zip(0..) {
        lanes.add(entry(number, key, 1, now));
    }
    let call = lanes.gather(now, true);
    lanes.add(entry(6, "a", 1, now));
    lanes.put_back(call.into_iter().flat_map(|parcel| parcel.entries).collect());
    lanes.land(0, None);
    lanes.replace_map(ShardMap::new(even(2)));
    let call = lanes.gather(now, true);
    assert_eq!(call.len(), 2);
    for parcel in &call {
        let range = lanes.map().get(parcel.lane).unwrap().range;
        assert!(
            parcel
                .entries
                .iter()
                .all(|entry| range.contains(entry.hash_key))
        );
        assert!(parcel.entries.is_sorted_by_key(|entry| entry.number));
    }
    let mut all = numbers(&call);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_waited_too_long_is_given_back() {
    let now = Instant::now();
    let mut lanes = lanes(1, Some(1_000));
    lanes.add(entry(0, "k", 1, now));
    lanes.add(entry(1, "k", 1, now + LINGER));
    let late = lanes.expired(now + LINGER);
    assert_eq!(
        late.iter().map(|entry| entry.number).collect::<Vec<_>>(),
        [0]
    );
    assert_eq!(numbers(&lanes.gather(now, true)), [1]);
}

#[derive(Debug, Clone)]
struct Put {
    key: u8,
    bytes: usize,
}

fn puts() -> impl Strategy<Value = Vec<Put>> {
    let one = (0_u8..12, 0_usize..3_000).prop_map(|(key, bytes)| Put { key, bytes });
    prop::collection::vec(one, 1..300)
}

proptest! {
    // Each case is a whole run.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever fails, whenever it is tried again and however the shards change: each key's records arrive in order, once.
    #[test]
    fn keys_keep_their_order(
        puts in puts(),
        aggregate in prop::option::of(100_usize..5_000),
        fails in prop::collection::vec(any::<bool>(), 64),
        shards in prop::collection::vec(1_u128..6, 1..4),
    ) {
        let now = Instant::now();
        let mut lanes = Lanes::new(rules(aggregate), ShardMap::new(even(shards[0])));
        let mut waiting = puts.iter().zip(0_u64..);
        let mut fate = fails.iter().cycle();
        let mut arrived: HashMap<String, Vec<u64>> = HashMap::new();
        let (mut count, mut round) = (0, 0);
        while count < puts.len() {
            round += 1;
            prop_assert!(round < 20_000, "it comes to no end");
            for (put, number) in waiting.by_ref().take(7) {
                lanes.add(entry(number, &format!("k{}", put.key), put.bytes, now));
            }
            if round % 5 == 0 {
                let next = shards[(round / 5) % shards.len()];
                lanes.replace_map(ShardMap::new(even(next)));
            }
            let call = lanes.gather(now, true);
            prop_assert!(call.len() <= CALL_RECORDS_MAX);
            let bytes: usize = call.iter().map(|p| p.data.len() + p.partition_key.len()).sum();
            prop_assert!(bytes <= CALL_BYTES_MAX);
            for (n, parcel) in call.into_iter().enumerate() {
                let place = parcel.lane;
                // Every call makes some way, or this would have no end.
                if *fate.next().unwrap() && (n > 0 || round % 2 == 0) {
                    lanes.put_back(parcel.entries);
                } else {
                    for entry in parcel.entries {
                        arrived.entry(entry.key).or_default().push(entry.number);
                        count += 1;
                    }
                }
                lanes.land(place, None);
            }
        }
        for numbers in arrived.values() {
            prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        }
    }
}
