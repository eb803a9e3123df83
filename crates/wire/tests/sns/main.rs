//! SNS on the wire: requests as botocore writes them, what is said against them, and answers.
//!
//! `tests/data/sns/requests.json` holds the forms that botocore 1.44.8 made of some parameters, each with the
//! members that its model requires; `errors.json` the codes and statuses of that model.

mod answers;
mod attributes;
mod garbage;
mod messages;
mod requests;
mod validation;

use bytes::Bytes;
use http::{HeaderMap, Method};
use levada_wire::{Call, Incoming, Service, decode, sns};
use serde_json::Value;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000001:orders";
const SUBSCRIPTION: &str =
    "arn:aws:sns:us-east-1:000000000001:orders:80289ba6-0fd4-4079-afb4-ce8c8260f0ca";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000001:q";

/// A recorded request.
struct Recorded {
    action: String,
    required: Vec<String>,
    body: String,
}

fn recorded() -> Vec<Recorded> {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../data/sns/requests.json")).unwrap();
    let one = |case: Value| Recorded {
        action: case["action"].as_str().unwrap().to_owned(),
        required: serde_json::from_value(case["required"].clone()).unwrap(),
        body: case["body"].as_str().unwrap().to_owned(),
    };
    cases.into_iter().map(one).collect()
}

fn post(body: impl Into<Bytes>) -> Incoming {
    let uri = "/".parse().unwrap();
    decode(&Method::POST, &uri, &HeaderMap::new(), &body.into())
}

fn request(incoming: Incoming) -> sns::Request {
    assert_eq!(incoming.service, Service::Sns);
    match incoming.call {
        Ok(Call::Sns(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// A form of an action with these members.
fn form(action: &str, members: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action);
    form.append_pair("Version", sns::API_VERSION);
    form.extend_pairs(members);
    form.finish()
}

/// What is said against a request with these members: while it is read, or after.
fn said(action: &str, members: &[(&str, &str)]) -> String {
    let incoming = post(form(action, members));
    assert_eq!(incoming.service, Service::Sns);
    match incoming.call {
        Ok(Call::Sns(request)) => request
            .validate()
            .err()
            .map_or_else(|| "ok".to_owned(), |e| e.to_string()),
        Ok(other) => panic!("{other:?}"),
        Err(e) => e.to_string(),
    }
}

/// [`said`], of a table of members and words.
fn check(action: &str, cases: &[(&[(&str, &str)], &str)]) {
    for (members, expected) in cases {
        assert_eq!(said(action, members), *expected, "{action} {members:?}");
    }
}
