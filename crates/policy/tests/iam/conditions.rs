//! Operators of conditions: "IAM JSON policy elements: Condition operators", "Single-valued vs. multivalued context keys".

use levada_policy::iam::{Caller, Context, Outcome, Policy, Request};
use serde_json::{Value, json};

use crate::support::{check, outcome};

/// A statement with one condition, and values of the key with which it holds and others; `null` is a key that is not there.
fn on(
    operator: &str,
    wanted: Value,
    holding: &[Value],
    others: &[Value],
) -> (Value, Vec<Value>, Vec<Value>) {
    let request = |value: &Value| match value {
        Value::Null => json!({}),
        value => json!({"context": {"the:Key": value}}),
    };
    (
        json!({"Condition": {operator: {"The:key": wanted}}}),
        holding.iter().map(request).collect(),
        others.iter().map(request).collect(),
    )
}

#[test]
fn texts() {
    check(&[
        on(
            "StringEquals",
            json!(["a", "b*"]),
            &[json!("a"), json!("b*")],
            &[json!("A"), json!("bc"), Value::Null],
        ),
        on(
            "StringNotEquals",
            json!(["a", "b"]),
            &[json!("c"), Value::Null],
            &[json!("a"), json!("b")],
        ),
        on(
            "StringEqualsIgnoreCase",
            json!("Ab"),
            &[json!("aB")],
            &[json!("abc"), Value::Null],
        ),
        on(
            "StringNotEqualsIgnoreCase",
            json!("Ab"),
            &[json!("x"), Value::Null],
            &[json!("aB")],
        ),
        on(
            "StringLike",
            json!("a*c?"),
            &[json!("abbcd"), json!("acx")],
            &[json!("ac"), json!("Acx"), Value::Null],
        ),
        on(
            "StringNotLike",
            json!("a*"),
            &[json!("b"), Value::Null],
            &[json!("a")],
        ),
        on("stringequals", json!(5), &[json!("5")], &[json!("5.0")]),
        on(
            "BinaryEquals",
            json!("QmluYXJ5"),
            &[json!("QmluYXJ5")],
            &[json!("QmluYXJ6")],
        ),
    ]);
}

#[test]
fn arns() {
    let topic = "arn:aws:sns:eu-west-1:111122223333:events";
    for operator in ["ArnEquals", "ArnLike"] {
        check(&[
            on(
                operator,
                json!("arn:aws:sns:*:*:ev*"),
                &[json!(topic)],
                &[json!("arn:aws:sns:eu-west-1:1:x"), Value::Null],
            ),
            on(operator, json!("arn:aws:sns:*"), &[], &[json!(topic)]),
            on(operator, json!("*"), &[], &[json!(topic), json!("events")]),
        ]);
    }
    for operator in ["ArnNotEquals", "ArnNotLike"] {
        check(&[on(
            operator,
            json!("arn:aws:sns:*:*:ev*"),
            &[Value::Null, json!("x")],
            &[json!(topic)],
        )]);
    }
}

#[test]
fn numbers() {
    check(&[
        on(
            "NumericEquals",
            json!([5, "7"]),
            &[json!("5.0"), json!("7")],
            &[json!("6"), json!("five"), Value::Null],
        ),
        on(
            "NumericNotEquals",
            json!("5"),
            &[json!("6"), Value::Null],
            &[json!("5")],
        ),
        on(
            "NumericLessThan",
            json!("5"),
            &[json!("4.9")],
            &[json!("5"), json!("inf"), json!("")],
        ),
        on(
            "NumericLessThanEquals",
            json!("5"),
            &[json!("5")],
            &[json!("5.1")],
        ),
        on(
            "NumericGreaterThan",
            json!("5"),
            &[json!("5e1")],
            &[json!("5")],
        ),
        on(
            "NumericGreaterThanEquals",
            json!("-5"),
            &[json!("-5")],
            &[json!("-6"), json!("NaN")],
        ),
    ]);
}

#[test]
fn dates() {
    let noon = "2026-11-28T12:00:00Z";
    check(&[
        on(
            "DateEquals",
            json!(noon),
            &[json!("2026-11-28T13:00:00+01:00"), json!("1795867200")],
            &[json!("2026-11-28"), Value::Null],
        ),
        on(
            "DateNotEquals",
            json!(noon),
            &[json!("2026-11-28"), Value::Null],
            &[json!(noon)],
        ),
        on(
            "DateLessThan",
            json!(noon),
            &[json!("2026-11-28")],
            &[json!(noon), json!("soon")],
        ),
        on(
            "DateLessThanEquals",
            json!(noon),
            &[json!(noon)],
            &[json!("2026-11-28T12:00:01Z")],
        ),
        on(
            "DateGreaterThan",
            json!(noon),
            &[json!("2026-11-29")],
            &[json!(noon)],
        ),
        on(
            "DateGreaterThanEquals",
            json!(1795867200),
            &[json!(noon)],
            &[json!("2026")],
        ),
    ]);
}

