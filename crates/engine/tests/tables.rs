//! Random writes to a table with an index, against a map: what each answers, what can be read afterwards by key, by
//! index, by pages and by segments. The partition is also checked against a copy that is restored after every proposal
//! (see `support`).

#[expect(dead_code, reason = "properties.rs uses the rest")]
mod support;

use std::collections::BTreeMap;

use levada_engine::proto::{
    self, WriteStatus, command, condition_step, item_write, operand, outcome,
};
use levada_types::attribute::{decode_item, encode_item};
use levada_types::{AttributeValue, Item, Timestamp};
use proptest::prelude::*;
use support::Node;

const TABLE: u64 = 5;
const INDEX: &str = "by-owner";

fn part(name: &str, r#type: proto::KeyType) -> Option<proto::KeyPart> {
    Some(proto::KeyPart {
        name: name.into(),
        r#type: r#type.into(),
    })
}

fn config(version: u64, with_index: bool) -> command::Kind {
    let key = proto::KeySchema {
        hash: part("h", proto::KeyType::String),
        range: part("r", proto::KeyType::Number),
    };
    let index = proto::IndexConfig {
        name: INDEX.into(),
        key: Some(proto::KeySchema {
            hash: part("owner", proto::KeyType::String),
            range: part("r", proto::KeyType::Number),
        }),
        projection: proto::Projection::KeysOnly.into(),
        included: Vec::new(),
    };
    let config = proto::TableConfig {
        table: TABLE,
        version,
        key: Some(key),
        indexes: if with_index { vec![index] } else { Vec::new() },
    };
    command::Kind::ConfigureTable(proto::ConfigureTable {
        config: Some(config),
    })
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string().parse().unwrap())
}

type Key = (u8, i64);

fn key_item((hash, range): Key) -> Item {
    [("h".into(), s(&hash.to_string())), ("r".into(), n(range))].into()
}

/// What is done to one row.
#[derive(Clone, Debug)]
enum Op {
    /// Put, with this owner, unless there is one.
    Create(Key, Option<u8>),
    /// Put, whatever there is.
    Put(Key, Option<u8>),
    /// The owner is another, if it is who is expected.
    Steal(Key, u8, u8),
    /// The counter rises by one.
    Count(Key),
    Delete(Key),
}

fn op() -> BoxedStrategy<Op> {
    let key = || (0..4_u8, -3..4_i64);
    let owner = || prop::option::of(0..3_u8);
    prop_oneof![
        (key(), owner()).prop_map(|(key, owner)| Op::Create(key, owner)),
        (key(), owner()).prop_map(|(key, owner)| Op::Put(key, owner)),
        (key(), 0..3_u8, 0..3_u8).prop_map(|(key, from, to)| Op::Steal(key, from, to)),
        key().prop_map(Op::Count),
        key().prop_map(Op::Delete),
    ]
    .boxed()
}

fn at(name: &str) -> proto::AttributePath {
    let kind = Some(proto::path_step::Kind::Name(name.into()));
    proto::AttributePath {
        steps: vec![proto::PathStep { kind }],
    }
}

fn equals(name: &str, value: &AttributeValue) -> proto::ConditionStep {
    let of = |kind| Some(proto::Operand { kind: Some(kind) });
    let kind = condition_step::Kind::Compare(proto::Comparison {
        comparator: proto::Comparator::Eq.into(),
        left: of(operand::Kind::Path(at(name))),
        right: of(operand::Kind::Value(value.encode())),
    });
    proto::ConditionStep { kind: Some(kind) }
}

fn item_of(key: Key, owner: Option<u8>) -> Item {
    let mut item = key_item(key);
    if let Some(owner) = owner {
        item.insert("owner".into(), s(&owner.to_string()));
    }
    item
}

fn write(op: &Op) -> proto::ItemWrite {
    let new = |key: Key, condition, action| proto::ItemWrite {
        table: TABLE,
        version: 1,
        key: encode_item(&key_item(key)),
        condition,
        action: Some(action),
        returned: proto::Returned::AllNew.into(),
        item_on_failure: true,
    };
    let put = |key, owner| item_write::Action::Put(encode_item(&item_of(key, owner)));
    match op {
        Op::Create(key, owner) => {
            let kind = Some(condition_step::Kind::Absent(at("h")));
            new(*key, vec![proto::ConditionStep { kind }], put(*key, *owner))
        }
        Op::Put(key, owner) => new(*key, vec![], put(*key, *owner)),
        Op::Steal(key, from, to) => {
            let value = proto::SetStep {
                kind: Some(proto::set_step::Kind::Value(s(&to.to_string()).encode())),
            };
            let update = proto::Update {
                set: vec![proto::SetAction {
                    path: Some(at("owner")),
                    value: vec![value],
                }],
                ..proto::Update::default()
            };
            let condition = vec![equals("owner", &s(&from.to_string()))];
            new(*key, condition, item_write::Action::Update(update))
        }
        Op::Count(key) => {
            let update = proto::Update {
                add: vec![proto::AddAction {
                    path: Some(at("count")),
                    value: n(1).encode(),
                }],
                ..proto::Update::default()
            };
            new(*key, vec![], item_write::Action::Update(update))
        }
        Op::Delete(key) => {
            let delete = item_write::Action::Delete(proto::WriteDelete {});
            new(*key, vec![], delete)
        }
    }
}

