//! Whatever a stranger sends gets an answer of AWS's or a closed connection, in bounded memory and time.

use levada_gateway::limits;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Client, Front, json_call, query_call};

/// What is sent, the status, and what the answer's code or body must hold.
fn refusals() -> Vec<(&'static str, String, u16, &'static str)> {
    let url = "http://here:1/000000000000/q";
    let target = |target: &str, body: &str| {
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: {target}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    vec![
        ("broken JSON", json_call("SendMessage", r#"{"QueueUrl":"#), 400, "SerializationException"),
        ("a list", json_call("SendMessage", "[]"), 400, "SerializationException"),
        ("nothing", json_call("SendMessage", ""), 400, "SerializationException"),
        ("a wrong type", json_call("ReceiveMessage", r#"{"QueueUrl":"q","MaxNumberOfMessages":"1"}"#), 400, "SerializationException"),
        ("deep JSON", json_call("SendMessage", &"[".repeat(100_000)), 400, "SerializationException"),
        ("not UTF-8 in a header", target("AmazonSQS.\u{e9}", "{}"), 400, "UnknownOperationException"),
        ("no such action", json_call("SendMessages", "{}"), 400, "UnknownOperationException"),
        ("no such service", target("AmazonSNS.Publish", "{}"), 400, "UnknownOperationException"),
        ("no parameter", json_call("SendMessage", &format!(r#"{{"QueueUrl":"{url}"}}"#)), 400, "MissingParameter"),
        ("a bound", json_call("ReceiveMessage", &format!(r#"{{"QueueUrl":"{url}","MaxNumberOfMessages":11}}"#)), 400, "InvalidParameterValue"),
        ("an empty form", query_call(""), 400, "<Code>MissingAction</Code>"),
        ("a form without sense", query_call("Action=Sneeze&Version=2012-11-05"), 400, "<Code>InvalidAction</Code>"),
        ("a form of a thousand dots", query_call(&format!("Action=ListQueues&{}=1", "a.".repeat(1_000))), 400, "<Error>"),
        ("broken escapes", query_call("Action=ListQueues&QueueNamePrefix=%zz%%%"), 503, "ServiceUnavailable"),
        ("an unsigned path", "GET /nobody HTTP/1.1\r\nHost: h\r\n\r\n".into(), 404, "<UnknownOperationException/>"),
        ("a strange method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n".into(), 404, "<UnknownOperationException/>"),
        (
            "a signature that breaks off",
            "GET /?Action=ListQueues HTTP/1.1\r\nHost: h\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a\r\n\r\n".into(),
            400,
            "IncompleteSignature",
        ),
    ]
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_the_callers_protocol() {
    let front = Front::alone().await;
    let mut client = front.connect().await;
    for (what, request, status, words) in refusals() {
        let answer = client.exchange(&request).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        let known = answer.body.contains(words) || answer.head.contains(words);
        assert!(known, "{what}: {answer:?}");
        assert_eq!(
            answer.header("x-amzn-requestid").map(str::len),
            Some(36),
            "{what}"
        );
    }
    let counted: u64 = front
        .metrics
        .actions()
        .iter()
        .map(|a| a.outcomes.iter().sum::<u64>())
        .sum();
    assert_eq!(
        counted,
        refusals().len() as u64,
        "on one connection, each counted once"
    );
}

#[tokio::test]
async fn before_there_is_a_node_calls_are_answered_503() {
    let front = Front::alone().await;
    let answer = front.connect().await.call("ListQueues", "{}").await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.header("x-amzn-query-error"),
        Some("ServiceUnavailable;Receiver")
    );
    assert!(
        answer.body.contains("ServiceUnavailableException"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_head_that_is_too_long_is_answered_431() {
    let front = Front::alone().await;
    let mut bombs = vec![
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
            "x".repeat(limits::HEAD_BYTES_MAX)
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
            "a: b\r\n".repeat(5_000)
        ),
    ];
    bombs.push(format!(
        "GET /{} HTTP/1.1\r\nHost: h\r\n\r\n",
        "x".repeat(2 * limits::HEAD_BYTES_MAX)
    ));
    for bomb in bombs {
        let mut client = front.connect().await;
        // The port may close before all of it is sent.
        let _ = client.stream.write_all(bomb.as_bytes()).await;
        let answer = client.answer().await;
        assert!(answer.is_none_or(|answer| matches!(answer.status, 414 | 431)));
        assert!(
            client.answer().await.is_none(),
            "and the connection is closed"
        );
    }
}

#[tokio::test]
async fn what_is_no_request_is_answered_before_the_connection_ends() {
    let front = Front::alone().await;
    let too_many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(150));
    for (what, bytes, status) in [
        ("no HTTP", "\0\x01\r\n\r\n", 400),
        (
            "a strange name of a header",
            "GET / HTTP/1.1\r\na\x01: b\r\n\r\n",
            400,
        ),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            400,
        ),
        ("too many headers", &*too_many, 431),
    ] {
        let answer = front.connect().await.exchange(bytes).await;
        assert_eq!(answer.status, status, "{what}");
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let front = Front::alone().await;
    let request = json_call("ListQueues", "{}");
    // Some clients end a body with a line break that belongs to nothing.
    for rest in ["\r\n", &request[..20]] {
        let mut client = front.connect().await;
        let asked = client.exchange(format!("{request}{rest}"));
        let answer = tokio::time::timeout(std::time::Duration::from_secs(10), asked).await;
        assert_eq!(answer.expect("an answer").status, 503, "{rest:?}");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_read() {
    let front = Front::alone().await;
    let mut client = front.connect().await;
    let length = 100 * 1024 * 1024;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length: {length}\r\n\r\n"
    );
    let answer = client.exchange(head).await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (413, Some("close")),
        "{answer:?}"
    );
    assert!(answer.body.contains("RequestEntityTooLarge"));
    assert!(client.answer().await.is_none());
}

#[tokio::test]
async fn a_chunked_body_is_cut_off_where_it_is_too_long() {
    let front = Front::alone().await;
    let mut client = front.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0;
    while sent < 100 * 1024 * 1024 && client.stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 0x10000;
    }
    assert!(sent < 64 * 1024 * 1024, "{sent} bytes were taken");
    let answer = client.answer().await;
    assert!(answer.is_none_or(|answer| answer.status == 413));
}

#[tokio::test]
async fn a_body_that_breaks_off_harms_nobody() {
    let front = Front::alone().await;
    for _ in 0..3 {
        let mut client = front.connect().await;
        client
            .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nAction=")
            .await;
        client.stream.shutdown().await.unwrap();
        assert!(
            client
                .answer()
                .await
                .is_none_or(|answer| answer.status == 400)
        );
    }
    assert_eq!(
        front.connect().await.call("Nothing", "{}").await.status,
        400
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_dribbles_is_given_up() {
    let front = Front::alone().await;
    let mut client = front.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nAction=")
        .await;
    // Nothing more comes, and the paused clock goes on to the next time that anybody waits for.
    let begun = tokio::time::Instant::now();
    let answer = client.answer().await.unwrap();
    assert!(begun.elapsed() >= limits::BODY_READ_MAX);
    assert_eq!(
        (answer.status, answer.header("connection")),
        (400, Some("close")),
        "{answer:?}"
    );
    assert!(answer.body.contains("RequestTimeout"));
}

#[tokio::test]
async fn a_body_of_eight_mebibytes_in_pieces_is_read() {
    let front = Front::alone().await;
    let mut client = front.connect().await;
    let body = format!(
        r#"{{"QueueUrl":"http://h/000000000000/q","MessageBody":"{}"}}"#,
        "\\u0061".repeat(1_000_000)
    );
    let answer = client.call("SendMessage", &body).await;
    assert_eq!(
        answer.status, 503,
        "decoded, checked, and then there is no node: {answer:?}"
    );
}

#[tokio::test]
async fn what_is_not_http_is_turned_away() {
    let front = Front::alone().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET /\r\n\r\n",
    ] {
        let mut client = front.connect().await;
        client.send(bytes).await;
        let _ = client.stream.shutdown().await;
        assert!(
            client
                .answer()
                .await
                .is_none_or(|answer| answer.status == 400)
        );
    }
}

#[tokio::test]
async fn pages_are_served_beside_the_calls() {
    let front = Front::alone().await;
    let mut client: Client = front.connect().await;
    for (path, status, words) in [
        ("/health/live", 200, "live"),
        ("/health/ready", 503, "not yet"),
        ("/metrics", 200, "levada_ready 0"),
        ("/_levada/status", 200, "{}"),
    ] {
        let answer = client
            .exchange(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.contains(words), "{path}: {answer:?}");
    }
}
