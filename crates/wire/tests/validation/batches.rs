//! Batches: what refuses the whole, and what fails alone.

use levada_wire::sqs::{QueueFacts, Request};
use serde_json::{Value, json};

use super::{FIFO, STANDARD, at, check, request};

#[test]
fn batches() {
    let entry = |action: &str, id: String| match action {
        "SendMessageBatch" => json!({"Id": id, "MessageBody": "x"}),
        _ => json!({"Id": id, "ReceiptHandle": "h", "VisibilityTimeout": 1}),
    };
    for action in [
        "SendMessageBatch",
        "DeleteMessageBatch",
        "ChangeMessageVisibilityBatch",
    ] {
        let ids = |ids: &[&str]| {
            let entries: Vec<Value> = ids
                .iter()
                .map(|id| entry(action, (*id).to_owned()))
                .collect();
            at(json!({"Entries": entries}))
        };
        let many = |n: usize| {
            at(
                json!({"Entries": (0..n).map(|i| entry(action, format!("e{i}"))).collect::<Vec<_>>()}),
            )
        };
        let prefix = "AWS.SimpleQueueService.";
        check(action, many(1), "ok");
        check(action, many(10), "ok");
        let empty = format!(
            "{prefix}EmptyBatchRequest: There should be at least one {action}RequestEntry in the request."
        );
        check(action, many(0), &empty);
        check(action, at(json!({})), &empty);
        let eleven = format!(
            "{prefix}TooManyEntriesInBatchRequest: Maximum number of entries per request are 10. You have sent 11."
        );
        check(action, many(11), &eleven);
        check(action, ids(&["a", "A", "-", "_", &"x".repeat(80)]), "ok");
        let bad = format!(
            "{prefix}InvalidBatchEntryId: A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
        );
        for id in ["", " ", "a.b", "invalid:id", "é", &"x".repeat(81)] {
            check(action, ids(&["ok", id]), &bad);
        }
        check(
            action,
            ids(&["a", "b", "a"]),
            &format!("{prefix}BatchEntryIdsNotDistinct: Id a repeated."),
        );
    }
}

#[test]
fn a_batch_is_as_long_as_one_message() {
    let two = |a: usize, b: usize| {
        at(
            json!({"Entries": [{"Id": "a", "MessageBody": "x".repeat(a)}, {"Id": "b", "MessageBody": "x".repeat(b)}]}),
        )
    };
    check("SendMessageBatch", two(524_288, 524_288), "ok");
    check(
        "SendMessageBatch",
        two(524_288, 524_289),
        "AWS.SimpleQueueService.BatchRequestTooLong: Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
    );
}

#[test]
fn entries_fail_alone_but_for_ids_that_a_fifo_queue_needs() {
    let batch = |entries: Value| match request("SendMessageBatch", &at(json!({"Entries": entries})))
    {
        Request::SendMessageBatch(batch) => batch,
        other => panic!("{other:?}"),
    };
    let entries = json!([
        {"Id": "good", "MessageBody": "x", "MessageGroupId": "g"},
        {"Id": "empty", "MessageGroupId": "g"},
        {"Id": "late", "MessageBody": "x", "MessageGroupId": "g", "DelaySeconds": 901},
    ]);
    let content = QueueFacts {
        content_based_deduplication: true,
        ..FIFO
    };
    let missing =
        "The request must contain the parameter SendMessageBatchRequestEntry.2.MessageBody.";
    let late = "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.";
    for queue in [&STANDARD, &content] {
        let (sent, failed) = batch(entries.clone()).triage(queue).unwrap();
        assert_eq!(sent.iter().map(|e| &*e.id).collect::<Vec<_>>(), ["good"]);
        let failed: Vec<_> = failed
            .iter()
            .map(|f| (&*f.id, &*f.code, &*f.message, f.sender_fault))
            .collect();
        assert_eq!(
            failed,
            [
                ("empty", "MissingParameter", missing, true),
                ("late", "InvalidParameterValue", late, true)
            ]
        );
    }
    let whole = |entries, queue| batch(entries).triage(queue).unwrap_err().to_string();
    assert_eq!(
        whole(json!([{"Id": "a", "MessageBody": "x"}]), &content),
        "InvalidParameterValue: The request must contain the parameter MessageGroupId."
    );
    assert_eq!(
        whole(
            json!([{"Id": "a", "MessageBody": "x", "MessageGroupId": "g"}]),
            &FIFO
        ),
        "InvalidParameterValue: The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    );
}

#[test]
fn receipts_in_batches_fail_alone() {
    let entries = json!([{"Id": "a", "ReceiptHandle": "h", "VisibilityTimeout": 43_200}, {"Id": "b", "VisibilityTimeout": 1},
        {"Id": "c", "ReceiptHandle": "h"}, {"Id": "d", "ReceiptHandle": "h", "VisibilityTimeout": -85}]);
    let Request::ChangeMessageVisibilityBatch(batch) = request(
        "ChangeMessageVisibilityBatch",
        &at(json!({"Entries": entries})),
    ) else {
        panic!("another action")
    };
    let (passed, failed) = batch.triage();
    assert_eq!(passed.len(), 1);
    let failed: Vec<_> = failed.iter().map(|f| (&*f.id, &*f.message)).collect();
    assert_eq!(
        failed,
        [
            ("b", "The request must contain the parameter ReceiptHandle."),
            (
                "c",
                "The request must contain the parameter ChangeMessageVisibilityBatchRequestEntry.3.VisibilityTimeout."
            ),
            (
                "d",
                "Value -85 for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200."
            ),
        ]
    );
    let entries = json!([{"Id": "a", "ReceiptHandle": "h"}, {"Id": "b"}]);
    let Request::DeleteMessageBatch(batch) =
        request("DeleteMessageBatch", &at(json!({"Entries": entries})))
    else {
        panic!("another action")
    };
    let (passed, failed) = batch.triage();
    assert_eq!(
        (passed.len(), &*failed[0].id, &*failed[0].code),
        (1, "b", "MissingParameter")
    );
}
