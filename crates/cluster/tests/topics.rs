//! Topics on three nodes in one process, over real sockets and disks: nobody who has subscribed is forgotten, and everything
//! arrives exactly once, whichever node is asked and whoever leads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use levada_cluster::{
    Audience, Broker, Destination, Node, NodeOptions, Outgoing, PublishError, Queue,
    ReceiveOptions, RouteError, Topic,
};
use levada_engine::proto::{
    CatalogRefusal, CreateQueue, Replay, ReplayStatus, ReplayedMessage, SubscriptionRow, TopicRow,
};
use levada_types::{AccountId, QueueName, Region};
use tempfile::TempDir;

const PARTITIONS: u32 = 6;
/// How long anything may take here: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(60);

fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    held.iter()
        .map(|l| l.local_addr().expect("an address"))
        .collect()
}

async fn start(count: usize) -> (TempDir, Vec<Node>) {
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

async fn create_topic(broker: &Broker, name: &str, attributes: &[(&str, &str)]) -> Arc<Topic> {
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

async fn create_queue(broker: &Broker, name: &str) -> Arc<Queue> {
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

fn to_queue(topic: &Topic, queue: &Queue) -> SubscriptionRow {
    SubscriptionRow {
        topic: topic.row.topic,
        account: AccountId::DEFAULT.to_string(),
        protocol: "sqs".into(),
        endpoint: queue.name.to_string(),
        ..SubscriptionRow::default()
    }
}

async fn subscribe(broker: &Broker, topic: &Topic, queue: &Queue) -> SubscriptionRow {
    loop {
        match broker.subscribe(to_queue(topic, queue), None).await {
            Ok(made) => return made.expect("the topic is there").row,
            Err(RouteError::Unavailable) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A destination for every subscription; the endpoint is a queue's name.
async fn destinations(broker: &Broker, audience: &Audience) -> Vec<Destination> {
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
async fn publish(broker: &Broker, topic: &Topic, number: u64, group: &str) -> u64 {
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
async fn receive_all(broker: &Broker, queue: &Arc<Queue>, count: usize) -> Vec<Bytes> {
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
async fn assert_at_rest(nodes: &[Node], queues: &[Arc<Queue>]) {
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

fn expected(queue: &Queue, numbers: impl Iterator<Item = u64>) -> Vec<Bytes> {
    numbers
        .map(|n| Bytes::from(format!("message {n} for {}", queue.name)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_subscribes_at_one_node_gets_what_another_publishes_at_once() {
    let (_dir, nodes) = start(3).await;
    let brokers: Vec<Broker> = nodes.iter().map(Node::broker).collect();
    let topic = create_topic(&brokers[0], "news", &[]).await;
    let count = 12;
    let mut queues = Vec::new();
    for n in 0..count {
        let queue = create_queue(&brokers[n % 3], &format!("reader-{n}")).await;
        let made = subscribe(&brokers[n % 3], &topic, &queue).await;
        queues.push(queue);
        publish(&brokers[(n + 1) % 3], &topic, n as u64, "").await;
        let again = brokers[(n + 2) % 3].subscribe(to_queue(&topic, &queues[n]), None);
        let again = again.await.expect("a leader").expect("it is there");
        assert_eq!((again.row, again.existed), (made, true));
    }
    for (n, queue) in queues.iter().enumerate() {
        let wanted = expected(queue, n as u64..count as u64);
        let mut got = receive_all(&brokers[n % 3], queue, wanted.len()).await;
        got.sort();
        let mut sorted = wanted;
        sorted.sort();
        assert_eq!(got, sorted, "{}", queue.name);
    }
    assert_at_rest(&nodes, &queues).await;
    // Who has unsubscribed gets nothing more, and a topic that is gone takes nothing more.
    let audience = brokers[0].audience(topic.row.topic).expect("the topic");
    let first = &audience.subscriptions[0].row;
    let before = brokers[2].audience(topic.row.topic).expect("the topic");
    let kept: Arc<AtomicU64> = before.kept().expect("it is new");
    let left = brokers[1].unsubscribe(topic.row.topic, first.number, 0);
    left.await.expect("a leader").expect("it is there");
    publish(&brokers[2], &topic, 99, "").await;
    // What is kept of the topic goes from one version to the next.
    let after = brokers[2].audience(topic.row.topic).expect("the topic");
    assert!(after.topic.row.version > before.topic.row.version);
    let still: Arc<AtomicU64> = after.kept().expect("of this type");
    assert!(Arc::ptr_eq(&still, &kept));
    assert_eq!(after.kept::<Arc<u64>>(), None, "it is of another type");
    let mut last = receive_all(&brokers[0], &queues[1], 1).await;
    assert_eq!(last.pop(), expected(&queues[1], 99..100).pop());
    let deleted = brokers[2].delete_topic(&topic).await;
    deleted.expect("a leader").expect("it is there");
    let message = Outgoing {
        message_id: [9; 16],
        group: String::new(),
        deduplication: None,
        variants: vec![Bytes::new()],
        destinations: Vec::new(),
    };
    let refused = brokers[0].publish(&audience.topic, &[message]).await;
    assert_eq!(refused, Err(PublishError::Route(RouteError::NoSuchTopic)));
    let region = Region::us_east_1();
    let gone = brokers[0].find_topic(AccountId::DEFAULT, &region, "news");
    assert!(gone.await.expect("a leader").is_none());
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_arrives_once_though_leaders_go_without_a_word() {
    let (_dir, mut nodes) = start(3).await;
    let broker = nodes[0].broker();
    let topic = create_topic(&broker, "orders.fifo", &[]).await;
    let mut queues = Vec::new();
    for name in ["a.fifo", "b.fifo", "plain"] {
        let queue = create_queue(&broker, name).await;
        subscribe(&broker, &topic, &queue).await;
        queues.push(queue);
    }
    let part = topic.partitions()[0];
    let count = 120;
    for n in 0..count {
        if n == count / 2 {
            // Whoever leads the topic ceases to exist for the others, with what it was shipping.
            let leads = |node: &Node| {
                let group = node.replicas().group(part);
                group.is_some_and(|group| group.is_leader())
            };
            let leader = nodes.iter().position(leads).expect("a leader");
            nodes[leader].replicas().shutdown().await;
            nodes.remove(leader).shutdown().await;
        }
        let broker = nodes[n % nodes.len()].broker();
        publish(&broker, &topic, n as u64, &format!("group {}", n % 3)).await;
    }
    let broker = nodes[0].broker();
    for queue in &queues {
        let got = receive_all(&broker, queue, count).await;
        let mut sorted = got.clone();
        sorted.sort();
        let mut wanted = expected(queue, 0..count as u64);
        wanted.sort();
        assert_eq!(sorted, wanted, "{}", queue.name);
        if queue.settings.fifo {
            assert_in_order(&got);
        }
    }
    assert_at_rest(&nodes, &queues).await;
    for node in nodes {
        node.shutdown().await;
    }
}

/// Within each of the three groups.
fn assert_in_order(got: &[Bytes]) {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for body in got {
        let text = String::from_utf8_lossy(body);
        let number = text.split(' ').nth(1).and_then(|n| n.parse().ok());
        let number: u64 = number.expect("a number");
        let before = last.insert(number % 3, number);
        assert!(before.is_none_or(|before| before < number), "{got:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_archive_is_read_and_handed_on_anew() {
    let (_dir, nodes) = start(1).await;
    let broker = nodes[0].broker();
    let archive = [("ArchivePolicy", r#"{"MessageRetentionPeriod":30}"#)];
    let topic = create_topic(&broker, "kept.fifo", &archive).await;
    let mut positions = Vec::new();
    for n in 0..10 {
        positions.push(publish(&broker, &topic, n, "g").await);
    }
    let read = broker.read_archive(&topic, 0, 4, 1 << 20).await;
    let read = read.expect("it is there");
    let bodies: Vec<Bytes> = read.records.iter().map(|r| r.payload.clone()).collect();
    assert_eq!(bodies.last(), Some(&Bytes::from_static(b"message 3")));
    let ends = broker.archive_ends(&topic, None).await.expect("a leader");
    assert_eq!((ends.horizon, ends.next), (1, 11));
    let queue = create_queue(&broker, "late.fifo").await;
    let row = subscribe(&broker, &topic, &queue).await;
    assert!(broker.leads_archive(&topic));
    // From the sixth on, three at a time, and one is published meanwhile.
    let mut step = Replay {
        subscription: row.subscription,
        replay: 1,
        begin_at: Some(positions[5]),
        ..Replay::default()
    };
    let mut done = broker.replay(&topic, step.clone()).await.expect("begun");
    publish(&broker, &topic, 10, "g").await;
    while done.status() == ReplayStatus::UnderWay {
        let read = broker.read_archive(&topic, done.next, 3, 1 << 20).await;
        let read = read.expect("it is there");
        let to = Destination {
            subscription: row.subscription,
            queue: queue.clone(),
            variant: 0,
            suffix: " for late.fifo".into(),
            numbered: false,
            replay: 0,
        };
        let messages = read.records.iter().map(|record| ReplayedMessage {
            position: record.position,
            destination: broker.replay_destination(&topic, &to, &record.group),
        });
        step.messages = messages.collect();
        step.after = done.next;
        step.through = read.next - 1;
        done = broker.replay(&topic, step.clone()).await.expect("a leader");
    }
    assert_eq!(done.status(), ReplayStatus::Done);
    let seen = broker.replay_of(&topic, row.subscription);
    assert_eq!(seen.map(|seen| seen.next), Some(12));
    publish(&broker, &topic, 11, "g").await;
    let got = receive_all(&broker, &queue, 7).await;
    assert_eq!(got, expected(&queue, 5..12));
    assert_at_rest(&nodes, &[queue]).await;
    for node in nodes {
        node.shutdown().await;
    }
}

/// The next step of a subscription's replay as its author takes it: five messages.
async fn replay_step(broker: &Broker, topic: &Topic, number: u64, queue: &Arc<Queue>) {
    let known = broker
        .replay_of(topic, number)
        .filter(|known| known.next != 0);
    let mut step = Replay {
        subscription: number,
        replay: broker
            .audience(topic.row.topic)
            .expect("the topic")
            .subscriptions[0]
            .row
            .replay,
        begin_at: Some(0),
        ..Replay::default()
    };
    if let Some(known) = known {
        let Ok(read) = broker.read_archive(topic, known.next, 5, 1 << 20).await else {
            return;
        };
        let to = Destination {
            subscription: number,
            queue: queue.clone(),
            variant: 0,
            suffix: format!(" for {}", queue.name).into(),
            numbered: false,
            replay: 0,
        };
        let messages = read.records.iter().map(|record| ReplayedMessage {
            position: record.position,
            destination: broker.replay_destination(topic, &to, &record.group),
        });
        step.messages = messages.collect();
        step.after = known.next;
        step.through = read.next - 1;
    }
    // Without an answer the next look tells how far it has come.
    let _ = broker.replay(topic, step).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replay_goes_on_where_it_stood_when_its_leader_is_gone() {
    let (_dir, mut nodes) = start(3).await;
    let archive = [("ArchivePolicy", r#"{"MessageRetentionPeriod":30}"#)];
    let topic = create_topic(&nodes[0].broker(), "kept.fifo", &archive).await;
    let queue = create_queue(&nodes[0].broker(), "late.fifo").await;
    let group = |n: u64| format!("group {}", n % 3);
    for n in 0..60 {
        publish(&nodes[n as usize % 3].broker(), &topic, n, &group(n)).await;
    }
    let row = SubscriptionRow {
        replay: 1,
        ..to_queue(&topic, &queue)
    };
    let made = nodes[1].broker().subscribe(row, None).await;
    let row = made.expect("a leader").expect("the topic is there").row;
    assert_eq!(row.replay, row.version, "the catalog gives the number");
    // It has begun with what is published before anybody has taken a step of it.
    publish(&nodes[2].broker(), &topic, 60, &group(60)).await;
    let number = row.subscription;
    let limit = Arc::new(AtomicU64::new(30));
    let mut authors = Vec::new();
    for node in &nodes {
        let (broker, topic, queue, limit) =
            (node.broker(), topic.clone(), queue.clone(), limit.clone());
        authors.push(tokio::spawn(async move {
            let mut watch = broker.watch_replays();
            loop {
                watch.mark_seen();
                for due in broker.replays_due() {
                    let known = broker.replay_of(&topic, due.number);
                    if known.is_none_or(|known| known.next < limit.load(Ordering::Relaxed)) {
                        replay_step(&broker, &topic, due.number, &queue).await;
                    }
                }
                let _ = tokio::time::timeout(Duration::from_millis(5), watch.changed()).await;
            }
        }));
    }
    let asked = nodes[0].broker();
    loop {
        let progress = asked.replay_progress(&topic, number, row.replay).await;
        let progress = progress.expect("a leader");
        assert_eq!(
            (progress.status(), progress.live_from),
            (ReplayStatus::UnderWay, 61)
        );
        if progress.next >= 30 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let leads = |node: &Node| node.broker().leads_archive(&topic);
    let leader = nodes.iter().position(leads).expect("a leader");
    authors.remove(leader).abort();
    nodes[leader].replicas().shutdown().await;
    nodes.remove(leader).shutdown().await;
    publish(&nodes[0].broker(), &topic, 61, &group(61)).await;
    limit.store(u64::MAX, Ordering::Relaxed);
    for n in 62..90 {
        publish(&nodes[n as usize % 2].broker(), &topic, n, &group(n)).await;
    }
    let got = receive_all(&nodes[1].broker(), &queue, 90).await;
    assert_in_order(&got);
    let (got, all): (BTreeSet<_>, BTreeSet<_>) = (
        got.into_iter().collect(),
        expected(&queue, 0..90).into_iter().collect(),
    );
    assert_eq!(got, all);
    assert_at_rest(&nodes, &[queue]).await;
    let progress = nodes[1]
        .broker()
        .replay_progress(&topic, number, row.replay)
        .await;
    assert_eq!(progress.expect("a leader").status(), ReplayStatus::Done);
    assert!(
        nodes
            .iter()
            .all(|node| node.broker().replays_due().is_empty())
    );
    authors.iter().for_each(|author| author.abort());
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delivery_queue_is_nobodys_and_what_is_for_a_deleted_queue_holds_nothing_up() {
    let (_dir, nodes) = start(1).await;
    let broker = nodes[0].broker();
    let topic = create_topic(&broker, "pushed", &[]).await;
    let queue = create_queue(&broker, "gone").await;
    let row = SubscriptionRow {
        protocol: "https".into(),
        endpoint: "https://example.com/".into(),
        ..to_queue(&topic, &queue)
    };
    let token = [7; 16];
    let pending = SubscriptionRow {
        token: Bytes::copy_from_slice(&token),
        ..row
    };
    let made = broker.subscribe(pending, None).await.expect("a leader");
    let mut row = made.expect("the topic is there").row;
    assert_eq!(row.queue, 0);
    let audience = broker.audience(topic.row.topic).expect("the topic");
    assert!(audience.subscriptions.is_empty(), "it is not confirmed");
    let found = broker.find_subscription_by_token(&token).await;
    let found = found.expect("a leader").expect("it waits");
    assert_eq!(found.number, row.subscription);
    row.token = Bytes::new();
    let timeout = ("VisibilityTimeout".to_owned(), "60".to_owned());
    let confirmed = broker.set_subscription(row.clone(), Some([timeout].into()));
    let confirmed = confirmed.await.expect("a leader").expect("it is there").row;
    let stale = broker.set_subscription(row, None).await.expect("a leader");
    assert_eq!(stale, Err(CatalogRefusal::Changed));
    let delivery = broker
        .queue(levada_types::QueueId(confirmed.queue))
        .expect("a delivery queue");
    assert_eq!(delivery.subscription, Some(confirmed.subscription));
    let found = broker
        .find_queue(delivery.account, &delivery.region, &delivery.name)
        .await;
    assert!(found.expect("a leader").is_none());
    let all = broker.queues(delivery.account, &delivery.region, "", None, 9);
    let names: BTreeSet<String> = all.iter().map(|queue| queue.name.to_string()).collect();
    assert_eq!(names, BTreeSet::from(["gone".to_owned()]));
    let gone = all[0].clone();
    broker
        .delete_queue(&gone)
        .await
        .expect("a leader")
        .expect("it is there");
    let to = |queue: &Arc<Queue>| Destination {
        subscription: 0,
        queue: queue.clone(),
        variant: 0,
        suffix: Bytes::new(),
        numbered: false,
        replay: 0,
    };
    let audience = broker.audience(topic.row.topic).expect("the topic");
    for n in 0..3_u8 {
        let message = Outgoing {
            message_id: [n; 16],
            group: String::new(),
            deduplication: None,
            variants: vec![vec![b'0' + n].into()],
            destinations: vec![to(&gone), to(&delivery)],
        };
        let published = broker.publish(&audience.topic, &[message]).await;
        assert_eq!(published.expect("a leader").len(), 1);
    }
    let letters = create_queue(&broker, "letters").await;
    let mut got = Vec::new();
    while got.len() < 3 {
        for (queue, partition) in broker.next_deliveries().await {
            assert_eq!(queue.id, delivery.id);
            let options = ReceiveOptions {
                messages_max: 10,
                visibility_timeout_ms: None,
                attempt: None,
                wait_ms: 0,
            };
            let received = broker.receive_from_part(&queue, partition, options).await;
            for message in received.expect("a leader").messages {
                let id = [got.len() as u8; 16];
                let moved = broker.move_claimed(&queue, message.receipt, "", &letters, id);
                assert!(moved.await.expect("a leader"), "it was claimed here");
                got.push(message.record.payload);
            }
        }
    }
    let mut moved = receive_all(&broker, &letters, 3).await;
    got.sort();
    moved.sort();
    assert_eq!(
        (&got, moved),
        (&vec!["0".into(), "1".into(), "2".into()], got.clone())
    );
    assert_at_rest(&nodes, &[delivery]).await;
    for node in nodes {
        node.shutdown().await;
    }
}
