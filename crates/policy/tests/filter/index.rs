//! The index, the evaluation of one policy and an evaluation that knows nothing of either agree.

use crate::support::{borrowed, generated, plain};
use levada_policy::filter::{FilterIndex, FilterPolicy, FilterScope};
use proptest::prelude::*;
use serde_json::Value;

/// Those of the policies that are not refused, with what they were made of.
fn parsed(policies: &[Value], scope: FilterScope) -> Vec<(u32, Value, FilterPolicy)> {
    let mut all = Vec::new();
    for (number, policy) in (0..).zip(policies) {
        if let Ok(parsed) = FilterPolicy::parse(&policy.to_string(), scope) {
            all.push((number, policy.clone(), parsed));
        }
    }
    all
}

/// An index that had every policy, and of which each third was taken out, and each fourth put in twice.
fn index(policies: &[(u32, Value, FilterPolicy)]) -> (FilterIndex<u32>, Vec<u32>) {
    let mut index = FilterIndex::new();
    for (number, _, policy) in policies {
        index.insert(*number, policy.clone());
    }
    for (number, _, policy) in policies {
        if number % 4 == 0 {
            index.insert(*number, policy.clone());
        }
        if number % 3 == 2 {
            assert!(index.remove(number));
            assert!(!index.remove(number));
        }
    }
    let left = policies
        .iter()
        .map(|(number, ..)| *number)
        .filter(|number| number % 3 != 2);
    (index, left.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn attributes_find_their_policies(
        policies in prop::collection::vec(generated::flat_policy(), 1..12),
        messages in prop::collection::vec(generated::attributes(), 1..8),
    ) {
        let policies = parsed(&policies, FilterScope::MessageAttributes);
        let (index, left) = index(&policies);
        for (attributes, values) in &messages {
            let attributes = borrowed(attributes);
            let mut wanted = Vec::new();
            for (number, text, policy) in &policies {
                let passes = plain::attributes_pass(text, values);
                prop_assert_eq!(policy.matches_attributes(&attributes), passes, "{}", text);
                if passes && left.contains(number) {
                    wanted.push(*number);
                }
            }
            let found: Vec<u32> = index.matching_attributes(&attributes).into_iter().copied().collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn bodies_find_their_policies(
        policies in prop::collection::vec(generated::nested_policy(), 1..12),
        bodies in prop::collection::vec(generated::body(), 1..6),
    ) {
        let policies = parsed(&policies, FilterScope::MessageBody);
        let (index, left) = index(&policies);
        for body in &bodies {
            let text = body.to_string();
            let mut wanted = Vec::new();
            for (number, policy_text, policy) in &policies {
                let passes = plain::body_passes(policy_text, body);
                prop_assert_eq!(policy.matches_body(&text), passes, "{} {}", policy_text, text);
                if passes && left.contains(number) {
                    wanted.push(*number);
                }
            }
            let found: Vec<u32> = index.matching_body(&text).into_iter().copied().collect();
            prop_assert_eq!(found, wanted);
        }
    }
}

#[test]
fn scopes_and_unfiltered_ones_are_kept_apart() {
    let mut index = FilterIndex::new();
    let parse = |text, scope| FilterPolicy::parse(text, scope).expect(text);
    index.insert("nothing", parse("", FilterScope::MessageAttributes));
    index.insert("empty", parse(" {} ", FilterScope::MessageBody));
    index.insert(
        "attribute",
        parse(r#"{"a":["x"]}"#, FilterScope::MessageAttributes),
    );
    index.insert("body", parse(r#"{"a":["x"]}"#, FilterScope::MessageBody));
    assert_eq!(index.len(), 4);
    let attributes = crate::support::attributes(r#"{"a": {"Type": "String", "Value": "x"}}"#);
    let attributes = borrowed(&attributes);
    assert_eq!(index.matching_attributes(&attributes), [&"attribute"]);
    assert_eq!(index.matching_body(r#"{"a":"x"}"#), [&"body"]);
    assert_eq!(
        index.unfiltered().collect::<Vec<_>>(),
        [&"empty", &"nothing"]
    );
    assert_eq!(
        index.matching_message(&attributes, r#"{"a":"x"}"#),
        [&"attribute", &"body", &"empty", &"nothing"]
    );
    assert_eq!(
        index.matching_message(&[], "no JSON"),
        [&"empty", &"nothing"]
    );

    index.insert("body", parse("", FilterScope::MessageBody));
    index.insert(
        "empty",
        parse(
            r#"{"a":[{"exists":false}]}"#,
            FilterScope::MessageAttributes,
        ),
    );
    assert_eq!(index.len(), 4);
    assert_eq!(
        index.matching_message(&attributes, "{}"),
        [&"attribute", &"body", &"nothing"]
    );
    assert_eq!(
        index.matching_message(&[], "{}"),
        [&"body", &"empty", &"nothing"]
    );
    for id in ["nothing", "empty", "attribute", "body"] {
        assert!(index.remove(&id));
    }
    assert!(index.is_empty() && !index.remove(&"body"));
    assert_eq!(
        index.matching_message(&attributes, "{}"),
        Vec::<&&str>::new()
    );
}
