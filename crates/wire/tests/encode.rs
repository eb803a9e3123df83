//! Answers as bytes. `tests/data/responses.txt` holds them; each was read back by botocore's own
//! parsers (1.43.11 for JSON, 1.29.165 for Query), which found the same in both protocols. With
//! `WIRE_TRANSCRIPT` set, the test writes what it got to that path, for a change that is meant.

use bytes::Bytes;
use levada_types::Timestamp;
use levada_wire::protocol::encode_error;
use levada_wire::sqs::{self, *};
use levada_wire::{AwsError, Encoded, Fault, Protocol, Service, sts};

const REQUEST_ID: &str = "6fde8d1e-52cd-4581-8cd9-c512f4c64223";
const URL: &str = "http://localhost:4566/000000000001/a";

fn text(body: &Bytes) -> &str {
    std::str::from_utf8(body).unwrap()
}

fn stored() -> StoredMessage {
    let body = r#"{
        "QueueUrl": "/000000000001/q", "MessageBody": "<b>&amp; \"é\" 🦀\r\n\t]]></b>",
        "MessageGroupId": "g", "MessageDeduplicationId": "d",
        "MessageAttributes": {
            "trace.id": {"DataType": "String", "StringValue": "a<b>&\"é🦀\r"},
            "trace.raw": {"DataType": "Binary.png", "BinaryValue": "AAH+/w=="},
            "n": {"DataType": "Number", "StringValue": "-12.5e3"}
        },
        "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988"}}
    }"#;
    match Request::from_json(Action::SendMessage, body.as_bytes()).unwrap() {
        Request::SendMessage(send) => send.into_stored("AIDAEXAMPLE"),
        other => panic!("{other:?}"),
    }
}

fn received(receive: ReceiveMessageRequest) -> ReceivedMessage {
    let facts = MessageFacts {
        message_id: "0b1e7f0c-1111-4222-8333-444455556666".into(),
        receipt_handle: "AQAAAAMAAAAAAAAABwAAAQAAAAAAAAAAApzIUEM".into(),
        sent_at: Timestamp::from_millis(1_700_000_000_123),
        receive_count: 2,
        first_received_at: Timestamp::from_millis(1_700_000_000_456),
        sequence: Some(77),
        dead_letter_source: Some("arn:aws:sqs:us-east-1:000000000001:source.fifo".into()),
    };
    ReceivedMessage::new(stored(), facts, &receive.selection())
}

fn receive(system: &[&str], user: &[&str]) -> ReceiveMessageRequest {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    ReceiveMessageRequest {
        message_system_attribute_names: owned(system),
        message_attribute_names: owned(user),
        ..ReceiveMessageRequest::default()
    }
}

fn sent() -> SendMessageResponse {
    SendMessageResponse {
        md5_of_message_body: Md5::of(b"hello"),
        md5_of_message_attributes: Some(Md5::of(b"attributes")),
        md5_of_message_system_attributes: Some(Md5::of(b"system")),
        message_id: "0b1e7f0c-1111-4222-8333-444455556666".into(),
        sequence_number: Some("00000000000000000077".into()),
    }
}

fn failed() -> Vec<BatchResultErrorEntry> {
    let refused = SqsError::receipt_handle_is_invalid("<x>");
    vec![
        BatchResultErrorEntry::refused("e2", &refused),
        BatchResultErrorEntry::internal("e3"),
    ]
}

fn ids() -> Vec<IdEntry> {
    vec![IdEntry { id: "e0".into() }, IdEntry { id: "e1".into() }]
}

fn task() -> MessageMoveTask {
    MessageMoveTask {
        task_handle: Some("aGFuZGxl".into()),
        status: "RUNNING".into(),
        source_arn: "arn:aws:sqs:us-east-1:000000000001:dead".into(),
        destination_arn: Some("arn:aws:sqs:us-east-1:000000000001:a".into()),
        max_number_of_messages_per_second: Some(500),
        approximate_number_of_messages_moved: 1,
        approximate_number_of_messages_to_move: Some(2),
        failure_reason: None,
        started_timestamp: 1_700_000_000_123,
    }
}

