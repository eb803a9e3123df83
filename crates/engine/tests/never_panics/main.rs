//! Commands of any content in any order, and rows of any content: an answer, never a panic.

mod tables;
mod topics;

use levada_engine::proto::{self, catalog, command};
use levada_engine::{Effects, Partition};
use levada_types::{PartitionId, Timestamp};
use proptest::prelude::*;
use prost::Message;

use tables::on_table;
use topics::{on_topic, topics_of_catalog};

/// Numbers that things are broken by.
fn number() -> BoxedStrategy<u64> {
    prop_oneof![
        6 => 0..5_u64,
        2 => 0..2_000_u64,
        1 => prop_oneof![Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63), Just(u64::from(u32::MAX))],
        1 => any::<u64>(),
    ]
    .boxed()
}

fn small() -> BoxedStrategy<u32> {
    number()
        .prop_map(|n| u32::try_from(n).unwrap_or(u32::MAX))
        .boxed()
}

fn bytes() -> BoxedStrategy<bytes::Bytes> {
    prop_oneof![
        3 => (0..4_u8).prop_map(|n| vec![n; 16]),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(vec![5; 60_000]),
    ]
    .prop_map(bytes::Bytes::from)
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        3 => prop::sample::select(vec!["", "a", "b", "a.fifo", "us-east-1", "000000000000", "a/b"]).prop_map(String::from),
        1 => ".{0,10}",
    ]
    .boxed()
}

fn config() -> BoxedStrategy<proto::QueueConfig> {
    let redrive = (small(), number(), prop::collection::vec(0..3_u32, 0..3)).prop_map(
        |(receive_count_max, target_queue, target_partitions)| proto::Redrive {
            receive_count_max,
            target_queue,
            target_partitions,
        },
    );
    let times = (number(), number(), number());
    (
        number(),
        number(),
        any::<bool>(),
        times,
        number(),
        prop::option::of(redrive),
        any::<bool>(),
    )
        .prop_map(
            |(
                queue,
                version,
                fifo,
                (visibility, delay, retention),
                in_flight_max,
                redrive,
                by_group,
            )| {
                proto::QueueConfig {
                    queue,
                    version,
                    fifo,
                    visibility_timeout_ms: visibility,
                    delay_ms: delay,
                    retention_ms: retention,
                    in_flight_max,
                    redrive,
                    deduplicate_by_group: by_group,
                }
            },
        )
        .boxed()
}

fn send() -> BoxedStrategy<command::Kind> {
    let message = (
        bytes(),
        bytes(),
        text(),
        bytes(),
        prop::option::of(number()),
    )
        .prop_map(
            |(message_id, payload, group, deduplication, delay_ms)| proto::NewMessage {
                message_id,
                payload,
                group,
                deduplication,
                delay_ms,
            },
        );
    (number(), number(), prop::collection::vec(message, 0..4))
        .prop_map(|(queue, config_version, messages)| {
            command::Kind::Send(proto::Send {
                queue,
                config_version,
                messages,
            })
        })
        .boxed()
}

fn receipt() -> BoxedStrategy<proto::ReceiptRef> {
    (number(), small(), number())
        .prop_map(|(position, generation, log)| proto::ReceiptRef {
            position,
            generation,
            log,
        })
        .boxed()
}

fn shard() -> BoxedStrategy<command::Kind> {
    let queue = (number(), number(), number(), small()).prop_map(
        |(queue, from, visibility_timeout_ms, receive_count_max)| proto::ShardQueueConfig {
            queue,
            from,
            visibility_timeout_ms,
            receive_count_max,
        },
    );
    let queues = prop::collection::vec(queue, 0..3);
    let config = (number(), number(), number(), any::<bool>(), queues).prop_map(
        |(log, version, retention_ms, closed, queues)| {
            command::Kind::ConfigureShard(proto::ConfigureShard {
                config: Some(proto::ShardConfig {
                    log,
                    version,
                    retention_ms,
                    closed,
                    queues,
                    ..proto::ShardConfig::default()
                }),
            })
        },
    );
    let record = (text(), bytes()).prop_map(|(partition_key, data)| proto::NewRecord {
        partition_key,
        data,
    });
    let put = (number(), prop::collection::vec(record, 0..4))
        .prop_map(|(log, records)| command::Kind::PutRecords(proto::PutRecords { log, records }));
    let restore =
        (number(), prop::collection::vec(receipt(), 0..4)).prop_map(|(queue, receipts)| {
            command::Kind::RestoreRecords(proto::RestoreRecords { queue, receipts })
        });
    prop_oneof![2 => config, 2 => put, 1 => restore].boxed()
}

