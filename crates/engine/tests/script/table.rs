//! Commands on tables: the hash key is the attribute `key`, an index is by `owner`. Values are strings, or numbers if
//! they are of digits.

use levada_engine::proto::{
    self, WriteItemsOutcome, command, condition_step, item_write, operand, path_step, set_step,
};
use levada_types::attribute::{decode_item, encode_item};
use levada_types::{AttributeValue, Item};

use super::{Script, Words, hash};

fn value(text: &str) -> AttributeValue {
    match text.parse() {
        Ok(number) => AttributeValue::N(number),
        Err(_) => AttributeValue::S(text.into()),
    }
}

fn path(name: &str) -> proto::AttributePath {
    let kind = Some(path_step::Kind::Name(name.into()));
    proto::AttributePath {
        steps: vec![proto::PathStep { kind }],
    }
}

fn part(name: &str) -> Option<proto::KeyPart> {
    Some(proto::KeyPart {
        name: name.into(),
        ..proto::KeyPart::default()
    })
}

impl Script {
    pub(super) fn table(&mut self, table: u64, words: &Words<'_>) -> command::Kind {
        self.versions += 1;
        let key = |name| proto::KeySchema {
            hash: part(name),
            range: None,
        };
        let index = proto::IndexConfig {
            name: "by-owner".into(),
            key: Some(key("owner")),
            ..proto::IndexConfig::default()
        };
        let config = proto::TableConfig {
            table,
            version: words.number("version").unwrap_or(self.versions),
            key: Some(key("key")),
            indexes: words.has("indexed").then_some(index).into_iter().collect(),
        };
        command::Kind::ConfigureTable(proto::ConfigureTable {
            config: Some(config),
        })
    }

    pub(super) fn scan(&mut self, p: u32, table: u64, words: &Words<'_>) -> Vec<String> {
        let owner = words.named.get("owner");
        let page = self.node(p).partition.query_table(&proto::QueryTable {
            table,
            index: owner.map_or("", |_| "by-owner").into(),
            hash: owner.map(|owner| value(owner).encode()).unwrap_or_default(),
            rows_max: 100,
            bytes_max: 1 << 20,
            ..proto::QueryTable::default()
        });
        if page.misread.is_some() {
            return vec!["no such table".into()];
        }
        page.items.iter().map(|item| show_item(item)).collect()
    }
}

/// `put`, `update`, `count`, `delete` or `check` of `a`, and of whatever follows a `+`.
pub(super) fn writing(table: u64, words: &Words<'_>) -> command::Kind {
    let mut writes = Vec::new();
    for keys in words.plain[3..].chunks(2).filter(|keys| keys.len() == 2) {
        writes.push(write(table, keys[0], keys[1], words));
    }
    command::Kind::WriteItems(proto::WriteItems {
        writes,
        token: hash(words.named.get("token")),
        fingerprint: hash(words.named.get("fingerprint")),
    })
}

fn write(table: u64, verb: &str, key: &str, words: &Words<'_>) -> proto::ItemWrite {
    let key: Item = [("key".into(), AttributeValue::S(key.into()))].into();
    let (mut condition, mut item, mut set) = (Vec::new(), key.clone(), Vec::new());
    for (name, text) in &words.named {
        if let Some(name) = name.strip_prefix("if.") {
            condition.push(test(name, text));
        } else if !["token", "fingerprint"].contains(name) {
            item.insert((*name).into(), value(text));
            set.push(proto::SetAction {
                path: Some(path(name)),
                value: vec![proto::SetStep {
                    kind: Some(set_step::Kind::Value(value(text).encode())),
                }],
            });
        }
    }
    let combine = proto::ConditionStep {
        kind: Some(condition_step::Kind::Combine(proto::Combine::And.into())),
    };
    let ands = condition.len().saturating_sub(1);
    condition.extend(vec![combine; ands]);
    let action = match verb {
        "put" => item_write::Action::Put(encode_item(&item)),
        "update" => item_write::Action::Update(proto::Update {
            set,
            ..proto::Update::default()
        }),
        "count" => item_write::Action::Update(proto::Update {
            add: vec![proto::AddAction {
                path: Some(path("count")),
                value: value("1").encode(),
            }],
            ..proto::Update::default()
        }),
        "delete" => item_write::Action::Delete(proto::WriteDelete {}),
        "check" => item_write::Action::Check(proto::WriteCheck {}),
        other => panic!("no such write: {other}"),
    };
    proto::ItemWrite {
        table,
        key: encode_item(&key),
        condition,
        action: Some(action),
        returned: proto::Returned::AllNew.into(),
        item_on_failure: true,
        ..proto::ItemWrite::default()
    }
}

/// Equal to the text, or not there if that is `-`.
fn test(name: &str, text: &str) -> proto::ConditionStep {
    let of = |kind| Some(proto::Operand { kind: Some(kind) });
    let kind = match text {
        "-" => condition_step::Kind::Absent(path(name)),
        text => condition_step::Kind::Compare(proto::Comparison {
            comparator: proto::Comparator::Eq.into(),
            left: of(operand::Kind::Path(path(name))),
            right: of(operand::Kind::Value(value(text).encode())),
        }),
    };
    proto::ConditionStep { kind: Some(kind) }
}

pub(super) fn show_write(done: &WriteItemsOutcome) -> Vec<String> {
    if done.token() != proto::TokenResult::New {
        return vec![done.token().as_str_name()["TOKEN_RESULT_".len()..].to_owned()];
    }
    let results = done.results.iter().map(|result| {
        let mut line = result.status().as_str_name()["WRITE_STATUS_".len()..].to_owned();
        if !result.item.is_empty() {
            line += ": ";
            line += &show_item(&result.item);
        }
        line
    });
    results.collect()
}

fn show_item(encoded: &[u8]) -> String {
    let item = decode_item(encoded).expect("an item");
    let attributes = item.iter().map(|(name, value)| match value {
        AttributeValue::S(text) => format!("{name}={text}"),
        AttributeValue::N(number) => format!("{name}={number}"),
        other => format!("{name}={other:?}"),
    });
    attributes.collect::<Vec<_>>().join(" ")
}
