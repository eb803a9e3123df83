//! What is said against requests, in AWS's words.

use serde_json::{Value, json};

use super::{STREAM, said};

fn check(action: &str, body: Value, expected: &str) {
    assert_eq!(said(action, &body), expected, "{action} {body}");
}

/// The message of a `ValidationException` with these violations.
fn violations(parts: &[&str]) -> String {
    let errors = if parts.len() == 1 { "error" } else { "errors" };
    let parts: Vec<String> = parts.iter().map(|p| format!("Value {p}")).collect();
    format!(
        "ValidationException: {} validation {errors} detected: {}",
        parts.len(),
        parts.join("; ")
    )
}

const NULL: &str = "failed to satisfy constraint: Member must not be null";
const NAME: &str =
    "failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
const SHORT: &str =
    "failed to satisfy constraint: Member must have length greater than or equal to 1";

fn invalid(message: &str) -> String {
    format!("InvalidArgumentException: {message}")
}

#[test]
fn names() {
    let pattern = format!("'a b' at 'streamName' {NAME}");
    check(
        "DescribeStream",
        json!({"StreamName": "a b"}),
        &violations(&[&pattern]),
    );
    let (pattern, short) = (
        format!("'' at 'streamName' {NAME}"),
        format!("'' at 'streamName' {SHORT}"),
    );
    check(
        "DeleteStream",
        json!({"StreamName": ""}),
        &violations(&[&pattern, &short]),
    );
    let long = "a".repeat(129);
    let too_long = format!(
        "'{long}' at 'streamName' failed to satisfy constraint: Member must have length less than or equal to 128"
    );
    check(
        "DeleteStream",
        json!({"StreamName": long}),
        &violations(&[&too_long]),
    );
    check("DeleteStream", json!({"StreamName": &long[1..]}), "ok");
}

#[test]
fn names_and_arns() {
    let neither = invalid("Either StreamName or StreamARN should be provided.");
    for action in [
        "DeleteStream",
        "DescribeStream",
        "DescribeStreamSummary",
        "ListTagsForStream",
    ] {
        check(action, json!({}), &neither);
        check(action, json!({"StreamARN": STREAM}), "ok");
        check(action, json!({"StreamName": "orders"}), "ok");
        check(
            action,
            json!({"StreamName": "orders", "StreamARN": STREAM}),
            "ok",
        );
        check(
            action,
            json!({"StreamName": "other", "StreamARN": STREAM}),
            &invalid("StreamName and StreamARN should name the same stream."),
        );
    }
    let pattern = r"'orders' at 'streamARN' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:stream/\S+";
    check(
        "DeleteStream",
        json!({"StreamARN": "orders"}),
        &violations(&[pattern]),
    );
    let null = format!("null at 'streamARN' {NULL}");
    check("ListStreamConsumers", json!({}), &violations(&[&null]));
}

#[test]
fn many_violations_are_told_at_once_and_ten_at_most() {
    let (kind, shard) = (
        format!("null at 'shardIteratorType' {NULL}"),
        format!("null at 'shardId' {NULL}"),
    );
    check(
        "GetShardIterator",
        json!({"StreamName": "a"}),
        &violations(&[&shard, &kind]),
    );
    let records = vec![json!({}); 20];
    let said = said(
        "PutRecords",
        &json!({"StreamName": "a", "Records": records}),
    );
    assert!(
        said.starts_with("ValidationException: 10 validation errors detected: "),
        "{said}"
    );
    assert!(said.contains(&format!(
        "Value null at 'records.1.member.partitionKey' {NULL}; "
    )));
}