fn on_queue() -> BoxedStrategy<command::Kind> {
    let receive = (
        number(),
        number(),
        small(),
        prop::option::of(number()),
        bytes(),
    )
        .prop_map(
            |(queue, config_version, messages_max, visibility_timeout_ms, attempt)| {
                command::Kind::Receive(proto::Receive {
                    queue,
                    config_version,
                    messages_max,
                    visibility_timeout_ms,
                    attempt,
                })
            },
        );
    let delete = (number(), prop::collection::vec(receipt(), 0..4))
        .prop_map(|(queue, receipts)| command::Kind::Delete(proto::Delete { queue, receipts }));
    let visibility =
        (prop::option::of(receipt()), number()).prop_map(|(receipt, visibility_timeout_ms)| {
            proto::NewVisibility {
                receipt,
                visibility_timeout_ms,
            }
        });
    let change =
        (number(), prop::collection::vec(visibility, 0..4)).prop_map(|(queue, changes)| {
            command::Kind::ChangeVisibility(proto::ChangeVisibility { queue, changes })
        });
    prop_oneof![
        4 => receive,
        3 => delete,
        3 => change,
        1 => number().prop_map(|queue| command::Kind::Purge(proto::Purge { queue })),
        1 => number().prop_map(|queue| command::Kind::DropQueue(proto::DropQueue { queue })),
    ]
    .boxed()
}

fn transfer() -> BoxedStrategy<command::Kind> {
    let record = (number(), number(), bytes(), text(), number(), small()).prop_map(
        |(position, sent_at, message_id, group, dead_letter_source, received_before)| {
            proto::Record {
                position,
                sent_at,
                message_id,
                group,
                dead_letter_source,
                received_before,
                ..Default::default()
            }
        },
    );
    let item = (
        number(),
        number(),
        prop::option::of(record.clone()),
        small(),
        bytes(),
    )
        .prop_map(
            |(number, queue, record, shared, suffix)| proto::TransferItem {
                number,
                queue,
                record,
                shared,
                suffix,
            },
        );
    let shared = prop::collection::vec(record, 0..2);
    let deliver =
        (small(), prop::collection::vec(item, 0..4), shared).prop_map(|(source, items, shared)| {
            command::Kind::Deliver(proto::Deliver {
                source,
                items,
                shared,
            })
        });
    let delivered = (small(), number()).prop_map(|(destination, through)| {
        command::Kind::Delivered(proto::Delivered {
            destination,
            through,
        })
    });
    let one = (number(), number(), small(), bytes(), small()).prop_map(
        |(position, to_queue, to_partition, new_message_id, generation)| proto::Move {
            position,
            to_queue,
            to_partition,
            new_message_id,
            generation,
        },
    );
    let move_out = (number(), prop::collection::vec(one, 0..4))
        .prop_map(|(queue, moves)| command::Kind::MoveOut(proto::MoveOut { queue, moves }));
    prop_oneof![deliver, delivered, move_out].boxed()
}

fn attributes() -> BoxedStrategy<std::collections::BTreeMap<String, String>> {
    let arn = "arn:aws:sqs:us-east-1:000000000000:a";
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":2}}"#);
    let name = prop::sample::select(vec![
        "DelaySeconds",
        "RedrivePolicy",
        "VisibilityTimeout",
        "x",
    ]);
    let value = prop_oneof![text(), Just(policy), number().prop_map(|n| n.to_string())];
    prop::collection::btree_map(name.prop_map(String::from), value, 0..4).boxed()
}

