//! Receiving, what is done with receipt handles, and moving dead letters.

use serde_json::json;

use super::{at, check};

#[test]
fn receives() {
    let bounds = [
        (
            "MaxNumberOfMessages",
            1,
            10,
            "Must be between 1 and 10, if provided.",
        ),
        (
            "WaitTimeSeconds",
            0,
            20,
            "Must be >= 0 and <= 20, if provided.",
        ),
        (
            "VisibilityTimeout",
            0,
            43_200,
            "Must be >= 0 and <= 43200, if provided.",
        ),
    ];
    for (parameter, least, most, reason) in bounds {
        for n in [least, most] {
            check("ReceiveMessage", at(json!({parameter: n})), "ok");
        }
        for n in [least - 1, most + 1] {
            let expected = format!(
                "InvalidParameterValue: Value {n} for parameter {parameter} is invalid. Reason: {reason}"
            );
            check("ReceiveMessage", at(json!({parameter: n})), &expected);
        }
    }
    for names in ["AttributeNames", "MessageSystemAttributeNames"] {
        check(
            "ReceiveMessage",
            at(json!({names: ["All", "SenderId", "AWSTraceHeader"]})),
            "ok",
        );
        check(
            "ReceiveMessage",
            at(json!({names: ["Nope"]})),
            "InvalidAttributeName: Unknown Attribute Nope.",
        );
    }
    check(
        "ReceiveMessage",
        at(json!({"ReceiveRequestAttemptId": "a"})),
        "ok",
    );
    check(
        "ReceiveMessage",
        at(json!({"ReceiveRequestAttemptId": "a b"})),
        "InvalidParameterValue: Value a b for parameter ReceiveRequestAttemptId is invalid. Reason: ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
    );
}

#[test]
fn receipts() {
    let missing = "MissingParameter: The request must contain the parameter ReceiptHandle.";
    check("DeleteMessage", at(json!({"ReceiptHandle": "h"})), "ok");
    check("DeleteMessage", at(json!({})), missing);
    let change = |n: i64| at(json!({"ReceiptHandle": "h", "VisibilityTimeout": n}));
    check(
        "ChangeMessageVisibility",
        at(json!({"VisibilityTimeout": 1})),
        missing,
    );
    check(
        "ChangeMessageVisibility",
        at(json!({"ReceiptHandle": "h"})),
        "MissingParameter: The request must contain the parameter VisibilityTimeout.",
    );
    check("ChangeMessageVisibility", change(0), "ok");
    check("ChangeMessageVisibility", change(43_200), "ok");
    for n in [-1, 43_201] {
        let expected = format!(
            "InvalidParameterValue: Value {n} for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200."
        );
        check("ChangeMessageVisibility", change(n), &expected);
    }
}

#[test]
fn move_tasks() {
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000001:{name}");
    let start = |source: &str, destination: &str| json!({"SourceArn": source, "DestinationArn": destination});
    let format = |p: &str| {
        format!(
            "InvalidParameterValue: You must use this format to specify the {p}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        )
    };
    let missing = "MissingParameter: The request must contain the parameter SourceArn.";
    check("StartMessageMoveTask", json!({"SourceArn": arn("a")}), "ok");
    check("StartMessageMoveTask", start(&arn("a"), &arn("b")), "ok");
    check("StartMessageMoveTask", json!({}), missing);
    check("ListMessageMoveTasks", json!({}), missing);
    check(
        "StartMessageMoveTask",
        json!({"SourceArn": "invalid"}),
        &format("SourceArn"),
    );
    check(
        "ListMessageMoveTasks",
        json!({"SourceArn": "invalid"}),
        &format("SourceArn"),
    );
    check(
        "StartMessageMoveTask",
        start(&arn("a"), "invalid"),
        &format("DestinationArn"),
    );
    check(
        "StartMessageMoveTask",
        start(&arn("a"), ""),
        &format("DestinationArn"),
    );
    check(
        "StartMessageMoveTask",
        start(&arn("a"), &arn("a")),
        "InvalidParameterValue: Source queue arn and destination queue arn cannot be the same.",
    );
    check(
        "StartMessageMoveTask",
        start(&arn("a"), &arn("b.fifo")),
        "InvalidParameterValue: The source queue and destination queue must be of the same queue type.",
    );
    let ranges = [
        ("StartMessageMoveTask", "MaxNumberOfMessagesPerSecond", 500),
        ("ListMessageMoveTasks", "MaxResults", 10),
    ];
    for (action, parameter, most) in ranges {
        let with = |n: i64| json!({"SourceArn": arn("a"), parameter: n});
        check(action, with(1), "ok");
        check(action, with(most), "ok");
        for n in [0, most + 1] {
            let expected = format!(
                "InvalidParameterValue: Value for parameter {parameter} is invalid. Reason: You must enter a number that's between 1 and {most}."
            );
            check(action, with(n), &expected);
        }
    }
    check("CancelMessageMoveTask", json!({"TaskHandle": "x"}), "ok");
    check(
        "CancelMessageMoveTask",
        json!({}),
        "MissingParameter: The request must contain the parameter TaskHandle.",
    );
}
