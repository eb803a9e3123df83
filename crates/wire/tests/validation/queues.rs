//! Queues: their URLs, names, tags, pages, permissions and attributes.

use serde_json::{Value, json};

use super::{at, check, request, said};

#[test]
fn a_queue_url_is_needed() {
    for action in levada_wire::sqs::Action::ALL {
        let request = request(action.name(), &json!({}));
        if request.queue_url().is_some() {
            let expected =
                "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist.";
            assert_eq!(said(request.validate()), expected, "{action:?}");
        }
    }
}

#[test]
fn queue_names() {
    let plain = "InvalidParameterValue: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
    let fifo = "InvalidParameterValue: The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.";
    let missing = "MissingParameter: The request must contain the parameter QueueName.";
    let create = |name: &str| json!({"QueueName": name});
    let create_fifo = |name: &str| json!({"QueueName": name, "Attributes": {"FifoQueue": "true"}});
    check("CreateQueue", json!({}), missing);
    check("CreateQueue", create(""), missing);
    for good in ["a", "A-b_9", &"x".repeat(80)] {
        check("CreateQueue", create(good), "ok");
        check("GetQueueUrl", create(good), "ok");
    }
    for bad in ["a.b", "é", "a b", "a/b", ".fifo", "a.FIFO", &"x".repeat(81)] {
        check("CreateQueue", create(bad), plain);
        check("GetQueueUrl", create(bad), plain);
        check("CreateQueue", create_fifo(bad), fifo);
    }
    check("CreateQueue", create("a.fifo"), plain);
    check("CreateQueue", create_fifo("a.fifo"), "ok");
    check("CreateQueue", create_fifo("a"), fifo);
    check(
        "CreateQueue",
        create_fifo(&format!("{}.fifo", "x".repeat(75))),
        "ok",
    );
    check(
        "CreateQueue",
        create_fifo(&format!("{}.fifo", "x".repeat(76))),
        fifo,
    );
    check(
        "GetQueueUrl",
        create(""),
        "InvalidParameterValue: Value for parameter QueueName is invalid. Reason: Must specify a queue name.",
    );
}

#[test]
fn tags() {
    let tag = |key: &str, value: &str| at(json!({"Tags": {key: value}}));
    for (key, value) in [
        ("a", ""),
        (&*"k".repeat(128), &*"v".repeat(256)),
        ("ключ é_.:/=+-@ 9", "значение"),
    ] {
        check("TagQueue", tag(key, value), "ok");
    }
    check(
        "TagQueue",
        at(json!({})),
        "MissingParameter: The request must contain the parameter Tags.",
    );
    for (key, value) in [
        ("", "v"),
        (&*"k".repeat(129), "v"),
        ("a", &*"v".repeat(257)),
        ("aws:a", "v"),
        ("a*", "v"),
        ("a", "{}"),
    ] {
        let error = said(request("TagQueue", &tag(key, value)).validate());
        assert!(
            error.starts_with("InvalidParameterValue: Tag "),
            "{key} {value}: {error}"
        );
    }
    let many = |n: usize| {
        let map: serde_json::Map<_, _> = (0..n).map(|i| (format!("t{i}"), json!("v"))).collect();
        at(json!({"Tags": map}))
    };
    check("TagQueue", many(50), "ok");
    check(
        "TagQueue",
        many(51),
        "InvalidParameterValue: Too many tags added for queue q.",
    );
    check(
        "CreateQueue",
        json!({"QueueName": "n", "tags": {"": "v"}}),
        "InvalidParameterValue: Tag keys must be between 1 and 128 characters in length.",
    );
    check("UntagQueue", at(json!({"TagKeys": ["a"]})), "ok");
    check(
        "UntagQueue",
        at(json!({})),
        "InvalidParameterValue: Tag keys must be between 1 and 128 characters in length.",
    );
}

#[test]
fn pages() {
    for (action, body) in [
        ("ListQueues", json!({})),
        ("ListDeadLetterSourceQueues", at(json!({}))),
    ] {
        let with = |n: i64| {
            let mut body = body.clone();
            body["MaxResults"] = n.into();
            body
        };
        for n in [0, 1, 1_000] {
            check(action, with(n), "ok");
        }
        for n in [-1, 1_001] {
            check(
                action,
                with(n),
                "InvalidParameterValue: Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.",
            );
        }
    }
}

#[test]
fn permissions() {
    let add = |label: &str, accounts: Value, actions: Value| {
        at(json!({"Label": label, "AWSAccountIds": accounts, "Actions": actions}))
    };
    let accounts = || json!(["000000000002"]);
    check("AddPermission", add("l_-9", accounts(), json!(["*"])), "ok");
    let seven = json!([
        "SendMessage",
        "ReceiveMessage",
        "DeleteMessage",
        "ChangeMessageVisibility",
        "GetQueueAttributes",
        "GetQueueUrl",
        "PurgeQueue"
    ]);
    check("AddPermission", add("l", accounts(), seven.clone()), "ok");
    let mut eight = seven;
    eight
        .as_array_mut()
        .unwrap()
        .push("ListDeadLetterSourceQueues".into());
    check(
        "AddPermission",
        add("l", accounts(), eight),
        "OverLimit: 8 Actions were found, maximum allowed is 7.",
    );
    let missing =
        |name: &str| format!("MissingParameter: The request must contain the parameter {name}.");
    check(
        "AddPermission",
        add("", accounts(), json!(["*"])),
        &missing("Label"),
    );
    check(
        "AddPermission",
        add("l", json!([]), json!(["*"])),
        &missing("AWSAccountIds"),
    );
    check(
        "AddPermission",
        add("l", accounts(), json!([])),
        &missing("ActionName"),
    );
    for (action, reason) in [
        (
            "SendMessageBatch",
            "Please refer to the appropriate WSDL for a list of valid actions.",
        ),
        (
            "Nothing",
            "Please refer to the appropriate WSDL for a list of valid actions.",
        ),
        (
            "CreateQueue",
            "Only the queue owner is allowed to invoke this action.",
        ),
    ] {
        let expected = format!(
            "InvalidParameterValue: Value SQS:{action} for parameter ActionName is invalid. Reason: {reason}"
        );
        check(
            "AddPermission",
            add("l", accounts(), json!([action])),
            &expected,
        );
    }
    check(
        "AddPermission",
        add("l", json!(["42"]), json!(["*"])),
        "InvalidParameterValue: Value [42] for parameter PrincipalId is invalid. Reason: Unable to verify.",
    );
    let label = |l: &str| {
        format!(
            "InvalidParameterValue: Value {l} for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length."
        )
    };
    for action in ["AddPermission", "RemovePermission"] {
        for bad in ["a b", "é", &"l".repeat(81)] {
            check(action, add(bad, accounts(), json!(["*"])), &label(bad));
        }
        check(action, add(&"l".repeat(80), accounts(), json!(["*"])), "ok");
    }
}

#[test]
fn attribute_requests() {
    check(
        "GetQueueAttributes",
        at(json!({"AttributeNames": ["All"]})),
        "ok",
    );
    check(
        "GetQueueAttributes",
        at(json!({"AttributeNames": ["Nope"]})),
        "InvalidAttributeName: Unknown Attribute Nope.",
    );
    check(
        "SetQueueAttributes",
        at(json!({})),
        "MissingParameter: The request must contain the parameter Attribute.Name.",
    );
    check(
        "SetQueueAttributes",
        at(json!({"Attributes": {"DelaySeconds": "1"}})),
        "ok",
    );
    for action in ["PurgeQueue", "DeleteQueue", "ListQueueTags"] {
        check(action, at(json!({})), "ok");
    }
}
