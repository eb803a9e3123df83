//! Whatever form comes, a request is read or refused.

use levada_wire::Call;
use levada_wire::protocol::encode_error;
use levada_wire::sns::{Action, TopicFacts};
use proptest::prelude::*;

use super::{post, recorded};

const FIFO: TopicFacts = TopicFacts {
    fifo: true,
    content_based_deduplication: false,
    maximum_message_size_bytes: 1024,
};

fn exercise(body: String) {
    let incoming = post(body);
    match incoming.call {
        Ok(Call::Sns(request)) => {
            let valid = request.validate();
            match &request {
                levada_wire::sns::Request::Publish(publish) if valid.is_ok() => {
                    let _ = publish.check_against(&FIFO);
                }
                levada_wire::sns::Request::PublishBatch(batch) => {
                    let _ = batch.check_against(&FIFO);
                }
                _ => {}
            }
        }
        Ok(_) => {}
        Err(e) => {
            let encoded = encode_error(&e, incoming.protocol, incoming.service, "id");
            assert!(!encoded.body.is_empty());
        }
    }
}

/// Names that mean something somewhere, and some that do not.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "TopicArn",
            "Attributes",
            "entry",
            "member",
            "key",
            "value",
            "Name",
            "Value",
            "1",
            "2",
            "Tags",
            "Key",
            "MessageAttributes",
            "DataType",
            "StringValue",
            "BinaryValue",
            "PublishBatchRequestEntries",
            "Id",
            "Message",
            "Subject",
            "MessageStructure",
            "Endpoint",
            "Protocol",
            "MaxResults",
            "PhoneNumber",
            "",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "", "json", "{}", "[]", "null", "{\"http\":{\"defaultHealthyRetryPolicy\":{\"numRetries\":1e99}}}",
            "{\"healthyRetryPolicy\":{\"numRetries\":100,\"minDelayTarget\":1,\"maxDelayTarget\":2}}", "sqs", "http",
            "arn:aws:sns:us-east-1:000000000001:orders", "DeliveryPolicy", "FilterPolicy", "Binary", "String.Array",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn any_form_is_read_or_refused(
        action in prop::sample::select(Action::ALL),
        pairs in prop::collection::vec((prop::collection::vec(segment(), 1..6), value()), 0..12),
    ) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action.name()).append_pair("Version", "2010-03-31");
        for (segments, value) in &pairs {
            form.append_pair(&segments.join("."), value);
        }
        exercise(form.finish());
    }

    #[test]
    fn a_changed_form_is_read_or_refused(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let all = recorded();
        let mut body = which.get(&all).body.clone().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        exercise(String::from_utf8_lossy(&body).into_owned());
    }

    #[test]
    fn a_form_of_any_bytes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut body = b"Action=Publish&Version=2010-03-31&".to_vec();
        body.extend(bytes);
        let _ = post(body).call;
    }
}
