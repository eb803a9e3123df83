//! Templates, segments, and a gateway that stands in for an operator's.

use serde_json::json;

use super::*;
use crate::report::Verdict;
use crate::stand_in::{Reply, StandIn, client};

fn message() -> TextMessage {
    TextMessage {
        to: "+4915112345678".to_owned(),
        message: "a & b = {to} \"ü\"".to_owned(),
        sender: Some("LEVADA".to_owned()),
    }
}

fn settings(url: String, body: SmsBody) -> SmsSettings {
    SmsSettings {
        url,
        method: "POST".to_owned(),
        headers: vec![("x-api-key".to_owned(), "k".to_owned())],
        body,
    }
}

#[tokio::test]
async fn templates_are_filled_and_nothing_breaks_out_of_them() {
    let server = StandIn::plain(|_| Reply::text(202, "queued")).await;
    let client = client(&[]);
    let bodies = [
        SmsBody::Json(
            json!({"to": ["{to}"], "text": "{message}", "from": "{sender}", "n": 1, "x": "{other} {"}),
        ),
        SmsBody::Form(vec![
            ("To".to_owned(), "{to}".to_owned()),
            ("Body".to_owned(), "{sender}: {message}".to_owned()),
        ]),
    ];
    for body in bodies {
        let gateway = SmsGateway::new(&settings(server.url("/sms"), body)).unwrap();
        let report = gateway.send(&client, &message(), Standing::Healthy).await;
        assert_eq!(report, Report::delivered(Some(202), "queued"));
    }
    let in_url = server.url("/{sender}?to={to}&text={message}");
    let in_url = in_url.replace("http://", "http://ann:secret@");
    let gateway = SmsGateway::new(&SmsSettings {
        method: "GET".to_owned(),
        ..settings(in_url, SmsBody::None)
    });
    let report = gateway
        .unwrap()
        .send(&client, &message(), Standing::Healthy)
        .await;
    assert_eq!(report.verdict, Verdict::Delivered);

    let seen = server.seen();
    assert_eq!(
        seen[0].json(),
        json!({"to": ["+4915112345678"], "text": "a & b = {to} \"ü\"", "from": "LEVADA", "n": 1, "x": "{other} {"})
    );
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("x-api-key"), Some("k"));
    let form: Vec<_> = form_urlencoded::parse(&seen[1].body).into_owned().collect();
    assert_eq!(form[0].1, "+4915112345678");
    assert_eq!(form[1].1, "LEVADA: a & b = {to} \"ü\"");
    assert_eq!((&*seen[2].method, seen[2].body.len()), ("GET", 0));
    assert_eq!(
        seen[2].uri,
        "/LEVADA?to=%2B4915112345678&text=a%20%26%20b%20%3D%20%7Bto%7D%20%22%C3%BC%22"
    );
    assert_eq!(
        seen[2].header("authorization"),
        Some("Basic YW5uOnNlY3JldA==")
    );
}

#[tokio::test]
async fn a_text_that_is_too_long_is_not_sent() {
    let server = StandIn::plain(|_| Reply::status(200)).await;
    let body = SmsBody::Json(json!({"to": "{to}", "text": "{message}"}));
    let gateway = SmsGateway::new(&settings(server.url("/"), body)).unwrap();
    let client = client(&[]);
    for (length, verdict) in [
        (SMS_LEN_MAX, Verdict::Delivered),
        (SMS_LEN_MAX + 1, Verdict::Never),
    ] {
        let long = TextMessage {
            message: "ü".repeat(length),
            ..message()
        };
        let report = gateway.send(&client, &long, Standing::Healthy).await;
        assert_eq!(report.verdict, verdict);
    }
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn settings_are_checked() {
    let complete = || SmsBody::Form(vec![("a".to_owned(), "{to}{message}".to_owned())]);
    let new = |settings: SmsSettings| SmsGateway::new(&settings).map(drop);
    let url = || "https://gateway.example/".to_owned();
    assert_eq!(new(settings(url(), complete())), Ok(()));
    assert_eq!(
        new(settings(url(), SmsBody::None)),
        Err(SmsSettingsError::Incomplete)
    );
    assert_eq!(
        new(settings("gateway".to_owned(), complete())),
        Err(SmsSettingsError::Url)
    );
    let bad = SmsSettings {
        method: "PO ST".to_owned(),
        ..settings(url(), complete())
    };
    assert_eq!(new(bad), Err(SmsSettingsError::Method("PO ST".to_owned())));
    let bad = SmsSettings {
        headers: vec![("a b".to_owned(), String::new())],
        ..settings(url(), complete())
    };
    assert_eq!(new(bad), Err(SmsSettingsError::Header("a b".to_owned())));
}

#[test]
fn segments_are_counted_as_phones_do() {
    let of = |text: &str| {
        let segments = Segments::of(text);
        (segments.encoding, segments.count)
    };
    use SmsEncoding::{Gsm, Ucs2};
    assert_eq!(of(""), (Gsm, 1));
    assert_eq!(of(&"a".repeat(160)), (Gsm, 1));
    assert_eq!(of(&"a".repeat(161)), (Gsm, 2));
    assert_eq!(of(&"a".repeat(306)), (Gsm, 2));
    assert_eq!(of(&"a".repeat(307)), (Gsm, 3));
    // Two places each, and none is cut in two.
    assert_eq!(of(&"€".repeat(80)), (Gsm, 1));
    assert_eq!(of(&"€".repeat(81)), (Gsm, 2));
    assert_eq!(of(&"€".repeat(153)), (Gsm, 3));
    assert_eq!(of(&"ж".repeat(70)), (Ucs2, 1));
    assert_eq!(of(&"ж".repeat(71)), (Ucs2, 2));
    assert_eq!(of(&"😀".repeat(35)), (Ucs2, 1));
    assert_eq!(of(&"😀".repeat(67)), (Ucs2, 3));
}
