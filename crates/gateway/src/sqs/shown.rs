//! A stored message as an operator is shown it, for the server's pages: all that there is of it, as JSON, and no receipt.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use levada_cluster::{Broker, PeekedMessage, Queue};
use levada_types::QueueId;
use levada_wire::sqs::paging::sequence_number;
use levada_wire::sqs::{StoredAttribute, StoredMessage};
use serde_json::{Map, Value, json};

use super::context::arn_of;
use crate::random::Uuid;

/// What is said of a message whose payload is lost.
const LOST: &str = "what was stored of it is damaged or gone, here and at every peer that was asked; the nodes' logs say more";

/// One message of a queue that waits. What cannot be read has an `error` that says so, and no body.
pub fn shown_message(broker: &Broker, queue: &Queue, message: PeekedMessage) -> Value {
    let mut shown = json!({
        "partition": message.partition.0,
        "position": message.position,
        "receive_count": message.receive_count,
        "first_received_at_ms": message.first_received_at.map(|at| at.as_millis()),
    });
    let Some(record) = message.record else {
        shown["error"] = json!(LOST);
        return shown;
    };
    shown["message_id"] = json!(Uuid::from_stored(&record.message_id).text().as_str());
    shown["sent_at_ms"] = json!(record.sent_at);
    if queue.settings.fifo {
        shown["sequence_number"] = json!(sequence_number(message.position));
    }
    if record.dead_letter_source != 0 {
        let source = broker.queue(QueueId(record.dead_letter_source));
        shown["dead_letter_source"] = json!(source.map_or_else(
            || "a queue that was deleted".to_owned(),
            |source| arn_of(&source).to_string()
        ));
    }
    match StoredMessage::from_payload(record.payload) {
        Ok(stored) => add_stored(&mut shown, &stored),
        Err(error) => shown["error"] = json!(error.to_string()),
    }
    shown
}

fn add_stored(shown: &mut Value, stored: &StoredMessage) {
    for (name, bytes) in [
        ("group", &stored.group_id),
        ("deduplication_id", &stored.deduplication_id),
        ("sender_id", &stored.sender_id),
        ("trace_header", &stored.trace_header),
    ] {
        if !bytes.is_empty() {
            shown[name] = json!(String::from_utf8_lossy(bytes));
        }
    }
    if !stored.attributes.is_empty() {
        let attributes = stored.attributes.iter().map(attribute);
        shown["attributes"] = Value::Object(attributes.collect::<Map<_, _>>());
    }
    // It was UTF-8 when it came.
    shown["body"] = json!(String::from_utf8_lossy(&stored.body));
}

fn attribute(attribute: &StoredAttribute) -> (String, Value) {
    let (form, value) = if attribute.is_binary {
        ("base64", BASE64_STANDARD.encode(&attribute.value))
    } else {
        (
            "value",
            String::from_utf8_lossy(&attribute.value).into_owned(),
        )
    };
    let data_type = String::from_utf8_lossy(&attribute.data_type);
    let name = String::from_utf8_lossy(&attribute.name).into_owned();
    (name, json!({ "type": data_type, form: value }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn all_that_was_stored_is_shown() {
        let sent = |name: &'static str, is_binary, value: &'static [u8]| StoredAttribute {
            name: Bytes::from_static(name.as_bytes()),
            data_type: Bytes::from_static(if is_binary { b"Binary" } else { b"String.x" }),
            is_binary,
            value: Bytes::from_static(value),
        };
        let stored = StoredMessage {
            body: Bytes::from_static("grüezi".as_bytes()),
            attributes: vec![sent("a", false, b"1"), sent("b", true, b"\xff\x00")],
            group_id: Bytes::from_static(b"g"),
            sender_id: Bytes::from_static(b"000000000000"),
            ..StoredMessage::default()
        };
        let mut shown = json!({});
        add_stored(&mut shown, &stored);
        let expected = json!({
            "body": "grüezi",
            "group": "g",
            "sender_id": "000000000000",
            "attributes": { "a": { "type": "String.x", "value": "1" }, "b": { "type": "Binary", "base64": "/wA=" } },
        });
        assert_eq!(shown, expected);
    }
}
