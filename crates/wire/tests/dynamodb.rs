//! Requests to tables of any content: an answer, never a panic. The words of what is refused are tested beside the code
//! and by the client suites.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use levada_types::{AttributeValue, Item};
use levada_wire::dynamodb::expression::{Variables, key_query};
use levada_wire::dynamodb::{Action, Request};
use levada_wire::{Call, decode};
use proptest::prelude::*;

fn ask(action: Action, body: String) -> Result<Box<Request>, String> {
    let mut headers = HeaderMap::new();
    let target = format!("DynamoDB_20120810.{}", action.name());
    headers.insert("x-amz-target", target.parse().unwrap());
    headers.insert(
        "content-type",
        "application/x-amz-json-1.0".parse().unwrap(),
    );
    let incoming = decode(
        &Method::POST,
        &Uri::from_static("/"),
        &headers,
        &Bytes::from(body),
    );
    assert_eq!(incoming.action, action.name());
    match incoming.call {
        Ok(Call::DynamoDb(request)) => Ok(request),
        Ok(_) => panic!("of another service"),
        Err(error) => Err(error.message.into_owned()),
    }
}

/// Everything that can be made of a request without a table.
fn exercise(request: &Request) {
    let _ = request.validate();
    match request {
        Request::PutItem(r) => drop(r.condition()),
        Request::DeleteItem(r) => drop(r.condition()),
        Request::UpdateItem(r) => drop(r.parts()),
        Request::GetItem(r) => drop(r.projection()),
        Request::Query(r) => drop(r.parts("h", Some("r"))),
        Request::Scan(r) => drop(r.parts()),
        Request::TransactWriteItems(r) => {
            r.transact_items
                .iter()
                .flatten()
                .for_each(|item| drop(item.part()));
        }
        _ => {}
    }
}

/// JSON with the members that actions have.
fn json() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "TableName",
        "Item",
        "Key",
        "S",
        "N",
        "B",
        "SS",
        "NS",
        "L",
        "M",
        "NULL",
        "BOOL",
        "Expected",
        "Value",
        "Exists",
        "AttributeUpdates",
        "Action",
        "ConditionExpression",
        "UpdateExpression",
        "KeyConditionExpression",
        "ExpressionAttributeValues",
        "ExpressionAttributeNames",
        "RequestItems",
        "TransactItems",
        "Put",
        "Update",
        "ConditionCheck",
        "KeyConditions",
        "AttributeValueList",
        "ComparisonOperator",
        "Limit",
        "Segment",
        "KeySchema",
        "AttributeName",
        "GlobalSecondaryIndexes",
        ":v",
        "#n",
        "a",
    ]);
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "1",
            "-5",
            "1.5",
            "\"\"",
            "\"a\"",
            "\"#n = :v\"",
            "\"SET a = :v\"",
            "\"EQ\"",
            "\"IN\"",
            "\"1e5\"",
            "\"AP8=\"",
            "\"PUT\"",
            "\"HASH\"",
        ])
        .prop_map(String::from),
        "\"[a-z:#= ()]{0,12}\"".prop_map(|text| text),
    ];
    leaf.prop_recursive(6, 80, 8, move |inner| {
        let member = (name.clone(), inner.clone()).prop_map(|(n, v)| format!("\"{n}\":{v}"));
        prop_oneof![
            3 => prop::collection::vec(member, 0..8).prop_map(|m| format!("{{{}}}", m.join(","))),
            1 => prop::collection::vec(inner, 0..6).prop_map(|m| format!("[{}]", m.join(","))),
        ]
    })
}

fn expression() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        "#n",
        ":v",
        ":w",
        "(",
        ")",
        "[",
        "]",
        "0",
        "9",
        ".",
        ",",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "+",
        "-",
        "AND",
        "OR",
        "NOT",
        "BETWEEN",
        "IN",
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "size",
        "contains",
        "begins_with",
        "attribute_exists",
        "attribute_not_exists",
        "attribute_type",
        "if_not_exists",
        "list_append",
        "é",
        "#",
        ":",
        "!",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn any_document_is_answered(action in prop::sample::select(Action::ALL.to_vec()), body in json()) {
        if let Ok(request) = ask(action, body) {
            exercise(&request);
        }
    }

    #[test]
    fn any_expression_is_answered(text in expression()) {
        let names = [("#n".to_owned(), "name".to_owned())].into();
        let values: Item = [
            (":v".into(), AttributeValue::S("v".into())),
            (":w".into(), AttributeValue::N(1_u64.into())),
        ]
        .into();
        let mut variables = Variables::new(Some(&names), Some(&values)).unwrap();
        if let Ok(steps) = variables.condition("ConditionExpression", Some(&text)) {
            let _ = key_query(&steps, "a", Some("b"));
        }
        let _ = variables.update(Some(&text));
        let _ = variables.projection(Some(&text));
        let _ = variables.finish();
    }
}

#[test]
fn a_document_as_deep_as_its_body_allows_is_refused() {
    let deep = format!("{}null{}", "{\"L\":[".repeat(50_000), "]}".repeat(50_000));
    let body = format!("{{\"TableName\":\"t\",\"Item\":{{\"a\":{deep}}}}}");
    assert!(ask(Action::PutItem, body).is_err());
}