fn on_catalog() -> BoxedStrategy<catalog::Kind> {
    let create = (
        text(),
        text(),
        text(),
        attributes(),
        prop::option::of(number()),
    )
        .prop_map(|(account, region, name, attributes, reuse_after_ms)| {
            catalog::Kind::CreateQueue(proto::CreateQueue {
                account,
                region,
                name,
                attributes,
                partitions: vec![0, 1],
                reuse_after_ms,
                ..Default::default()
            })
        });
    let set = (number(), attributes(), number()).prop_map(|(queue, attributes, if_version)| {
        catalog::Kind::SetQueueAttributes(proto::SetQueueAttributes {
            queue,
            attributes,
            if_version,
        })
    });
    let tag = (number(), attributes())
        .prop_map(|(queue, tags)| catalog::Kind::TagQueue(proto::TagQueue { queue, tags }));
    let start = (number(), number(), number()).prop_map(|(source, destination, to_move)| {
        let command = proto::StartMoveTask {
            source,
            destination,
            to_move,
            ..Default::default()
        };
        catalog::Kind::StartMoveTask(command)
    });
    let update = (
        number(),
        any::<bool>(),
        small(),
        number(),
        any::<bool>(),
        text(),
    )
        .prop_map(
            |(task, cancel, partition, moved, finished, failure_reason)| {
                catalog::Kind::UpdateMoveTask(proto::UpdateMoveTask {
                    task,
                    cancel,
                    partition,
                    moved,
                    finished,
                    failure_reason,
                })
            },
        );
    let member = (number(), text(), prop::bool::ANY).prop_map(|(node, peer_address, there)| {
        let member = proto::MemberRow {
            node,
            peer_address,
            ..Default::default()
        };
        catalog::Kind::SetMember(proto::SetMember {
            member: there.then_some(member),
        })
    });
    prop_oneof![
        4 => create,
        2 => set,
        1 => tag,
        2 => start,
        2 => update,
        1 => member,
        1 => number().prop_map(|queue| catalog::Kind::DeleteQueue(proto::DeleteQueue { queue })),
        1 => number().prop_map(|queue| catalog::Kind::NotePurge(proto::NotePurge { queue })),
        1 => number().prop_map(|node| catalog::Kind::RemoveMember(proto::RemoveMember { node })),
        4 => topics_of_catalog(),
        1 => number().prop_map(|queue| catalog::Kind::UntagQueue(proto::UntagQueue { queue, keys: vec![] })),
    ]
    .boxed()
}

fn command() -> BoxedStrategy<proto::Command> {
    let kind = prop_oneof![
        3 => prop::option::of(config()).prop_map(|config| command::Kind::ConfigureQueue(proto::ConfigureQueue { config })),
        4 => send(),
        6 => on_queue(),
        3 => shard(),
        3 => transfer(),
        3 => on_table(),
        4 => on_topic(),
        3 => prop::option::of(on_catalog()).prop_map(|kind| command::Kind::Catalog(proto::Catalog { kind })),
        1 => Just(command::Kind::Tick(proto::Tick {})),
    ];
    prop::option::weighted(0.98, kind)
        .prop_map(|kind| proto::Command { kind })
        .boxed()
}

fn proposal() -> BoxedStrategy<(u64, proto::Proposal)> {
    let commands = prop::collection::vec(command(), 0..6);
    // Mostly the near future: a time that never comes would let nothing happen after it.
    let at = prop_oneof![30 => 0..400_000_u64, 1 => number()];
    (at, number(), number(), number(), commands)
        .prop_map(|(at, origin, sequence, answered_through, commands)| {
            (
                at,
                proto::Proposal {
                    origin,
                    sequence,
                    answered_through,
                    commands,
                },
            )
        })
        .boxed()
}

