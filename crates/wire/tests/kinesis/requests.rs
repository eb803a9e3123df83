//! Requests in JSON and CBOR, and everything that is not a request.

use std::collections::BTreeSet;

use levada_wire::kinesis::{Action, HashKey, Position, Request, SequenceNumber, ShardFilter};
use levada_wire::protocol::member::EpochTime;
use levada_wire::{Protocol, kinesis};
use serde_json::{Value, json};

use super::{CBOR, JSON, STREAM, incoming, request, unhex};

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("../data/kinesis/requests.json")).unwrap()
}

#[test]
fn both_protocols_say_the_same() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let action = case["action"].as_str().unwrap();
        let mut requests = Vec::new();
        if let Some(body) = case["json"].as_str() {
            let incoming = incoming(action, JSON, body.to_owned());
            assert_eq!(
                (incoming.protocol, incoming.action),
                (Protocol::Json11, action)
            );
            requests.push(request(incoming));
        }
        if let Some(body) = case["cbor"].as_str() {
            let incoming = incoming(action, CBOR, unhex(body));
            assert_eq!(
                (incoming.protocol, incoming.action),
                (Protocol::Cbor11, action)
            );
            requests.push(request(incoming));
        }
        for request in &requests {
            assert_eq!(request, &requests[0]);
            assert_eq!(request.action().name(), action);
            assert_eq!(
                request.validate().map_err(|e| e.to_string()),
                expected(request)
            );
        }
        seen.insert(action.to_owned());
    }
    assert_eq!(seen.len(), Action::ALL.len());
}

#[test]
fn bytes_come_in_base64_with_and_without_padding() {
    for (text, bytes) in [
        ("", "".as_bytes()),
        ("AAECAw==", &[0, 1, 2, 3]),
        ("AAECAw", &[0, 1, 2, 3]),
        ("AAEC", &[0, 1, 2]),
        ("+/+/", &[0xfb, 0xff, 0xbf]),
    ] {
        let body = format!(r#"{{"StreamName":"s","PartitionKey":"k","Data":"{text}"}}"#);
        let Request::PutRecord(put) = request(incoming("PutRecord", JSON, body)) else {
            panic!("not a PutRecord");
        };
        assert_eq!(put.data.unwrap().0, bytes, "{text}");
    }
}

/// Some of the requests name records of AWS's, whose numbers are none of ours.
fn expected(request: &Request) -> Result<(), String> {
    match request {
        Request::SubscribeToShard(r) if r.position().is_err() => {
            Err("InvalidArgumentException: SequenceNumber 5 is invalid.".to_owned())
        }
        Request::GetShardIterator(r) if r.starting_sequence_number.is_some() => {
            Err("InvalidArgumentException: StartingSequenceNumber 49590338271490256608559692538361571095921575989136588898 is invalid.".to_owned())
        }
        _ => Ok(()),
    }
}

#[test]
fn decoded_records_are_whole() {
    let cases = cases();
    let find = |action: &str| cases.iter().find(|c| c["action"] == action).unwrap();
    let cbor = unhex(find("PutRecord")["cbor"].as_str().unwrap());
    let Request::PutRecord(put) = request(incoming("PutRecord", CBOR, cbor)) else {
        panic!("another action")
    };
    assert_eq!(&put.data.as_ref().unwrap().0[..], b"\0\x01\xfe\xff");
    assert_eq!(put.partition_key.as_deref(), Some("key-é"));
    assert_eq!(put.hash_key().unwrap(), Some(HashKey(u128::MAX)));
    assert_eq!(put.sequence_number_for_ordering.as_deref(), Some("7"));
    assert_eq!(put.stream_name.as_deref(), Some("orders"));
    let body = find("PutRecords")["json"].as_str().unwrap().to_owned();
    let Request::PutRecords(put) = request(incoming("PutRecords", JSON, body)) else {
        panic!("another action")
    };
    let records = put.records.as_deref().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[1].data.as_ref().unwrap().0.len(), 300);
    assert_eq!(put.stream_arn.as_deref(), Some(STREAM));
}

