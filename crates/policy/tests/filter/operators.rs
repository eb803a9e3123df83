//! Each operator, by the examples of the developer guide and by what AWS was recorded to do.
//!
//! The guide's pages are named; *recorded* is as in refusals.rs. The examples that users are shown are in docs/filters.md and
//! run by page.rs.

use levada_policy::filter::FilterScope;

use crate::support::passes;

/// (policy, messages that pass, messages that don't).
type Case<'c> = (&'c str, &'c [&'c str], &'c [&'c str]);

fn check(scope: FilterScope, cases: &[Case<'_>]) {
    for (policy, passing, others) in cases {
        for message in *passing {
            assert!(
                passes(policy, scope, message),
                "{policy} lets {message} pass"
            );
        }
        for message in *others {
            assert!(
                !passes(policy, scope, message),
                "{policy} keeps {message} back"
            );
        }
    }
}

/// "String value matching", "Key matching".
#[test]
fn texts_in_attributes() {
    check(
        FilterScope::MessageAttributes,
        &[
            (
                r#"{"customer_interests": ["rugby", "tennis"]}"#,
                &[
                    r#"{"customer_interests": {"Type": "String", "Value": "rugby"}}"#,
                    r#"{"customer_interests": {"Type": "String", "Value": "tennis"}}"#,
                    r#"{"customer_interests": {"Type": "String.Array", "Value": "[\"rugby\", \"tennis\"]"}}"#,
                ],
                &[
                    r#"{"customer_interests": {"Type": "String", "Value": "baseball"}}"#,
                    r#"{"customer_interests": {"Type": "String", "Value": "Rugby"}}"#,
                    r#"{"customer_interests": {"Type": "String.Array", "Value": "[\"baseball\"]"}}"#,
                    r#"{"other": {"Type": "String", "Value": "rugby"}}"#,
                    r#"{"customer_interests": {"Type": "Binary", "Value": "rugby"}}"#,
                    "{}",
                ],
            ),
            (
                r#"{"customer_interests": [{"anything-but": ["rugby", "tennis"]}]}"#,
                &[
                    r#"{"customer_interests": {"Type": "String", "Value": "baseball"}}"#,
                    r#"{"customer_interests": {"Type": "String", "Value": "football"}}"#,
                    // Because it has a value that is neither.
                    r#"{"customer_interests": {"Type": "String.Array", "Value": "[\"rugby\", \"baseball\"]"}}"#,
                ],
                &[
                    r#"{"customer_interests": {"Type": "String", "Value": "rugby"}}"#,
                    r#"{"customer_interests": {"Type": "String.Array", "Value": "[\"rugby\"]"}}"#,
                    "{}",
                ],
            ),
            (
                r#"{"event": [{"anything-but": {"prefix": "order-"}}]}"#,
                &[
                    r#"{"event": {"Type": "String", "Value": "data-entry"}}"#,
                    r#"{"event": {"Type": "String", "Value": "order_number"}}"#,
                ],
                &[r#"{"event": {"Type": "String", "Value": "order-cancelled"}}"#],
            ),
            (
                r#"{"tips": [{"equals-ignore-case": "TIPS"}]}"#,
                &[
                    r#"{"tips": {"Type": "String", "Value": "tips"}}"#,
                    r#"{"tips": {"Type": "String", "Value": "Tips"}}"#,
                ],
                &[r#"{"tips": {"Type": "String", "Value": "tip"}}"#],
            ),
            (
                r#"{"source_ip": [{"cidr": "10.0.0.0/24"}]}"#,
                &[
                    r#"{"source_ip": {"Type": "String", "Value": "10.0.0.0"}}"#,
                    r#"{"source_ip": {"Type": "String", "Value": "10.0.0.255"}}"#,
                ],
                &[r#"{"source_ip": {"Type": "String", "Value": "10.1.1.0"}}"#],
            ),
            (
                r#"{"customer_interests": [{"prefix": "bas"}]}"#,
                &[
                    r#"{"customer_interests": {"Type": "String", "Value": "baseball"}}"#,
                    r#"{"customer_interests": {"Type": "String", "Value": "basketball"}}"#,
                ],
                &[
                    r#"{"customer_interests": {"Type": "String", "Value": "rugby"}}"#,
                    r#"{"customer_interests": {"Type": "Number", "Value": "5"}}"#,
                ],
            ),
            (
                r#"{"customer_interests": [{"suffix": "ball"}]}"#,
                &[r#"{"customer_interests": {"Type": "String", "Value": "baseball"}}"#],
                &[r#"{"customer_interests": {"Type": "String", "Value": "rugby"}}"#],
            ),
            (
                r#"{"store": [{"exists": true}]}"#,
                &[
                    r#"{"store": {"Type": "String", "Value": "fans"}}"#,
                    r#"{"store": {"Type": "Number", "Value": "99"}}"#,
                ],
                &[r#"{"customer_interests": {"Type": "String", "Value": "rugby"}}"#],
            ),
            (
                r#"{"store": [{"exists": false}]}"#,
                &[
                    r#"{"def": {"Type": "Number", "Value": "99"}}"#,
                    "{}",
                    // What SNS ignores is not there.
                    r#"{"store": {"Type": "Binary", "Value": "AA=="}}"#,
                ],
                &[r#"{"store": {"Type": "Number", "Value": "99"}}"#],
            ),
            // "anything-but can be combined with exists: false".
            (
                r#"{"a": [{"anything-but": "x"}, {"exists": false}]}"#,
                &["{}", r#"{"a": {"Type": "String", "Value": "y"}}"#],
                &[r#"{"a": {"Type": "String", "Value": "x"}}"#],
            ),
            // Recorded: nothing is not null.
            (
                r#"{"attr1": [null, {"anything-but": "whatever"}]}"#,
                &[r#"{"attr1": {"Type": "String.Array", "Value": "[null]"}}"#],
                &["{}"],
            ),
        ],
    );
}

/// "Numeric value matching".
#[test]
fn numbers() {
    check(
        FilterScope::MessageAttributes,
        &[
            (
                r#"{"price_usd": [{"numeric": ["=", 301.5]}]}"#,
                &[
                    r#"{"price_usd": {"Type": "Number", "Value": 301.5}}"#,
                    r#"{"price_usd": {"Type": "Number", "Value": "3.015e2"}}"#,
                ],
                &[
                    r#"{"price_usd": {"Type": "Number", "Value": 301.50001}}"#,
                    r#"{"price_usd": {"Type": "String", "Value": "301.5"}}"#,
                ],
            ),
            (
                r#"{"price": [{"anything-but": [100, 500]}]}"#,
                &[
                    r#"{"price": {"Type": "Number", "Value": 101}}"#,
                    r#"{"price": {"Type": "Number", "Value": 100.1}}"#,
                    r#"{"price": {"Type": "Number.Array", "Value": "[100, 50]"}}"#,
                ],
                &[
                    r#"{"price": {"Type": "Number", "Value": 100}}"#,
                    r#"{"price": {"Type": "Number", "Value": "1e2"}}"#,
                ],
            ),
            (
                r#"{"price_usd": [{"numeric": ["<", 0]}]}"#,
                &[r#"{"price_usd": {"Type": "Number", "Value": "-0.00001"}}"#],
                &[r#"{"price_usd": {"Type": "Number", "Value": "0"}}"#],
            ),
            (
                r#"{"price_usd": [{"numeric": [">", 0, "<=", 150]}]}"#,
                &[
                    r#"{"price_usd": {"Type": "Number", "Value": "150"}}"#,
                    r#"{"price_usd": {"Type": "Number", "Value": "0.00001"}}"#,
                    r#"{"price_usd": {"Type": "String.Array", "Value": "[\"x\", 3]"}}"#,
                ],
                &[
                    r#"{"price_usd": {"Type": "Number", "Value": "0"}}"#,
                    r#"{"price_usd": {"Type": "Number", "Value": "150.00001"}}"#,
                    r#"{"price_usd": {"Type": "Number", "Value": "1e99"}}"#,
                    r#"{"price_usd": {"Type": "Number", "Value": "abc"}}"#,
                ],
            ),
            // An account's number is beyond what is compared by size.
            (
                r#"{"account": [123456789012, 5]}"#,
                &[
                    r#"{"account": {"Type": "Number", "Value": "123456789012"}}"#,
                    r#"{"account": {"Type": "Number", "Value": "5.0"}}"#,
                ],
                &[
                    r#"{"account": {"Type": "Number", "Value": "123456789013"}}"#,
                    r#"{"account": {"Type": "String", "Value": "5"}}"#,
                ],
            ),
        ],
    );
}

/// "AND/OR logic".
#[test]
fn and_and_or() {
    check(
        FilterScope::MessageAttributes,
        &[
            (
                r#"{"customer_interests": ["rugby"], "price_usd": [{"numeric": [">", 100]}]}"#,
                &[
                    r#"{"customer_interests": {"Type": "String", "Value": "rugby"}, "price_usd": {"Type": "Number", "Value": 101}}"#,
                ],
                &[
                    r#"{"customer_interests": {"Type": "String", "Value": "rugby"}, "price_usd": {"Type": "Number", "Value": 100}}"#,
                    r#"{"price_usd": {"Type": "Number", "Value": 101}}"#,
                ],
            ),
            (
                r#"{"source": ["aws.cloudwatch"], "$or": [{"metricName": ["CPUUtilization"]}, {"namespace": ["AWS/EC2"]}]}"#,
                &[
                    r#"{"source": {"Type": "String", "Value": "aws.cloudwatch"}, "metricName": {"Type": "String", "Value": "CPUUtilization"}}"#,
                    r#"{"source": {"Type": "String", "Value": "aws.cloudwatch"}, "namespace": {"Type": "String", "Value": "AWS/EC2"}}"#,
                ],
                &[
                    r#"{"source": {"Type": "String", "Value": "aws.cloudwatch"}}"#,
                    r#"{"metricName": {"Type": "String", "Value": "CPUUtilization"}}"#,
                ],
            ),
            // A name as any other, where it is no operator.
            (
                r#"{"$or": ["a", "b"]}"#,
                &[r#"{"$or": {"Type": "String", "Value": "b"}}"#],
                &[r#"{"a": {"Type": "String", "Value": "b"}}"#],
            ),
            (
                r#"{"$or": [{"prefix": "a"}, {"suffix": "b"}]}"#,
                &[r#"{"$or": {"Type": "String", "Value": "xb"}}"#],
                &["{}"],
            ),
            // Written twice, the later counts.
            (
                r#"{"a": ["x"], "a": ["y"]}"#,
                &[r#"{"a": {"Type": "String", "Value": "y"}}"#],
                &[r#"{"a": {"Type": "String", "Value": "x"}}"#],
            ),
        ],
    );
}

/// Recorded, and of the guide's "Amazon SNS example filter policies".
#[test]
fn bodies() {
    let s3 = r#"{"Records": {"s3": {"object": {"key": [{"prefix": "auto-"}]}}, "eventName": [{"prefix": "ObjectCreated:"}]}}"#;
    check(
        FilterScope::MessageBody,
        &[
            (
                r#"{"object": {"key": [{"prefix": "auto-"}, "hardcodedvalue"], "nested_key": [{"exists": false}]}, "test": [{"exists": false}]}"#,
                &[
                    r#"{"object": {"key": "auto-test"}}"#,
                    r#"{"object": {"key": "hardcodedvalue"}}"#,
                ],
                &[
                    r#"{"object": {"key": "test-auto"}}"#,
                    r#"{"object": {"key": "auto-test"}, "test": "just-exists"}"#,
                    r#"{"object": {"key": "auto-test", "nested_key": "just-exists"}}"#,
                    r#"{"object": {"test": "auto-test"}}"#,
                    r#"{"test": "auto-test"}"#,
                    "Regular string message",
                    r#""Regular string message""#,
                    "[]",
                    "",
                    r#"{"object": {"key": "auto-test"}"#,
                ],
            ),
            (
                r#"{"object.nested.test": ["string.value"]}"#,
                &[
                    r#"{"object": {"nested": {"test": "string.value"}}}"#,
                    r#"{"object.nested.test": "string.value"}"#,
                    r#"{"object.nested": {"test": "string.value"}}"#,
                    r#"{"object": {"nested.test": "string.value"}}"#,
                ],
                &[r#"{"object": {"nested": {"test": "string.notvalue"}}}"#],
            ),
            (
                r#"{"headers": {"route-to": ["queue1"]}}"#,
                &[
                    r#"{"headers": {"route-to": ["queue1"]}}"#,
                    r#"{"headers": {"route-to": ["queue1", "queue2"]}}"#,
                ],
                &[
                    r#"{"headers": {"route-to": ["queue3"]}}"#,
                    r#"{"headers": {"route-to": []}}"#,
                ],
            ),
            (
                s3,
                &[
                    r#"{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "auto-1.xml", "size": 17}}}]}"#,
                    // An array in an array.
                    r#"{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": [[{"key": "auto-1.xml"}]]}},
                        {"eventName": "ObjectRemoved:Delete", "s3": {"object": {"key": "home-1.xml"}}}]}"#,
                ],
                &[
                    r#"{"Records": [{"eventName": "ObjectRemoved:Delete", "s3": {"object": {"key": "auto-1.xml"}}}]}"#,
                    r#"{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "home-1.xml"}}}]}"#,
                    // Of two elements of one array; of the library ("JSON Array Matching"), not recorded.
                    r#"{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "home-1.xml"}}},
                        {"eventName": "ObjectRemoved:Delete", "s3": {"object": {"key": "auto-1.xml"}}}]}"#,
                ],
            ),
            (
                r#"{"$or": [{"metricName": ["CPUUtilization", "ReadLatency"]}, {"namespace": ["AWS/EC2", "AWS/ES"]}],
                    "detail": {"scope": ["Service"], "$or": [{"source": ["aws.cloudwatch"]}, {"type": ["Change"]}]}}"#,
                &[
                    r#"{"metricName": "CPUUtilization", "detail": {"scope": "Service", "source": "aws.cloudwatch"}}"#,
                    r#"{"namespace": "AWS/ES", "detail": {"scope": "Service", "source": "aws.cloudwatch"}}"#,
                    r#"{"metricName": "ReadLatency", "detail": {"scope": "Service", "type": "Change"}}"#,
                ],
                &[
                    r#"{"metricName": "CPUUtilization", "detail": {"scope": "aws.cloudwatch", "type": "Change"}}"#,
                    r#"{"metricName": "CPUUtilization", "detail": {"scope": "Service", "type": "CPUUtilization"}}"#,
                    r#"{"metricName": "CPUUtilization", "detail": {"type": "Change"}}"#,
                    r#"{"metricName": "CPUUtilization", "detail": {"scope": "Service"}}"#,
                    r#"{"metricName": "CPUUtilization", "scope": "Service"}"#,
                ],
            ),
            (
                r#"{"a": [true, null, 1, "1"]}"#,
                &[
                    r#"{"a": true}"#,
                    r#"{"a": null}"#,
                    r#"{"a": 1.0}"#,
                    r#"{"a": "1"}"#,
                    r#"{"a": [2, 1]}"#,
                ],
                &[
                    r#"{"a": false}"#,
                    r#"{"a": "true"}"#,
                    r#"{"a": {"a": true}}"#,
                    "{}",
                ],
            ),
            // "exists" looks at leaves.
            (
                r#"{"a": [{"exists": true}]}"#,
                &[r#"{"a": null}"#, r#"{"a": [1]}"#],
                &[r#"{"a": {"b": 1}}"#, r#"{"a": []}"#, "{}"],
            ),
        ],
    );
}
