//! What holds for whatever policy and request.

use levada_policy::iam::{Outcome, Policy};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{decided, outcome};

fn principal() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("*"),
        json!({"AWS": "111111111111"}),
        json!({"AWS": "arn:aws:iam::222222222222:user/ann"}),
        json!({"Service": "sns.amazonaws.com"}),
        json!({"AWS": ["222222222222"], "Service": "*"}),
    ])
}

fn action() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(
        &[
            "*",
            "sqs:*",
            "sqs:Send*",
            "SQS:sendmessage",
            "sns:Publish",
            "sqs:?eceive*",
        ][..],
    );
    prop::collection::vec(names, 1..3).prop_map(|names| json!(names))
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(
        &[
            "StringEquals",
            "StringLike",
            "StringEqualsIgnoreCase",
            "NumericLessThan",
            "Bool",
            "IpAddress",
        ][..],
    );
    (
        operator,
        prop::sample::select(&["k", "l"][..]),
        any::<bool>(),
    )
        .prop_map(|(operator, key, several)| {
            let value = match operator {
                "NumericLessThan" => json!("5"),
                "Bool" => json!("true"),
                "IpAddress" => json!("10.0.0.0/8"),
                _ if several => json!(["x", "y*"]),
                _ => json!("x"),
            };
            json!({ operator: { key: value } })
        })
}

fn statement() -> impl Strategy<Value = Value> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (flags, principal(), action(), prop::option::of(condition())).prop_map(
        |((denies, not_principal, not_action), principal, action, condition)| {
            let mut statement = json!({
                "Effect": if denies { "Deny" } else { "Allow" },
                (if not_principal { "NotPrincipal" } else { "Principal" }): principal,
                (if not_action { "NotAction" } else { "Action" }): action,
            });
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        },
    )
}

fn request() -> impl Strategy<Value = Value> {
    let caller = prop::sample::select(
        &[
            "",
            "111111111111",
            "222222222222",
            "arn:aws:iam::222222222222:user/ann",
            "service:sns.amazonaws.com",
        ][..],
    );
    let action =
        prop::sample::select(&["sqs:SendMessage", "sqs:ReceiveMessage", "sns:Publish"][..]);
    let value = prop::option::of(prop::sample::select(
        &["x", "X", "yes", "4", "6", "true", "10.1.1.1"][..],
    ));
    (caller, action, value.clone(), value).prop_map(|(caller, action, k, l)| {
        let mut context = json!({});
        for (key, value) in [("k", k), ("l", l)] {
            if let Some(value) = value {
                context[key] = json!(value);
            }
        }
        json!({ "caller": caller, "action": action, "context": context })
    })
}

fn document(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// The whole is what its statements are one by one, in whatever order.
    #[test]
    fn of_several_statements(
        statements in prop::collection::vec(statement(), 1..6),
        request in request(),
    ) {
        let alone: Vec<Outcome> = statements
            .iter()
            .map(|one| decided(&document(std::slice::from_ref(one)), &request).outcome)
            .collect();
        let wanted = if alone.contains(&Outcome::Deny) {
            Outcome::Deny
        } else if alone.contains(&Outcome::Allow) {
            Outcome::Allow
        } else {
            Outcome::NoMatch
        };
        prop_assert_eq!(decided(&document(&statements), &request).outcome, wanted);
        let reversed: Vec<Value> = statements.into_iter().rev().collect();
        prop_assert_eq!(decided(&document(&reversed), &request).outcome, wanted);
    }

    /// An element and its opposite are never both met, and never neither.
    #[test]
    fn of_opposites(principal in principal(), action in action(), request in request()) {
        for (name, opposite, value) in [
            ("Principal", "NotPrincipal", principal),
            ("Action", "NotAction", action),
        ] {
            let these = outcome(&json!({ name: value }), &json!({
                "caller": request["caller"], "action": request["action"],
            }));
            let others = outcome(&json!({ opposite: value }), &json!({
                "caller": request["caller"], "action": request["action"],
            }));
            // Where the default action of the test's policies is for another service, neither can be.
            let sqs = request["action"].as_str().is_some_and(|action| action.starts_with("sqs"));
            if sqs || name == "Action" {
                prop_assert_ne!(these, others, "{} {}", value, request);
            }
        }
    }

    #[test]
    fn of_negated_operators(
        wanted in prop::collection::vec("[abA*?.0-9/]{0,4}", 1..4),
        value in "[abA*?.0-9/]{0,4}",
    ) {
        let request = json!({"context": {"k": value}});
        for (operator, opposite) in [
            ("StringEquals", "StringNotEquals"),
            ("StringLike", "StringNotLike"),
            ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
            ("ArnLike", "ArnNotLike"),
            ("ForAnyValue:StringLike", "ForAllValues:StringNotLike"),
            ("ForAllValues:StringLike", "ForAnyValue:StringNotLike"),
        ] {
            let this = outcome(&json!({"Condition": {operator: {"k": wanted}}}), &request);
            let that = outcome(&json!({"Condition": {opposite: {"k": wanted}}}), &request);
            prop_assert_ne!(this, that, "{} {:?} {}", operator, wanted, value);
        }
    }

    #[test]
    fn of_likeness(pattern in "[ab*?]{0,6}", text in "[ab]{0,6}") {
        let statement = json!({"Condition": {"StringLike": {"k": pattern}}});
        let found = outcome(&statement, &json!({"context": {"k": text}})) == Outcome::Allow;
        prop_assert_eq!(found, like(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn nothing_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        statement in statement(),
        request in request(),
        at in any::<prop::sample::Index>(),
    ) {
        asked(&String::from_utf8_lossy(&bytes), &request);
        let text = document(&[statement]);
        let (before, after) = text.split_at(at.index(text.len()));
        asked(before, &request);
        asked(&format!("{before}{}{after}", String::from_utf8_lossy(&bytes)), &request);
    }
}

/// Asks a text that need not be a policy.
fn asked(text: &str, request: &Value) {
    if Policy::parse(text).is_ok() {
        let _ = decided(text, request).to_string();
    }
}

/// By trying every length for a star.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| like(rest, &text[taken..])),
        [b'?', rest @ ..] => !text.is_empty() && like(rest, &text[1..]),
        [first, rest @ ..] => text.first() == Some(first) && like(rest, &text[1..]),
    }
}
