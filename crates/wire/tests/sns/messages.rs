//! What is said against messages, alone and in batches, and which of it depends on the topic.

use levada_wire::Call;
use levada_wire::sns::{Request, TopicFacts};

use super::{TOPIC, form, post, request, said};

const STANDARD: TopicFacts = TopicFacts {
    fifo: false,
    content_based_deduplication: false,
    maximum_message_size_bytes: 262_144,
};
const FIFO: TopicFacts = TopicFacts {
    fifo: true,
    ..STANDARD
};
const DEDUPLICATING: TopicFacts = TopicFacts {
    content_based_deduplication: true,
    ..FIFO
};

fn publish(members: &[(&str, &str)]) -> String {
    let base = [("TopicArn", TOPIC), ("Message", "m")];
    let kept = base
        .iter()
        .filter(|(name, _)| !members.iter().any(|(given, _)| given == name));
    let all: Vec<(&str, &str)> = kept.chain(members).copied().collect();
    said("Publish", &all)
}

/// What is said when the topic is known.
fn against(topic: &TopicFacts, action: &str, members: &[(&str, &str)]) -> String {
    let read = request(post(form(action, members)));
    assert_eq!(read.validate(), Ok(()));
    let result = match read {
        Request::Publish(publish) => publish.check_against(topic),
        Request::PublishBatch(batch) => batch.check_against(topic),
        other => panic!("{other:?}"),
    };
    result
        .err()
        .map_or_else(|| "ok".to_owned(), |e| e.to_string())
}

#[test]
fn whom_a_message_is_for() {
    let to = |members: &[(&str, &str)]| said("Publish", &[&[("Message", "m")], members].concat());
    let endpoint = "arn:aws:sns:us-east-1:000000000001:endpoint/GCM/phones/80289ba6-0fd4-4079-afb4-ce8c8260f0ca";
    for good in [
        ("TopicArn", TOPIC),
        ("TargetArn", TOPIC),
        ("TargetArn", endpoint),
        ("PhoneNumber", "+15551234567"),
    ] {
        assert_eq!(to(&[good]), "ok", "{good:?}");
    }
    let invalid = "InvalidParameter: Invalid parameter: ";
    assert_eq!(
        to(&[]),
        format!("{invalid}TopicArn or TargetArn Reason: no value for required parameter")
    );
    assert_eq!(
        to(&[("TopicArn", "")]),
        format!("{invalid}TopicArn Reason: An ARN must have at least 6 elements, not 1")
    );
    for bad in ["+1a234", "NAA+15551234567"] {
        assert_eq!(
            to(&[("PhoneNumber", bad)]),
            format!("{invalid}PhoneNumber Reason: {bad} is not valid to publish to")
        );
    }
    assert!(to(&[("TopicArn", TOPIC), ("PhoneNumber", "+15551234567")]).starts_with(invalid));
}

#[test]
fn messages_and_subjects() {
    let invalid = "InvalidParameter: Invalid parameter: ";
    assert_eq!(
        publish(&[("Message", "")]),
        format!("{invalid}Empty message")
    );
    assert!(publish(&[("Message", "\u{1}")]).starts_with(invalid));
    let subject = |text: &str| publish(&[("Subject", text)]);
    for good in ["a", "[Subject] é", &*"a".repeat(100), &*"é".repeat(100)] {
        assert_eq!(subject(good), "ok", "{good}");
    }
    for bad in ["", "a\nb", "a\u{7f}", "\t", &*"a".repeat(101)] {
        assert_eq!(subject(bad), format!("{invalid}Subject"), "{bad:?}");
    }
    let structure = [("MessageStructure", "json"), ("Message", "{\"sqs\":\"a\"}")];
    assert_eq!(
        publish(&structure),
        format!("{invalid}Message Structure - No default entry in JSON message body")
    );
    let phone = |n: usize| {
        let text = "é".repeat(n);
        said(
            "Publish",
            &[("PhoneNumber", "+15551234567"), ("Message", &text)],
        )
    };
    assert_eq!(phone(1600), "ok");
    assert_eq!(phone(1601), format!("{invalid}Message too long"));
}

#[test]
fn lengths_count_attributes() {
    let text = |n: usize| "a".repeat(n);
    let too_long = "InvalidParameter: Invalid parameter: Message too long";
    let topic_limit = |n: usize| {
        against(
            &STANDARD,
            "Publish",
            &[("TopicArn", TOPIC), ("Message", &text(n))],
        )
    };
    assert_eq!(topic_limit(262_144), "ok");
    assert_eq!(topic_limit(262_145), too_long);
    // Name, type and value: 5 + 6 + 3.
    let attribute = [
        ("MessageAttributes.entry.1.Name", "attr1"),
        ("MessageAttributes.entry.1.Value.DataType", "Binary"),
        ("MessageAttributes.entry.1.Value.BinaryValue", "AgME"),
    ];
    for (n, expected) in [(262_130, "ok"), (262_131, too_long)] {
        let message = text(n);
        let members = [
            &[("TopicArn", TOPIC), ("Message", &*message)],
            &attribute[..],
        ]
        .concat();
        assert_eq!(against(&STANDARD, "Publish", &members), expected);
    }
    // No topic allows more than a mebibyte.
    assert_eq!(publish(&[("Message", &text(1_048_576))]), "ok");
    assert_eq!(publish(&[("Message", &text(1_048_577))]), too_long);
}

