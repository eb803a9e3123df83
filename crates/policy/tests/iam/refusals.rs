//! What is no policy. The words are ours: each service of AWS has its own for all of it.

use levada_policy::iam::{Policy, PolicyError};
use serde_json::{Value, json};

use crate::support::policy_of;

fn refused(text: &str) -> String {
    match Policy::parse(text) {
        Ok(_) => format!("{text} is taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn documents() {
    let cases = [
        ("[]", "it is not an object"),
        ("{}", "it has no statements"),
        (r#"{"Statement": []}"#, "it has no statements"),
        (
            r#"{"Statement": "x"}"#,
            "Statement must be an object or an array",
        ),
        (
            r#"{"Version": "2020-01-01"}"#,
            "Version must be 2012-10-17 or 2008-10-17",
        ),
        (r#"{"Id": 5}"#, "Id must be a string"),
        (r#"{"Rules": []}"#, "\"Rules\" is no element of a policy"),
        (r#"{"Id": "a", "Id": "b"}"#, "\"Id\" is there twice"),
    ];
    for (text, reason) in cases {
        assert_eq!(
            refused(text),
            format!("the policy is no policy document: {reason}")
        );
    }
    assert!(refused("{").contains("Unexpected end-of-input"));
    assert!(refused(&"[".repeat(10_000)).contains("nested deeper"));
    let long = format!("{{\"Id\": \"{}\"}}", "x".repeat(30 * 1_024));
    assert_eq!(Policy::parse(&long), Err(PolicyError::TooLarge(30 * 1_024)));
}

#[test]
fn statements() {
    let with = |name: &str, value: Value| json!({ name: value });
    let cases = [
        (
            with("Effect", json!("allow")),
            "Effect must be Allow or Deny",
        ),
        (with("Sid", json!(1)), "Sid must be a string"),
        (
            with("Extra", json!(1)),
            "\"Extra\" is no element of a statement",
        ),
        (
            json!({"NotAction": "x", "Action": "y"}),
            "can't be beside its opposite",
        ),
        (
            json!({"NotPrincipal": "*", "Principal": "*"}),
            "can't be beside its opposite",
        ),
        (
            json!({"NotResource": "*", "Resource": "*"}),
            "can't be beside its opposite",
        ),
        (with("Action", json!([])), "Action is an empty array"),
        (
            with("Action", json!("")),
            "Action must be a string, or an array of strings",
        ),
        (
            with("Resource", json!([1])),
            "Resource must be a string, or an array of strings",
        ),
        (
            with("Resource", json!("${x")),
            "a variable of \"${x\" has no end",
        ),
        (
            with("Principal", json!("444455556666")),
            "Principal must be",
        ),
        (with("Principal", json!({})), "Principal must be"),
        (
            with("Principal", json!({"AWS": []})),
            "no principals of the kind \"AWS\" are listed",
        ),
        (
            with("Principal", json!({"AWS": [1]})),
            "principals of the kind \"AWS\" must be strings",
        ),
        (
            with("Principal", json!({"AWS": "arn:aws:iam::*:root"})),
            "only \"*\" by itself stands for many",
        ),
        (
            with("Principal", json!({"User": "x"})),
            "there are no principals of the kind \"User\"",
        ),
        (with("Condition", json!([])), "Condition must be an object"),
        (
            with("Condition", json!({"Bool": 1})),
            "Bool must have an object of keys and values",
        ),
        (
            with("Condition", json!({"Equals": {"a": "b"}})),
            "there is no operator \"Equals\"",
        ),
        (
            with("Condition", json!({"NullIfExists": {"a": "true"}})),
            "there is no operator \"NullIfExists\"",
        ),
        (
            with("Condition", json!({"ForAnyValue:Null": {"a": "true"}})),
            "there is no operator \"ForAnyValue:Null\"",
        ),
        (
            with("Condition", json!({"ForSomeValue:Bool": {"a": "b"}})),
            "there is no \"ForSomeValue\" before an operator",
        ),
        (
            with("Condition", json!({"Bool": {"a": []}})),
            "Bool on a must have a string, or an array of strings",
        ),
        (
            with("Condition", json!({"Bool": {"a": "yes"}})),
            "Bool on a: \"yes\" is no true or false",
        ),
        (
            with("Condition", json!({"NumericEquals": {"a": "five"}})),
            "\"five\" is no number",
        ),
        (
            with("Condition", json!({"DateEquals": {"a": "soon"}})),
            "\"soon\" is no date",
        ),
        (
            with("Condition", json!({"IpAddress": {"a": "10.0.0.0/99"}})),
            "IPv4 mask bits must be < 33",
        ),
        (
            with("Condition", json!({"Null": {"a": ["true", "false"]}})),
            "there can be one value only",
        ),
    ];
    for (statement, reason) in cases {
        let told = refused(&policy_of(&statement));
        assert!(
            told.starts_with("statement 1 of the policy: ") && told.contains(reason),
            "{statement}: {told}"
        );
    }
    let second = r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}, {"Effect": "Allow", "Action": "*"}]}"#;
    assert_eq!(
        refused(second),
        "statement 2 of the policy: it has neither Principal nor NotPrincipal"
    );
}
