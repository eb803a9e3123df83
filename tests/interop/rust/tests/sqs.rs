//! The AWS SDK for Rust, unmodified, against the node at LEVADA_ENDPOINT.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};

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

fn name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("rust-{}-{:?}", now.as_nanos(), std::thread::current().id()).replace(['(', ')'], "-")
}

async fn queue(client: &Client, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
    let attributes: HashMap<_, _> = attributes
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect();
    let made = client
        .create_queue()
        .queue_name(name)
        .set_attributes(Some(attributes))
        .send()
        .await;
    made.unwrap().queue_url.unwrap()
}

async fn receive(client: &Client, url: &str, wait_secs: i32) -> Vec<Message> {
    let got = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(10)
        .wait_time_seconds(wait_secs)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await;
    got.unwrap().messages.unwrap_or_default()
}

#[tokio::test]
async fn a_queue_is_created_found_read_and_deleted() {
    let (client, name) = (client(), name());
    let url = queue(
        &client,
        &name,
        &[(QueueAttributeName::VisibilityTimeout, "44")],
    )
    .await;
    let found = client
        .get_queue_url()
        .queue_name(&name)
        .send()
        .await
        .unwrap();
    assert_eq!(found.queue_url(), Some(url.as_str()));
    let read = client
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::All);
    let read = read.send().await.unwrap().attributes.unwrap();
    assert_eq!(read[&QueueAttributeName::VisibilityTimeout], "44");
    client.delete_queue().queue_url(&url).send().await.unwrap();
}

#[tokio::test]
async fn a_message_is_sent_received_changed_and_deleted() {
    let client = client();
    let url = queue(&client, &name(), &[]).await;
    let text = MessageAttributeValue::builder()
        .data_type("String")
        .string_value("Grüße <&>");
    let blob = MessageAttributeValue::builder().data_type("Binary");
    let blob = blob.binary_value(Blob::new([0, 1, 254, 255]));
    // The SDK checks the digest of the body by itself.
    let sent = client
        .send_message()
        .queue_url(&url)
        .message_body("hello 🚰")
        .message_attributes("text", text.build().unwrap())
        .message_attributes("blob", blob.build().unwrap())
        .send()
        .await
        .unwrap();
    let got = receive(&client, &url, 5).await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].body(), Some("hello 🚰"));
    assert_eq!(got[0].message_id(), sent.message_id());
    assert_eq!(
        got[0].md5_of_message_attributes(),
        sent.md5_of_message_attributes()
    );
    let attributes = got[0].message_attributes().unwrap();
    assert_eq!(
        attributes["blob"].binary_value().unwrap().as_ref(),
        [0, 1, 254, 255]
    );
    assert_eq!(
        got[0].attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount],
        "1"
    );
    let handle = got[0].receipt_handle().unwrap();
    let change = client
        .change_message_visibility()
        .queue_url(&url)
        .receipt_handle(handle);
    change.visibility_timeout(60).send().await.unwrap();
    client
        .delete_message()
        .queue_url(&url)
        .receipt_handle(handle)
        .send()
        .await
        .unwrap();
    assert!(receive(&client, &url, 0).await.is_empty());
}

#[tokio::test]
async fn batches_report_each_entry() {
    let client = client();
    let url = queue(&client, &name(), &[]).await;
    let entry = |id: &str, delay_secs| {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(id)
            .message_body(id);
        entry.delay_seconds(delay_secs).build().unwrap()
    };
    let sent = client.send_message_batch().queue_url(&url);
    let sent = sent
        .entries(entry("a", 0))
        .entries(entry("b", 901))
        .entries(entry("c", 0));
    let sent = sent.send().await.unwrap();
    assert_eq!(
        sent.successful().iter().map(|e| e.id()).collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert_eq!(sent.failed()[0].id(), "b");
    assert!(sent.failed()[0].sender_fault());
    let mut got = Vec::new();
    for _ in 0..5 {
        got.extend(receive(&client, &url, 1).await);
        if got.len() == 2 {
            break;
        }
    }
    let entry = |id: usize, handle: &str| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
        entry.receipt_handle(handle).build().unwrap()
    };
    let mut delete = client
        .delete_message_batch()
        .queue_url(&url)
        .entries(entry(9, "garbage"));
    for (id, message) in got.iter().enumerate() {
        delete = delete.entries(entry(id, message.receipt_handle().unwrap()));
    }
    let deleted = delete.send().await.unwrap();
    assert_eq!(deleted.successful().len(), 2);
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn a_fifo_queue_keeps_order_and_takes_an_id_once() {
    let client = client();
    let url = queue(
        &client,
        &format!("{}.fifo", name()),
        &[(QueueAttributeName::FifoQueue, "true")],
    )
    .await;
    for body in ["1", "2", "2", "3"] {
        let send = client.send_message().queue_url(&url).message_body(body);
        let send = send.message_group_id("g").message_deduplication_id(body);
        let number = send.send().await.unwrap().sequence_number.unwrap();
        assert!(
            number.len() == 20 && number.bytes().all(|b| b.is_ascii_digit()),
            "{number}"
        );
    }
    let got = receive(&client, &url, 2).await;
    assert_eq!(
        got.iter().map(|m| m.body().unwrap()).collect::<Vec<_>>(),
        ["1", "2", "3"]
    );
    assert!(receive(&client, &url, 0).await.is_empty());
}

#[tokio::test]
async fn errors_have_their_own_types() {
    let client = client();
    let url = queue(&client, &name(), &[]).await;
    let error = client
        .get_queue_url()
        .queue_name(name())
        .send()
        .await
        .unwrap_err();
    let error = error.into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
    assert_eq!(
        error.code(),
        Some("AWS.SimpleQueueService.NonExistentQueue")
    );
    assert!(
        error
            .message()
            .unwrap()
            .contains("The specified queue does not exist")
    );
    let error = client
        .delete_message()
        .queue_url(&url)
        .receipt_handle("garbage")
        .send()
        .await;
    assert!(
        error
            .unwrap_err()
            .into_service_error()
            .is_receipt_handle_is_invalid()
    );
    let same = SendMessageBatchRequestEntry::builder()
        .id("same")
        .message_body("x")
        .build()
        .unwrap();
    let batch = client
        .send_message_batch()
        .queue_url(&url)
        .entries(same.clone())
        .entries(same);
    let error = batch.send().await.unwrap_err().into_service_error();
    assert!(error.is_batch_entry_ids_not_distinct(), "{error:?}");
    let receive = client
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(11);
    let error = receive.send().await.unwrap_err().into_service_error();
    assert!(
        error
            .message()
            .unwrap()
            .contains("Value 11 for parameter MaxNumberOfMessages is invalid"),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_wakes() {
    let client = client();
    let url = queue(&client, &name(), &[]).await;
    let poll = tokio::spawn({
        let (client, url) = (client.clone(), url.clone());
        async move { receive(&client, &url, 20).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    client
        .send_message()
        .queue_url(&url)
        .message_body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(poll.await.unwrap().len(), 1);
    assert!(
        begun.elapsed() < Duration::from_millis(700),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn queues_are_listed_in_pages() {
    let (client, prefix) = (client(), name());
    for suffix in ["a", "b", "c", "d", "e"] {
        queue(&client, &format!("{prefix}{suffix}"), &[]).await;
    }
    let list = client
        .list_queues()
        .queue_name_prefix(&prefix)
        .max_results(2)
        .into_paginator();
    let mut pages = list.send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().queue_urls().len());
    }
    assert_eq!(sizes, [2, 2, 1]);
}
