//! Topics and subscriptions, by hand; `tests/topics_of_catalog.rs` has them at random.

use super::*;
use crate::proto::{DeliveryQueue, SetSubscription, SetTopic, SubscriptionRow};

fn t(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn create(catalog: &mut Catalog, name: &str) -> Result<TopicRow, Refusal> {
    let row = TopicRow {
        account: "1".into(),
        region: "r".into(),
        name: name.into(),
        partitions: vec![3],
        ..TopicRow::default()
    };
    let command = SetTopic {
        row: Some(row),
        if_version: 0,
    };
    catalog.set_topic(t(7), command, &mut Effects::default())
}

fn subscribe(catalog: &mut Catalog, topic: u64, endpoint: &str) -> SubscriptionOutcome {
    let row = SubscriptionRow {
        topic,
        account: "2".into(),
        protocol: "https".into(),
        endpoint: endpoint.into(),
        ..SubscriptionRow::default()
    };
    let command = SetSubscription {
        row: Some(row),
        if_version: 0,
        delivery: Some(DeliveryQueue {
            partitions: vec![3, 4],
            ..DeliveryQueue::default()
        }),
    };
    let outcome = catalog.set_subscription(t(8), command, &mut Effects::default());
    outcome.unwrap()
}

#[test]
fn a_topics_version_rises_with_its_subscriptions() {
    let mut catalog = Catalog::default();
    let topic = create(&mut catalog, "a").unwrap();
    assert_eq!((topic.topic, topic.version, topic.created_at), (1, 1, 7));
    assert_eq!(create(&mut catalog, "a"), Err(Refusal::TopicExists));
    let first = subscribe(&mut catalog, 1, "x");
    let row = first.row.unwrap();
    assert_eq!((row.subscription, row.version, row.created_at), (2, 2, 8));
    assert!(!first.existed);
    let again = subscribe(&mut catalog, 1, "x");
    assert_eq!((again.row.unwrap(), again.existed), (row.clone(), true));
    assert_eq!(catalog.topic(1).unwrap().version, 2);
    let drop = proto::DropSubscription {
        subscription: 2,
        if_version: 9,
    };
    let mut fx = Effects::default();
    assert_eq!(
        catalog.drop_subscription(&drop, &mut fx),
        Err(Refusal::Changed)
    );
    let drop = proto::DropSubscription {
        if_version: 2,
        ..drop
    };
    catalog.drop_subscription(&drop, &mut fx).unwrap();
    assert_eq!(catalog.topic(1).unwrap().version, 3);
    let counts = catalog.subscription_counts(1);
    assert_eq!((counts.confirmed, counts.deleted), (0, 1));
    assert_eq!(fx.catalog_queues, [QueueId(row.queue), QueueId(1)]);
}

#[test]
fn a_delivery_queue_is_seen_by_nobody_and_goes_with_its_subscription() {
    let mut catalog = Catalog::default();
    create(&mut catalog, "a").unwrap();
    let row = subscribe(&mut catalog, 1, "x").row.unwrap();
    let queue = catalog.queue(QueueId(row.queue)).unwrap().clone();
    assert_eq!((queue.subscription, &*queue.name), (2, "subscription-2"));
    assert!(catalog.queue_by_name("1", "r", &queue.name).is_none());
    assert!(catalog.queues_by_prefix("1", "r", "", None, 9).is_empty());
    assert_eq!(catalog.parts_in(PartitionId(3)), 2);
    let at = t(9);
    let mut fx = Effects::default();
    let refused = catalog.delete_queue(at, row.queue, &mut fx);
    assert_eq!(refused, Err(Refusal::NoSuchQueue));
    let drop = proto::DropTopic {
        topic: 1,
        if_version: 0,
    };
    catalog.drop_topic(&drop, &mut fx).unwrap();
    assert!(catalog.queue(QueueId(row.queue)).is_none());
    assert_eq!(catalog.parts_in(PartitionId(3)), 0);
    assert!(catalog.deleted_at("1", "r", &queue.name).is_none());
}

#[test]
fn a_topic_with_many_subscriptions_goes_bit_by_bit() {
    let mut catalog = Catalog::default();
    create(&mut catalog, "a").unwrap();
    for n in 0..=SUBSCRIPTIONS_DROPPED_MAX {
        subscribe(&mut catalog, 1, &n.to_string());
    }
    let drop = proto::DropTopic {
        topic: 1,
        if_version: 0,
    };
    let mut fx = Effects::default();
    catalog.drop_topic(&drop, &mut fx).unwrap();
    assert!(catalog.topic(1).is_none());
    assert_eq!(catalog.topics_being_dropped().collect::<Vec<_>>(), [1]);
    assert!(
        create(&mut catalog, "a").is_ok(),
        "its name is free at once"
    );
    // A snapshot in between goes on with it.
    let mut rows = crate::snapshot::Rows::default();
    catalog.encode(&mut rows);
    let mut back = Catalog::default();
    for (key, value) in rows.finish() {
        back.load(&key[1..], &value).unwrap();
    }
    assert_eq!(back, catalog);
    back.drop_topic(&drop, &mut fx).unwrap();
    assert_eq!(back.topics_being_dropped().count(), 0);
    let left = back.subscriptions_of_account("2", "r", 0, 9);
    assert!(left.is_empty());
    assert_eq!(back.drop_topic(&drop, &mut fx), Err(Refusal::NoSuchTopic));
}
