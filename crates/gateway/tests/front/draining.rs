//! The end of a port: parked polls are answered, requests finish, connections close.

use std::time::Duration;

use crate::support::{Client, Front};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_polls_end_with_an_empty_answer() {
    let front = Front::with_node().await;
    let mut client = front.connect().await;
    client.call("CreateQueue", r#"{"QueueName":"q"}"#).await;
    let address = front.listening.local_address();
    let poll = tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        client
            .call(
                "ReceiveMessage",
                r#"{"QueueUrl":"http://h/000000000000/q","WaitTimeSeconds":20}"#,
            )
            .await
    });
    // The poll is under way once its connection is the second and it has not been answered.
    while front.metrics.connections() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let begun = std::time::Instant::now();
    front.listening.stop(Duration::from_secs(5)).await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "idle connections and polls are not waited for"
    );
    let answer = poll.await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    assert!(
        client.answer().await.is_none(),
        "an idle connection is closed"
    );
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody listens"
    );
}

#[tokio::test]
async fn who_does_not_finish_is_cut_off() {
    let front = Front::alone().await;
    let mut client = front.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nAction=")
        .await;
    while front.metrics.connections() < 1 {
        tokio::task::yield_now().await;
    }
    let begun = std::time::Instant::now();
    front.listening.stop(Duration::from_millis(100)).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(client.answer().await.is_none());
    while front.metrics.connections() > 0 {
        tokio::task::yield_now().await;
    }
}