#[test]
fn ids_of_fifo_topics() {
    let base = [("TopicArn", TOPIC), ("Message", "m")];
    let group = ("MessageGroupId", "g");
    let id = ("MessageDeduplicationId", "d");
    let of = |topic: &TopicFacts, ids: &[(&str, &str)]| {
        against(topic, "Publish", &[&base[..], ids].concat())
    };
    let no_group = "InvalidParameter: Invalid parameter: The MessageGroupId parameter is required for FIFO topics";
    let no_id = "InvalidParameter: Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
    assert_eq!(of(&FIFO, &[]), no_group);
    assert_eq!(of(&FIFO, &[group]), no_id);
    assert_eq!(of(&FIFO, &[group, id]), "ok");
    assert_eq!(of(&DEDUPLICATING, &[group]), "ok");
    // A group is a fair queue's tenant on a standard topic; an id is nothing there.
    assert_eq!(of(&STANDARD, &[group]), "ok");
    assert_eq!(
        of(&STANDARD, &[id]),
        "InvalidParameter: Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type"
    );
    for name in ["MessageGroupId", "MessageDeduplicationId"] {
        assert_eq!(publish(&[(name, &"!".repeat(128))]), "ok");
        for bad in ["", "a b", "é", &*"a".repeat(129)] {
            let refused = publish(&[(name, bad)]);
            let prefix = format!("InvalidParameter: Invalid parameter: {name} Reason: ");
            assert!(refused.starts_with(&prefix), "{refused}");
        }
    }
}

/// A batch of these ids and messages.
fn batch(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut members = vec![("TopicArn".to_owned(), TOPIC.to_owned())];
    for (n, (id, message)) in entries.iter().enumerate() {
        let prefix = format!("PublishBatchRequestEntries.member.{}.", n + 1);
        members.push((format!("{prefix}Id"), (*id).to_owned()));
        members.push((format!("{prefix}Message"), (*message).to_owned()));
    }
    members
}

fn said_of_batch(entries: &[(&str, &str)]) -> String {
    let members = batch(entries);
    let members: Vec<(&str, &str)> = members.iter().map(|(a, b)| (&**a, &**b)).collect();
    said("PublishBatch", &members)
}

#[test]
fn batches() {
    let ids: Vec<String> = (0..11).map(|n| format!("e{n}")).collect();
    let entries: Vec<(&str, &str)> = ids.iter().map(|id| (&**id, "m")).collect();
    assert_eq!(said_of_batch(&entries[..10]), "ok");
    assert_eq!(
        said_of_batch(&entries),
        "TooManyEntriesInBatchRequest: The batch request contains more entries than permissible."
    );
    let empty = [("TopicArn", TOPIC), ("PublishBatchRequestEntries", "")];
    assert_eq!(
        said("PublishBatch", &empty),
        "EmptyBatchRequest: The batch request doesn't contain any entries."
    );
    assert_eq!(
        said_of_batch(&[("a", "m"), ("a", "n")]),
        "BatchEntryIdsNotDistinct: Two or more batch entries in the request have the same Id."
    );
    assert_eq!(said_of_batch(&[(&"a".repeat(80), "m")]), "ok");
    for bad in ["", "a b", "a.b", &*"a".repeat(81)] {
        assert_eq!(
            said_of_batch(&[(bad, "m")]),
            "InvalidBatchEntryId: The Id of a batch entry in a batch request doesn't abide by the specification."
        );
    }
    // One message's fault is the batch's.
    assert_eq!(
        said_of_batch(&[("a", "m"), ("b", "")]),
        "InvalidParameter: Invalid parameter: Empty message"
    );
}

#[test]
fn a_batch_is_as_long_as_its_messages() {
    let too_long =
        "BatchRequestTooLong: The length of all the messages put together is more than the limit.";
    let half = "a".repeat(131_072);
    let fits = batch(&[("a", &half), ("b", &half)]);
    let over = batch(&[("a", &half), ("b", &half), ("c", "x")]);
    for (members, expected) in [(fits, "ok"), (over, too_long)] {
        let members: Vec<(&str, &str)> = members.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(against(&STANDARD, "PublishBatch", &members), expected);
    }
    let most = "a".repeat(524_288);
    assert_eq!(said_of_batch(&[("a", &most), ("b", &most)]), "ok");
    assert_eq!(
        said_of_batch(&[("a", &most), ("b", &most), ("c", "x")]),
        too_long
    );
}

#[test]
fn a_batch_to_a_fifo_topic_has_ids() {
    let plain = batch(&[("a", "m")]);
    let mut members: Vec<(&str, &str)> = plain.iter().map(|(a, b)| (&**a, &**b)).collect();
    let no_group = "InvalidParameter: Invalid parameter: The MessageGroupId parameter is required for FIFO topics";
    assert_eq!(against(&FIFO, "PublishBatch", &members), no_group);
    members.push(("PublishBatchRequestEntries.member.1.MessageGroupId", "g"));
    assert!(against(&FIFO, "PublishBatch", &members).contains("ContentBasedDeduplication"));
    assert_eq!(against(&DEDUPLICATING, "PublishBatch", &members), "ok");
}

#[test]
fn attributes_are_read_whole() {
    let members = [
        ("TopicArn", TOPIC),
        ("Message", "m"),
        ("MessageAttributes.entry.1.Name", "raw"),
        ("MessageAttributes.entry.1.Value.DataType", "Binary"),
        ("MessageAttributes.entry.1.Value.BinaryValue", "AAH+/w=="),
    ];
    let Request::Publish(read) = request(post(form("Publish", &members))) else {
        panic!("another action");
    };
    let value = read.message_attributes["raw"].binary_value.as_deref();
    assert_eq!(value, Some(&[0, 1, 0xfe, 0xff][..]));
    let bad = [
        &members[..4],
        &[("MessageAttributes.entry.1.Value.BinaryValue", "?")],
    ]
    .concat();
    let refused = post(form("Publish", &bad));
    assert!(!matches!(refused.call, Ok(Call::Sns(_))));
    assert_eq!(
        said("Publish", &bad),
        "MalformedInput: Invalid base64 encoded data"
    );
}
