//! Policies and messages made by chance, of few names and values so that they often meet.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Attribute;

const NAMES: &[&str] = &["a", "b", "c"];
const TEXTS: &[&str] = &[
    "", "red", "RED", "reddish", "infrared", "blue", "10.0.0.1", "10.0.1.1", "éa", "5",
];
const NUMBERS: &[&str] = &["-2", "-1.5", "0", "1", "1.00001", "2.5", "3"];

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(TEXTS).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = Value> {
    prop::sample::select(NUMBERS).prop_map(|text| serde_json::from_str(text).expect("a number"))
}

/// One value.
pub(crate) fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::String),
        3 => number(),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
    ]
}

fn wildcard() -> impl Strategy<Value = String> {
    prop::sample::select(&["*", "re*", "*ed", "*r*d*", "r*d", "red", "10.*.1", "*é*"][..])
        .prop_map(str::to_owned)
}

fn numeric() -> impl Strategy<Value = Value> {
    let one = (
        prop::sample::select(&["=", "<", "<=", ">", ">="][..]),
        number(),
    )
        .prop_map(|(operator, bound)| json!([operator, bound]));
    let two = (
        prop::sample::select(&[">", ">="][..]),
        number(),
        prop::sample::select(&["<", "<="][..]),
        number(),
    )
        .prop_map(|(lower, bottom, upper, top)| {
            if bottom.as_f64() < top.as_f64() {
                json!([lower, bottom, upper, top])
            } else {
                json!([lower, bottom])
            }
        });
    prop_oneof![one, two]
}

fn condition() -> impl Strategy<Value = Value> {
    let cidr = prop::sample::select(
        &[
            "10.0.0.0/24",
            "10.0.0.0/16",
            "0.0.0.0/0",
            "10.0.0.1/32",
            "11.0.0.0/8",
        ][..],
    );
    prop_oneof![
        8 => scalar(),
        2 => text().prop_map(|part| json!({ "prefix": part })),
        2 => text().prop_map(|part| json!({ "suffix": part })),
        2 => text().prop_map(|same| json!({ "equals-ignore-case": same })),
        2 => wildcard().prop_map(|pattern| json!({ "wildcard": pattern })),
        2 => cidr.prop_map(|range| json!({ "cidr": range })),
        4 => numeric().prop_map(|list| json!({ "numeric": list })),
        2 => any::<bool>().prop_map(|exists| json!({ "exists": exists })),
        1 => text().prop_map(|one| json!({ "anything-but": one })),
        1 => prop::collection::vec(text(), 1..4).prop_map(|all| json!({ "anything-but": all })),
        1 => prop::collection::vec(number(), 1..4).prop_map(|all| json!({ "anything-but": all })),
        1 => wildcard().prop_map(|pattern| json!({ "anything-but": { "wildcard": pattern } })),
        1 => Just(json!({ "anything-but": { "prefix": "re" } })),
    ]
}

fn conditions() -> impl Strategy<Value = Value> {
    prop::collection::vec(condition(), 1..4).prop_map(Value::Array)
}

fn object(
    value: impl Strategy<Value = Value> + Clone,
    names: std::ops::Range<usize>,
) -> impl Strategy<Value = Map<String, Value>> {
    let entry =
        (prop::sample::select(NAMES), value).prop_map(|(name, value)| (name.to_owned(), value));
    prop::collection::vec(entry, names).prop_map(|entries| entries.into_iter().collect())
}

fn with_or(
    flat: impl Strategy<Value = Map<String, Value>> + Clone + 'static,
) -> impl Strategy<Value = Value> {
    let or = prop::option::weighted(0.4, prop::collection::vec(flat.clone(), 2..4));
    (flat, or).prop_map(|(mut object, or)| {
        if let Some(alternatives) = or {
            object.insert("$or".to_owned(), json!(alternatives));
        }
        Value::Object(object)
    })
}

/// A policy on attributes.
pub(crate) fn flat_policy() -> impl Strategy<Value = Value> {
    with_or(object(conditions().boxed(), 1..4).boxed())
}

/// A policy on bodies.
pub(crate) fn nested_policy() -> impl Strategy<Value = Value> {
    let leaf = conditions().boxed();
    let inner = object(leaf.clone(), 1..3).prop_map(Value::Object).boxed();
    let inner_or = with_or(object(leaf.clone(), 1..3).boxed()).boxed();
    let value = prop_oneof![3 => leaf, 2 => inner, 1 => inner_or].boxed();
    with_or(object(value, 1..3).boxed())
}

/// Attributes of a message, with the values that they stand for.
pub(crate) fn attributes() -> impl Strategy<Value = (Vec<Attribute>, Vec<(String, Value)>)> {
    let value = prop_oneof![
        3 => text().prop_map(|text| ("String", text.clone(), vec![Value::String(text)])),
        2 => number().prop_map(|number| ("Number", number.to_string(), vec![number])),
        2 => prop::collection::vec(scalar(), 0..4)
            .prop_map(|all| ("String.Array", json!(all).to_string(), all)),
        1 => text().prop_map(|text| ("Binary", text, Vec::new())),
    ];
    let named = prop::collection::btree_map(prop::sample::select(NAMES), value, 0..4);
    named.prop_map(|named| {
        let mut attributes = Vec::new();
        let mut values = Vec::new();
        for (name, (data_type, value, meant)) in named {
            attributes.push(Attribute {
                name: name.to_owned(),
                data_type: data_type.to_owned(),
                value,
            });
            values.extend(meant.into_iter().map(|one| (name.to_owned(), one)));
        }
        (attributes, values)
    })
}

/// A body: an object, with objects and arrays in it, some of them of objects.
pub(crate) fn body() -> impl Strategy<Value = Value> {
    let leaf = scalar().boxed();
    let values = prop::collection::vec(scalar(), 0..3).prop_map(Value::Array);
    let object_of =
        |value: BoxedStrategy<Value>| object(value, 0..4).prop_map(Value::Object).boxed();
    let low = prop_oneof![3 => leaf.clone(), 1 => values].boxed();
    let inner = object_of(low.clone());
    let mixed = prop_oneof![3 => inner.clone(), 1 => leaf];
    let array = prop::collection::vec(mixed, 0..3)
        .prop_map(Value::Array)
        .boxed();
    let nested = prop::collection::vec(array.clone(), 0..3).prop_map(Value::Array);
    let high = prop_oneof![4 => low, 2 => inner, 3 => array, 1 => nested].boxed();
    object_of(high)
}
