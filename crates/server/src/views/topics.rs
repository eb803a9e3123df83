//! Topics, who has subscribed to them, and what waits for each subscription.
//!
//! What is for a queue of a user's goes there at once: only subscriptions that are pushed to have a delivery queue, whose
//! messages are their backlog. Figures of which a part's leader did not answer are null. How deliveries fail is known to the
//! leaders alone, since they lead.

use std::collections::BTreeMap;
use std::sync::Arc;

use levada_cluster::{DeliveryFailure, Queue, Topic};
use levada_types::QueueId;
use serde_json::{Value, json};

use super::queues::{Holds, whole};
use super::{PAGE, Request, Scope, ViewError, now_ms};
use crate::deliver::endpoint_shown;

/// A page of topics.
pub(super) fn list(scope: &Scope, request: &Request) -> Value {
    let after = request.after.as_deref();
    let topics = scope
        .broker
        .topics(scope.account, &scope.region, after, PAGE);
    let last = topics.last().filter(|_| topics.len() == PAGE);
    let shown = topics.iter().map(|topic| summary(scope, topic));
    json!({
        "account": scope.account.to_string(),
        "region": scope.region.as_str(),
        "at_ms": now_ms(),
        "topics": shown.collect::<Vec<_>>(),
        "after": last.map(|topic| &topic.row.name),
    })
}

/// One topic, and a page of its subscriptions.
pub(super) async fn show(scope: &Scope, request: &Request) -> Result<Value, ViewError> {
    let name = request.name()?;
    let after = match request.after.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            ViewError::Malformed(format!("{text:?} is not where an earlier answer ended"))
        })?,
    };
    let broker = &scope.broker;
    let found = broker
        .find_topic(scope.account, &scope.region, name)
        .await?;
    let topic = found.ok_or_else(|| scope.missing("topic", name))?;
    let rows = broker.subscriptions_of_topic(topic.row.topic, after, PAGE);
    let queues: Vec<Arc<Queue>> = rows
        .iter()
        .filter_map(|row| broker.queue(QueueId(row.queue)))
        .collect();
    let holds = broker.look_at_queues(&queues).await;
    let last = rows.last().filter(|_| rows.len() == PAGE);
    let mut shown = summary(scope, &topic);
    shown["account"] = json!(scope.account.to_string());
    shown["region"] = json!(scope.region.as_str());
    shown["at_ms"] = json!(now_ms());
    shown["attributes"] = json!(topic.row.attributes);
    shown["tags"] = json!(topic.row.tags);
    shown["partitions"] = topic.partitions().iter().map(|p| json!(p.0)).collect();
    let subscriptions = rows.iter().map(|row| {
        let attributes: BTreeMap<&str, &str> = row.attributes().collect();
        let held = whole(QueueId(row.queue), &holds);
        json!({
            "protocol": &*row.protocol,
            "endpoint": endpoint_shown(&row.endpoint),
            "confirmed": row.is_confirmed(),
            "owner": &*row.account,
            "created_at_ms": row.created_at,
            "filter": row.attribute("FilterPolicy"),
            "attributes": attributes,
            "is_pushed": row.queue != 0,
            "backlog": held.map(|h| h.counts.ready + h.counts.in_flight + h.counts.delayed),
            "oldest_age_ms": held.and_then(|h| h.oldest_age_ms),
            "last_error": last_error(QueueId(row.queue), &holds),
        })
    });
    shown["subscriptions"] = subscriptions.collect();
    shown["after"] = json!(last.map(|row| row.number.to_string()));
    Ok(shown)
}

/// Of all parts the last attempt that failed, and whether a message was delivered after it.
fn last_error(queue: QueueId, holds: &Holds) -> Option<Value> {
    let parts = holds.get(&queue)?.iter();
    let failures: Vec<&DeliveryFailure> = parts.filter_map(|p| p.failure.as_ref()).collect();
    let last = failures.iter().max_by_key(|failure| failure.at)?;
    let delivered_at = failures.iter().filter_map(|f| f.delivered_at).max();
    Some(json!({
        "at_ms": last.at.as_millis(),
        "status": last.status,
        "detail": last.detail,
        "delivered_since": delivered_at >= Some(last.at),
    }))
}

