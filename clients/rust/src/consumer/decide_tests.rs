//! Tests of the decisions: what is free, who gets what, and that it comes to rest.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::decide::{Observed, Rules, choose};
use super::lease::{Change, Lease};
use crate::position::Checkpoint;
use crate::shards::tests::even;

const DURATION: Duration = Duration::from_secs(10);

fn rules(worker: &str) -> Rules<'_> {
    Rules {
        worker,
        lease_duration: DURATION,
        leases_max: 100,
        steals_max: 1,
    }
}

fn leases(count: u128) -> Vec<Lease> {
    let shards = even(count);
    shards
        .iter()
        .map(|s| Lease::new(s, Checkpoint::TrimHorizon))
        .collect()
}

fn owned(mut leases: Vec<Lease>, owner: &str) -> Vec<Lease> {
    for lease in &mut leases {
        lease.owner = Some(owner.to_owned());
    }
    leases
}

fn take<'a>(leases: &'a [Lease], observed: &Observed, worker: &str, now: Instant) -> Vec<&'a str> {
    let chosen = choose(
        leases,
        observed,
        &HashSet::new(),
        rules(worker),
        now,
        &mut |_| 0,
    );
    chosen.into_iter().map(|lease| lease.key.as_str()).collect()
}

#[test]
fn a_lease_is_free_once_its_counter_has_stood_still_under_our_eyes() {
    let begin = Instant::now();
    let mut theirs = owned(leases(1), "other");
    let mut observed = Observed::default();
    observed.observe(&theirs, begin);
    let late = begin + DURATION;
    assert!(take(&theirs, &observed, "me", late - Duration::from_millis(1)).is_empty());
    assert_eq!(take(&theirs, &observed, "me", late).len(), 1);
    theirs[0].counter += 1;
    observed.observe(&theirs, late);
    assert!(
        take(&theirs, &observed, "me", late).is_empty(),
        "it was renewed"
    );
}

#[test]
fn a_lease_that_was_never_seen_before_is_not_expired() {
    let theirs = owned(leases(1), "other");
    let mut observed = Observed::default();
    let now = Instant::now();
    observed.observe(&theirs, now);
    assert!(take(&theirs, &observed, "me", now).is_empty());
}

#[test]
fn children_wait_for_all_their_parents() {
    let now = Instant::now();
    let mut all = leases(3);
    all[2].parents = vec![all[0].key.clone(), all[1].key.clone()];
    let observed = Observed::default();
    let child = all[2].key.clone();
    all[0].checkpoint = Checkpoint::ShardEnd;
    assert_eq!(take(&all, &observed, "me", now), [all[1].key.as_str()]);
    all[1].checkpoint = Checkpoint::ShardEnd;
    assert_eq!(take(&all, &observed, "me", now), [child.as_str()]);
    let alone = &all[2..];
    assert_eq!(
        take(alone, &observed, "me", now),
        [child.as_str()],
        "its parents have expired"
    );
}

#[test]
fn one_is_taken_from_who_has_most_and_none_when_shares_are_even() {
    let now = Instant::now();
    let mut all = leases(6);
    for (n, lease) in all.iter_mut().enumerate() {
        lease.owner = Some(if n < 4 { "rich" } else { "poor" }.to_owned());
    }
    let observed = Observed::default();
    let stolen = take(&all, &observed, "me", now);
    assert_eq!(stolen.len(), 1);
    let victim = all.iter().find(|lease| lease.key == stolen[0]).unwrap();
    assert_eq!(victim.owner.as_deref(), Some("rich"));
    let one = owned(leases(1), "other");
    assert!(
        take(&one, &observed, "me", now).is_empty(),
        "one lease stays where it is"
    );
}

#[test]
fn what_was_ours_before_a_restart_is_taken_at_once() {
    let now = Instant::now();
    let mine = owned(leases(2), "me");
    let mut observed = Observed::default();
    observed.observe(&mine, now);
    assert_eq!(take(&mine, &observed, "me", now).len(), 2);
}

proptest! {
    // Each case is two hundred rounds of all workers.
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Workers come, look in any order, and die: all leases are held by the living in the end, evenly, and then nothing moves.
    #[test]
    fn it_comes_to_rest_with_even_shares(
        count in 1_u128..30,
        workers in 1_usize..7,
        dead in 0_usize..4,
        seed: u64,
    ) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut table: BTreeMap<String, Lease> =
            leases(count).into_iter().map(|lease| (lease.key.clone(), lease)).collect();
        // The dead left theirs behind.
        for lease in table.values_mut().filter(|_| dead > 0) {
            lease.owner = Some(format!("dead-{}", dice.usize(..dead)));
        }
        let names: Vec<String> = (0..workers).map(|n| format!("worker-{n}")).collect();
        let mut eyes: Vec<Observed> = names.iter().map(|_| Observed::default()).collect();
        let mut now = Instant::now();
        let mut moves_in_last_rounds = 0;
        for round in 0..200 {
            now += Duration::from_secs(1);
            for lease in table.values_mut().filter(|lease| lease.owner.as_ref().is_some_and(|o| names.contains(o))) {
                *lease = Change::Renew.apply(lease, "");
            }
            let mut order: Vec<usize> = (0..workers).collect();
            dice.shuffle(&mut order);
            for n in order {
                let seen: Vec<Lease> = table.values().cloned().collect();
                eyes[n].observe(&seen, now);
                let busy = seen.iter().filter(|lease| lease.owner.as_ref() == Some(&names[n]));
                let busy: HashSet<String> = busy.map(|lease| lease.key.clone()).collect();
                let chosen = choose(&seen, &eyes[n], &busy, rules(&names[n]), now, &mut |n| dice.usize(..n));
                for lease in chosen {
                    moves_in_last_rounds += usize::from(round > 150);
                    let taken = Change::Take.apply(lease, &names[n]);
                    table.insert(lease.key.clone(), taken);
                }
            }
        }
        let mut loads: BTreeMap<&String, usize> = names.iter().map(|name| (name, 0)).collect();
        for lease in table.values() {
            let owner = lease.owner.as_ref();
            prop_assert!(owner.is_some_and(|owner| loads.contains_key(owner)), "{lease:?}");
            *loads.get_mut(owner.unwrap()).unwrap() += 1;
        }
        let spread = loads.values().max().unwrap() - loads.values().min().unwrap();
        prop_assert!(spread <= 1, "{loads:?}");
        prop_assert_eq!(moves_in_last_rounds, 0);
    }
}
