//! Writes to tables, of any content.

use levada_engine::proto::{self, command};
use levada_types::AttributeValue;
use levada_types::attribute::encode_item;
use proptest::prelude::*;

use super::{bytes, number, small, text};

fn path() -> BoxedStrategy<proto::AttributePath> {
    let step = prop_oneof![
        3 => text().prop_map(proto::path_step::Kind::Name),
        1 => small().prop_map(proto::path_step::Kind::Index),
    ];
    prop::collection::vec(prop::option::of(step), 0..3)
        .prop_map(|kinds| proto::AttributePath {
            steps: kinds
                .into_iter()
                .map(|kind| proto::PathStep { kind })
                .collect(),
        })
        .boxed()
}

/// An encoded item of a key `a`, or of no key, or garbage.
fn item() -> BoxedStrategy<bytes::Bytes> {
    let value = || {
        prop_oneof![
            text().prop_map(AttributeValue::S),
            number().prop_map(|n| AttributeValue::N(n.into())),
            Just(AttributeValue::L(vec![AttributeValue::Null])),
        ]
    };
    prop_oneof![
        4 => (text(), value()).prop_map(|(key, other)| {
            encode_item(&[("a".into(), AttributeValue::S(key)), ("b".into(), other)].into())
        }),
        2 => text().prop_map(|key| encode_item(&[("a".into(), AttributeValue::S(key))].into())),
        1 => value().prop_map(|value| value.encode()),
        1 => bytes(),
    ]
    .boxed()
}

pub(super) fn on_table() -> BoxedStrategy<command::Kind> {
    let test = prop_oneof![
        path().prop_map(proto::condition_step::Kind::Exists),
        path().prop_map(proto::condition_step::Kind::Absent),
        (0..4_i32).prop_map(proto::condition_step::Kind::Combine),
    ];
    let condition = prop::collection::vec(test, 0..3).prop_map(|kinds| {
        let steps = kinds
            .into_iter()
            .map(|kind| proto::ConditionStep { kind: Some(kind) });
        steps.collect::<Vec<_>>()
    });
    let add = (path(), item()).prop_map(|(path, value)| proto::AddAction {
        path: Some(path),
        value,
    });
    let update = (
        prop::collection::vec(path(), 0..3),
        prop::collection::vec(add, 0..2),
    )
        .prop_map(|(remove, add)| proto::Update {
            remove,
            add,
            ..Default::default()
        });
    let action = prop_oneof![
        3 => item().prop_map(proto::item_write::Action::Put),
        2 => update.prop_map(proto::item_write::Action::Update),
        1 => Just(proto::item_write::Action::Delete(proto::WriteDelete {})),
        1 => Just(proto::item_write::Action::Check(proto::WriteCheck {})),
    ];
    let write = (
        number(),
        item(),
        condition,
        prop::option::of(action),
        0..6_i32,
    )
        .prop_map(
            |(table, key, condition, action, returned)| proto::ItemWrite {
                table,
                version: 0,
                key,
                condition,
                action,
                returned,
                item_on_failure: true,
            },
        );
    let writes = (prop::collection::vec(write, 0..3), bytes()).prop_map(|(writes, token)| {
        command::Kind::WriteItems(proto::WriteItems {
            writes,
            token,
            fingerprint: bytes::Bytes::new(),
        })
    });
    let key = || prop::option::of(text().prop_map(|name| proto::KeyPart { name, r#type: 0 }));
    let configure =
        (number(), number(), key(), key()).prop_map(|(table, version, hash, of_index)| {
            let schema = |hash| Some(proto::KeySchema { hash, range: None });
            let index = proto::IndexConfig {
                name: "i".into(),
                key: schema(of_index),
                ..Default::default()
            };
            let config = proto::TableConfig {
                table,
                version,
                key: schema(hash),
                indexes: vec![index],
            };
            command::Kind::ConfigureTable(proto::ConfigureTable {
                config: Some(config),
            })
        });
    prop_oneof![5 => writes, 1 => configure].boxed()
}
