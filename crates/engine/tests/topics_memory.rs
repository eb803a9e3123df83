//! What topics weigh in the catalog: `cargo test -p levada-engine --test topics_memory -- --ignored --nocapture`.
//!
//! Prints; asserts nothing, for allocators differ.
#![allow(missing_docs)]
#![allow(clippy::print_stdout, reason = "its output is the point")]
#![allow(clippy::disallowed_types, reason = "it asks the machine")]

use levada_engine::proto::{
    Catalog, Command, Proposal, SetSubscription, SetTopic, SubscriptionRow, TopicRow, catalog,
    command,
};
use levada_engine::{Effects, Partition};
use levada_types::{PartitionId, Timestamp};

const TOPICS: u64 = 100_000;
const SUBSCRIPTIONS: u64 = 1_000_000;
/// Commands of one proposal.
const BATCH: u64 = 500;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0_usize) * 4096
}

fn apply(partition: &mut Partition, kinds: impl Iterator<Item = catalog::Kind>) {
    let commands = kinds.map(|kind| Command {
        kind: Some(command::Kind::Catalog(Catalog { kind: Some(kind) })),
    });
    let proposal = Proposal {
        commands: commands.collect(),
        ..Proposal::default()
    };
    partition.apply(
        Timestamp::from_millis(1_000),
        proposal,
        &mut Effects::default(),
    );
}

fn topic(n: u64) -> catalog::Kind {
    let row = TopicRow {
        account: "000000000000".into(),
        region: "eu-central-1".into(),
        name: format!("orders-of-customer-{n}"),
        partitions: vec![1, 2, 3],
        ..TopicRow::default()
    };
    catalog::Kind::SetTopic(SetTopic {
        row: Some(row),
        if_version: 0,
    })
}

fn subscription(n: u64) -> catalog::Kind {
    let filter = r#"{"store":["example_corp"],"event":[{"anything-but":"order_cancelled"}]}"#;
    let raw = ("RawMessageDelivery".to_owned(), "true".to_owned());
    let filter = ("FilterPolicy".to_owned(), filter.to_owned());
    let row = SubscriptionRow {
        topic: n % TOPICS + 1,
        account: "000000000000".into(),
        protocol: "sqs".into(),
        endpoint: format!("arn:aws:sqs:eu-central-1:000000000000:orders-{n}"),
        attributes: [raw, filter].into(),
        ..SubscriptionRow::default()
    };
    catalog::Kind::SetSubscription(SetSubscription {
        row: Some(row),
        if_version: 0,
        delivery: None,
    })
}

#[test]
#[ignore = "takes a gigabyte"]
fn a_million_subscriptions() {
    let mut partition = Partition::new(PartitionId::CATALOG);
    let before = resident_bytes();
    for first in (0..TOPICS).step_by(BATCH as usize) {
        apply(&mut partition, (first..first + BATCH).map(topic));
    }
    let with_topics = resident_bytes();
    for first in (0..SUBSCRIPTIONS).step_by(BATCH as usize) {
        let some = first..first + BATCH;
        apply(&mut partition, some.map(subscription));
    }
    let with_all = resident_bytes();
    let rows = partition.snapshot();
    let bytes: usize = rows
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    let mib = |bytes: usize| bytes / (1024 * 1024);
    println!("{TOPICS} topics: {} MiB", mib(with_topics - before));
    println!(
        "{SUBSCRIPTIONS} subscriptions with filters: {} MiB",
        mib(with_all - with_topics)
    );
    println!(
        "in all {} MiB; a snapshot has {} rows of {} MiB, and takes {} MiB more while it is made",
        mib(with_all - before),
        rows.len(),
        mib(bytes),
        mib(resident_bytes() - with_all)
    );
}
