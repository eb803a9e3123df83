//! The AWS SDK for Rust, unmodified, and its streams against the node at LEVADA_ENDPOINT.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::client::Waiters as _;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record, ShardIteratorType};

fn client() -> Client {
    let endpoint = std::env::var("LEVADA_ENDPOINT").expect("LEVADA_ENDPOINT");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

async fn stream(client: &Client) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let name = format!("rust-{}-{:?}", now.as_nanos(), std::thread::current().id());
    let name = name.replace(['(', ')'], "-");
    let made = client.create_stream().stream_name(&name).shard_count(1);
    made.send().await.unwrap();
    let exists = client.wait_until_stream_exists().stream_name(&name);
    exists
        .wait(std::time::Duration::from_secs(30))
        .await
        .unwrap();
    name
}

async fn read(client: &Client, stream: &str, shard: &str, count: usize) -> Vec<Record> {
    let begin = client
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shard);
    let begin = begin.shard_iterator_type(ShardIteratorType::TrimHorizon);
    let mut at = begin.send().await.unwrap().shard_iterator;
    let mut records = Vec::new();
    while let Some(iterator) = at.filter(|_| records.len() < count) {
        let answer = client
            .get_records()
            .shard_iterator(iterator)
            .send()
            .await
            .unwrap();
        records.extend(answer.records);
        at = answer.next_shard_iterator;
    }
    records
}

#[tokio::test]
async fn records_are_put_and_read_in_order() {
    let client = client();
    let stream = stream(&client).await;
    let first = client
        .put_record()
        .stream_name(&stream)
        .partition_key("Grüße");
    let first = first
        .data(Blob::new([0, 1, 254, 255]))
        .send()
        .await
        .unwrap();
    let entries = (0..50).map(|n| {
        let entry = PutRecordsRequestEntry::builder().partition_key(format!("k{n}"));
        entry.data(Blob::new(n.to_string())).build().unwrap()
    });
    let rest = client.put_records().stream_name(&stream);
    let rest = rest
        .set_records(Some(entries.collect()))
        .send()
        .await
        .unwrap();
    let mut numbers = vec![first.sequence_number];
    numbers.extend(
        rest.records
            .into_iter()
            .map(|put| put.sequence_number.unwrap()),
    );
    let records = read(&client, &stream, &first.shard_id, numbers.len()).await;
    assert_eq!(records[0].data.as_ref(), [0, 1, 254, 255]);
    assert_eq!(records[0].partition_key.as_deref(), Some("Grüße"));
    let read: Vec<String> = records.into_iter().map(|r| r.sequence_number).collect();
    assert_eq!(read, numbers);
}

#[tokio::test]
async fn errors_have_their_types() {
    let client = client();
    let missing = client.describe_stream_summary().stream_name("rust-nothing");
    let error = missing.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    let forged = client.get_records().shard_iterator("forged");
    let error = forged.send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_argument_exception(), "{error:?}");
}
