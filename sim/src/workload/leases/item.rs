//! A lease as an item of the table, and a write of it as the gateway would hand it on.

use levada_engine::Partition;
use levada_engine::proto::{
    AttributePath, Combine, Comparator, Comparison, ConditionStep, ItemWrite, Operand, PathStep,
    QueryTable, Returned, SetAction, SetOperator, SetStep, Update, condition_step, item_write,
    operand, path_step, set_step,
};
use levada_types::attribute::{decode_item, encode_item};
use levada_types::{AttributeValue, Item, Number};

use super::INDEX;
use crate::lease_event::{Lease, Write};

pub(super) const KEY: &str = "leaseKey";
pub(super) const OWNER: &str = "leaseOwner";
const COUNTER: &str = "leaseCounter";
const CHECKPOINT: &str = "checkpoint";

/// What can't be read has these, which nobody asks for.
const STRANGE: u64 = u64::MAX;

pub(super) fn owner_of(owner: u64) -> AttributeValue {
    AttributeValue::S(format!("worker-{owner}"))
}

fn key_of(number: u64) -> AttributeValue {
    AttributeValue::S(format!("shard-{number}"))
}

fn number_of(number: u64) -> AttributeValue {
    AttributeValue::N(Number::from(number))
}

/// The bytes by which the table knows a lease.
pub(super) fn key(number: u64) -> bytes::Bytes {
    encode_item(&[(KEY.to_owned(), key_of(number))].into())
}

/// A lease as it was read; none if there are no bytes.
pub(super) fn read(bytes: &[u8]) -> Option<Lease> {
    if bytes.is_empty() {
        return None;
    }
    let item = decode_item(bytes).unwrap_or_default();
    let text = |name: &str, head: &str| match item.get(name) {
        Some(AttributeValue::S(text)) => text.strip_prefix(head)?.parse().ok(),
        _ => None,
    };
    let number = |name: &str| match item.get(name) {
        Some(AttributeValue::N(number)) => number.to_string().parse().ok(),
        _ => None,
    };
    Some(Lease {
        number: text(KEY, "shard-").unwrap_or(STRANGE),
        owner: text(OWNER, "worker-").unwrap_or(STRANGE),
        counter: number(COUNTER).unwrap_or(STRANGE),
        checkpoint: number(CHECKPOINT).unwrap_or(STRANGE),
    })
}

/// The leases of a page, by number.
pub(super) fn read_all(items: &[bytes::Bytes]) -> Vec<Lease> {
    let mut leases: Vec<Lease> = items.iter().filter_map(|item| read(item)).collect();
    leases.sort_unstable();
    leases
}

/// What a partition holds of the leases, and what of them is in the index; none if it has no table.
pub(crate) fn held_by(partition: &Partition) -> Option<(Vec<Lease>, Vec<Lease>)> {
    let table = partition.tables().next()?;
    let page = |index: &str| {
        let query = QueryTable {
            table: table.0,
            index: index.to_owned(),
            ..everything()
        };
        read_all(&partition.query_table(&query).items)
    };
    Some((page(""), page(INDEX)))
}

/// A scan that ends where the table does.
pub(super) fn everything() -> QueryTable {
    QueryTable {
        rows_max: u64::MAX,
        bytes_max: u64::MAX,
        ..QueryTable::default()
    }
}

/// How a write is put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// The next counter is added, and not set.
    pub(super) adds: bool,
    /// The item before is asked for, and not the one after.
    pub(super) wants_before: bool,
}

/// The write, without the table that it is for.
pub(super) fn write_of(number: u64, write: Write, form: Form) -> ItemWrite {
    let (condition, action) = match write {
        Write::Create { owner } => {
            let lease = write.done_on(number, None);
            let item: Item = [
                (KEY.to_owned(), key_of(number)),
                (OWNER.to_owned(), owner_of(owner)),
                (COUNTER.to_owned(), number_of(lease.counter)),
                (CHECKPOINT.to_owned(), number_of(lease.checkpoint)),
            ]
            .into();
            let absent = condition_step::Kind::Absent(path(KEY));
            (vec![absent], item_write::Action::Put(encode_item(&item)))
        }
        Write::Take {
            from,
            counter,
            owner,
        } => {
            let set = vec![set(OWNER, owner_of(owner)), next(counter, form.adds)];
            (held(from, counter), updated(set))
        }
        Write::Renew { owner, counter } => (
            held(owner, counter),
            updated(vec![next(counter, form.adds)]),
        ),
        Write::Checkpoint { owner, position } => {
            let set = vec![set(CHECKPOINT, number_of(position))];
            (vec![equals(OWNER, owner_of(owner))], updated(set))
        }
    };
    let returned = if form.wants_before {
        Returned::AllOld
    } else {
        Returned::AllNew
    };
    ItemWrite {
        key: key(number),
        condition: condition
            .into_iter()
            .map(|kind| ConditionStep { kind: Some(kind) })
            .collect(),
        action: Some(action),
        returned: returned as i32,
        item_on_failure: true,
        ..ItemWrite::default()
    }
}

fn path(name: &str) -> AttributePath {
    AttributePath {
        steps: vec![PathStep {
            kind: Some(path_step::Kind::Name(name.to_owned())),
        }],
    }
}

fn equals(name: &str, value: AttributeValue) -> condition_step::Kind {
    let operand = |kind| Some(Operand { kind: Some(kind) });
    condition_step::Kind::Compare(Comparison {
        comparator: Comparator::Eq as i32,
        left: operand(operand::Kind::Path(path(name))),
        right: operand(operand::Kind::Value(value.encode())),
    })
}

fn held(owner: u64, counter: u64) -> Vec<condition_step::Kind> {
    vec![
        equals(OWNER, owner_of(owner)),
        equals(COUNTER, number_of(counter)),
        condition_step::Kind::Combine(Combine::And as i32),
    ]
}

fn updated(set: Vec<SetAction>) -> item_write::Action {
    item_write::Action::Update(Update {
        set,
        ..Update::default()
    })
}

fn set(name: &str, value: AttributeValue) -> SetAction {
    set_by(name, vec![set_step::Kind::Value(value.encode())])
}

fn next(counter: u64, adds: bool) -> SetAction {
    if !adds {
        return set(COUNTER, number_of(counter + 1));
    }
    let steps = vec![
        set_step::Kind::Path(path(COUNTER)),
        set_step::Kind::Value(number_of(1).encode()),
        set_step::Kind::Operator(SetOperator::Plus as i32),
    ];
    set_by(COUNTER, steps)
}

fn set_by(name: &str, steps: Vec<set_step::Kind>) -> SetAction {
    SetAction {
        path: Some(path(name)),
        value: steps
            .into_iter()
            .map(|kind| SetStep { kind: Some(kind) })
            .collect(),
    }
}
