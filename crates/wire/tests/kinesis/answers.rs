//! Answers and frames, byte for byte as the SDKs have read them.
//!
//! `tests/data/kinesis/answers.txt` was written by this test (`WIRE_TRANSCRIPT=<file>`), and then, before
//! sequence numbers had 56 digits, every line in JSON was read by botocore 1.44.8, every line in CBOR by the AWS SDK for Java 2.31.78, but for
//! three of actions that it does not know, and every frame by botocore's decoder of event streams.

use levada_types::Timestamp;
use levada_wire::kinesis::*;
use levada_wire::protocol::encode_error;
use levada_wire::protocol::member::{Blob, EpochTime};
use levada_wire::{AwsError, Fault, Protocol, Service};

use super::{STREAM, hex};

fn time() -> EpochTime {
    Timestamp::from_millis(1_700_000_000_123).into()
}

fn number(position: u64) -> SequenceNumber {
    SequenceNumber {
        opened_secs: 1_700_000_000,
        position,
        shard: 1,
    }
}

fn shard(n: u64) -> Shard {
    Shard {
        shard_id: ShardId(n),
        parent_shard_id: (n > 0).then_some(ShardId(0)),
        adjacent_parent_shard_id: None,
        hash_key_range: HashKeyRange {
            starting_hash_key: HashKey(0),
            ending_hash_key: HashKey(u128::MAX),
        },
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: number(7),
            ending_sequence_number: (n == 0).then_some(number(9)),
        },
    }
}

fn children() -> Vec<ChildShard> {
    vec![ChildShard {
        shard_id: ShardId(1),
        parent_shards: vec![ShardId(0)],
        hash_key_range: shard(1).hash_key_range,
    }]
}

fn records() -> Vec<Record> {
    let record = |n: u64, data: &'static [u8]| Record {
        sequence_number: number(n),
        approximate_arrival_timestamp: Some(time()),
        data: Blob(data.into()),
        partition_key: Some("key-é".into()),
        encryption_type: None,
    };
    vec![record(8, b"\0\x01\xfe\xff"), record(9, b"")]
}

fn consumer(stream_arn: Option<String>) -> Consumer {
    Consumer {
        consumer_name: "c".into(),
        consumer_arn: format!("{STREAM}/consumer/c:1700000000"),
        consumer_status: ConsumerStatus::Active,
        consumer_creation_timestamp: time(),
        stream_arn,
    }
}

fn mode() -> Option<StreamModeDetails> {
    let stream_mode = StreamMode::OnDemand;
    Some(StreamModeDetails { stream_mode })
}

fn metrics() -> Vec<EnhancedMetrics> {
    vec![EnhancedMetrics {
        shard_level_metrics: vec![MetricsName::IncomingBytes],
    }]
}

