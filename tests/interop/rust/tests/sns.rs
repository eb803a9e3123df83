//! The AWS SDK for Rust, unmodified, and its topics against the node at LEVADA_ENDPOINT.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::primitives::Blob;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry, Tag};
use aws_sdk_sqs::types::{Message, QueueAttributeName};

/// A client of topics, and one of queues of the same account.
fn clients() -> (Client, aws_sdk_sqs::Client) {
    let endpoint = &std::env::var("LEVADA_ENDPOINT").expect("LEVADA_ENDPOINT");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let queues = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    (
        Client::from_conf(config),
        aws_sdk_sqs::Client::from_conf(queues),
    )
}

fn name(suffix: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "-");
    format!("rust-{}-{thread}{suffix}", now.as_nanos())
}

/// The URL of a new queue that has subscribed, and the subscription's ARN.
async fn subscribed(
    clients: &(Client, aws_sdk_sqs::Client),
    topic: &str,
    attributes: &[(&str, &str)],
) -> (String, String) {
    let (sns, sqs) = clients;
    let mut create = sqs.create_queue();
    if topic.ends_with(".fifo") {
        create = create
            .queue_name(name(".fifo"))
            .attributes(QueueAttributeName::FifoQueue, "true");
    } else {
        create = create.queue_name(name(""));
    }
    let url = create.send().await.unwrap().queue_url.unwrap();
    let read = sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::QueueArn);
    let read = read.send().await.unwrap().attributes.unwrap();
    let mut subscribe = sns
        .subscribe()
        .topic_arn(topic)
        .protocol("sqs")
        .endpoint(&read[&QueueAttributeName::QueueArn]);
    for (name, value) in attributes {
        subscribe = subscribe.attributes(*name, *value);
    }
    let made = subscribe.send().await.unwrap();
    (url, made.subscription_arn.unwrap())
}

/// So many messages of a queue, or fewer if no more come.
async fn receive(sqs: &aws_sdk_sqs::Client, url: &str, count: usize) -> Vec<Message> {
    let mut got = Vec::new();
    while got.len() < count {
        let receive = sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .wait_time_seconds(10)
            .message_attribute_names("All");
        let more = receive.send().await.unwrap().messages.unwrap_or_default();
        if more.is_empty() {
            break;
        }
        got.extend(more);
    }
    got
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| m.body().unwrap()).collect()
}

#[tokio::test]
async fn a_topic_has_attributes_and_tags_and_is_deleted() {
    let (sns, _) = clients();
    let tag = Tag::builder()
        .key("team")
        .value("Grüße + Co")
        .build()
        .unwrap();
    let create = sns
        .create_topic()
        .name(name(""))
        .attributes("DisplayName", "Orders")
        .tags(tag.clone());
    let topic = create.send().await.unwrap().topic_arn.unwrap();
    let read = sns.get_topic_attributes().topic_arn(&topic).send().await;
    assert_eq!(read.unwrap().attributes.unwrap()["DisplayName"], "Orders");
    let tags = sns.list_tags_for_resource().resource_arn(&topic);
    assert_eq!(tags.send().await.unwrap().tags(), [tag]);
    sns.delete_topic().topic_arn(&topic).send().await.unwrap();
    let gone = sns.get_topic_attributes().topic_arn(&topic).send().await;
    assert!(
        gone.unwrap_err()
            .into_service_error()
            .is_not_found_exception()
    );
}