#[test]
fn puts() {
    let put = |key: &str, hash: &str| json!({"StreamName": "a", "Data": "", "PartitionKey": key, "ExplicitHashKey": hash});
    check("PutRecord", put("k", "0"), "ok");
    check(
        "PutRecord",
        put(&"k".repeat(256), "340282366920938463463374607431768211455"),
        "ok",
    );
    check(
        "PutRecord",
        put("k", "340282366920938463463374607431768211456"),
        &invalid(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456",
        ),
    );
    let pattern = r"'x' at 'explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(0|([1-9]\d{0,38}))$";
    check("PutRecord", put("k", "x"), &violations(&[pattern]));
    let (key, data) = (
        format!("null at 'partitionKey' {NULL}"),
        format!("null at 'data' {NULL}"),
    );
    check(
        "PutRecord",
        json!({"StreamName": "a"}),
        &violations(&[&key, &data]),
    );
    let records = |n: usize| json!({"StreamName": "a", "Records": vec![json!({"Data": "", "PartitionKey": "k"}); n]});
    check("PutRecords", records(1), "ok");
    check("PutRecords", records(500), "ok");
    let none = format!("'[]' at 'records' {SHORT}");
    check("PutRecords", records(0), &violations(&[&none]));
    check(
        "PutRecords",
        records(501),
        &violations(&[
            "'[501 of com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry]' at 'records' failed to satisfy constraint: Member must have length less than or equal to 500",
        ]),
    );
    let null = format!("null at 'records' {NULL}");
    check(
        "PutRecords",
        json!({"StreamName": "a"}),
        &violations(&[&null]),
    );
}

#[test]
fn records_have_10_mib() {
    // 10,485,756 bytes in base64, and a key that fills the rest.
    let data = "A".repeat(13_981_008);
    let put =
        |key: &str| json!({"StreamName": "a", "Records": [{"Data": data, "PartitionKey": key}]});
    check("PutRecords", put("four"), "ok");
    check(
        "PutRecords",
        put("five!"),
        &invalid("Records size exceeds 10 MB limit"),
    );
    let longer = format!("{data}AAAAAAAA");
    check(
        "PutRecord",
        json!({"StreamName": "a", "PartitionKey": "k", "Data": longer}),
        &violations(&[
            "'java.nio.HeapByteBuffer[pos=0 lim=10485762 cap=10485762]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 10485760",
        ]),
    );
}

#[test]
fn bounds_of_integers() {
    for (action, member, path, least, most, rest) in [
        (
            "DescribeStream",
            "Limit",
            "limit",
            1,
            10_000,
            json!({"StreamName": "a"}),
        ),
        ("ListStreams", "Limit", "limit", 1, 10_000, json!({})),
        (
            "ListShards",
            "MaxResults",
            "maxResults",
            1,
            10_000,
            json!({"StreamName": "a"}),
        ),
        (
            "GetRecords",
            "Limit",
            "limit",
            1,
            10_000,
            json!({"ShardIterator": "i"}),
        ),
        (
            "ListTagsForStream",
            "Limit",
            "limit",
            1,
            50,
            json!({"StreamName": "a"}),
        ),
        (
            "ListStreamConsumers",
            "MaxResults",
            "maxResults",
            1,
            10_000,
            json!({"StreamARN": STREAM}),
        ),
        (
            "UpdateMaxRecordSize",
            "MaxRecordSizeInKiB",
            "maxRecordSizeInKiB",
            1_024,
            10_240,
            json!({"StreamARN": STREAM}),
        ),
    ] {
        let with = |n: i64| {
            let mut body = rest.clone();
            body[member] = n.into();
            body
        };
        check(action, with(least), "ok");
        check(action, with(most), "ok");
        let (low, high) = (least - 1, most + 1);
        let constraint = "failed to satisfy constraint: Member must have value";
        let below = format!("'{low}' at '{path}' {constraint} greater than or equal to {least}");
        check(action, with(low), &violations(&[&below]));
        let above = format!("'{high}' at '{path}' {constraint} less than or equal to {most}");
        check(action, with(high), &violations(&[&above]));
    }
}

