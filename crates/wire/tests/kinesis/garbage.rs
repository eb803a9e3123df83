//! Whatever bytes come, a request is decoded or refused, and its depth and sizes are bounded.

use levada_wire::Call;
use levada_wire::kinesis::Action;
use levada_wire::protocol::cbor::DEPTH_MAX;
use levada_wire::protocol::encode_error;
use proptest::prelude::*;

use super::{CBOR, JSON, incoming, unhex};

fn exercise(action: &str, content_type: &'static str, body: Vec<u8>) {
    let incoming = incoming(action, content_type, body);
    match incoming.call {
        Ok(Call::Kinesis(request)) => {
            let _ = request.validate();
            let _ = request.stream();
        }
        Ok(other) => panic!("{other:?}"),
        Err(e) => {
            let encoded = encode_error(&e, incoming.protocol, incoming.service, "id");
            assert!(!encoded.body.is_empty());
        }
    }
}

/// The bodies that the SDKs wrote, with their actions.
fn good_bodies() -> Vec<(String, Vec<u8>)> {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../data/kinesis/requests.json")).unwrap();
    let body = |case: &serde_json::Value| {
        let action = case["action"].as_str()?.to_owned();
        Some((action, unhex(case["cbor"].as_str()?)))
    };
    cases.iter().filter_map(body).collect()
}

#[test]
fn a_body_that_is_cut_off_is_refused() {
    for (action, body) in good_bodies() {
        for len in 0..body.len() {
            let cut = incoming(&action, CBOR, body[..len].to_vec());
            assert!(cut.call.is_err(), "{action} after {len} bytes");
        }
        let mut longer = body.clone();
        longer.push(0xf6);
        assert!(incoming(&action, CBOR, longer).call.is_err(), "{action}");
    }
}

#[test]
fn depth_is_bounded() {
    // {"x": [[[...]]]}, within the bound and beyond, also far beyond.
    let nested = |depth: usize| {
        let mut body = unhex("a16178");
        body.extend(std::iter::repeat_n(0x81, depth - 1));
        body.push(0xf6);
        body
    };
    assert!(
        incoming("ListStreams", CBOR, nested(DEPTH_MAX - 1))
            .call
            .is_ok()
    );
    for depth in [DEPTH_MAX + 1, 200, 1_000_000] {
        assert!(incoming("ListStreams", CBOR, nested(depth)).call.is_err());
    }
    let mut tags = unhex("a16178");
    tags.extend(std::iter::repeat_n(0xc1, 1_000_000));
    tags.push(0x00);
    assert!(incoming("ListStreams", CBOR, tags).call.is_err());
}

#[test]
fn a_length_that_is_a_lie_takes_no_memory() {
    for claim in [
        "5b7fffffffffffffff",
        "7b7fffffffffffffff",
        "9b7fffffffffffffff",
        "bb7fffffffffffffff",
        "5bffffffffffffffff",
        "9affffffff",
    ] {
        exercise("PutRecord", CBOR, unhex(claim));
        // As the value of "Data", of "Records", of "StreamName".
        for member in ["6444617461", "675265636f726473", "6a53747265616d4e616d65"] {
            for action in ["PutRecord", "PutRecords"] {
                let body = unhex(&format!("a1{member}{claim}"));
                exercise(action, CBOR, body);
            }
        }
    }
}

#[test]
fn lists_and_maps_are_bounded() {
    let records = |n: usize| {
        let mut body = unhex("bf675265636f7264739f");
        body.extend(std::iter::repeat_n(0xa0, n));
        body.extend(unhex("ffff"));
        incoming("PutRecords", CBOR, body).call
    };
    assert!(records(1_024).is_ok());
    let error = records(1_025).unwrap_err();
    assert_eq!(error.message, "A list of the request is too long.");
}

fn any_action() -> impl Strategy<Value = &'static str> {
    (0..Action::ALL.len()).prop_map(|n| Action::ALL[n].name())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn random_bytes_never_panic(action in any_action(), body in prop::collection::vec(any::<u8>(), 0..256)) {
        exercise(action, CBOR, body.clone());
        exercise(action, JSON, body);
    }

    #[test]
    fn a_changed_body_never_panics(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        other in any_action(),
    ) {
        let bodies = good_bodies();
        let (action, mut body) = bodies[which.index(bodies.len())].clone();
        let at = at.index(body.len());
        body[at] = byte;
        exercise(&action, CBOR, body.clone());
        exercise(other, CBOR, body);
    }
}
