//! Requests in both protocols, as botocore writes them, and everything that is not a request.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use levada_wire::{Call, Incoming, Protocol, Service, cloudwatch, decode, sqs, sts};
use proptest::prelude::*;
use serde_json::Value;

fn json(target: &str, body: impl Into<Bytes>) -> Incoming {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_str(target).unwrap());
    headers.insert(
        "content-type",
        HeaderValue::from_static("application/x-amz-json-1.0"),
    );
    decode(
        &Method::POST,
        &Uri::from_static("/"),
        &headers,
        &body.into(),
    )
}

fn form(path_and_query: &str, body: impl Into<Bytes>) -> Incoming {
    decode(
        &Method::POST,
        &path_and_query.parse().unwrap(),
        &HeaderMap::new(),
        &body.into(),
    )
}

fn sqs_request(incoming: Incoming) -> sqs::Request {
    match incoming.call {
        Ok(Call::Sqs(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// `tests/data/requests.json` holds what botocore's own serializers made of one set of parameters:
/// the newest one's JSON, and the Query form of 1.29.165, the last series whose SQS model spoke Query.
#[test]
fn both_protocols_say_the_same() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/requests.json")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let action = text("action");
        let from_json = json(&format!("AmazonSQS.{action}"), text("json"));
        let from_form = form("/", text("query"));
        let from_url = decode(
            &Method::GET,
            &format!("/?{}", text("query")).parse().unwrap(),
            &HeaderMap::new(),
            &Bytes::new(),
        );
        assert_eq!(from_json.protocol, Protocol::Json10);
        assert_eq!(from_form.protocol, Protocol::Query);
        for incoming in [&from_json, &from_form, &from_url] {
            assert_eq!(incoming.action, action);
            assert_eq!(incoming.service, Service::Sqs);
        }
        let request = sqs_request(from_json);
        assert_eq!(request.action().name(), action);
        assert_eq!(sqs_request(from_form), request);
        assert_eq!(sqs_request(from_url), request);
        seen.insert(action);
    }
    assert_eq!(seen.len(), sqs::Action::ALL.len());
}

#[test]
fn a_decoded_message_is_whole() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/requests.json")).unwrap();
    let case = cases.iter().find(|c| c["action"] == "SendMessage").unwrap();
    let sqs::Request::SendMessage(send) =
        sqs_request(form("/", case["query"].as_str().unwrap().to_owned()))
    else {
        panic!("another action")
    };
    assert_eq!(send.queue_url, "http://localhost:4566/000000000001/orders");
    assert_eq!(send.message_body, "<hello> & \"wörld\" 🦀\r\n\t+%");
    assert_eq!(send.delay_seconds, Some(900));
    assert_eq!(
        send.message_attributes["raw"].binary_value.as_deref(),
        Some(&b"\0\x01\xfe\xff"[..])
    );
    assert_eq!(send.message_attributes["raw"].data_type, "Binary.png");
    assert_eq!(
        send.message_attributes["trace.id"].string_value.as_deref(),
        Some("a<b>&\"é🦀\t")
    );
    assert_eq!(send.message_system_attributes.len(), 1);
    assert_eq!(send.message_deduplication_id.as_deref(), Some("d"));
    assert_eq!(send.message_group_id.as_deref(), Some("g"));
}

#[test]
fn a_queue_url_path_names_the_queue() {
    let body = "Action=SendMessage&MessageBody=x";
    let at_path = sqs_request(form("/000000000001/orders", body));
    assert_eq!(at_path.queue_url(), Some("/000000000001/orders"));
    let explicit = sqs_request(form(
        "/000000000001/orders",
        "Action=PurgeQueue&QueueUrl=/000000000001/other",
    ));
    assert_eq!(explicit.queue_url(), Some("/000000000001/other"));
    let nowhere = sqs_request(form("/", body));
    assert_eq!(nowhere.queue_url(), Some(""));
    assert_eq!(
        nowhere.validate().unwrap_err().kind,
        sqs::SqsErrorKind::QueueDoesNotExist
    );
}

#[test]
fn sts_is_told_apart() {
    let incoming = form("/", "Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(incoming.service, Service::Sts);
    assert_eq!(incoming.action, "GetCallerIdentity");
    assert_eq!(
        incoming.call.unwrap(),
        Call::Sts(sts::Request::GetCallerIdentity)
    );
}

#[test]
fn json_11_is_answered_in_kind() {
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-amz-target",
        HeaderValue::from_static("AmazonSQS.ListQueues"),
    );
    headers.insert(
        "content-type",
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    let incoming = decode(
        &Method::POST,
        &Uri::from_static("/"),
        &headers,
        &Bytes::from_static(b"{}"),
    );
    assert_eq!(incoming.protocol, Protocol::Json11);
    assert!(incoming.call.is_ok());
}

#[test]
fn what_is_no_action_is_refused() {
    let unknown = "com.amazon.coral.service#UnknownOperationException";
    for target in [
        "AmazonSQS.Nothing",
        "AmazonSQS.sendMessage",
        "AmazonSQS",
        "Other.SendMessage",
        "",
        ".",
    ] {
        let error = json(target, "{}").call.unwrap_err();
        assert_eq!(
            (error.json_type, error.query_code, error.status),
            (unknown, "InvalidAction", 400),
            "{target}"
        );
    }
    for (body, code, message) in [
        (
            "",
            "MissingAction",
            "The request must contain the parameter Action.",
        ),
        (
            "Action=",
            "MissingAction",
            "The request must contain the parameter Action.",
        ),
        (
            "Action=Nothing",
            "InvalidAction",
            "The action Nothing is not valid for this endpoint.",
        ),
        (
            "Action=Nothing&Version=1999-01-01",
            "InvalidAction",
            "The action Nothing is not valid for this endpoint.",
        ),
        (
            "{\"QueueName\":\"x\"}",
            "MissingAction",
            "The request must contain the parameter Action.",
        ),
    ] {
        let error = form("/", body).call.unwrap_err();
        assert_eq!(
            (error.query_code, &*error.message, error.status),
            (code, message, 400),
            "{body}"
        );
    }
    // The body of a GET is not read.
    let get = decode(
        &Method::GET,
        &Uri::from_static("/"),
        &HeaderMap::new(),
        &"Action=ListQueues".into(),
    );
    let nothing_asked = get.call.unwrap_err();
    assert_eq!(
        (nothing_asked.query_code, nothing_asked.status),
        ("InvalidAction", 404)
    );
    let get = decode(
        &Method::GET,
        &Uri::from_static("/?QueueName=x"),
        &HeaderMap::new(),
        &"".into(),
    );
    assert_eq!(get.call.unwrap_err().query_code, "MissingAction");
}

#[test]
fn a_queue_s_address_neither_makes_nor_lists_queues() {
    for action in ["CreateQueue", "ListQueues"] {
        let body = format!("Action={action}&QueueName=x");
        let error = form("/000000000001/q", body.clone()).call.unwrap_err();
        assert_eq!((error.query_code, error.status), ("InvalidAction", 400));
        assert_eq!(
            error.message,
            format!("The action {action} is not valid for this endpoint.")
        );
        // An endpoint may lie below a path.
        assert!(form("/", body.clone()).call.is_ok() && form("/sqs", body).call.is_ok());
    }
    assert!(
        form("/000000000001/q", "Action=GetQueueUrl&QueueName=x")
            .call
            .is_ok()
    );
}

fn check_type(action: &str, body: &str, message: &str) {
    let error = json(&format!("AmazonSQS.{action}"), body.to_owned())
        .call
        .unwrap_err();
    assert_eq!(
        error.json_type, "com.amazon.coral.service#SerializationException",
        "{body}"
    );
    assert_eq!(
        (error.query_code, error.status, &*error.message),
        ("MalformedInput", 400, message),
        "{body}"
    );
}

#[test]
fn wrong_types_are_named_as_aws_names_them() {
    let map = "Start of structure or map found where not expected.";
    let list = "Start of list found where not expected";
    let in_map = "Unrecognized collection type class java.lang.String";
    for (action, body, message) in [
        (
            "SendMessage",
            r#"{"DelaySeconds":"5"}"#,
            "STRING_VALUE can not be converted to an Integer",
        ),
        (
            "SendMessage",
            r#"{"DelaySeconds":true}"#,
            "TRUE_VALUE can not be converted to an Integer",
        ),
        (
            "SendMessage",
            r#"{"DelaySeconds":false}"#,
            "FALSE_VALUE can not be converted to an Integer",
        ),
        (
            "SendMessage",
            r#"{"DelaySeconds":1.5}"#,
            "DECIMAL_VALUE can not be converted to an Integer",
        ),
        ("SendMessage", r#"{"DelaySeconds":{}}"#, map),
        ("SendMessage", r#"{"DelaySeconds":[]}"#, list),
        ("SendMessage", r#"{"MessageBody":{"a":1}}"#, map),
        ("SendMessage", r#"{"MessageBody":["a"]}"#, list),
        (
            "SendMessage",
            r#"{"MessageAttributes":{"a":{"StringValue":{}}}}"#,
            map,
        ),
        (
            "SendMessage",
            r#"{"MessageAttributes":{"a":{"BinaryValue":"*"}}}"#,
            "Invalid base64 encoded data",
        ),
        (
            "SendMessage",
            r#"{"MessageAttributes":{"a":"b"}}"#,
            "Unexpected value type in payload",
        ),
        ("SendMessage", r#"{"MessageAttributes":{"a":["b"]}}"#, list),
        ("SendMessage", r#"{"MessageAttributes":[]}"#, list),
        (
            "SendMessage",
            r#"{"MessageAttributes":"x"}"#,
            "Expected map or null",
        ),
        ("SendMessageBatch", r#"{"Entries":{}}"#, map),
        (
            "SendMessageBatch",
            r#"{"Entries":"x"}"#,
            "Expected list or null",
        ),
        (
            "SendMessageBatch",
            r#"{"Entries":[7]}"#,
            "Unexpected value type in payload",
        ),
        ("SendMessageBatch", r#"{"Entries":[["id","body"]]}"#, list),
        ("ReceiveMessage", r#"{"AttributeNames":[{}]}"#, map),
        ("ReceiveMessage", r#"{"AttributeNames":[[]]}"#, in_map),
        (
            "CreateQueue",
            r#"{"Attributes":{"DelaySeconds":[]}}"#,
            in_map,
        ),
        ("CreateQueue", r#"{"Attributes":{"DelaySeconds":{}}}"#, map),
        ("CreateQueue", r#"{"tags":5}"#, "Expected map or null"),
        ("ListQueues", r#"["a"]"#, list),
        ("ListQueues", "5", "Unexpected value type in payload"),
        ("ListQueues", "null", "Unexpected value type in payload"),
    ] {
        check_type(action, body, message);
    }
}

#[test]
fn lists_and_maps_are_bounded() {
    let list = |n: usize| format!("{{\"Entries\":[{}]}}", vec!["{}"; n].join(","));
    assert!(json("AmazonSQS.SendMessageBatch", list(1_024)).call.is_ok());
    check_type(
        "SendMessageBatch",
        &list(1_025),
        "A list of the request is too long.",
    );
    let map = |n: usize| {
        let entries: Vec<String> = (0..n).map(|i| format!("\"k{i}\":\"v\"")).collect();
        format!("{{\"Tags\":{{{}}}}}", entries.join(","))
    };
    assert!(json("AmazonSQS.TagQueue", map(256)).call.is_ok());
    check_type("TagQueue", &map(257), "A map of the request is too long.");
}

#[test]
fn broken_json_has_no_message() {
    for body in [
        "",
        "{",
        "}",
        "{\"QueueUrl\":\"x",
        "{\"QueueUrl\":\"x\"} x",
        "\u{feff}{}",
        "{'a':1}",
        "{\"a\":\"\\ud800\"}x",
    ] {
        check_type("SendMessage", body, "");
    }
    let not_utf8 = json(
        "AmazonSQS.SendMessage",
        &b"{\"MessageBody\":\"\xff\xfe\"}"[..],
    );
    assert_eq!(not_utf8.call.unwrap_err().query_code, "MalformedInput");
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert_eq!(
        json("AmazonSQS.SendMessage", deep)
            .call
            .unwrap_err()
            .query_code,
        "MalformedInput"
    );
}

#[test]
fn what_can_be_a_string_is_one_and_the_unknown_is_ignored() {
    let body = r#"{"QueueUrl":null,"MessageBody":12.5,"MessageGroupId":true,"DelaySeconds":null,"Other":{"deep":[1,{}]},
        "MessageAttributes":{"n":{"DataType":"Number","StringValue":7},"gone":null}}"#;
    let sqs::Request::SendMessage(send) = sqs_request(json("AmazonSQS.SendMessage", body)) else {
        panic!("another action")
    };
    assert_eq!((&*send.queue_url, &*send.message_body), ("", "12.5"));
    assert_eq!(send.message_group_id.as_deref(), Some("true"));
    assert_eq!(send.delay_seconds, None);
    assert_eq!(send.message_attributes.len(), 1);
    assert_eq!(
        send.message_attributes["n"].string_value.as_deref(),
        Some("7")
    );
}

#[test]
fn forms_with_wrong_types_are_refused() {
    for body in [
        "Action=SendMessage&DelaySeconds=x",
        "Action=ReceiveMessage&MaxNumberOfMessages=1.5",
        "Action=ReceiveMessage&WaitTimeSeconds=+",
        "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.DelaySeconds=x",
        "Action=ChangeMessageVisibilityBatch&ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout=x",
    ] {
        let error = form("/", body).call.unwrap_err();
        assert_eq!(error.query_code, "MalformedInput", "{body}");
        assert_eq!(
            error.message,
            "STRING_VALUE can not be converted to an Integer"
        );
    }
    let blob = form(
        "/",
        "Action=SendMessage&MessageAttribute.1.Name=a&MessageAttribute.1.Value.BinaryValue=*",
    );
    assert_eq!(blob.call.unwrap_err().query_code, "MalformedInput");
}

fn any_target() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..sqs::Action::ALL.len())
            .prop_map(|n| format!("AmazonSQS.{}", sqs::Action::ALL[n].name())),
        "[ -~]{0,40}",
    ]
}

/// JSON that is near to a request: known members with values of any kind.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| serde_json::to_string(&n).unwrap()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
    ];
    let name = prop::sample::select(vec![
        "QueueUrl",
        "MessageBody",
        "Entries",
        "Id",
        "MessageAttributes",
        "DataType",
        "BinaryValue",
        "Attributes",
        "AttributeNames",
        "DelaySeconds",
        "tags",
        "VisibilityTimeout",
        "ReceiptHandle",
        "QueueName",
        "SourceArn",
        "FifoQueue",
        "RedrivePolicy",
        "Policy",
        "StringValue",
        "Label",
        "Actions",
        "AWSAccountIds",
        "TagKeys",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        let member = (name.clone(), inner.clone()).prop_map(|(n, v)| format!("\"{n}\":{v}"));
        prop_oneof![
            prop::collection::vec(member, 0..8).prop_map(|m| format!("{{{}}}", m.join(","))),
            prop::collection::vec(inner, 0..8).prop_map(|m| format!("[{}]", m.join(","))),
        ]
    })
}

fn exercise(incoming: Incoming) {
    match incoming.call {
        Ok(Call::Sqs(request)) => {
            let _ = request.validate();
            let _ = request.queue_url().map(sqs::queue_url::parse);
        }
        Ok(Call::Sns(request)) => {
            let _ = request.validate();
        }
        Ok(Call::Sts(_)) => {}
        Ok(Call::Kinesis(request)) => {
            let _ = request.validate();
        }
        Ok(Call::DynamoDb(request)) => {
            let _ = request.validate();
        }
        Ok(Call::CloudWatch(cloudwatch::Request::PutMetricData(request))) => {
            let _ = request.validate();
        }
        Err(e) => {
            let encoded =
                levada_wire::protocol::encode_error(&e, incoming.protocol, incoming.service, "id");
            assert!(!encoded.body.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(target in any_target(), body in prop::collection::vec(any::<u8>(), 0..512)) {
        exercise(json(&target, body.clone()));
        exercise(form("/", body));
    }

    #[test]
    fn random_json_never_panics(target in any_target(), body in any_json()) {
        exercise(json(&target, body));
    }

    #[test]
    fn random_forms_never_panic(
        action in 0..sqs::Action::ALL.len(),
        pairs in prop::collection::vec(("[A-Za-z]{1,30}(\\.[0-9]{1,12}){0,2}(\\.[A-Za-z]{1,12}){0,2}", any::<String>()), 0..16),
    ) {
        let mut body = format!("Action={}", sqs::Action::ALL[action].name());
        for (key, value) in pairs {
            body.push('&');
            body.push_str(&key);
            body.push('=');
            body.extend(form_urlencoded::byte_serialize(value.as_bytes()));
        }
        exercise(form("/000000000001/q", body));
    }
}