type Answers = Vec<(&'static str, sqs::Response)>;

fn of_messages() -> Answers {
    use sqs::Response as R;
    let simple_send = SendMessageResponse {
        md5_of_message_attributes: None,
        md5_of_message_system_attributes: None,
        sequence_number: None,
        ..sent()
    };
    let batch = SendMessageBatchResponse {
        successful: vec![
            SendMessageBatchResultEntry {
                id: "e0".into(),
                sent: sent(),
            },
            SendMessageBatchResultEntry {
                id: "e1".into(),
                sent: simple_send.clone(),
            },
        ],
        failed: failed(),
    };
    vec![
        (
            "ChangeMessageVisibility",
            R::ChangeMessageVisibility(Empty {}),
        ),
        (
            "ChangeMessageVisibilityBatch",
            R::ChangeMessageVisibilityBatch(ChangeMessageVisibilityBatchResponse {
                successful: ids(),
                failed: failed(),
            }),
        ),
        ("DeleteMessage", R::DeleteMessage(Empty {})),
        (
            "DeleteMessageBatch",
            R::DeleteMessageBatch(DeleteMessageBatchResponse {
                successful: ids(),
                failed: Vec::new(),
            }),
        ),
        (
            "ReceiveMessage",
            R::ReceiveMessage(ReceiveMessageResponse {
                messages: vec![
                    received(receive(&["All"], &["All"])),
                    received(receive(&["SentTimestamp"], &["trace.*"])),
                    received(receive(&[], &[])),
                ],
            }),
        ),
        (
            "ReceiveMessage",
            R::ReceiveMessage(ReceiveMessageResponse::default()),
        ),
        ("SendMessage", R::SendMessage(sent())),
        ("SendMessage", R::SendMessage(simple_send)),
        ("SendMessageBatch", R::SendMessageBatch(batch)),
    ]
}

fn of_queues() -> Answers {
    use sqs::Response as R;
    let attributes = vec![
        (
            QueueAttributeName::QueueArn,
            "arn:aws:sqs:us-east-1:000000000001:a".to_owned(),
        ),
        (
            QueueAttributeName::Policy,
            "{\"Statement\":[\"<&>\"]}".to_owned(),
        ),
    ];
    let tags = [
        ("a<".to_owned(), "1".to_owned()),
        ("b".to_owned(), String::new()),
    ];
    vec![
        ("AddPermission", R::AddPermission(Empty {})),
        (
            "CreateQueue",
            R::CreateQueue(CreateQueueResponse {
                queue_url: URL.into(),
            }),
        ),
        ("DeleteQueue", R::DeleteQueue(Empty {})),
        (
            "GetQueueAttributes",
            R::GetQueueAttributes(GetQueueAttributesResponse { attributes }),
        ),
        (
            "GetQueueAttributes",
            R::GetQueueAttributes(GetQueueAttributesResponse::default()),
        ),
        (
            "GetQueueUrl",
            R::GetQueueUrl(GetQueueUrlResponse {
                queue_url: URL.into(),
            }),
        ),
        (
            "ListDeadLetterSourceQueues",
            R::ListDeadLetterSourceQueues(ListDeadLetterSourceQueuesResponse {
                queue_urls: vec![URL.into(), format!("{URL}b")],
                next_token: Some("dA".into()),
            }),
        ),
        (
            "ListQueueTags",
            R::ListQueueTags(ListQueueTagsResponse { tags: tags.into() }),
        ),
        (
            "ListQueueTags",
            R::ListQueueTags(ListQueueTagsResponse::default()),
        ),
        (
            "ListQueues",
            R::ListQueues(ListQueuesResponse {
                queue_urls: vec![URL.into(), format!("{URL}b")],
                next_token: Some("dA".into()),
            }),
        ),
        ("ListQueues", R::ListQueues(ListQueuesResponse::default())),
        ("PurgeQueue", R::PurgeQueue(Empty {})),
        ("RemovePermission", R::RemovePermission(Empty {})),
        ("SetQueueAttributes", R::SetQueueAttributes(Empty {})),
        ("TagQueue", R::TagQueue(Empty {})),
        ("UntagQueue", R::UntagQueue(Empty {})),
    ]
}

fn of_tasks() -> Answers {
    use sqs::Response as R;
    let done = MessageMoveTask {
        task_handle: None,
        status: "FAILED".into(),
        destination_arn: None,
        max_number_of_messages_per_second: None,
        approximate_number_of_messages_to_move: None,
        failure_reason: Some("AWS.SimpleQueueService.NonExistentQueue".into()),
        ..task()
    };
    vec![
        (
            "CancelMessageMoveTask",
            R::CancelMessageMoveTask(CancelMessageMoveTaskResponse {
                approximate_number_of_messages_moved: 9,
            }),
        ),
        (
            "ListMessageMoveTasks",
            R::ListMessageMoveTasks(ListMessageMoveTasksResponse {
                results: vec![task(), done],
            }),
        ),
        (
            "StartMessageMoveTask",
            R::StartMessageMoveTask(StartMessageMoveTaskResponse {
                task_handle: "aGFuZGxl".into(),
            }),
        ),
    ]
}

/// In the order of their names, which is that of the transcript.
fn responses() -> Answers {
    let mut all = [of_messages(), of_queues(), of_tasks()].concat();
    all.sort_by_key(|(action, _)| *action);
    all
}

#[test]
fn answers_are_those_that_botocore_read() {
    let mut transcript = String::new();
    for (action, response) in responses() {
        for protocol in [Protocol::Json10, Protocol::Query] {
            let encoded = response.encode(protocol, REQUEST_ID);
            assert_eq!((encoded.status, encoded.query_error), (200, None));
            assert_eq!(encoded.content_type, protocol.content_type());
            transcript += &format!(
                "== {action} {}\n{}\n",
                protocol.as_str(),
                text(&encoded.body)
            );
        }
    }
    if let Some(path) = std::env::var_os("WIRE_TRANSCRIPT") {
        std::fs::write(path, &transcript).unwrap();
    }
    let expected = include_str!("data/responses.txt");
    for (line, (got, expected)) in transcript.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "line {}", line + 1);
    }
    assert_eq!(transcript.len(), expected.len());
}