fn summary(scope: &Scope, topic: &Topic) -> Value {
    let counts = scope.broker.subscription_counts(topic.row.topic);
    json!({
        "name": topic.row.name,
        "fifo": topic.is_fifo(),
        "created_at_ms": topic.row.created_at,
        "confirmed": counts.confirmed,
        "pending": counts.pending,
        "deleted": counts.deleted,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use levada_cluster::QueuePart;
    use levada_cluster::{Node, NodeOptions};
    use levada_engine::proto::{NewMessage, SubscriptionRow, TopicRow};
    use levada_types::{AccountId, PartitionId, Timestamp};

    use super::super::see;
    use super::*;

    #[test]
    fn the_last_error_is_that_of_the_part_that_failed_last() {
        let part = |n: u32, failure: Option<(u64, Option<u64>)>| QueuePart {
            partition: PartitionId(n),
            leader: None,
            holds: None,
            failure: failure.map(|(at, delivered_at)| DeliveryFailure {
                at: Timestamp::from_millis(at),
                status: None,
                detail: format!("of part {n}"),
                delivered_at: delivered_at.map(Timestamp::from_millis),
            }),
        };
        let told = |parts: Vec<QueuePart>| {
            let error = last_error(QueueId(1), &Holds::from([(QueueId(1), parts)]))?;
            Some((error["at_ms"].clone(), error["delivered_since"].clone()))
        };
        assert_eq!(told(vec![part(1, None), part(2, None)]), None);
        let first = || part(1, Some((10, Some(15))));
        let failed = Some((json!(20), json!(false)));
        assert_eq!(told(vec![first(), part(2, Some((20, None)))]), failed);
        assert_eq!(
            told(vec![first(), part(2, None)]),
            Some((json!(10), json!(true)))
        );
        // An endpoint that got a message of another part is well again.
        let later = part(1, Some((10, Some(25))));
        let well = Some((json!(20), json!(true)));
        assert_eq!(told(vec![later, part(2, Some((20, None)))]), well);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_topic_is_shown_with_who_subscribed_and_what_waits_for_whom() {
        let dir = tempfile::tempdir().unwrap();
        let options = NodeOptions {
            data_dir: dir.path().join("data"),
            peers_listen: None,
            members: Vec::new(),
            peers_address: String::new(),
            http_address: String::new(),
            zone: String::new(),
            partitions: 2,
            on_demand_window: Duration::from_secs(60),
        };
        let node = Node::start(options).await.unwrap();
        node.wait_ready().await;
        let broker = node.broker();
        let row = TopicRow {
            account: AccountId::DEFAULT.to_string(),
            region: "us-east-1".into(),
            name: "orders".into(),
            ..TopicRow::default()
        };
        let topic = broker.create_topic(row).await.unwrap().unwrap();
        let to = |protocol: &str, endpoint: &str| SubscriptionRow {
            topic: topic.row.topic,
            account: AccountId::DEFAULT.to_string(),
            protocol: protocol.into(),
            endpoint: endpoint.into(),
            ..SubscriptionRow::default()
        };
        let mut filtered = to("sqs", "arn:q");
        let filter = r#"{"kind":["order"]}"#;
        filtered
            .attributes
            .insert("FilterPolicy".into(), filter.into());
        broker.subscribe(filtered, None).await.unwrap().unwrap();
        let mut pending = to("https", "https://me:secret@example.com/");
        pending.token = vec![7; 16].into();
        let delivery = Some(BTreeMap::new());
        let pushed = broker.subscribe(pending, delivery).await.unwrap().unwrap();
        let queue = broker.queue(QueueId(pushed.row.queue)).unwrap();
        let message = NewMessage {
            message_id: vec![1; 16].into(),
            payload: "waits".into(),
            ..NewMessage::default()
        };
        broker.send(&queue, vec![message]).await.unwrap();
        let part = queue.partitions[0];
        let failure = DeliveryFailure {
            at: Timestamp::from_millis(40),
            status: Some(503),
            detail: "busy".into(),
            delivered_at: None,
        };
        broker.note_delivery_failure(queue.id, part, failure);

        let ask = async |name: &str, body: Value| {
            let body = body.to_string();
            see(broker.clone(), AccountId::DEFAULT, name, body.as_bytes()).await
        };
        let who = json!({ "region": "us-east-1", "access_key": "any", "name": "orders" });
        let shown = ask("topics/show", who).await.unwrap().unwrap();
        assert_eq!(
            (&shown["confirmed"], &shown["pending"]),
            (&json!(1), &json!(1))
        );
        let subscriptions = shown["subscriptions"].as_array().unwrap();
        let facts = |n: usize| {
            let of = &subscriptions[n];
            ["protocol", "confirmed", "filter", "is_pushed", "backlog"].map(|key| of[key].clone())
        };
        let to_queue = [
            json!("sqs"),
            json!(true),
            json!(filter),
            json!(false),
            Value::Null,
        ];
        let to_url = [
            json!("https"),
            json!(false),
            Value::Null,
            json!(true),
            json!(1),
        ];
        assert_eq!((facts(0), facts(1)), (to_queue, to_url));
        assert_eq!(subscriptions[1]["endpoint"], "https://example.com/");
        let failed =
            json!({ "at_ms": 40, "status": 503, "detail": "busy", "delivered_since": false });
        let errors = [0, 1].map(|n: usize| subscriptions[n]["last_error"].clone());
        assert_eq!(errors, [Value::Null, failed]);

        let listed = json!({ "region": "us-east-1", "access_key": "any" });
        let listed = ask("topics/list", listed).await.unwrap().unwrap();
        assert_eq!(listed["topics"].as_array().unwrap().len(), 1);
        assert_eq!(listed["after"], Value::Null);
        let other =
            json!({ "region": "us-east-1", "access_key": "123456789012", "name": "orders" });
        let refusal = ask("topics/show", other).await.unwrap_err();
        assert_eq!(
            (refusal.status(), refusal.to_string().as_str()),
            (
                404,
                "there is no topic orders in account 123456789012, region us-east-1"
            )
        );
        let wrong = json!({ "region": "us-east-1", "colour": "red" });
        assert_eq!(ask("topics/show", wrong).await.unwrap_err().status(), 400);
        // A delivery queue is no user's, and is not among theirs.
        let queues = json!({ "region": "us-east-1" });
        let queues = ask("queues/list", queues).await.unwrap().unwrap();
        assert_eq!(queues["queues"], json!([]));
        node.shutdown().await;
    }
}
