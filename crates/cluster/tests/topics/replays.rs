//! Archives: read, and delivered anew.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use levada_cluster::{Broker, Destination, Node, Queue, Topic};
use levada_engine::proto::{Replay, ReplayStatus, ReplayedMessage, SubscriptionRow};

use super::rig::*;

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