#[test]
fn values_of_closed_sets() {
    let set = |value: &str, path: &str, set: &str| {
        let constraint = "failed to satisfy constraint: Member must satisfy enum value set:";
        violations(&[&format!("'{value}' at '{path}' {constraint} [{set}]")])
    };
    check(
        "GetShardIterator",
        json!({"StreamName": "a", "ShardId": "0", "ShardIteratorType": "OLDEST"}),
        &set(
            "OLDEST",
            "shardIteratorType",
            "AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON",
        ),
    );
    check(
        "CreateStream",
        json!({"StreamName": "a", "ShardCount": 1, "StreamModeDetails": {"StreamMode": "FREE"}}),
        &set(
            "FREE",
            "streamModeDetails.streamMode",
            "PROVISIONED, ON_DEMAND",
        ),
    );
    check(
        "StartStreamEncryption",
        json!({"StreamName": "a", "EncryptionType": "AES", "KeyId": "k"}),
        &set("AES", "encryptionType", "NONE, KMS"),
    );
    check(
        "UpdateShardCount",
        json!({"StreamName": "a", "TargetShardCount": 2, "ScalingType": "X"}),
        &set("X", "scalingType", "UNIFORM_SCALING"),
    );
    let metrics = |names: Value| json!({"StreamName": "a", "ShardLevelMetrics": names});
    check(
        "EnableEnhancedMonitoring",
        metrics(json!(["IncomingBytes", "ALL"])),
        "ok",
    );
    check(
        "EnableEnhancedMonitoring",
        metrics(json!(["Nope"])),
        &violations(&[
            "'[Nope]' at 'shardLevelMetrics' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [IncomingBytes, IncomingRecords, OutgoingBytes, OutgoingRecords, WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded, IteratorAgeMilliseconds, ALL]]",
        ]),
    );
}

