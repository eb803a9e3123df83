//! What a message may be, on a standard queue and on a FIFO one.

use levada_wire::sqs::{QueueFacts, Request};
use serde_json::{Value, json};

use super::{FIFO, STANDARD, at, request, said};

fn send(body: Value, queue: &QueueFacts, expected: &str) {
    let Request::SendMessage(send) = request("SendMessage", &at(body.clone())) else {
        panic!("another action")
    };
    assert_eq!(
        said(send.validate().and_then(|()| send.check_against(queue))),
        expected,
        "{body}"
    );
}

#[test]
fn bodies() {
    send(json!({"MessageBody": "x"}), &STANDARD, "ok");
    let missing = "MissingParameter: The request must contain the parameter MessageBody.";
    send(json!({}), &STANDARD, missing);
    send(json!({"MessageBody": ""}), &STANDARD, missing);
    let bad = "InvalidMessageContents: Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";
    for c in [
        '\0', '\u{8}', '\u{b}', '\u{c}', '\u{e}', '\u{1f}', '\u{fffe}', '\u{ffff}',
    ] {
        send(json!({"MessageBody": format!("a{c}b")}), &STANDARD, bad);
    }
    for c in [
        '\t',
        '\n',
        '\r',
        ' ',
        '\u{7f}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{fffd}',
        '\u{10000}',
        '\u{10ffff}',
    ] {
        send(json!({"MessageBody": format!("a{c}b")}), &STANDARD, "ok");
    }
}

