//! Requests as botocore writes them, and which service a request is for.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use levada_wire::protocol::addressee;
use levada_wire::{Call, Incoming, Protocol, Service, decode, sns, sqs};

use super::{SUBSCRIPTION, TOPIC, post, recorded, request};

/// `tests/data/sns/requests.txt` holds what the recorded requests were read as. With `WIRE_TRANSCRIPT` set, the test
/// writes what it got to that path, for a change that is meant.
#[test]
fn every_action_is_read_as_it_was_meant() {
    let mut transcript = String::new();
    let mut seen = BTreeSet::new();
    for case in recorded() {
        let incoming = post(case.body.clone());
        assert_eq!(
            (incoming.protocol, incoming.action),
            (Protocol::Query, &*case.action)
        );
        let read = request(incoming);
        assert_eq!(read.action().name(), case.action);
        assert_eq!(read.validate(), Ok(()), "{}", case.action);
        let by_url = decode(
            &Method::GET,
            &format!("/?{}", case.body).parse().unwrap(),
            &HeaderMap::new(),
            &Bytes::new(),
        );
        assert_eq!(request(by_url), read);
        transcript += &format!("{read:#?}\n");
        seen.insert(case.action);
    }
    if let Some(path) = std::env::var_os("WIRE_TRANSCRIPT") {
        std::fs::write(path, &transcript).unwrap();
    }
    let all: BTreeSet<String> = sns::Action::ALL.iter().map(|a| a.name().into()).collect();
    assert_eq!(seen, all);
    assert_eq!(all.len(), 42);
    let expected = include_str!("../data/sns/requests.txt");
    for (line, (got, expected)) in transcript.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "line {}", line + 1);
    }
    assert_eq!(transcript.len(), expected.len());
}

#[test]
fn empty_lists_are_lists() {
    let body = "Action=TagResource&Version=2010-03-31&ResourceArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000001%3Aorders&Tags=";
    match request(post(body)) {
        sns::Request::TagResource(read) => assert!(read.tags.is_empty()),
        other => panic!("{other:?}"),
    }
}

fn unsigned(query: &str) -> Incoming {
    let uri = format!("/?{query}").parse().unwrap();
    decode(&Method::GET, &uri, &HeaderMap::new(), &Bytes::new())
}

fn signed(service: &str, body: &'static str) -> Incoming {
    let headers = signature(service);
    let body = Bytes::from_static(body.as_bytes());
    decode(&Method::POST, &Uri::from_static("/"), &headers, &body)
}

fn signature(service: &str) -> HeaderMap {
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
    );
    let value = HeaderValue::from_str(&value).unwrap();
    HeaderMap::from_iter([(header::AUTHORIZATION, value)])
}

#[test]
fn the_version_says_whose_an_action_is() {
    for action in ["AddPermission", "RemovePermission"] {
        let of = |version: &str| unsigned(&format!("Action={action}&Version={version}")).service;
        assert_eq!(of("2010-03-31"), Service::Sns);
        assert_eq!(of("2012-11-05"), Service::Sqs);
        // Older ones of SQS, and nonsense, are as ever.
        assert_eq!(of("2009-02-01"), Service::Sqs);
        assert_eq!(of("x"), Service::Sqs);
    }
    // The version goes before the signature's scope.
    let body = "Action=AddPermission&Version=2010-03-31&Label=l";
    assert_eq!(signed("sqs", body).service, Service::Sns);
    let sqs = signed("sqs", "Action=ListQueues&Version=2012-11-05");
    assert_eq!(sqs.service, Service::Sqs);
    assert!(matches!(
        sqs.call,
        Ok(Call::Sqs(sqs::Request::ListQueues(_)))
    ));
}

#[test]
fn without_a_version_the_scope_says_it() {
    assert_eq!(signed("sns", "Action=AddPermission").service, Service::Sns);
    assert_eq!(signed("sqs", "Action=AddPermission").service, Service::Sqs);
    let topics = signed("sns", "Action=ListTopics");
    assert!(matches!(
        topics.call,
        Ok(Call::Sns(sns::Request::ListTopics(_)))
    ));
    assert_eq!(
        addressee(&signature("sns")),
        (Protocol::Query, Service::Sns)
    );
    assert_eq!(
        addressee(&HeaderMap::new()),
        (Protocol::Query, Service::Sqs)
    );
}

#[test]
fn links_have_neither() {
    let confirm = unsigned(&format!(
        "Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"
    ));
    match request(confirm) {
        sns::Request::ConfirmSubscription(read) => {
            assert_eq!((&*read.topic_arn, &*read.token), (TOPIC, "abc"));
        }
        other => panic!("{other:?}"),
    }
    let end = unsigned(&format!(
        "Action=Unsubscribe&SubscriptionArn={SUBSCRIPTION}"
    ));
    match request(end) {
        sns::Request::Unsubscribe(read) => assert_eq!(read.subscription_arn, SUBSCRIPTION),
        other => panic!("{other:?}"),
    }
    let of_topic = unsigned(&format!("Action=RemovePermission&TopicArn={TOPIC}&Label=l"));
    assert_eq!(of_topic.service, Service::Sns);
    assert_eq!(
        unsigned("Action=RemovePermission&Label=l").service,
        Service::Sqs
    );
}

#[test]
fn what_is_no_action_is_refused_in_the_services_name() {
    let unknown = unsigned("Action=ListQueues&Version=2010-03-31");
    assert_eq!((unknown.service, unknown.action), (Service::Sns, ""));
    let refused = unknown.call.unwrap_err();
    assert_eq!((refused.query_code, refused.status), ("InvalidAction", 400));
    let missing = signed("sns", "Version=2010-03-31");
    assert_eq!(missing.service, Service::Sns);
    assert_eq!(missing.call.unwrap_err().query_code, "MissingAction");
}
