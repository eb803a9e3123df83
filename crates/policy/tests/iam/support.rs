//! Requests as tests write them.

use levada_policy::iam::{Caller, Context, Decision, Outcome, Policy, Request};
use serde_json::{Value, json};

/// The queue that requests are for, if they don't say.
pub(crate) const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:orders";

/// A policy of one statement: what is not in it is for everyone, everything and allows.
pub(crate) fn policy_of(statement: &Value) -> String {
    let mut whole = json!({ "Effect": "Allow" });
    let given = statement.as_object().expect("a statement is an object");
    if !given.contains_key("NotPrincipal") {
        whole["Principal"] = json!("*");
    }
    if !given.contains_key("NotAction") {
        whole["Action"] = json!("sqs:*");
    }
    if !given.contains_key("NotResource") {
        whole["Resource"] = json!("*");
    }
    for (name, value) in given {
        whole[name] = value.clone();
    }
    json!({ "Version": "2012-10-17", "Statement": [whole] }).to_string()
}

/// What a policy says to `{"caller": .., "action": .., "resource": .., "context": {..}}`, of which nothing needs to be there.
/// A caller is `service:<name>`, `federated:<name>`, an account, or the ARN of one of its principals.
pub(crate) fn decided(policy: &str, request: &Value) -> Decision {
    let policy = Policy::parse(policy).unwrap_or_else(|error| panic!("{policy}: {error}"));
    let mut context = Context::new();
    for (key, values) in request["context"].as_object().into_iter().flatten() {
        match values {
            Value::Array(list) if list.is_empty() => context.insert_empty(key),
            Value::Array(list) => {
                for value in list {
                    context.insert(key, value.as_str().expect("a string"));
                }
            }
            one => context.insert(key, one.as_str().expect("a string")),
        }
    }
    let name = request["caller"].as_str().unwrap_or("");
    let names = [name];
    let caller = match name.split_once(':') {
        None if name.is_empty() => Caller::Anonymous,
        None => Caller::Aws {
            account: name,
            names: &[],
        },
        Some(("service", service)) => Caller::Service(service),
        Some(("federated", provider)) => Caller::Federated(provider),
        Some(_) => Caller::Aws {
            account: name.split(':').nth(4).unwrap_or(""),
            names: &names,
        },
    };
    policy.evaluate(&Request {
        caller,
        action: request["action"].as_str().unwrap_or("sqs:SendMessage"),
        resource: request["resource"].as_str().unwrap_or(QUEUE),
        context: &context,
    })
}

/// The outcome of a policy of one statement.
pub(crate) fn outcome(statement: &Value, request: &Value) -> Outcome {
    decided(&policy_of(statement), request).outcome
}

/// Statements, each with requests that it applies to and others.
pub(crate) fn check(cases: &[(Value, Vec<Value>, Vec<Value>)]) {
    for (statement, applying, others) in cases {
        for request in applying {
            assert_eq!(
                outcome(statement, request),
                Outcome::Allow,
                "{statement} {request}"
            );
        }
        for request in others {
            assert_eq!(
                outcome(statement, request),
                Outcome::NoMatch,
                "{statement} {request}"
            );
        }
    }
}
