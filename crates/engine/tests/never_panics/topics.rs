//! Publishing, replays, and the catalog's topics, of any content.

use levada_engine::proto::{self, catalog, command};
use proptest::prelude::*;

use super::{attributes, bytes, number, small, text};

pub(super) fn configure(topic: u64, version: u64, retention_ms: u64) -> command::Kind {
    let config = proto::TopicConfig {
        topic,
        version,
        fifo: true,
        deduplicate_by_group: version.is_multiple_of(2),
        retention_ms,
    };
    command::Kind::ConfigureTopic(proto::ConfigureTopic {
        config: Some(config),
    })
}

fn destination() -> BoxedStrategy<proto::Destination> {
    (
        number(),
        0..3_u32,
        small(),
        bytes(),
        number(),
        any::<bool>(),
        number(),
    )
        .prop_map(
            |(queue, partition, variant, suffix, subscription, numbered, replay)| {
                proto::Destination {
                    queue,
                    partition,
                    variant,
                    suffix,
                    subscription,
                    numbered,
                    replay,
                }
            },
        )
        .boxed()
}

pub(super) fn on_topic() -> BoxedStrategy<command::Kind> {
    let variants = prop::collection::vec(bytes(), 0..3);
    let destinations = prop::collection::vec(destination(), 0..4);
    let message = (bytes(), text(), bytes(), variants, destinations).prop_map(
        |(message_id, group, deduplication, variants, destinations)| proto::PublishedMessage {
            message_id,
            group,
            deduplication,
            variants,
            destinations,
        },
    );
    let publish = (number(), number(), prop::collection::vec(message, 0..3)).prop_map(
        |(topic, version, messages)| {
            command::Kind::Publish(proto::Publish {
                topic,
                version,
                messages,
            })
        },
    );
    let replayed =
        (number(), prop::option::of(destination())).prop_map(|(position, destination)| {
            proto::ReplayedMessage {
                position,
                destination,
            }
        });
    let numbers = (number(), number(), number(), number(), number());
    let replay = (
        numbers,
        prop::option::of(number()),
        prop::collection::vec(replayed, 0..3),
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |((topic, subscription, replay, after, through), begin_at, messages, forget)| {
                command::Kind::Replay(proto::Replay {
                    topic,
                    subscription,
                    replay,
                    begin_at,
                    after,
                    messages,
                    through,
                    forget,
                })
            },
        );
    let configure = (number(), number(), number())
        .prop_map(|(topic, version, retention_ms)| configure(topic, version, retention_ms));
    prop_oneof![5 => publish, 2 => replay, 1 => configure].boxed()
}

pub(super) fn topics_of_catalog() -> BoxedStrategy<catalog::Kind> {
    let topic = (number(), text(), text(), attributes(), number()).prop_map(
        |(topic, region, name, attributes, if_version)| {
            let row = proto::TopicRow {
                topic,
                account: "000000000000".into(),
                region,
                name,
                attributes,
                partitions: vec![0, 1],
                ..Default::default()
            };
            catalog::Kind::SetTopic(proto::SetTopic {
                row: Some(row),
                if_version,
            })
        },
    );
    let subscription = (
        number(),
        number(),
        text(),
        attributes(),
        bytes(),
        number(),
        any::<bool>(),
    )
        .prop_map(
            |(subscription, topic, endpoint, attributes, token, if_version, is_pushed)| {
                let row = proto::SubscriptionRow {
                    subscription,
                    topic,
                    endpoint,
                    attributes,
                    token,
                    ..Default::default()
                };
                let delivery = proto::DeliveryQueue {
                    partitions: vec![1],
                    ..Default::default()
                };
                catalog::Kind::SetSubscription(proto::SetSubscription {
                    row: Some(row),
                    if_version,
                    delivery: is_pushed.then_some(delivery),
                })
            },
        );
    let drop_topic = (number(), number()).prop_map(|(topic, if_version)| {
        catalog::Kind::DropTopic(proto::DropTopic { topic, if_version })
    });
    let drop_subscription = (number(), number()).prop_map(|(subscription, if_version)| {
        catalog::Kind::DropSubscription(proto::DropSubscription {
            subscription,
            if_version,
        })
    });
    prop_oneof![3 => topic, 4 => subscription, 1 => drop_topic, 1 => drop_subscription].boxed()
}
