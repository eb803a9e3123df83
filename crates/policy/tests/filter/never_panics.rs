//! Whatever the text, there is an answer.

use crate::support::generated;
use levada_policy::filter::{FilterAttribute, FilterError, FilterIndex, FilterPolicy, FilterScope};
use proptest::prelude::*;

const SCOPES: [FilterScope; 2] = [FilterScope::MessageAttributes, FilterScope::MessageBody];

/// Asks everything that can be asked of a text as a policy, as a body and as an attribute.
fn ask(text: &str) {
    let attributes = [
        "String",
        "String.Array",
        "Number",
        "Binary",
        "",
        ".",
        "Number.Array",
    ]
    .map(|data_type| FilterAttribute {
        name: "a",
        data_type,
        value: text,
    });
    let mut index = FilterIndex::new();
    for scope in SCOPES {
        for (number, policy) in [text, r#"{"a":[{"anything-but":"x"}],"b":[1]}"#]
            .into_iter()
            .enumerate()
        {
            if let Ok(policy) = FilterPolicy::parse(policy, scope) {
                let _ = policy.matches_attributes(&attributes);
                let _ = policy.matches_body(text);
                index.insert(number, policy);
            }
        }
        let _ = index.matching_message(&attributes, text);
    }
}

/// Pieces of policies, so that chance comes further than the first character.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        &[
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"a\"",
            "\"$or\"",
            "\"numeric\"",
            "\"=\"",
            "\">\"",
            "\"anything-but\"",
            "\"prefix\"",
            "\"exists\"",
            "\"cidr\"",
            "\"10.0.0.0/8\"",
            "\"wildcard\"",
            "\"*a*\"",
            "\"\\\\\"",
            "1",
            "-0.5e3",
            "1e999999999999999999999",
            "true",
            "false",
            "null",
            " ",
            "\\",
            "\"",
            "é",
            "\u{0}",
            "\"\\ud800\"",
        ][..],
    );
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn of_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        ask(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn of_pieces(text in pieces()) {
        ask(&text);
    }

    /// A policy, cut off or with something put in.
    #[test]
    fn of_damaged_policies(
        policy in generated::nested_policy(),
        at in any::<prop::sample::Index>(),
        piece in pieces(),
        cut in any::<bool>(),
    ) {
        let text = policy.to_string();
        let mut at = at.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let (before, after) = text.split_at(at);
        ask(&format!("{before}{piece}{}", if cut { "" } else { after }));
    }
}

#[test]
fn of_deep_ones() {
    let deep = |open: &str, middle: &str, close: &str, depth: usize| {
        format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
    };
    for depth in [140, 151, 999, 1_001, 20_000] {
        ask(&deep("[", "1", "]", depth));
        ask(&deep("{\"a\":", "[1]", "}", depth));
        ask(&deep("{\"a\":[", "1", "]}", depth));
        ask(&deep("{\"$or\":[{\"a\":[1]},", "{\"b\":[1]}", "]}", depth));
        ask(&deep("{\"$or\":[", "{\"b\":[1]}", "]}", depth));
    }
    let nested = deep("{\"a\":", "[1]", "}", 150);
    assert!(FilterPolicy::parse(&nested, FilterScope::MessageBody).is_ok());
    let deeper = deep("{\"a\":", "[1]", "}", 151);
    let refused = FilterPolicy::parse(&deeper, FilterScope::MessageBody);
    assert_eq!(refused, Err(FilterError::TooComplex));
}

#[test]
fn of_long_ones() {
    let number = "9".repeat(200_000);
    ask(&number);
    ask(&format!("{{\"a\":[{number}]}}"));
    ask(&format!("{{\"a\":[{{\"numeric\":[\"=\",0.{number}]}}]}}"));
    ask(&format!("{{\"a\":[{}1]}}", "1,".repeat(100_000)));
    let keys: Vec<String> = (0..20_000).map(|key| format!("\"{key}\":[1]")).collect();
    ask(&format!("{{{}}}", keys.join(",")));
    let objects = "{\"a\":[1]},".repeat(20_000);
    ask(&format!("{{\"$or\":[{objects}{{\"a\":[1]}}]}}"));
    // As a body: many elements, of which none has both keys.
    let mut index = FilterIndex::new();
    let policy = r#"{"a":{"x":["1"],"y":["1"],"z":["1"]}}"#;
    index.insert(
        1,
        FilterPolicy::parse(policy, FilterScope::MessageBody).expect(policy),
    );
    let elements = r#"{"x":"1"},{"y":"1"},{"x":"1","z":"1"},"#.repeat(20_000);
    assert!(
        index
            .matching_body(&format!("{{\"a\":[{elements}{{}}]}}"))
            .is_empty()
    );
    let body = format!(r#"{{"a":[{elements}{{"x":"1","y":"1","z":"1"}}]}}"#);
    assert_eq!(index.matching_body(&body), [&1]);
}