fn iterator_at(content_type: &'static str, body: Vec<u8>) -> Position {
    match request(incoming("GetShardIterator", content_type, body)) {
        Request::GetShardIterator(request) => request.position().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn times_are_seconds_in_json_and_milliseconds_in_cbor() {
    let at = |millis| Position::AtTimestamp(EpochTime { millis });
    for (time, millis) in [
        ("1700000000", 1_700_000_000_000),
        ("1700000000.123", 1_700_000_000_123),
        ("1.700000000123E9", 1_700_000_000_123),
        ("-1.5", -1_500),
        ("1e300", i64::MAX),
    ] {
        let body =
            format!(r#"{{"ShardId":"0","ShardIteratorType":"AT_TIMESTAMP","Timestamp":{time}}}"#);
        assert_eq!(iterator_at(JSON, body.into_bytes()), at(millis), "{time}");
    }
    // What the Java SDK writes for 1700000000.123 s.
    let java = cases()
        .into_iter()
        .find(|c| c["json"].is_null())
        .map(|c| unhex(c["cbor"].as_str().unwrap()));
    assert_eq!(iterator_at(CBOR, java.unwrap()), at(1_700_000_000_123));
    let head = "bf71536861726449746572617472"; // never completed: see `garbage`
    assert!(
        incoming("GetShardIterator", CBOR, unhex(head))
            .call
            .is_err()
    );
    for (time, millis) in [
        ("c11b0000018bcfe5687b", 1_700_000_000_123),
        ("1b0000018bcfe5687b", 1_700_000_000_123),
        ("c1fb41d954fc40000000", 1_700_000_000_000),
        ("c1391387", -5_000),
    ] {
        // {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": ...}
        let body = format!(
            "a271{}6c{}69{}{time}",
            super::hex(b"ShardIteratorType"),
            super::hex(b"AT_TIMESTAMP"),
            super::hex(b"Timestamp")
        );
        assert_eq!(iterator_at(CBOR, unhex(&body)), at(millis), "{time}");
    }
}

#[test]
fn cbor_of_unknown_length_is_read() {
    // {_ "Records": [_ {_ "Data": (_ h'01', h'0203'), "Unknown": 1(2), "PartitionKey": (_ "a", "b")}]}
    let body = format!(
        "bf67{}9fbf64{}5f41014202 03ff67{}c1026c{}7f61616162ffffffff",
        super::hex(b"Records"),
        super::hex(b"Data"),
        super::hex(b"Unknown"),
        super::hex(b"PartitionKey")
    )
    .replace(' ', "");
    let Request::PutRecords(put) = request(incoming("PutRecords", CBOR, unhex(&body))) else {
        panic!("another action")
    };
    let record = &put.records.unwrap()[0];
    assert_eq!(&record.data.as_ref().unwrap().0[..], b"\x01\x02\x03");
    assert_eq!(record.partition_key.as_deref(), Some("ab"));
    // null and undefined are absence.
    let body = format!("a2685265636f726473f66a{}f7", super::hex(b"StreamName"));
    let body = body.replace("68526563", "67526563");
    let Request::PutRecords(put) = request(incoming("PutRecords", CBOR, unhex(&body))) else {
        panic!("another action")
    };
    assert_eq!((put.records, put.stream_name), (None, None));
}

#[test]
fn streams_are_found_by_name_and_arn() {
    let by = |body: Value| {
        let request = request(incoming("ListShards", JSON, body.to_string()));
        let stream = request.stream();
        stream.map(|s| s.map(|s| s.name.to_owned()).map_err(|e| e.to_string()))
    };
    assert_eq!(by(json!({"StreamName": "a"})), Some(Ok("a".to_owned())));
    assert_eq!(
        by(json!({"StreamARN": STREAM})),
        Some(Ok("orders".to_owned()))
    );
    assert_eq!(by(json!({"NextToken": "t"})), None);
    assert!(
        by(json!({"StreamName": "a", "StreamARN": STREAM}))
            .unwrap()
            .is_err()
    );
}

#[test]
fn positions_and_filters_are_typed() {
    let number = SequenceNumber {
        opened_secs: 1_700_000_000,
        position: 12,
        shard: 1,
    };
    let start = json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number.to_string()});
    let body = json!({ "StartingPosition": start });
    let subscribe = request(incoming("SubscribeToShard", JSON, body.to_string()));
    let Request::SubscribeToShard(subscribe) = subscribe else {
        panic!("another action")
    };
    let after = Position::AfterSequenceNumber(number);
    assert_eq!(subscribe.position().unwrap(), after);
    let filter = |filter: Value| {
        let body = json!({"StreamName": "a", "ShardFilter": filter});
        let Request::ListShards(list) = request(incoming("ListShards", JSON, body.to_string()))
        else {
            panic!("another action")
        };
        list
    };
    let list = filter(json!({"Type": "FROM_TIMESTAMP", "Timestamp": 5}));
    let time = EpochTime { millis: 5_000 };
    assert_eq!(
        list.filter().unwrap(),
        Some(ShardFilter::FromTimestamp(time))
    );
    let list = filter(json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-7"}));
    assert_eq!(
        list.filter().unwrap(),
        Some(ShardFilter::AfterShardId("shardId-7"))
    );
    assert_eq!(
        kinesis::ListShardsRequest::default().filter().unwrap(),
        None
    );
}

#[test]
fn what_is_no_action_is_refused() {
    for action in [
        "Nothing",
        "listStreams",
        "",
        "ListStreams.x",
        "CreateChannel",
    ] {
        for content_type in [JSON, CBOR] {
            let error = incoming(action, content_type, "{}").call.unwrap_err();
            let unknown = "com.amazon.coral.service#UnknownOperationException";
            assert_eq!((error.json_type, error.status), (unknown, 400), "{action}");
        }
    }
}

fn refused(action: &str, content_type: &'static str, body: Vec<u8>) -> String {
    let error = incoming(action, content_type, body).call.unwrap_err();
    assert_eq!(
        (error.bare_type(), error.status),
        ("SerializationException", 400)
    );
    error.message.into_owned()
}

#[test]
fn wrong_types_are_named_as_aws_names_them() {
    let map = "Start of structure or map found where not expected.";
    for (action, body, message) in [
        (
            "ListStreams",
            r#"{"Limit":"5"}"#,
            "STRING_VALUE can not be converted to an Integer",
        ),
        ("ListStreams", r#"{"NextToken":{}}"#, map),
        (
            "PutRecord",
            r#"{"Data":"*"}"#,
            "Invalid base64 encoded data",
        ),
        ("PutRecords", r#"{"Records":{}}"#, map),
        ("PutRecords", r#"{"Records":"x"}"#, "Expected list or null"),
        (
            "PutRecords",
            r#"{"Records":[5]}"#,
            "Unexpected value type in payload",
        ),
        (
            "AddTagsToStream",
            r#"{"Tags":["x"]}"#,
            "Start of list found where not expected",
        ),
        (
            "CreateStream",
            r#"{"StreamModeDetails":5}"#,
            "Unexpected value type in payload",
        ),
        (
            "DeleteStream",
            r#"{"EnforceConsumerDeletion":"x"}"#,
            "STRING_VALUE can not be converted to a Boolean",
        ),
        (
            "GetShardIterator",
            r#"{"Timestamp":"2020"}"#,
            "STRING_VALUE can not be converted to a Timestamp",
        ),
        ("ListStreams", "", ""),
        ("ListStreams", "{", ""),
    ] {
        assert_eq!(refused(action, JSON, body.into()), message, "{body}");
    }
    for (action, body, message) in [
        // {"Limit": "5"}, {"Limit": h'05'}, then broken ones.
        (
            "ListStreams",
            "a1654c696d69746135",
            "STRING_VALUE can not be converted to an Integer",
        ),
        (
            "ListStreams",
            "a1654c696d69744105",
            "invalid type: byte array, expected an integer",
        ),
        ("ListStreams", "", ""),
        ("ListStreams", "bf", ""),
        ("ListStreams", "a000", ""),
        (
            "ListStreams",
            "80",
            "Start of list found where not expected",
        ),
    ] {
        assert_eq!(refused(action, CBOR, unhex(body)), message, "{body}");
    }
}