type Model = BTreeMap<Key, Item>;

/// Whether it is done, and by the way does it.
fn on_model(model: &mut Model, op: &Op) -> bool {
    match op {
        Op::Create(key, _) if model.contains_key(key) => return false,
        Op::Create(key, owner) | Op::Put(key, owner) => {
            model.insert(*key, item_of(*key, *owner));
        }
        Op::Steal(key, from, to) => {
            let Some(item) = model.get_mut(key) else {
                return false;
            };
            if item.get("owner") != Some(&s(&from.to_string())) {
                return false;
            }
            item.insert("owner".into(), s(&to.to_string()));
        }
        Op::Count(key) => {
            let item = model.entry(*key).or_insert_with(|| key_item(*key));
            let count = match item.get("count") {
                Some(AttributeValue::N(count)) => count.to_string().parse().unwrap(),
                _ => 0,
            };
            item.insert("count".into(), n(count + 1));
        }
        Op::Delete(key) => drop(model.remove(key)),
    }
    true
}

fn key_of(op: &Op) -> Key {
    match op {
        Op::Create(key, _)
        | Op::Put(key, _)
        | Op::Steal(key, ..)
        | Op::Count(key)
        | Op::Delete(key) => *key,
    }
}

/// All pages of a query.
fn pages(node: &Node, mut query: proto::QueryTable) -> Vec<Item> {
    let mut items = Vec::new();
    loop {
        let page = node.partition.query_table(&query);
        assert_eq!(page.found as usize, page.items.len());
        items.extend(page.items.iter().map(|item| decode_item(item).unwrap()));
        if page.last.is_empty() {
            return items;
        }
        query.after = page.last;
    }
}

fn query(rows_max: u64) -> proto::QueryTable {
    proto::QueryTable {
        table: TABLE,
        version: 1,
        rows_max,
        bytes_max: 1 << 20,
        ..proto::QueryTable::default()
    }
}

fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|item| format!("{item:?}"));
    items
}

fn check(node: &Node, model: &Model, rows_max: u64) {
    let all: Vec<Item> = model.values().cloned().collect();
    assert_eq!(sorted(pages(node, query(rows_max))), sorted(all.clone()));
    let segments = (0..3).flat_map(|segment| {
        let part = proto::QueryTable {
            segment,
            segments: 3,
            ..query(rows_max)
        };
        pages(node, part)
    });
    assert_eq!(sorted(segments.collect()), sorted(all.clone()));
    for hash in 0..4_u8 {
        for backward in [false, true] {
            let of_hash = proto::QueryTable {
                hash: s(&hash.to_string()).encode(),
                backward,
                ..query(rows_max)
            };
            let mut expected: Vec<Item> = model
                .iter()
                .filter(|((h, _), _)| *h == hash)
                .map(|(_, item)| item.clone())
                .collect();
            if backward {
                expected.reverse();
            }
            assert_eq!(
                pages(node, of_hash),
                expected,
                "in the order of the range key"
            );
        }
        let between = proto::QueryTable {
            hash: s(&hash.to_string()).encode(),
            range: Some(proto::RangeCondition {
                test: proto::RangeTest::Between.into(),
                value: n(-1).encode(),
                high: n(2).encode(),
            }),
            ..query(rows_max)
        };
        let expected = model
            .range((hash, -1)..=(hash, 2))
            .map(|(_, item)| item.clone());
        assert_eq!(pages(node, between), expected.collect::<Vec<_>>());
    }
    for owner in 0..3_u8 {
        let of_index = proto::QueryTable {
            index: INDEX.into(),
            hash: s(&owner.to_string()).encode(),
            ..query(rows_max)
        };
        let found = pages(node, of_index);
        let mut expected: Vec<Item> = all
            .iter()
            .filter(|item| item.get("owner") == Some(&s(&owner.to_string())))
            .cloned()
            .collect();
        expected
            .iter_mut()
            .for_each(|item| drop(item.remove("count")));
        assert_eq!(sorted(found), sorted(expected), "the keys of each");
    }
    let size = node.partition.table_size(levada_types::QueueId(TABLE));
    let bytes: usize = all.iter().map(levada_types::attribute::item_size).sum();
    assert_eq!(
        (size.items as usize, size.bytes as usize),
        (all.len(), bytes)
    );
}