#[tokio::test]
async fn queues_get_a_message_raw_and_in_its_document_by_their_filters() {
    let both = clients();
    let (sns, sqs) = &both;
    let made = sns.create_topic().name(name("")).send().await.unwrap();
    let topic = made.topic_arn.unwrap();
    let only_new = [
        ("RawMessageDelivery", "true"),
        ("FilterPolicy", r#"{"kind": ["new"]}"#),
    ];
    let (raw, _) = subscribed(&both, &topic, &only_new).await;
    let (wrapped, subscription) = subscribed(&both, &topic, &[]).await;
    for kind in ["old", "new"] {
        let text = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(kind);
        let blob = MessageAttributeValue::builder()
            .data_type("Binary")
            .binary_value(Blob::new([0, 1, 254, 255]));
        let publish = sns
            .publish()
            .topic_arn(&topic)
            .message(format!("{kind} 🦀"))
            .message_attributes("kind", text.build().unwrap())
            .message_attributes("blob", blob.build().unwrap());
        publish.send().await.unwrap();
    }
    let got = receive(sqs, &raw, 1).await;
    assert_eq!(bodies(&got), ["new 🦀"]);
    let blob = &got[0].message_attributes().unwrap()["blob"];
    assert_eq!(blob.binary_value().unwrap().as_ref(), [0, 1, 254, 255]);
    let got = receive(sqs, &wrapped, 2).await;
    assert_eq!(got.len(), 2);
    assert!(
        bodies(&got)
            .iter()
            .all(|body| body.contains(r#""Type" : "Notification""#)),
        "{got:?}"
    );
    let end = sns.unsubscribe().subscription_arn(&subscription);
    end.send().await.unwrap();
    let gone = sns
        .get_subscription_attributes()
        .subscription_arn(&subscription);
    let gone = gone.send().await.unwrap_err().into_service_error();
    assert!(gone.is_not_found_exception(), "{gone:?}");
}

#[tokio::test]
async fn a_fifo_topic_keeps_order_and_takes_an_id_once() {
    let both = clients();
    let (sns, sqs) = &both;
    let create = sns.create_topic().name(name(".fifo"));
    let create = create.attributes("FifoTopic", "true");
    let topic = create.send().await.unwrap().topic_arn.unwrap();
    let (url, _) = subscribed(&both, &topic, &[("RawMessageDelivery", "true")]).await;
    let mut batch = sns.publish_batch().topic_arn(&topic);
    for (n, text) in ["1", "2", "2", "3"].into_iter().enumerate() {
        let entry = PublishBatchRequestEntry::builder()
            .id(n.to_string())
            .message(text)
            .message_group_id("g")
            .message_deduplication_id(text);
        batch = batch.publish_batch_request_entries(entry.build().unwrap());
    }
    let sent = batch.send().await.unwrap();
    let numbers = sent.successful().iter();
    let numbers: Vec<_> = numbers.map(|entry| entry.sequence_number()).collect();
    assert_eq!((numbers.len(), numbers[1]), (4, numbers[2]));
    assert_eq!(bodies(&receive(sqs, &url, 3).await), ["1", "2", "3"]);
}

#[tokio::test]
async fn errors_have_their_own_types() {
    let (sns, _) = clients();
    let made = sns.create_topic().name(name("")).send().await.unwrap();
    let topic = made.topic_arn.unwrap();
    let none = sns.publish().topic_arn(format!("{topic}-not")).message("x");
    let none = none.send().await.unwrap_err().into_service_error();
    assert!(none.is_not_found_exception(), "{none:?}");
    assert_eq!(none.message(), Some("Topic does not exist"));
    let pigeon = sns.subscribe().topic_arn(&topic).protocol("pigeon");
    let pigeon = pigeon.endpoint("loft").send().await.unwrap_err();
    assert!(pigeon.into_service_error().is_invalid_parameter_exception());
    let others = topic.replace("000000000000", "111111111111");
    let others = sns.publish().topic_arn(others).message("x").send().await;
    let others = others.unwrap_err().into_service_error();
    assert!(others.is_authorization_error_exception(), "{others:?}");
    let same = PublishBatchRequestEntry::builder().id("same").message("x");
    let same = same.build().unwrap();
    let batch = sns
        .publish_batch()
        .topic_arn(&topic)
        .publish_batch_request_entries(same.clone())
        .publish_batch_request_entries(same);
    let error = batch.send().await.unwrap_err().into_service_error();
    assert!(
        error.is_batch_entry_ids_not_distinct_exception(),
        "{error:?}"
    );
}
