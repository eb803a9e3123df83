//! A message as the gateway keeps it in the log: opaque bytes to every layer below.
//!
//! Protobuf, with fields that are never renumbered. Decoding from `Bytes` copies nothing: every field
//! is a slice of the payload.

use bytes::Bytes;
use prost::Message as _;

use super::digest::Md5;
use super::message_attribute::MessageAttributeValue;
use crate::sns::StoredNotification;

/// What the gateway keeps of a message. Text is kept as bytes so that decoding need not copy it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StoredMessage {
    /// The body, UTF-8.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
    /// MD5 of the body, 16 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub body_md5: Bytes,
    /// In the order of their names.
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<StoredAttribute>,
    /// MD5 of all attributes, 16 bytes; empty if there are none.
    #[prost(bytes = "bytes", tag = "4")]
    pub attributes_md5: Bytes,
    /// `AWSTraceHeader`, the only system attribute that a sender may set; empty if it did not.
    #[prost(bytes = "bytes", tag = "5")]
    pub trace_header: Bytes,
    /// `SenderId`.
    #[prost(bytes = "bytes", tag = "6")]
    pub sender_id: Bytes,
    /// `MessageGroupId`; empty if there is none.
    #[prost(bytes = "bytes", tag = "7")]
    pub group_id: Bytes,
    /// `MessageDeduplicationId`, given or computed; empty on a standard queue.
    #[prost(bytes = "bytes", tag = "8")]
    pub deduplication_id: Bytes,
    /// Of a message that was published to a topic: what its document says besides.
    #[prost(message, optional, tag = "9")]
    pub notification: Option<StoredNotification>,
    /// The ARN of the subscription that the document is for. Without it the message arrives as it is. With the next
    /// field it is what follows the bytes that all subscriptions share.
    #[prost(bytes = "bytes", tag = "10")]
    pub subscription_arn: Bytes,
    /// FIFO topics: the message's place in the topic.
    #[prost(fixed64, tag = "11")]
    pub topic_position: u64,
    /// It comes from the topic's archive. With the last two it is what follows the bytes that all subscriptions share.
    #[prost(bool, tag = "12")]
    pub is_replayed: bool,
}

/// One attribute of a stored message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StoredAttribute {
    /// The name, ASCII.
    #[prost(bytes = "bytes", tag = "1")]
    pub name: Bytes,
    /// The type with its suffix.
    #[prost(bytes = "bytes", tag = "2")]
    pub data_type: Bytes,
    /// Whether the value is bytes rather than text.
    #[prost(bool, tag = "3")]
    pub is_binary: bool,
    /// The value.
    #[prost(bytes = "bytes", tag = "4")]
    pub value: Bytes,
}

/// A payload is not a stored message: it was damaged, or a newer version wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stored message: {0}")]
pub struct NotAStoredMessage(#[from] prost::DecodeError);

impl StoredMessage {
    /// The payload's bytes.
    pub fn to_payload(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// From a payload, of which it keeps slices.
    pub fn from_payload(payload: Bytes) -> Result<Self, NotAStoredMessage> {
        Ok(Self::decode(payload)?)
    }

    /// The body's digest.
    pub fn body_digest(&self) -> Md5 {
        Md5::from_slice(&self.body_md5).unwrap_or_else(|| Md5::of(&self.body))
    }
}

impl StoredAttribute {
    pub(crate) fn from_sent((name, value): (String, MessageAttributeValue)) -> Self {
        let is_binary = value.is_binary();
        let bytes = if is_binary {
            value.binary_value
        } else {
            value.string_value.map(Bytes::from)
        };
        Self {
            name: Bytes::from(name),
            data_type: Bytes::from(value.data_type),
            is_binary,
            value: bytes.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from)
    }

    fn attribute() -> impl Strategy<Value = StoredAttribute> {
        (bytes(), bytes(), any::<bool>(), bytes()).prop_map(
            |(name, data_type, is_binary, value)| StoredAttribute {
                name,
                data_type,
                is_binary,
                value,
            },
        )
    }

    fn message() -> impl Strategy<Value = StoredMessage> {
        let texts = (
            bytes(),
            bytes(),
            bytes(),
            bytes(),
            bytes(),
            bytes(),
            bytes(),
        );
        (texts, prop::collection::vec(attribute(), 0..4)).prop_map(|(t, attributes)| {
            StoredMessage {
                body: t.0,
                body_md5: t.1,
                attributes,
                attributes_md5: t.2,
                trace_header: t.3,
                sender_id: t.4,
                group_id: t.5,
                deduplication_id: t.6,
                ..StoredMessage::default()
            }
        })
    }

    #[test]
    fn decoding_copies_no_body() {
        let message = StoredMessage {
            body: Bytes::from("x".repeat(4_096)),
            ..StoredMessage::default()
        };
        let payload = message.to_payload();
        let range = payload.as_ptr_range();
        let decoded = StoredMessage::from_payload(payload).unwrap();
        assert_eq!(decoded, message);
        assert!(range.contains(&decoded.body.as_ptr()));
    }

    #[test]
    fn the_format_stays() {
        let message = StoredMessage {
            body: Bytes::from_static(b"hi"),
            body_md5: Bytes::copy_from_slice(&Md5::of(b"hi").0),
            attributes: vec![StoredAttribute {
                name: Bytes::from_static(b"n"),
                data_type: Bytes::from_static(b"Binary"),
                is_binary: true,
                value: Bytes::from_static(b"\xff"),
            }],
            attributes_md5: Bytes::from_static(&[1; 2]),
            trace_header: Bytes::from_static(b"t"),
            sender_id: Bytes::from_static(b"s"),
            group_id: Bytes::from_static(b"g"),
            deduplication_id: Bytes::from_static(b"d"),
            ..StoredMessage::default()
        };
        let expected = [
            b"\x0a\x02hi\x12\x10".as_slice(),
            &Md5::of(b"hi").0,
            b"\x1a\x10\x0a\x01n\x12\x06Binary\x18\x01\x22\x01\xff\x22\x02\x01\x01\x2a\x01t\x32\x01s\x3a\x01g\x42\x01d",
        ]
        .concat();
        assert_eq!(&*message.to_payload(), &*expected);
    }

    proptest! {
        #[test]
        fn a_message_comes_back(message in message()) {
            prop_assert_eq!(StoredMessage::from_payload(message.to_payload()).unwrap(), message);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(payload in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = StoredMessage::from_payload(payload.into());
        }
    }
}
