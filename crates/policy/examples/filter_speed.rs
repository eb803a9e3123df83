//! What a message costs: `cargo run --release -p levada-policy --example filter_speed [SUBSCRIPTIONS]`.
//!
//! Subscriptions of several kinds, of which ten match each message; then a million simple ones, with the memory that they take
//! (of Linux's own account). Nothing is asserted.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

use levada_policy::filter::{FilterAttribute, FilterIndex, FilterPolicy, FilterScope};

const SUBSCRIPTIONS: u32 = 10_000;
const MATCHING: u32 = 10;
const MESSAGES: u32 = 2_000;
const MANY: u32 = 1_000_000;

/// A kind of policy: how the one of a group is written.
type Kind = (&'static str, FilterScope, fn(u32) -> String);

const KINDS: &[Kind] = &[
    ("one value", FilterScope::MessageAttributes, |group| {
        format!(r#"{{"tenant":["t{group}"]}}"#)
    }),
    (
        "a common value and one",
        FilterScope::MessageAttributes,
        |group| format!(r#"{{"event":["order"],"tenant":["t{group}"]}}"#),
    ),
    ("a prefix", FilterScope::MessageAttributes, |group| {
        format!(r#"{{"tenant":[{{"prefix":"t{group}"}}],"event":[{{"anything-but":"test"}}]}}"#)
    }),
    (
        "a range of numbers",
        FilterScope::MessageAttributes,
        |group| {
            format!(
                r#"{{"price":[{{"numeric":[">=",{group},"<",{}]}}]}}"#,
                group + 1
            )
        },
    ),
    ("$or of values", FilterScope::MessageAttributes, |group| {
        format!(
            r#"{{"event":["order"],"$or":[{{"tenant":["t{group}"]}},{{"price":[{group}.25]}}]}}"#
        )
    }),
    ("a nested body", FilterScope::MessageBody, |group| {
        format!(r#"{{"order":{{"lines":{{"tenant":["t{group}"]}},"event":["order"]}}}}"#)
    }),
];

fn main() -> io::Result<()> {
    let subscriptions = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(SUBSCRIPTIONS);
    let mut out = io::stdout().lock();
    for (name, scope, policy) in KINDS {
        let index = filled(subscriptions, MATCHING, *scope, *policy);
        let groups = (subscriptions / MATCHING).max(1);
        let begun = Instant::now();
        let mut found = 0;
        for message in 0..MESSAGES {
            found += ask(&index, message.wrapping_mul(7_919) % groups);
        }
        let each_us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(MESSAGES);
        let matching = f64::from(found) / f64::from(MESSAGES);
        writeln!(
            out,
            "{name}: {each_us:.1} us a message, {matching:.1} of {subscriptions} match"
        )?;
    }
    let before = resident_mib();
    let begun = Instant::now();
    let index = filled(MANY, 1, FilterScope::MessageAttributes, |group| {
        format!(r#"{{"tenant":["t{group}"]}}"#)
    });
    let each_us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(MANY);
    writeln!(
        out,
        "{MANY} simple ones, each with a value of its own: {:.0} MiB, {each_us:.1} us to put one in",
        resident_mib() - before
    )?;
    black_box(index);
    Ok(())
}

/// Subscriptions, so many of each group.
fn filled(
    count: u32,
    of_a_group: u32,
    scope: FilterScope,
    policy: fn(u32) -> String,
) -> FilterIndex<u64> {
    let mut index = FilterIndex::new();
    for number in 0..count {
        if let Ok(policy) = FilterPolicy::parse(&policy(number / of_a_group), scope) {
            index.insert(u64::from(number), policy);
        }
    }
    index
}

fn ask(index: &FilterIndex<u64>, group: u32) -> u32 {
    let tenant = format!("t{group}");
    let price = format!("{group}.5");
    let attribute = |name, data_type, value| FilterAttribute {
        name,
        data_type,
        value,
    };
    let attributes = [
        attribute("event", "String", "order"),
        attribute("tenant", "String", &tenant),
        attribute("price", "Number", &price),
        attribute("unasked", "String", "something"),
    ];
    let body = format!(
        r#"{{"order":{{"event":"order","lines":[{{"tenant":"other"}},{{"tenant":"{tenant}","sku":"x"}}]}},"more":[1,2,3]}}"#
    );
    let found = black_box(index.matching_message(&attributes, &body)).len();
    u32::try_from(found).unwrap_or(u32::MAX)
}

/// What the process has in memory, as far as that is told.
fn resident_mib() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|line| line.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(0.0) * 4_096.0 / 1_048_576.0
}