fn t(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

proptest! {
    #[test]
    fn a_table_is_a_map(
        ops in prop::collection::vec(prop::collection::vec(op(), 1..4), 1..40),
        rows_max in 1..6_u64,
        index_from in 0..20_usize,
    ) {
        let mut node = Node::new(1);
        node.one(t(0), config(1, false));
        let mut model = Model::new();
        for (step, ops) in ops.iter().enumerate() {
            if step == index_from {
                node.one(t(0), config(2, true));
            }
            // A transaction's writes are of different items.
            let mut several: Vec<&Op> = Vec::new();
            for op in ops {
                if several.iter().all(|other| key_of(other) != key_of(op)) {
                    several.push(op);
                }
            }
            let writes = proto::WriteItems {
                writes: several.iter().map(|op| write(op)).collect(),
                ..proto::WriteItems::default()
            };
            let done = node.one(t(step as u64), command::Kind::WriteItems(writes));
            let outcome::Kind::WriteItems(done) = done else { panic!("{done:?}") };
            let mut after = model.clone();
            let would_be: Vec<bool> = several.iter().map(|op| on_model(&mut after, op)).collect();
            let all = would_be.iter().all(|done| *done);
            for ((result, would_be), op) in done.results.iter().zip(&would_be).zip(&several) {
                let failed = result.status() == WriteStatus::ConditionFailed;
                prop_assert_eq!(!failed, *would_be);
                let told = (!result.item.is_empty()).then(|| decode_item(&result.item).unwrap());
                let of = if failed { &model } else { &after };
                // What was deleted has no new item.
                prop_assert_eq!(told.as_ref(), of.get(&key_of(op)));
            }
            if all {
                model = after;
            }
        }
        if ops.len() <= index_from {
            node.one(t(99), config(2, true));
        }
        check(&node, &model, rows_max);
    }
}

#[test]
fn a_token_is_used_once() {
    let mut node = Node::new(1);
    node.one(t(0), config(1, false));
    let count = |fingerprint: &'static str| {
        command::Kind::WriteItems(proto::WriteItems {
            writes: vec![write(&Op::Count((0, 0)))],
            token: "token".into(),
            fingerprint: fingerprint.into(),
        })
    };
    let mut ask = |at, fingerprint| match node.one(t(at), count(fingerprint)) {
        outcome::Kind::WriteItems(done) => done.token(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(1, "a"), proto::TokenResult::New);
    assert_eq!(ask(2, "a"), proto::TokenResult::DoneBefore);
    assert_eq!(ask(3, "b"), proto::TokenResult::OtherRequest);
    assert_eq!(ask(600_001, "b"), proto::TokenResult::New);
    let counted = pages(&node, query(10));
    assert_eq!(counted[0]["count"], n(2));
}

#[test]
fn an_old_configuration_is_told() {
    let mut node = Node::new(1);
    let ahead = |version| {
        let mut one = write(&Op::Count((0, 0)));
        one.version = version;
        command::Kind::WriteItems(proto::WriteItems {
            writes: vec![one],
            ..proto::WriteItems::default()
        })
    };
    let missing = node.one(t(0), ahead(1));
    assert!(matches!(missing, outcome::Kind::Misconfigured(m) if m.queue == TABLE && !m.dropped));
    node.one(t(0), config(1, false));
    let old = node.one(t(0), ahead(2));
    assert!(matches!(old, outcome::Kind::Misconfigured(m) if m.have_version == 1));
    assert!(
        node.partition
            .query_table(&proto::QueryTable {
                version: 2,
                ..query(1)
            })
            .misread
            .is_some()
    );
    node.one(
        t(0),
        command::Kind::DropQueue(proto::DropQueue { queue: TABLE }),
    );
    let gone = node.one(t(0), ahead(1));
    assert!(matches!(gone, outcome::Kind::Misconfigured(m) if m.dropped));
    let back = node.one(t(0), config(3, false));
    assert!(
        matches!(back, outcome::Kind::Misconfigured(m) if m.dropped),
        "what was dropped stays dropped"
    );
}