#[test]
fn json_11_is_answered_in_kind() {
    let encoded = sqs::Response::PurgeQueue(Empty {}).encode(Protocol::Json11, REQUEST_ID);
    assert_eq!(encoded.content_type, "application/x-amz-json-1.1");
}

#[test]
fn a_caller_is_told_who_it_is() {
    let response = sts::GetCallerIdentityResponse {
        arn: "arn:aws:iam::000000000001:root".into(),
        user_id: "000000000001".into(),
        account: "000000000001".into(),
    };
    let encoded = sts::Response::GetCallerIdentity(response).encode(Protocol::Query, REQUEST_ID);
    assert_eq!(
        text(&encoded.body),
        "<?xml version=\"1.0\"?><GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>arn:aws:iam::000000000001:root</Arn><UserId>000000000001</UserId>\
         <Account>000000000001</Account></GetCallerIdentityResult><ResponseMetadata>\
         <RequestId>6fde8d1e-52cd-4581-8cd9-c512f4c64223</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
}

fn encoded(error: &AwsError, protocol: Protocol) -> Encoded {
    encode_error(error, protocol, Service::Sqs, REQUEST_ID)
}

#[test]
fn errors_say_it_in_each_protocol() {
    let error = AwsError::from(SqsError::queue_does_not_exist());
    let json = encoded(&error, Protocol::Json10);
    assert_eq!(
        text(&json.body),
        "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"The specified queue does not exist.\"}"
    );
    assert_eq!(
        json.query_error.as_deref(),
        Some("AWS.SimpleQueueService.NonExistentQueue;Sender")
    );
    assert_eq!(json.status, 400);
    let xml = encoded(&error, Protocol::Query);
    assert_eq!(xml.query_error, None);
    assert_eq!(
        text(&xml.body),
        "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>\
         <Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>\
         <Message>The specified queue does not exist for this wsdl version.</Message><Detail/></Error>\
         <RequestId>6fde8d1e-52cd-4581-8cd9-c512f4c64223</RequestId></ErrorResponse>"
    );
    let serialization = encoded(&AwsError::serialization("bad"), Protocol::Json10);
    assert_eq!(
        text(&serialization.body),
        "{\"__type\":\"com.amazon.coral.service#SerializationException\",\"Message\":\"bad\"}"
    );
    let unknown = encoded(&AwsError::unknown_operation(), Protocol::Json10);
    assert_eq!(
        text(&unknown.body),
        "{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"}"
    );
}

#[test]
fn every_code_has_its_status() {
    for kind in SqsErrorKind::ALL {
        let error = AwsError::from(SqsError::new(*kind, "m"));
        assert_eq!(error.fault, Fault::Sender);
        let expected = match kind.query_code() {
            "OverLimit"
            | "RequestThrottled"
            | "InvalidSecurity"
            | "AccessDenied"
            | "KMS.OptInRequired"
            | "AWS.SimpleQueueService.PurgeQueueInProgress" => 403,
            "InvalidAddress" | "ReceiptHandleIsInvalid" | "ResourceNotFoundException" => 404,
            _ => 400,
        };
        assert_eq!(error.status, expected, "{kind:?}");
        let namespace = error.json_type.split_once('#').unwrap().0;
        assert!(["com.amazonaws.sqs", "com.amazon.coral.service"].contains(&namespace));
    }
    for (error, status, header) in [
        (
            AwsError::internal_failure(),
            500,
            "InternalFailure;Receiver",
        ),
        (
            AwsError::service_unavailable(),
            503,
            "ServiceUnavailable;Receiver",
        ),
        (
            AwsError::request_entity_too_large(9),
            413,
            "RequestEntityTooLarge;Sender",
        ),
        (AwsError::throttling(), 400, "Throttling;Sender"),
        (AwsError::request_timeout(), 400, "RequestTimeout;Sender"),
        (AwsError::access_denied("no"), 403, "AccessDenied;Sender"),
        (
            AwsError::missing_authentication_token(),
            403,
            "MissingAuthenticationToken;Sender",
        ),
        (
            AwsError::invalid_client_token_id(),
            403,
            "InvalidClientTokenId;Sender",
        ),
        (
            AwsError::signature_does_not_match(),
            403,
            "SignatureDoesNotMatch;Sender",
        ),
        (
            AwsError::incomplete_signature("no"),
            400,
            "IncompleteSignature;Sender",
        ),
    ] {
        let encoded = encoded(&error, Protocol::Json10);
        assert_eq!(
            (encoded.status, encoded.query_error.as_deref()),
            (status, Some(header))
        );
        assert_eq!(
            encode_error(&error, Protocol::Json10, Service::Sts, "id").query_error,
            None
        );
    }
}
