//! Posts to endpoints that answer well, badly, slowly, without end, or from elsewhere.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::guard::GuardSettings;
use crate::limits::ANSWER_BYTES_MAX;
use crate::report::Verdict;
use crate::stand_in::{Identity, Reply, Speaks, StandIn, client, guarded, hasty_client};

fn post(url: String) -> Post {
    Post {
        url,
        kind: PostKind::Notification,
        message_id: "165545c9-2a5c-472c-8df2-7ff2be2b3b1b".to_owned(),
        topic_arn: "arn:aws:sns:us-west-2:123456789012:MyTopic".to_owned(),
        subscription_arn: Some("arn:aws:sns:us-west-2:123456789012:MyTopic:2bcf".to_owned()),
        raw: false,
        content_type: "text/plain; charset=UTF-8".to_owned(),
        body: Bytes::from_static(b"{}"),
    }
}

async fn send(client: &Client, url: String) -> Report {
    post(url).send(client, Standing::Healthy).await
}

#[tokio::test]
async fn headers_are_those_of_aws_and_connections_are_kept() {
    let server = StandIn::plain(|_| Reply::text(200, "thanks")).await;
    let client = client(&[]);
    let delivered = send(&client, server.url("/hook?a=b")).await;
    assert_eq!(delivered, Report::delivered(Some(200), "thanks"));
    let confirmation = Post {
        kind: PostKind::SubscriptionConfirmation,
        subscription_arn: None,
        raw: true,
        content_type: "application/json".to_owned(),
        ..post(server.url("/"))
    };
    let confirmed = confirmation.send(&client, Standing::Failing).await;
    assert_eq!(confirmed.verdict, Verdict::Delivered);
    assert_eq!(server.connections(), 1);

    let seen = server.seen();
    assert_eq!((&*seen[0].method, &*seen[0].uri), ("POST", "/hook?a=b"));
    let host = server.address.to_string();
    for (name, value) in [
        ("host", &*host),
        ("x-amz-sns-message-type", "Notification"),
        (
            "x-amz-sns-message-id",
            "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        ),
        (
            "x-amz-sns-topic-arn",
            "arn:aws:sns:us-west-2:123456789012:MyTopic",
        ),
        (
            "x-amz-sns-subscription-arn",
            "arn:aws:sns:us-west-2:123456789012:MyTopic:2bcf",
        ),
        ("user-agent", "Amazon Simple Notification Service Agent"),
        ("content-type", "text/plain; charset=UTF-8"),
        ("content-length", "2"),
    ] {
        assert_eq!(seen[0].header(name), Some(value), "{name}");
    }
    assert_eq!(seen[0].header("x-amz-sns-rawdelivery"), None);
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(
        seen[1].header("x-amz-sns-message-type"),
        Some("SubscriptionConfirmation")
    );
    assert_eq!(seen[1].header("x-amz-sns-subscription-arn"), None);
    assert_eq!(seen[1].header("x-amz-sns-rawdelivery"), Some("true"));
    assert_eq!(seen[1].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn statuses_mean_what_aws_says() {
    let server = StandIn::plain(|seen| Reply::status(seen.uri[1..].parse().unwrap())).await;
    let client = client(&[]);
    for (status, verdict) in [
        (200, Verdict::Delivered),
        (204, Verdict::Delivered),
        (299, Verdict::Delivered),
        (301, Verdict::Never),
        (304, Verdict::Never),
        (400, Verdict::Never),
        (401, Verdict::Never),
        (403, Verdict::Never),
        (404, Verdict::Never),
        (408, Verdict::Never),
        (410, Verdict::Never),
        (429, Verdict::Retry),
        (500, Verdict::Retry),
        (502, Verdict::Retry),
        (503, Verdict::Retry),
        (599, Verdict::Retry),
    ] {
        let report = send(&client, server.url(&format!("/{status}"))).await;
        assert_eq!(report.verdict, verdict, "{status}");
        assert_eq!(report.status, Some(status));
    }
}

#[tokio::test]
async fn who_hangs_or_stalls_is_left_and_tried_again() {
    let server = StandIn::plain(|seen| match &*seen.uri {
        "/hang" => Reply::Hang,
        _ => Reply::Stalled,
    })
    .await;
    let client = hasty_client();
    for path in ["/hang", "/stall"] {
        let report = send(&client, server.url(path)).await;
        assert_eq!(
            (report.verdict, report.status),
            (Verdict::Retry, None),
            "{path}"
        );
        assert!(
            report.detail.contains("did not answer within"),
            "{report:?}"
        );
    }
    // Nothing that hangs is used again.
    assert_eq!(server.connections(), 2);
    assert_eq!(client.sockets().in_use(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_the_bound() {
    let server = StandIn::plain(|_| Reply::Endless).await;
    let client = client(&[]);
    let endpoint = Endpoint::parse(&server.url("/")).unwrap();
    let call = Call {
        endpoint: &endpoint,
        origin: Origin::User,
        standing: Standing::Healthy,
        version: Version::Http1,
        method: Method::POST,
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    let answer = client.call(call).await.unwrap();
    assert_eq!(answer.body.len(), ANSWER_BYTES_MAX);
    assert_eq!(answer.report().verdict, Verdict::Delivered);
    send(&client, server.url("/")).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn redirections_are_not_followed() {
    let elsewhere = StandIn::plain(|_| Reply::status(200)).await;
    let to = elsewhere.url("/");
    let server =
        StandIn::plain(move |_| Reply::Whole(307, vec![("location", to.clone())], String::new()))
            .await;
    let report = send(&client(&[]), server.url("/")).await;
    assert_eq!((report.verdict, report.status), (Verdict::Never, Some(307)));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn certificates_are_checked() {
    let (ours, theirs) = (Identity::new(), Identity::new());
    let server = StandIn::tls(Speaks::Http1, &ours, None, |_| Reply::status(200)).await;
    let refused = send(&client(&[&theirs]), server.tls_url("/")).await;
    assert_eq!(refused.verdict, Verdict::Retry);
    assert!(
        refused.detail.contains("no TLS with localhost"),
        "{refused:?}"
    );
    assert!(server.seen().is_empty());
    let trusted = client(&[&theirs, &ours]);
    let delivered = send(&trusted, server.tls_url("/")).await;
    assert_eq!(delivered.verdict, Verdict::Delivered, "{delivered:?}");
    // By a name that the certificate does not have.
    let by_address = format!("https://{}/", server.address);
    let refused = send(&trusted, by_address).await;
    assert_eq!(refused.verdict, Verdict::Retry);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn the_guard_stands_before_every_connection() {
    let server = StandIn::plain(|_| Reply::status(200)).await;
    let strict = guarded(&[], GuardSettings::default(), Duration::from_secs(10));
    for url in [
        server.url("/"),
        format!("http://localhost:{}/", server.address.port()),
        format!("http://[::ffff:127.0.0.1]:{}/", server.address.port()),
    ] {
        let report = send(&strict, url).await;
        assert_eq!((report.verdict, report.status), (Verdict::Never, None));
        assert!(report.detail.contains("this machine"), "{report:?}");
    }
    assert_eq!(server.connections(), 0);

    // What the operator configured is reached, and lends its connection to nobody else.
    let endpoint = Endpoint::parse(&server.url("/")).unwrap();
    let call = Call {
        endpoint: &endpoint,
        origin: Origin::Operator,
        standing: Standing::Healthy,
        version: Version::Http1,
        method: Method::POST,
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    strict.call(call).await.unwrap();
    let report = send(&strict, server.url("/")).await;
    assert_eq!(report.verdict, Verdict::Never);
    assert_eq!(server.seen().len(), 1);

    // The cluster's own port is no endpoint, though loopback is allowed.
    let settings = GuardSettings {
        allow_loopback: true,
        own_ports: [server.address.port()].into(),
        ..GuardSettings::default()
    };
    let own = guarded(&[], settings, Duration::from_secs(10));
    let report = send(&own, server.url("/")).await;
    assert!(
        report.detail.contains("a port of this cluster"),
        "{report:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let report = send(&client(&[]), format!("http://{address}/")).await;
    assert_eq!(report.verdict, Verdict::Retry, "{report:?}");
    let report = send(&client(&[]), "http://no-such-host.invalid/".to_owned()).await;
    assert_eq!(report.verdict, Verdict::Retry, "{report:?}");
    let report = send(&client(&[]), "no url".to_owned()).await;
    assert_eq!(report.verdict, Verdict::Never);
}

/// A server that says these bytes to each connection's first request, and closes it without a word.
async fn curt(answer: &'static [u8], connections: usize) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = [0; 4096];
            let _ = stream.read(&mut read).await;
            stream.write_all(answer).await.unwrap();
        }
    });
    (url, task)
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_no_failure() {
    let (url, served) = curt(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 3).await;
    let client = client(&[]);
    for _ in 0..3 {
        let report = send(&client, url.clone()).await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
    }
    served.await.unwrap();
}

#[tokio::test]
async fn what_is_no_http_is_tried_again() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
    ] {
        let (url, _served) = curt(answer, 1).await;
        let report = send(&client(&[]), url).await;
        assert_eq!(
            (report.verdict, report.status),
            (Verdict::Retry, None),
            "{report:?}"
        );
    }
}

#[tokio::test]
async fn names_and_passwords_are_sent_to_who_asks() {
    let server = StandIn::plain(|seen| {
        let asks = match &*seen.uri {
            "/basic" => "Basic realm=\"x\"",
            _ => "Digest realm=\"x\", nonce=\"n\", qop=\"auth\"",
        };
        let proved = seen.header("authorization").unwrap_or("");
        if proved == "Basic YW5uOnNlY3JldA==" || proved.starts_with("Digest username=\"ann\"") {
            return Reply::status(200);
        }
        Reply::Whole(
            401,
            vec![("www-authenticate", asks.to_owned())],
            String::new(),
        )
    })
    .await;
    let client = client(&[]);
    let with = |user: &str, path: &str| format!("http://{user}{}{path}", server.address);
    for path in ["/basic", "/digest"] {
        let report = send(&client, with("ann:secret@", path)).await;
        assert_eq!(report.verdict, Verdict::Delivered, "{path}");
    }
    let wrong = send(&client, with("ann:wrong@", "/basic")).await;
    assert_eq!((wrong.verdict, wrong.status), (Verdict::Never, Some(401)));
    let nobody = send(&client, with("", "/basic")).await;
    assert_eq!((nobody.verdict, nobody.status), (Verdict::Never, Some(401)));
    let seen = server.seen();
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[0].header("authorization"), None);
    let debug = format!("{:?}", post(with("ann:secret@", "/")));
    assert!(!debug.contains("secret"), "{debug}");
}