#[test]
fn streams() {
    let null = format!("null at 'shardCount' {NULL}");
    check(
        "CreateStream",
        json!({"StreamName": "a"}),
        &violations(&[&null]),
    );
    check(
        "CreateStream",
        json!({"StreamName": "a", "ShardCount": 1}),
        "ok",
    );
    let on_demand = json!({"StreamName": "a", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    check("CreateStream", on_demand, "ok");
    let null = format!("null at 'streamName' {NULL}");
    check(
        "CreateStream",
        json!({"ShardCount": 1}),
        &violations(&[&null]),
    );
    for action in [
        "IncreaseStreamRetentionPeriod",
        "DecreaseStreamRetentionPeriod",
    ] {
        let hours = |n: i64| json!({"StreamName": "a", "RetentionPeriodHours": n});
        check(action, hours(24), "ok");
        check(action, hours(8_760), "ok");
        check(
            action,
            hours(23),
            &invalid(
                "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
            ),
        );
        check(
            action,
            hours(8_761),
            &invalid(
                "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
            ),
        );
    }
    let split = json!({"StreamName": "a", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "999999999999999999999999999999999999999"});
    check(
        "SplitShard",
        split,
        &invalid(
            "Invalid NewStartingHashKey. NewStartingHashKey must be in the range: [0, 2^128-1]. Specified value was 999999999999999999999999999999999999999",
        ),
    );
}

#[test]
fn positions() {
    let iterator = |kind: &str, number: Value, time: Value| json!({"StreamName": "a", "ShardId": "0", "ShardIteratorType": kind, "StartingSequenceNumber": number, "Timestamp": time});
    let rule = "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified";
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        check(
            "GetShardIterator",
            iterator(
                kind,
                json!("49017000000000000000000000000000000000000000170000000003"),
                Value::Null,
            ),
            "ok",
        );
        let missing = invalid(&format!("{rule} {kind} and no StartingSequenceNumber."));
        check(
            "GetShardIterator",
            iterator(kind, Value::Null, Value::Null),
            &missing,
        );
    }
    for kind in ["TRIM_HORIZON", "LATEST"] {
        check(
            "GetShardIterator",
            iterator(kind, Value::Null, Value::Null),
            "ok",
        );
        let both = invalid(&format!("{rule} {kind} and also a StartingSequenceNumber."));
        check(
            "GetShardIterator",
            iterator(kind, json!("5"), Value::Null),
            &both,
        );
    }
    check(
        "GetShardIterator",
        iterator("AT_TIMESTAMP", Value::Null, json!(5)),
        "ok",
    );
    check(
        "GetShardIterator",
        iterator("AT_TIMESTAMP", Value::Null, Value::Null),
        &invalid(
            "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
        ),
    );
}

#[test]
fn pages_and_filters_of_shards() {
    let list = |body: Value, expected: &str| check("ListShards", body, expected);
    list(json!({"StreamName": "a"}), "ok");
    list(json!({"NextToken": "t", "MaxResults": 1}), "ok");
    list(
        json!({}),
        &invalid("Either NextToken or StreamName should be provided."),
    );
    list(
        json!({"NextToken": "t", "StreamName": "a"}),
        &invalid("NextToken and StreamName cannot be provided together."),
    );
    list(
        json!({"StreamName": "a", "ShardFilter": {"Type": "AT_LATEST"}}),
        "ok",
    );
    let null = format!("null at 'shardFilter.type' {NULL}");
    list(
        json!({"StreamName": "a", "ShardFilter": {}}),
        &violations(&[&null]),
    );
    list(
        json!({"StreamName": "a", "ShardFilter": {"Type": "AT_TIMESTAMP"}}),
        &invalid("Timestamp must be specified when ShardFilter type is AT_TIMESTAMP."),
    );
}

#[test]
fn consumers() {
    let consumer = format!("{STREAM}/consumer/c:1700000000");
    for action in ["DescribeStreamConsumer", "DeregisterStreamConsumer"] {
        check(action, json!({"ConsumerARN": consumer}), "ok");
        check(
            action,
            json!({"StreamARN": STREAM, "ConsumerName": "c"}),
            "ok",
        );
        check(
            action,
            json!({"StreamARN": STREAM, "ConsumerName": "c", "ConsumerARN": consumer}),
            "ok",
        );
        let neither =
            invalid("Either ConsumerARN or both StreamARN and ConsumerName should be provided.");
        check(action, json!({}), &neither);
        check(action, json!({"ConsumerName": "c"}), &neither);
        let conflict =
            invalid("ConsumerARN, StreamARN and ConsumerName should name the same consumer.");
        check(
            action,
            json!({"ConsumerName": "d", "ConsumerARN": consumer}),
            &conflict,
        );
    }
    let start = json!({"Type": "LATEST"});
    check(
        "SubscribeToShard",
        json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": start}),
        "ok",
    );
    let parts = [
        format!("null at 'consumerARN' {NULL}"),
        format!("null at 'shardId' {NULL}"),
        format!("null at 'startingPosition' {NULL}"),
    ];
    check(
        "SubscribeToShard",
        json!({}),
        &violations(&[&parts[0], &parts[1], &parts[2]]),
    );
}

#[test]
fn tags() {
    let tag = |tags: Value| json!({"ResourceARN": STREAM, "Tags": tags});
    check("TagResource", tag(json!({"team": "é 1+-=._:/@%"})), "ok");
    let none = format!("'{{}}' at 'tags' {SHORT}");
    check("TagResource", tag(json!({})), &violations(&[&none]));
    let long = "k".repeat(129);
    let keys = format!(
        "'{{{long}=v}}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
    );
    check(
        "TagResource",
        tag(json!({&long: "v"})),
        &violations(&[&keys]),
    );
    check(
        "AddTagsToStream",
        json!({"StreamName": "a", "Tags": {"a": "<"}}),
        &invalid(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :.",
        ),
    );
    let empty = "'[]' at 'tagKeys' failed to satisfy constraint: Member must have length greater than or equal to 1";
    check(
        "UntagResource",
        json!({"ResourceARN": STREAM, "TagKeys": []}),
        &violations(&[empty]),
    );
    check(
        "RemoveTagsFromStream",
        json!({"StreamName": "a", "TagKeys": ["x"]}),
        "ok",
    );
}