/// A partition with queues of both kinds, which most random numbers then hit.
fn seeded(id: PartitionId) -> Partition {
    let mut partition = Partition::new(id);
    let configure = |queue, fifo| {
        let config = proto::QueueConfig {
            queue,
            version: 1,
            fifo,
            visibility_timeout_ms: 1_000,
            retention_ms: 60_000,
            in_flight_max: 100,
            redrive: Some(proto::Redrive {
                receive_count_max: 1,
                target_queue: 2,
                target_partitions: vec![0, 1],
            }),
            ..Default::default()
        };
        let kind = command::Kind::ConfigureQueue(proto::ConfigureQueue {
            config: Some(config),
        });
        proto::Command { kind: Some(kind) }
    };
    let table = proto::TableConfig {
        table: 3,
        version: 1,
        key: Some(proto::KeySchema {
            hash: Some(proto::KeyPart {
                name: "a".into(),
                r#type: 0,
            }),
            range: None,
        }),
        ..Default::default()
    };
    let table = proto::Command {
        kind: Some(command::Kind::ConfigureTable(proto::ConfigureTable {
            config: Some(table),
        })),
    };
    let topic = proto::Command {
        kind: Some(topics::configure(4, 1, 60_000)),
    };
    let commands = vec![configure(1, true), configure(2, false), table, topic];
    let proposal = proto::Proposal {
        commands,
        ..Default::default()
    };
    partition.apply(Timestamp::ZERO, proposal, &mut Effects::default());
    partition
}

/// Asks everything that can be asked.
fn read(partition: &Partition) {
    for queue in partition.queues().collect::<Vec<_>>() {
        let _ = (partition.queue(queue), partition.peek_ready(queue, 10));
        for position in [0, 1, 2, u64::MAX] {
            let _ = partition.locate(queue, position);
        }
    }
    for table in partition.tables() {
        let _ = partition.query_table(&proto::QueryTable {
            table: table.0,
            rows_max: 10,
            bytes_max: 1_000,
            ..Default::default()
        });
    }
    for topic in partition.topics() {
        let _ = (partition.archive(topic), partition.replay_of(topic, 1));
        for position in [0, 1, 2, u64::MAX] {
            let _ = partition.shard_slice(topic, position, 10, 1_000);
            let _ = partition.shard_since(topic, Timestamp::from_millis(position));
        }
    }
    if let Some(catalog) = partition.catalog() {
        for topic in catalog.topics() {
            let _ = catalog.subscription_counts(topic.topic);
            let _ = catalog.subscriptions_of_topic(topic.topic, 0, 10);
        }
    }
    for to in partition.outbox_destinations() {
        let _ = partition.outbox(to, 10);
    }
    let _ = (
        partition.next_due(),
        partition.blocks(),
        partition.catalog().map(|c| c.running_move_tasks().len()),
    );
}

proptest! {
    #[test]
    fn whatever_is_proposed_is_answered(proposals in prop::collection::vec(proposal(), 1..40)) {
        let id = PartitionId::CATALOG;
        let mut partition = seeded(id);
        for (at, proposal) in proposals {
            // As it comes from the log.
            let proposal = proto::Proposal::decode(&*proposal.encode_to_vec()).expect("encoded here");
            let at = partition.last_applied_at().plus_millis(at / 20);
            partition.apply(at, proposal, &mut Effects::default());
            read(&partition);
            let rows = partition.snapshot();
            let back = Partition::restore(id, rows.clone()).expect("own rows");
            prop_assert_eq!(back.snapshot(), rows);
        }
    }

    #[test]
    fn random_bytes_are_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(proposal) = proto::Proposal::decode(&*bytes) {
            seeded(PartitionId::CATALOG).apply(Timestamp::ZERO, proposal, &mut Effects::default());
        }
    }

    #[test]
    fn damaged_rows_are_refused_or_read(
        proposals in prop::collection::vec(proposal(), 1..20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..4),
    ) {
        let id = PartitionId::CATALOG;
        let mut partition = seeded(id);
        for (at, proposal) in proposals {
            let at = partition.last_applied_at().plus_millis(at / 20);
            partition.apply(at, proposal, &mut Effects::default());
        }
        let mut rows = partition.snapshot();
        for (row, place, byte, in_key) in damage {
            let row = &mut rows[row.index(partition.snapshot().len())];
            let part = if in_key { &mut row.0 } else { &mut row.1 };
            let mut bytes = part.to_vec();
            if !bytes.is_empty() {
                bytes[place.index(part.len())] = byte;
            }
            *part = bytes.into();
        }
        // No matter which: rows carry checksums where they are kept. It must say so, and end.
        let _ = Partition::restore(id, rows);
    }
}