#[test]
fn the_time_of_a_request() {
    let mut context = Context::new();
    context.insert_now(1_795_867_200_999);
    let request = Request {
        caller: Caller::Anonymous,
        action: "sqs:SendMessage",
        resource: crate::support::QUEUE,
        context: &context,
    };
    for (condition, wanted) in [
        (
            json!({"DateEquals": {"aws:CurrentTime": "2026-11-28T12:00:00Z"}}),
            Outcome::Allow,
        ),
        (
            json!({"DateLessThan": {"aws:CurrentTime": "2026-11-28T12:00:00Z"}}),
            Outcome::NoMatch,
        ),
        (
            json!({"NumericEquals": {"aws:EpochTime": "1795867200"}}),
            Outcome::Allow,
        ),
    ] {
        let text = crate::support::policy_of(&json!({"Condition": condition}));
        let policy = Policy::parse(&text).expect("a policy");
        assert_eq!(policy.evaluate(&request).outcome, wanted, "{text}");
    }
}

#[test]
fn truth_addresses_and_absence() {
    check(&[
        on(
            "Bool",
            json!("true"),
            &[json!("true"), json!("TRUE")],
            &[json!("false"), json!("1"), Value::Null],
        ),
        on("Bool", json!(false), &[json!("false")], &[json!("true")]),
        on(
            "IpAddress",
            json!(["203.0.113.0/24", "2001:db8::1"]),
            &[json!("203.0.113.9"), json!("2001:DB8:0::1")],
            &[
                json!("203.0.114.9"),
                json!("2001:db8::2"),
                json!("here"),
                Value::Null,
            ],
        ),
        on(
            "NotIpAddress",
            json!("203.0.113.0/24"),
            &[json!("203.0.114.9"), Value::Null],
            &[json!("203.0.113.9")],
        ),
        on(
            "Null",
            json!("true"),
            &[Value::Null, json!([])],
            &[json!("x")],
        ),
        on("Null", json!(false), &[json!("x")], &[Value::Null]),
    ]);
}

#[test]
fn if_exists() {
    check(&[
        on(
            "StringEqualsIfExists",
            json!("a"),
            &[json!("a"), Value::Null],
            &[json!("b")],
        ),
        on(
            "NumericLessThanIfExists",
            json!("5"),
            &[json!("4"), Value::Null],
            &[json!("6")],
        ),
        on(
            "ForAnyValue:StringLikeIfExists",
            json!("a*"),
            &[json!(["x", "ab"]), Value::Null],
            &[json!(["x"])],
        ),
    ]);
}

#[test]
fn keys_with_several_values() {
    let (ab, ac, cd) = (json!(["a", "b"]), json!(["a", "c"]), json!(["c", "d"]));
    check(&[
        on(
            "ForAllValues:StringEquals",
            json!(["a", "b"]),
            &[ab.clone(), json!("a"), Value::Null, json!([])],
            &[ac.clone(), cd.clone()],
        ),
        on(
            "ForAnyValue:StringEquals",
            json!(["a", "b"]),
            &[ab.clone(), ac.clone()],
            &[cd.clone(), Value::Null, json!([])],
        ),
        on(
            "ForAllValues:StringNotEquals",
            json!(["a", "b"]),
            &[cd.clone(), Value::Null],
            &[ac.clone(), ab.clone()],
        ),
        on(
            "ForAnyValue:StringNotEquals",
            json!(["a", "b"]),
            &[cd.clone(), ac.clone()],
            &[ab.clone(), Value::Null],
        ),
        // Without either: one must do, and with Not all must.
        on(
            "StringEquals",
            json!(["a", "b"]),
            std::slice::from_ref(&ac),
            std::slice::from_ref(&cd),
        ),
        on("StringNotEquals", json!(["a", "b"]), &[cd], &[ac]),
    ]);
}

#[test]
fn all_operators_and_keys_must_hold() {
    let statement = json!({"Condition": {
        "StringEquals": {"a": "1", "b": ["2", "3"]},
        "Bool": {"aws:SecureTransport": "true"},
    }});
    check(&[(
        statement,
        vec![json!({"context": {"a": "1", "b": "3", "aws:securetransport": "true"}})],
        vec![
            json!({"context": {"a": "1", "aws:securetransport": "true"}}),
            json!({"context": {"a": "1", "b": "4", "aws:securetransport": "true"}}),
            json!({"context": {"a": "1", "b": "3", "aws:securetransport": "false"}}),
        ],
    )]);
}

#[test]
fn variables() {
    check(&[(
        json!({"Condition": {"StringEquals": {"a": "${b}"}}}),
        vec![json!({"context": {"a": "x", "b": "x"}})],
        vec![
            json!({"context": {"a": "x", "b": "y"}}),
            json!({"context": {"a": "${b}"}}),
        ],
    )]);
    // One that is not known opens nothing and closes what it can.
    let mut statement = json!({"Condition": {"StringNotEquals": {"a": "${b}"}}});
    let known = json!({"context": {"a": "x", "b": "y"}});
    let unknown = json!({"context": {"a": "x"}});
    assert_eq!(outcome(&statement, &known), Outcome::Allow);
    assert_eq!(outcome(&statement, &unknown), Outcome::NoMatch);
    statement["Effect"] = json!("Deny");
    assert_eq!(outcome(&statement, &unknown), Outcome::Deny);
}
