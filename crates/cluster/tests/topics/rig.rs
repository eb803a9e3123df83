//! A cluster in one process, and what the tests of topics do with it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use levada_cluster::{
    Audience, Broker, Destination, Node, NodeOptions, Outgoing, PublishError, Queue,
    ReceiveOptions, RouteError, Topic,
};
use levada_engine::proto::{CreateQueue, SubscriptionRow, TopicRow};
use levada_types::{AccountId, QueueName, Region};
use tempfile::TempDir;

pub(crate) const PARTITIONS: u32 = 6;
/// How long anything may take here: far longer than it does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    held.iter()
        .map(|l| l.local_addr().expect("an address"))
        .collect()
}

pub(crate) async fn start(count: usize) -> (TempDir, Vec<Node>) {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    // Another test of this process may have been first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let addresses = free_addresses(count);
    let members: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let starts = (0..count).map(|i| {
        Node::start(NodeOptions {
            data_dir: dir.path().join(format!("n{i}")),
            peers_listen: Some(addresses[i]),
            members: members.clone(),
            peers_address: members[i].clone(),
            http_address: format!("127.0.0.1:{}", 4566 + i),
            zone: String::new(),
            partitions: PARTITIONS,
            on_demand_window: levada_cluster::ON_DEMAND_WINDOW_DEFAULT,
        })
    });
    let nodes = futures::future::try_join_all(starts)
        .await
        .expect("every node starts");
    for node in &nodes {
        let ready = tokio::time::timeout(PATIENCE, node.wait_ready());
        ready.await.expect("ready in time");
    }
    (dir, nodes)
}

pub(crate) async fn create_topic(
    broker: &Broker,
    name: &str,
    attributes: &[(&str, &str)],
) -> Arc<Topic> {
    let attributes = attributes.iter();
    let row = TopicRow {
        account: AccountId::DEFAULT.to_string(),
        region: Region::us_east_1().to_string(),
        name: name.into(),
        attributes: attributes
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
        ..TopicRow::default()
    };
    let made = broker.create_topic(row).await.expect("a leader");
    made.expect("a new name")
}

pub(crate) async fn create_queue(broker: &Broker, name: &str) -> Arc<Queue> {
    let fifo = name
        .ends_with(".fifo")
        .then(|| ("FifoQueue".to_owned(), "true".to_owned()));
    let command = CreateQueue {
        account: AccountId::DEFAULT.to_string(),
        region: Region::us_east_1().to_string(),
        name: name.into(),
        attributes: fifo.into_iter().collect(),
        ..CreateQueue::default()
    };
    let made = broker.create_queue(command).await.expect("a leader");
    made.expect("a new name")
}

pub(crate) fn to_queue(topic: &Topic, queue: &Queue) -> SubscriptionRow {
    SubscriptionRow {
        topic: topic.row.topic,
        account: AccountId::DEFAULT.to_string(),
        protocol: "sqs".into(),
        endpoint: queue.name.to_string(),
        ..SubscriptionRow::default()
    }
}

pub(crate) async fn subscribe(broker: &Broker, topic: &Topic, queue: &Queue) -> SubscriptionRow {
    loop {
        match broker.subscribe(to_queue(topic, queue), None).await {
            Ok(made) => return made.expect("the topic is there").row,
            Err(RouteError::Unavailable) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A destination for every subscription; the endpoint is a queue's name.
pub(crate) async fn destinations(broker: &Broker, audience: &Audience) -> Vec<Destination> {
    let mut destinations = Vec::new();
    for subscription in &audience.subscriptions {
        let name: QueueName = subscription.row.endpoint.parse().expect("a name");
        let queue = broker
            .find_queue(AccountId::DEFAULT, &Region::us_east_1(), &name)
            .await
            .expect("a leader")
            .expect("the queue");
        destinations.push(Destination {
            subscription: subscription.row.number,
            queue,
            variant: 0,
            suffix: format!(" for {name}").into(),
            numbered: false,
            replay: subscription.row.replay,
        });
    }
    destinations
}

/// Publishes as the gateway does: anew when the topic has changed. A FIFO message also when its fate is unknown.
pub(crate) async fn publish(broker: &Broker, topic: &Topic, number: u64, group: &str) -> u64 {
    let mut message_id = [0; 16];
    message_id[..8].copy_from_slice(&number.to_be_bytes());
    loop {
        let Some(audience) = broker.audience(topic.row.topic) else {
            broker.catch_up_catalog().await.expect("a leader");
            continue;
        };
        let message = Outgoing {
            message_id,
            group: group.into(),
            deduplication: Some(message_id).filter(|_| topic.is_fifo()),
            variants: vec![format!("message {number}").into()],
            destinations: destinations(broker, &audience).await,
        };
        match broker.publish(&audience.topic, &[message]).await {
            Ok(published) => return published[0].position,
            Err(PublishError::Stale) => {}
            Err(PublishError::Route(RouteError::Unavailable)) if topic.is_fifo() => {}
            Err(error) => panic!("message {number}: {error}"),
        }
    }
}

/// Receives until so many messages have come, deletes them, and looks that no more come.
pub(crate) async fn receive_all(broker: &Broker, queue: &Arc<Queue>, count: usize) -> Vec<Bytes> {
    let mut got = Vec::new();
    let begun = tokio::time::Instant::now();
    while got.len() < count {
        assert!(begun.elapsed() < PATIENCE, "{}: {got:?}", queue.name);
        let options = ReceiveOptions {
            messages_max: 10,
            visibility_timeout_ms: Some(600_000),
            attempt: None,
            wait_ms: 1_000,
        };
        let received = match broker.receive(queue, options).await {
            Ok(received) => received.messages,
            Err(RouteError::Unavailable) => continue,
            Err(error) => panic!("{error}"),
        };
        let receipts: Vec<_> = received.iter().map(|m| m.receipt).collect();
        got.extend(received.into_iter().map(|m| m.record.payload));
        while broker.delete(queue, &receipts).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "{}: no delete", queue.name);
        }
    }
    got
}

/// Nothing is left to be shipped anywhere, and nothing is in the queue.
pub(crate) async fn assert_at_rest(nodes: &[Node], queues: &[Arc<Queue>]) {
    let begun = tokio::time::Instant::now();
    loop {
        let groups = (0..PARTITIONS).flat_map(|partition| {
            let of = move |node: &Node| node.replicas().group(levada_types::PartitionId(partition));
            nodes.iter().filter_map(of)
        });
        let leaders = groups.filter(|group| group.is_leader());
        let waiting: usize = leaders.map(|g| g.read(|p| p.outbox_waiting())).sum();
        if waiting == 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{waiting} items wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for queue in queues {
        let counts = nodes[0].broker().counts(queue).await.expect("counts");
        assert_eq!(counts.ready + counts.in_flight, 0, "{}", queue.name);
    }
}

pub(crate) fn expected(queue: &Queue, numbers: impl Iterator<Item = u64>) -> Vec<Bytes> {
    numbers
        .map(|n| Bytes::from(format!("message {n} for {}", queue.name)))
        .collect()
}

/// Within each of the three groups.
pub(crate) fn assert_in_order(got: &[Bytes]) {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for body in got {
        let text = String::from_utf8_lossy(body);
        let number = text.split(' ').nth(1).and_then(|n| n.parse().ok());
        let number: u64 = number.expect("a number");
        let before = last.insert(number % 3, number);
        assert!(before.is_none_or(|before| before < number), "{got:?}");
    }
}