#[test]
fn sizes() {
    let body = |n: usize| json!({"MessageBody": "a".repeat(n)});
    let long = "InvalidParameterValue: One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.";
    send(body(1_048_576), &STANDARD, "ok");
    send(body(1_048_577), &STANDARD, long);
    let small = QueueFacts {
        maximum_message_size_bytes: 1_024,
        ..STANDARD
    };
    let too_long = long.replace("1048576", "1024");
    send(body(1_024), &small, "ok");
    send(body(1_025), &small, &too_long);
    // Name 1, type 6, value 1; a system attribute is free.
    let with = |n: usize| {
        json!({"MessageBody": "é".repeat(n), "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "1"}},
            "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "x".repeat(2_000)}}})
    };
    send(with(508), &small, "ok");
    send(with(509), &small, &too_long);
}

#[test]
fn delays() {
    let delay = |n: i64| json!({"MessageBody": "x", "DelaySeconds": n});
    for n in [0, 900] {
        send(delay(n), &STANDARD, "ok");
    }
    for n in [-1, 901, i64::MAX] {
        let expected = format!(
            "InvalidParameterValue: Value {n} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
        );
        send(delay(n), &STANDARD, &expected);
    }
}

#[test]
fn fifo_sends() {
    let both = json!({"MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"});
    send(both.clone(), &FIFO, "ok");
    let mut delayed = both.clone();
    delayed["DelaySeconds"] = 5.into();
    send(
        delayed,
        &FIFO,
        "InvalidParameterValue: Value 5 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
    );
    send(
        json!({"MessageBody": "x", "MessageDeduplicationId": "d"}),
        &FIFO,
        "MissingParameter: The request must contain the parameter MessageGroupId.",
    );
    let content = QueueFacts {
        content_based_deduplication: true,
        ..FIFO
    };
    let no_id = json!({"MessageBody": "x", "MessageGroupId": "g"});
    send(no_id.clone(), &content, "ok");
    send(
        no_id.clone(),
        &FIFO,
        "InvalidParameterValue: The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    );
    // A group on a standard queue is the tenant of a fair queue; a deduplication id has no meaning there.
    send(no_id, &STANDARD, "ok");
    send(
        both,
        &STANDARD,
        "InvalidParameterValue: The request include parameter MessageDeduplicationId which is not valid for this queue type",
    );
}

#[test]
fn fifo_ids() {
    for (parameter, other) in [
        ("MessageGroupId", "MessageDeduplicationId"),
        ("MessageDeduplicationId", "MessageGroupId"),
    ] {
        let with = |value: &str| json!({"MessageBody": "x", parameter: value, other: "o"});
        for good in ["a", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", &"a".repeat(128)] {
            send(with(good), &FIFO, "ok");
        }
        for bad in ["", " ", "a b", "é", "a\n", &"a".repeat(129)] {
            let expected = format!(
                "InvalidParameterValue: Value {bad} for parameter {parameter} is invalid. Reason: {parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
            );
            send(with(bad), &FIFO, &expected);
        }
    }
}

fn attribute(name: &str, value: Value, expected: &str) {
    send(
        json!({"MessageBody": "x", "MessageAttributes": {name: value}}),
        &STANDARD,
        expected,
    );
}

#[test]
fn attribute_names() {
    let value = || json!({"DataType": "String", "StringValue": "v"});
    for good in [
        "a",
        "A-b_c.9",
        &"a".repeat(256),
        "aws",
        "AWSx.y",
        "amazonia",
        "attr.1øßä",
    ] {
        attribute(good, value(), "ok");
    }
    let reserved = "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use.";
    let characters = "Message (user) attribute name can only contain upper and lower score characters, digits, periods, hyphens and underscores.";
    for (bad, message) in [
        (
            "",
            "The request must contain non-empty message (user) attribute names.",
        ),
        (
            &*"a".repeat(257),
            "Message (user) attribute name must be shorter than 256 bytes.",
        ),
        ("AWS.x", reserved),
        ("aWs.x", reserved),
        ("Amazon.x", reserved),
        (
            ".a",
            "Message (user) attribute name must not begin with character '.'.",
        ),
        (
            "a.",
            "Message (user) attribute name must not end with character '.'.",
        ),
        (
            "a..b",
            "Message (user) attribute name must not have successive '.' characters.",
        ),
        ("a b", characters),
        ("§", characters),
    ] {
        attribute(bad, value(), &format!("InvalidParameterValue: {message}"));
    }
}

#[test]
fn attribute_values() {
    let good = [
        json!({"DataType": "String", "StringValue": "v"}),
        json!({"DataType": "String.x", "StringValue": "v"}),
        json!({"DataType": "Number", "StringValue": "-1.5E+3"}),
        json!({"DataType": "Number.bigint", "StringValue": "1234567890123456789012"}),
        json!({"DataType": "Binary", "BinaryValue": "AA=="}),
        json!({"DataType": "Binary.gif", "BinaryValue": "AA"}),
        json!({"DataType": format!("String.{}", "x".repeat(249)), "StringValue": "v"}),
    ];
    for value in good {
        attribute("a", value, "ok");
    }
    let invalid_type = "The type of message (user) attribute 'a' is invalid. You must use only the following supported type prefixes: Binary, Number, String.";
    let number = "Can't cast the value of message (user) attribute 'a' to a number.";
    let empty = |t: &str| {
        format!("Message (user) attribute 'a' must contain a non-empty value of type '{t}'.")
    };
    for (value, message) in [
        (json!({}), "The message (user) attribute 'a' must contain a non-empty message attribute value.".to_owned()),
        (
            json!({"StringValue": "v"}),
            "The message (user) attribute 'a' must contain a non-empty message attribute type.".to_owned(),
        ),
        (json!({"DataType": "string", "StringValue": "v"}), invalid_type.to_owned()),
        (json!({"DataType": "StringX", "StringValue": "v"}), invalid_type.to_owned()),
        (json!({"DataType": "String", "StringValue": ""}), empty("String")),
        (json!({"DataType": "String"}), empty("String")),
        (json!({"DataType": "Binary.x", "BinaryValue": ""}), empty("Binary.x")),
        (
            json!({"DataType": "String", "BinaryValue": "AA=="}),
            "Message (user) attribute 'a' with type 'String' must use field 'String'.".to_owned(),
        ),
        (
            json!({"DataType": "Binary", "StringValue": "v"}),
            "Message (user) attribute 'a' with type 'Binary' must use field 'Binary'.".to_owned(),
        ),
        (
            json!({"DataType": "String", "StringValue": "v", "BinaryValue": "AA=="}),
            "Message (user) attribute 'a' must have a single value.".to_owned(),
        ),
        (json!({"DataType": "Number", "StringValue": "world"}), number.to_owned()),
        (json!({"DataType": "Number", "StringValue": "inf"}), number.to_owned()),
        (json!({"DataType": "Number", "StringValue": "1e"}), number.to_owned()),
        (
            json!({"DataType": format!("String.{}", "x".repeat(250)), "StringValue": "v"}),
            "Message (user) attribute type must be shorter than 256 bytes.".to_owned(),
        ),
        (
            json!({"DataType": "String", "StringValue": "a\u{0}"}),
            "Invalid characters found in message (user) attribute 'a'. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF".to_owned(),
        ),
    ] {
        attribute("a", value, &format!("InvalidParameterValue: {message}"));
    }
    attribute(
        "a",
        json!({"DataType": "StringList", "StringListValues": ["v"]}),
        "AWS.SimpleQueueService.UnsupportedOperation: Message attribute list values in SendMessage operation are not supported.",
    );
}

#[test]
fn attribute_counts_and_system_attributes() {
    let some = |n: usize| {
        let map: serde_json::Map<_, _> = (0..n)
            .map(|i| {
                (
                    format!("a{i}"),
                    json!({"DataType": "String", "StringValue": "v"}),
                )
            })
            .collect();
        json!({"MessageBody": "x", "MessageAttributes": map})
    };
    send(some(10), &STANDARD, "ok");
    let eleven = "InvalidParameterValue: Number of message attributes [11] exceeds the allowed maximum [10].";
    send(some(11), &STANDARD, eleven);
    let system = |name: &str, value: Value| json!({"MessageBody": "x", "MessageSystemAttributes": {name: value}});
    let trace = json!({"DataType": "String", "StringValue": "Root=1"});
    send(system("AWSTraceHeader", trace.clone()), &STANDARD, "ok");
    let unknown = "InvalidParameterValue: Message system attribute name 'Hello' is invalid.";
    send(system("Hello", trace), &STANDARD, unknown);
    send(
        system(
            "AWSTraceHeader",
            json!({"DataType": "String", "StringValue": ""}),
        ),
        &STANDARD,
        "InvalidParameterValue: Message system attribute 'AWSTraceHeader' must contain a non-empty value of type 'String'.",
    );
}
