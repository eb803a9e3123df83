//! Topics on three nodes in one process, over real sockets and disks: nobody who has subscribed is forgotten, and everything
//! arrives exactly once, whichever node is asked and whoever leads.

mod replays;
mod rig;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use levada_cluster::{
    Broker, Destination, Node, Outgoing, PublishError, Queue, ReceiveOptions, RouteError,
};
use levada_engine::proto::{CatalogRefusal, SubscriptionRow};
use levada_types::{AccountId, Region};

use rig::*;

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
