//! HTTP/2 with prior knowledge on the same port.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::Front;

#[tokio::test]
async fn a_client_may_speak_http2_at_once() {
    let front = Front::alone().await;
    let stream = TcpStream::connect(front.listening.local_address())
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(
        TokioExecutor::new(),
        TokioIo::new(stream),
    )
    .await
    .unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str, body: &'static str| {
        http::Request::post(format!("http://queues:1{path}"))
            .header("x-amz-target", "AmazonSQS.Nothing")
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap()
    };
    // Several at once on one connection.
    let answers: Vec<_> = (0..8)
        .map(|_| sender.send_request(request("/", "{}")))
        .collect();
    for answer in answers {
        let answer = answer.await.unwrap();
        assert_eq!(
            (answer.version(), answer.status().as_u16()),
            (http::Version::HTTP_2, 400)
        );
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("UnknownOperationException"));
    }
    let head_bomb = http::Request::get("http://queues:1/")
        .header("x", "y".repeat(200_000))
        .body(Full::default())
        .unwrap();
    let refused = sender.send_request(head_bomb).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status() == 431));
    drop(sender);
    connection.abort();
}
