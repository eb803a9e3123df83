//! What fan-out costs: `cargo test --release -p levada-cluster --test topics_speed -- --ignored --nocapture`.
//!
//! One node, one topic, ten queues. Prints; asserts nothing about time, for machines differ.
#![allow(clippy::print_stdout, reason = "its output is the point")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use levada_cluster::{Broker, Destination, Node, NodeOptions, Outgoing, PublishError, Queue};
use levada_engine::proto::{CreateQueue, TopicRow};
use levada_types::{AccountId, PartitionId, Region};

const QUEUES: usize = 10;
/// Fewer where the program is slow: then it shows that it works, and no more.
const MESSAGES: u64 = if cfg!(debug_assertions) {
    2_000
} else {
    50_000
};
const BYTES: usize = 1_024;
/// Callers that publish at one time.
const PUBLISHERS: usize = 64;
const PARTITIONS: u32 = 8;

async fn create_queue(broker: &Broker, n: usize) -> Arc<Queue> {
    let command = CreateQueue {
        account: AccountId::DEFAULT.to_string(),
        region: Region::us_east_1().to_string(),
        name: format!("q{n}"),
        ..CreateQueue::default()
    };
    let made = broker.create_queue(command).await.expect("a leader");
    made.expect("a new name")
}

async fn counted(broker: &Broker, queues: &[Arc<Queue>]) -> u64 {
    let mut sum = 0;
    for queue in queues {
        sum += broker.counts(queue).await.expect("counts").ready;
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn fan_out_to_ten_queues() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("an address");
    drop(held);
    let node = Node::start(NodeOptions {
        data_dir: dir.path().join("n"),
        peers_listen: Some(address),
        members: vec![address.to_string()],
        peers_address: address.to_string(),
        http_address: "127.0.0.1:4566".into(),
        zone: String::new(),
        partitions: PARTITIONS,
        on_demand_window: levada_cluster::ON_DEMAND_WINDOW_DEFAULT,
    })
    .await
    .expect("the node starts");
    node.wait_ready().await;
    let broker = node.broker();
    let row = TopicRow {
        account: AccountId::DEFAULT.to_string(),
        region: Region::us_east_1().to_string(),
        name: "t".into(),
        ..TopicRow::default()
    };
    let topic = broker.create_topic(row).await.expect("a leader");
    let topic = topic.expect("a new name");
    let mut queues = Vec::new();
    for n in 0..QUEUES {
        queues.push(create_queue(&broker, n).await);
    }
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let publishers = (0..PUBLISHERS).map(|_| {
        let (broker, topic, queues) = (broker.clone(), topic.clone(), queues.clone());
        let next = next.clone();
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= MESSAGES {
                    return;
                }
                let message = Outgoing {
                    message_id: u128::from(number).to_be_bytes(),
                    group: String::new(),
                    deduplication: None,
                    variants: vec![vec![7; BYTES].into()],
                    destinations: queues
                        .iter()
                        .map(|queue| Destination {
                            subscription: 0,
                            queue: queue.clone(),
                            variant: 0,
                            suffix: Bytes::new(),
                            numbered: false,
                            replay: 0,
                        })
                        .collect(),
                };
                let message = [message];
                while let Err(error) = broker.publish(&topic, &message).await {
                    assert_eq!(error, PublishError::Full);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        })
    });
    let publishers: Vec<_> = publishers.collect();
    for publisher in publishers {
        publisher.await.expect("no panic");
    }
    let published = begun.elapsed().as_secs_f64();
    while counted(&broker, &queues).await < MESSAGES * QUEUES as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let delivered = begun.elapsed().as_secs_f64();
    let deliveries = (MESSAGES * QUEUES as u64) as f64;
    println!(
        "published {:.0}/s, delivered {:.0}/s; of {deliveries} deliveries the last came {:.2} s after the last publish",
        MESSAGES as f64 / published,
        deliveries / delivered,
        delivered - published
    );
    let group = node.replicas().group(PartitionId(topic.row.partitions[0]));
    let waiting = group.map(|group| group.read(|p| p.outbox_waiting()));
    println!("waiting in the outboxes: {waiting:?}");
    node.shutdown().await;
}
