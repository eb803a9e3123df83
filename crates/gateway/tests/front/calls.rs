//! Calls through a node. The suites of clients under tests/ go through every action; here is what they
//! cannot see: headers, hosts, both protocols on one connection.

use serde_json::json;

use crate::support::{Front, json_call, query_call};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_goes_through_both_protocols() {
    let front = Front::with_node().await;
    let mut client = front.connect().await;
    let created = client.call("CreateQueue", r#"{"QueueName":"q"}"#).await;
    let url = created.json()["QueueUrl"].as_str().unwrap().to_owned();
    assert_eq!(
        url, "http://here:1/000000000000/q",
        "by the host that the caller used"
    );
    let sent = client
        .call(
            "SendMessage",
            &json!({ "QueueUrl": url, "MessageBody": "a<b" }).to_string(),
        )
        .await;
    assert_eq!(
        sent.header("content-type"),
        Some("application/x-amz-json-1.0")
    );
    assert_eq!(sent.header("x-amzn-requestid").map(str::len), Some(36));
    let received = client
        .exchange(query_call(&format!(
            "Action=ReceiveMessage&QueueUrl={url}&AttributeName.1=All"
        )))
        .await;
    assert_eq!(received.header("content-type"), Some("text/xml"));
    let id = sent.json()["MessageId"].as_str().unwrap().to_owned();
    for part in [
        "<Body>a&lt;b</Body>",
        &format!("<MessageId>{id}</MessageId>"),
        "<Value>000000000000</Value>",
    ] {
        assert!(received.body.contains(part), "{part} in {}", received.body);
    }
    let handle = received
        .body
        .split("<ReceiptHandle>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let deleted = client
        .call(
            "DeleteMessage",
            &json!({ "QueueUrl": url, "ReceiptHandle": handle }).to_string(),
        )
        .await;
    assert_eq!((deleted.status, deleted.body.as_str()), (200, ""));
    let counted = front.metrics.actions();
    assert_eq!(
        counted.iter().map(|a| a.action).collect::<Vec<_>>(),
        [
            "CreateQueue",
            "DeleteMessage",
            "ReceiveMessage",
            "SendMessage"
        ]
    );
    drop(client);
    front.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_may_be_sent_before_answers_come() {
    let front = Front::with_node().await;
    let mut client = front.connect().await;
    client.call("CreateQueue", r#"{"QueueName":"q"}"#).await;
    let send = json!({ "QueueUrl": "http://h/000000000000/q", "MessageBody": "x" }).to_string();
    client
        .send(json_call("SendMessage", &send).repeat(20))
        .await;
    for _ in 0..20 {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    front.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_fails_entry_by_entry() {
    let front = Front::with_node().await;
    let mut client = front.connect().await;
    let created = client.call("CreateQueue", r#"{"QueueName":"q"}"#).await;
    let url = created.json()["QueueUrl"].clone();
    let entries = json!([
        { "Id": "good", "MessageBody": "x" },
        { "Id": "empty", "MessageBody": "" },
        { "Id": "late", "MessageBody": "x", "DelaySeconds": 901 },
        { "Id": "also", "MessageBody": "y" },
    ]);
    let answer = client
        .call(
            "SendMessageBatch",
            &json!({ "QueueUrl": url, "Entries": entries }).to_string(),
        )
        .await;
    let ids = |list: &str| -> Vec<String> {
        let answer = answer.json();
        answer[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["Id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (ids("Successful"), ids("Failed")),
        (
            vec!["good".into(), "also".into()],
            vec!["empty".into(), "late".into()]
        )
    );
    assert_eq!(answer.json()["Failed"][1]["SenderFault"], true);
    let bad = json!([{ "Id": "a", "ReceiptHandle": "x" }, { "Id": "b", "ReceiptHandle": "" }]);
    let answer = client
        .call(
            "DeleteMessageBatch",
            &json!({ "QueueUrl": url, "Entries": bad }).to_string(),
        )
        .await;
    assert_eq!(
        answer.json()["Failed"].as_array().unwrap().len(),
        2,
        "{answer:?}"
    );
    front.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_another_account_is_closed() {
    let front = Front::with_node().await;
    let mut client = front.connect().await;
    client.call("CreateQueue", r#"{"QueueName":"q"}"#).await;
    let body = r#"{"QueueUrl":"http://h/000000000000/q","MessageBody":"x"}"#;
    let signature = "AWS4-HMAC-SHA256 Credential=111111111111/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0";
    let foreign = json_call("SendMessage", body).replacen(
        "\r\n",
        &format!("\r\nAuthorization: {signature}\r\n"),
        1,
    );
    let answer = client.exchange(foreign).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(
        answer.header("x-amzn-query-error"),
        Some("AccessDenied;Sender")
    );
    front.end().await;
}