type Answers = Vec<(&'static str, Response)>;

fn of_records() -> Answers {
    let throttled = KinesisError::new(
        KinesisErrorKind::ProvisionedThroughputExceeded,
        "Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000001.",
    );
    let failure = KinesisError::new(
        KinesisErrorKind::InternalFailure,
        "Internal Service Failure",
    );
    vec![
        (
            "PutRecord",
            Response::PutRecord(PutRecordResponse {
                shard_id: ShardId(0),
                sequence_number: number(8),
                encryption_type: Some(EncryptionType::None),
            }),
        ),
        (
            "PutRecords",
            Response::PutRecords(PutRecordsResponse {
                failed_record_count: 2,
                records: vec![
                    PutRecordsResultEntry::kept(ShardId(0), number(8)),
                    PutRecordsResultEntry::failed(throttled),
                    PutRecordsResultEntry::failed(failure),
                ],
                encryption_type: None,
            }),
        ),
        (
            "GetShardIterator",
            Response::GetShardIterator(GetShardIteratorResponse {
                shard_iterator: "aXRlcmF0b3I=".into(),
            }),
        ),
        (
            "GetRecords",
            Response::GetRecords(GetRecordsResponse {
                records: records(),
                next_shard_iterator: Some("bmV4dA==".into()),
                millis_behind_latest: Some(1_500),
                child_shards: None,
            }),
        ),
        (
            "GetRecords",
            Response::GetRecords(GetRecordsResponse {
                records: Vec::new(),
                next_shard_iterator: None,
                millis_behind_latest: Some(0),
                child_shards: Some(children()),
            }),
        ),
    ]
}

fn of_streams() -> Answers {
    vec![
        ("CreateStream", Response::CreateStream(Empty {})),
        (
            "DescribeStream",
            Response::DescribeStream(DescribeStreamResponse {
                stream_description: StreamDescription {
                    stream_name: "orders".into(),
                    stream_arn: STREAM.into(),
                    stream_status: StreamStatus::Active,
                    stream_mode_details: mode(),
                    shards: vec![shard(0), shard(1)],
                    has_more_shards: false,
                    retention_period_hours: 24,
                    stream_creation_timestamp: time(),
                    enhanced_monitoring: metrics(),
                    encryption_type: Some(EncryptionType::Kms),
                    key_id: Some("alias/aws/kinesis".into()),
                },
            }),
        ),
        (
            "DescribeStreamSummary",
            Response::DescribeStreamSummary(DescribeStreamSummaryResponse {
                stream_description_summary: StreamDescriptionSummary {
                    stream_name: "orders".into(),
                    stream_arn: STREAM.into(),
                    stream_status: StreamStatus::Updating,
                    stream_mode_details: mode(),
                    retention_period_hours: 8_760,
                    stream_creation_timestamp: time(),
                    enhanced_monitoring: vec![EnhancedMetrics::default()],
                    encryption_type: Some(EncryptionType::None),
                    key_id: None,
                    open_shard_count: 2,
                    consumer_count: Some(1),
                    warm_throughput: Some(WarmThroughput {
                        target_mibps: Some(10),
                        current_mibps: Some(4),
                    }),
                    max_record_size_kib: Some(1_024),
                    record_distribution_strategy: Some(
                        RecordDistributionStrategy::UserPartitionKey,
                    ),
                },
            }),
        ),
        (
            "ListShards",
            Response::ListShards(ListShardsResponse {
                shards: vec![shard(0), shard(1)],
                next_token: Some("dG9rZW4=".into()),
            }),
        ),
        (
            "ListStreams",
            Response::ListStreams(ListStreamsResponse {
                stream_names: vec!["orders".into()],
                has_more_streams: true,
                next_token: Some("dG9rZW4=".into()),
                stream_summaries: vec![StreamSummary {
                    stream_name: "orders".into(),
                    stream_arn: STREAM.into(),
                    stream_status: StreamStatus::Creating,
                    stream_mode_details: mode(),
                    stream_creation_timestamp: Some(time()),
                }],
            }),
        ),
        (
            "UpdateShardCount",
            Response::UpdateShardCount(UpdateShardCountResponse {
                stream_name: "orders".into(),
                current_shard_count: 1,
                target_shard_count: 2,
                stream_arn: STREAM.into(),
            }),
        ),
        (
            "UpdateStreamWarmThroughput",
            Response::UpdateStreamWarmThroughput(UpdateStreamWarmThroughputResponse {
                stream_arn: STREAM.into(),
                stream_name: "orders".into(),
                warm_throughput: WarmThroughput::default(),
            }),
        ),
    ]
}

fn of_the_rest() -> Answers {
    let tags = || {
        vec![Tag {
            key: "team".into(),
            value: Some("é".into()),
        }]
    };
    vec![
        (
            "DescribeAccountSettings",
            Response::DescribeAccountSettings(AccountSettingsResponse {
                minimum_throughput_billing_commitment: Some(Commitment {
                    status: CommitmentStatus::Enabled,
                    started_at: Some(time()),
                    ..Commitment::default()
                }),
            }),
        ),
        (
            "DescribeLimits",
            Response::DescribeLimits(DescribeLimitsResponse {
                shard_limit: 500,
                open_shard_count: 2,
                on_demand_stream_count: 0,
                on_demand_stream_count_limit: 50,
            }),
        ),
        (
            "DescribeStreamConsumer",
            Response::DescribeStreamConsumer(DescribeStreamConsumerResponse {
                consumer_description: consumer(Some(STREAM.into())),
            }),
        ),
        (
            "EnableEnhancedMonitoring",
            Response::EnableEnhancedMonitoring(EnhancedMonitoringResponse {
                stream_name: "orders".into(),
                current_shard_level_metrics: Vec::new(),
                desired_shard_level_metrics: vec![MetricsName::All],
                stream_arn: STREAM.into(),
            }),
        ),
        (
            "GetResourcePolicy",
            Response::GetResourcePolicy(GetResourcePolicyResponse {
                policy: "{\"Statement\":[]}".into(),
            }),
        ),
        (
            "ListStreamConsumers",
            Response::ListStreamConsumers(ListStreamConsumersResponse {
                consumers: vec![consumer(None)],
                next_token: None,
            }),
        ),
        (
            "ListTagsForResource",
            Response::ListTagsForResource(ListTagsForResourceResponse { tags: tags() }),
        ),
        (
            "ListTagsForStream",
            Response::ListTagsForStream(ListTagsForStreamResponse {
                tags: tags(),
                has_more_tags: false,
            }),
        ),
        (
            "RegisterStreamConsumer",
            Response::RegisterStreamConsumer(RegisterStreamConsumerResponse {
                consumer: consumer(None),
            }),
        ),
    ]
}

fn errors() -> Vec<(&'static str, AwsError)> {
    let account = levada_types::AccountId::DEFAULT;
    let failure = KinesisError::new(
        KinesisErrorKind::InternalFailure,
        "Internal Service Failure",
    );
    vec![
        (
            "DescribeStreamSummary",
            KinesisError::stream_not_found("orders", account).into(),
        ),
        (
            "CreateStream",
            KinesisError::stream_exists("orders", account).into(),
        ),
        ("GetRecords", KinesisError::invalid_shard_iterator().into()),
        ("GetRecords", failure.into()),
        (
            "GetShardIterator",
            KinesisError::shard_does_not_exist(ShardId(3), "orders", account).into(),
        ),
        (
            "PutRecord",
            AwsError::serialization("Invalid base64 encoded data"),
        ),
        ("PutRecord", AwsError::service_unavailable()),
        ("PutRecord", AwsError::unknown_operation()),
    ]
}

fn line(kind: &str, protocol: Protocol, status: u16, body: &[u8]) -> String {
    let body = match protocol {
        Protocol::Json11 => String::from_utf8(body.to_vec()).unwrap(),
        _ => hex(body),
    };
    format!("{kind} {} {status} {body}\n", protocol.as_str())
}

fn frames(protocol: Protocol) -> String {
    let event = SubscribeToShardEvent {
        records: records(),
        continuation_sequence_number: Some(number(9)),
        millis_behind_latest: 1_500,
        child_shards: None,
    };
    let end = SubscribeToShardEvent {
        child_shards: Some(children()),
        ..SubscribeToShardEvent::default()
    };
    let error = KinesisError::new(
        KinesisErrorKind::ResourceInUse,
        "Another active subscription exists",
    );
    let frames = [
        subscribe_to_shard::initial_response(protocol),
        event.frame(protocol),
        end.frame(protocol),
        subscribe_to_shard::exception(&error, protocol),
    ];
    let line = |frame: &bytes::Bytes| format!("frame {} 200 {}\n", protocol.as_str(), hex(frame));
    frames
        .iter()
        .map(|frame| line(frame.as_ref().unwrap()))
        .collect()
}

#[test]
fn answers_are_those_that_the_sdks_read() {
    let mut transcript = String::new();
    for protocol in [Protocol::Json11, Protocol::Cbor11] {
        for (action, response) in [of_records(), of_streams(), of_the_rest()].concat() {
            let encoded = response.encode(protocol);
            assert_eq!(encoded.content_type, protocol.content_type());
            transcript += &line(action, protocol, encoded.status, &encoded.body);
        }
        for (action, error) in errors() {
            let encoded = encode_error(&error, protocol, Service::Kinesis, "id");
            assert_eq!((encoded.query_error, encoded.status), (None, error.status));
            transcript += &line(action, protocol, encoded.status, &encoded.body);
        }
        transcript += &frames(protocol);
    }
    if let Some(path) = std::env::var_os("WIRE_TRANSCRIPT") {
        std::fs::write(path, &transcript).unwrap();
    }
    let expected = include_str!("../data/kinesis/answers.txt");
    for (line, (got, expected)) in transcript.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "line {}", line + 1);
    }
    assert_eq!(transcript.len(), expected.len());
}

#[test]
fn every_exception_has_its_status() {
    for kind in KinesisErrorKind::ALL {
        let error = AwsError::from(KinesisError::new(*kind, "m"));
        let (status, fault) = match kind {
            KinesisErrorKind::InternalFailure => (500, Fault::Receiver),
            _ => (400, Fault::Sender),
        };
        assert_eq!((error.status, error.fault), (status, fault), "{kind:?}");
        let body = encode_error(&error, Protocol::Json11, Service::Kinesis, "id").body;
        let expected = format!("{{\"__type\":\"{}\",\"message\":\"m\"}}", kind.name());
        assert_eq!(body, expected);
    }
    assert_eq!(AwsError::service_unavailable().status, 503);
}
