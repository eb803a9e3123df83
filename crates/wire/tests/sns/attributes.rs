//! Attributes of topics and subscriptions: what can be set, what is said of what cannot, and what is answered.

use std::collections::BTreeMap;

use levada_wire::sns::{
    DeliveryPolicy, FilterPolicyScope, Request, SubscriptionArn, SubscriptionAttributes,
    SubscriptionCounts, SubscriptionFacts, SubscriptionProtocol, TopicArn, TopicAttributes,
    TopicDeliveryPolicy,
};

use super::{QUEUE, SUBSCRIPTION, TOPIC, form, post, request, said};

const FIFO_TOPIC: &str = "arn:aws:sns:us-east-1:000000000001:orders.fifo";

fn set(topic: &str, name: &str, value: &str) -> String {
    let members = [
        ("TopicArn", topic),
        ("AttributeName", name),
        ("AttributeValue", value),
    ];
    said("SetTopicAttributes", &members)
}

fn create(name: &str, attributes: &[(&str, &str)]) -> String {
    let keys: Vec<(String, String)> = (1..=attributes.len())
        .map(|n| {
            (
                format!("Attributes.entry.{n}.key"),
                format!("Attributes.entry.{n}.value"),
            )
        })
        .collect();
    let mut members = vec![("Name", name)];
    for ((key, value), (attribute, text)) in keys.iter().zip(attributes) {
        members.extend([(&**key, *attribute), (&**value, *text)]);
    }
    said("CreateTopic", &members)
}

fn subscribe(protocol: &str, endpoint: &str, name: &str, value: &str) -> String {
    let members = [
        ("TopicArn", TOPIC),
        ("Protocol", protocol),
        ("Endpoint", endpoint),
        ("Attributes.entry.1.key", name),
        ("Attributes.entry.1.value", value),
    ];
    said("Subscribe", &members)
}

fn set_subscription(name: &str, value: &str) -> String {
    let members = [
        ("SubscriptionArn", SUBSCRIPTION),
        ("AttributeName", name),
        ("AttributeValue", value),
    ];
    said("SetSubscriptionAttributes", &members)
}

#[test]
fn topic_attributes_at_their_bounds_and_over() {
    let role = "arn:aws:iam::000000000001:role/r";
    let hundred = "é".repeat(100);
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"SNS:Publish"}}"#;
    for (topic, name, good, bad) in [
        (TOPIC, "DisplayName", &*hundred, &*format!("{hundred}a")),
        (TOPIC, "DisplayName", "", "a\nb"),
        (TOPIC, "MaximumMessageSize", "1024", "1023"),
        (TOPIC, "MaximumMessageSize", "1048576", "1048577"),
        (TOPIC, "MaximumMessageSize", "2048", "+2048"),
        (TOPIC, "SignatureVersion", "1", "0"),
        (TOPIC, "SignatureVersion", "2", "3"),
        (TOPIC, "TracingConfig", "PassThrough", "passthrough"),
        (TOPIC, "TracingConfig", "Active", ""),
        (FIFO_TOPIC, "TracingConfig", "PassThrough", "Active"),
        (TOPIC, "Policy", policy, ""),
        (TOPIC, "HTTPSuccessFeedbackRoleArn", role, "r"),
        (
            TOPIC,
            "SQSFailureFeedbackRoleArn",
            "",
            "arn:aws:iam::1:role/r",
        ),
        (TOPIC, "LambdaSuccessFeedbackSampleRate", "0", "-1"),
        (TOPIC, "FirehoseSuccessFeedbackSampleRate", "100", "101"),
        (TOPIC, "ApplicationSuccessFeedbackSampleRate", "5", ""),
        (FIFO_TOPIC, "ContentBasedDeduplication", "true", "True"),
        (
            FIFO_TOPIC,
            "FifoThroughputScope",
            "MessageGroup",
            "messageGroup",
        ),
        (FIFO_TOPIC, "FifoThroughputScope", "Topic", "x"),
        (
            FIFO_TOPIC,
            "ArchivePolicy",
            r#"{"MessageRetentionPeriod":1}"#,
            r#"{"MessageRetentionPeriod":0}"#,
        ),
        (
            FIFO_TOPIC,
            "ArchivePolicy",
            r#"{"MessageRetentionPeriod":"365"}"#,
            r#"{"MessageRetentionPeriod":366}"#,
        ),
        (FIFO_TOPIC, "ArchivePolicy", "{}", r#"{"Days":1}"#),
        (TOPIC, "DeliveryPolicy", "{}", "[]"),
        (TOPIC, "DeliveryPolicy", "", "x"),
    ] {
        assert_eq!(set(topic, name, good), "ok", "{name} {good}");
        let refused = set(topic, name, bad);
        assert!(
            refused.starts_with("InvalidParameter: Invalid parameter: "),
            "{refused}"
        );
    }
    // A key is looked at when it is used.
    for key in ["alias/aws/sns", "anything", ""] {
        assert_eq!(set(TOPIC, "KmsMasterKeyId", key), "ok");
    }
    assert_eq!(
        set(TOPIC, "SignatureVersion", "3"),
        "InvalidParameter: Invalid parameter: SignatureVersion: Invalid value [3]. Must be 1 or 2."
    );
    assert_eq!(
        create("a", &[("SignatureVersion", "3")]),
        "InvalidParameter: Invalid parameter: Attributes Reason: SignatureVersion: Invalid value [3]. Must be 1 or 2."
    );
}

#[test]
fn topic_attributes_that_cannot_be_set() {
    let unknown = "InvalidParameter: Invalid parameter: AttributeName";
    for name in [
        "Owner",
        "TopicArn",
        "FifoTopic",
        "displayName",
        "",
        "HTTPSSuccessFeedbackRoleArn",
    ] {
        assert_eq!(set(TOPIC, name, "false"), unknown, "{name}");
    }
    for name in [
        "ContentBasedDeduplication",
        "FifoThroughputScope",
        "ArchivePolicy",
    ] {
        assert_eq!(set(TOPIC, name, "true"), unknown, "{name}");
        let created = create("a", &[(name, "true")]);
        let expected = format!(
            "InvalidParameter: Invalid parameter: Attributes Reason: Unknown attribute {name}"
        );
        assert_eq!(created, expected);
    }
    let fifo = [("FifoTopic", "true"), ("ContentBasedDeduplication", "true")];
    assert_eq!(create("a.fifo", &fifo), "ok");
}

fn topic(attributes: &[(&str, &str)]) -> TopicAttributes {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let map: BTreeMap<String, String> = attributes.iter().map(owned).collect();
    TopicAttributes::from_stored(&map)
}

fn changes(topic: &str, name: &str, value: &str) -> TopicAttributes {
    let members = [
        ("TopicArn", topic),
        ("AttributeName", name),
        ("AttributeValue", value),
    ];
    match request(post(form("SetTopicAttributes", &members))) {
        Request::SetTopicAttributes(set) => set.changes().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_topic_is_described_as_aws_recorded() {
    let arn = TopicArn::parse(FIFO_TOPIC, "TopicArn").unwrap();
    let counts = SubscriptionCounts {
        confirmed: 2,
        pending: 1,
        deleted: 0,
    };
    let attributes = topic(&[
        ("FifoTopic", "true"),
        ("DisplayName", "TestTopic"),
        ("SignatureVersion", "2"),
    ]);
    let described = attributes.describe(&arn, &counts, None);
    let names: Vec<&str> = described.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "ContentBasedDeduplication",
            "DisplayName",
            "EffectiveDeliveryPolicy",
            "FifoTopic",
            "Owner",
            "Policy",
            "SignatureVersion",
            "SubscriptionsConfirmed",
            "SubscriptionsDeleted",
            "SubscriptionsPending",
            "TopicArn",
        ]
    );
    let map: BTreeMap<String, String> = described.into_iter().collect();
    assert_eq!(map["ContentBasedDeduplication"], "false");
    assert_eq!(map["SubscriptionsPending"], "1");
    assert_eq!(map["Owner"], "000000000001");
    assert_eq!(
        map["EffectiveDeliveryPolicy"],
        r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#
    );
    let plain = topic(&[]).describe(&arn, &counts, None);
    assert!(
        !plain
            .iter()
            .any(|(name, _)| name == "ContentBasedDeduplication")
    );
}

#[test]
fn topic_attributes_come_and_go() {
    let retries = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1}}}"#;
    let mut now = topic(&[("DisplayName", "x"), ("KmsMasterKeyId", "k")]);
    now = now.with(&changes(TOPIC, "DeliveryPolicy", retries));
    assert_eq!(
        now.verbatim["DeliveryPolicy"],
        r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1},"disableSubscriptionOverrides":false}}"#
    );
    now = now.with(&changes(
        TOPIC,
        "DeliveryPolicy",
        r#"{"http":{"defaultHealthyRetryPolicy":null}}"#,
    ));
    assert_eq!(
        now.verbatim["DeliveryPolicy"],
        r#"{"http":{"disableSubscriptionOverrides":false}}"#
    );
    now = now.with(&changes(TOPIC, "DeliveryPolicy", ""));
    now = now.with(&changes(TOPIC, "KmsMasterKeyId", ""));
    now = now.with(&changes(TOPIC, "DisplayName", ""));
    assert_eq!(
        now.verbatim,
        BTreeMap::from([("DisplayName".into(), String::new())])
    );
    now = now.with(&changes(TOPIC, "MaximumMessageSize", "2048"));
    assert_eq!(now.facts().maximum_message_size_bytes, 2048);
    assert_eq!(topic(&[]).facts().maximum_message_size_bytes, 262_144);
    assert_eq!((now.signature_version(), now.policy()), (1, None));
    let archived = changes(
        FIFO_TOPIC,
        "ArchivePolicy",
        r#"{"MessageRetentionPeriod":"30"}"#,
    );
    assert_eq!(archived.archive_retention_days, Some(30));
    let traced = topic(&[("TracingConfig", "Active")]);
    assert!(traced.tracing.is_some());
}

#[test]
fn a_topic_that_exists_is_compared() {
    let existing = topic(&[("DisplayName", "x"), ("FifoTopic", "true")]);
    assert!(!topic(&[]).differs_from(&existing));
    assert!(!topic(&[("DisplayName", "x")]).differs_from(&existing));
    assert!(!topic(&[("ContentBasedDeduplication", "false")]).differs_from(&existing));
    assert!(topic(&[("DisplayName", "y")]).differs_from(&existing));
    assert!(topic(&[("ContentBasedDeduplication", "true")]).differs_from(&existing));
}

#[test]
fn subscription_attributes_are_refused_as_aws_recorded() {
    let invalid = "InvalidParameter: Invalid parameter: ";
    let among = format!("{invalid}Attributes Reason: ");
    assert_eq!(
        subscribe("sqs", QUEUE, "RawMessageDelivery", "wrongvalue"),
        format!("{among}RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false.")
    );
    assert_eq!(
        set_subscription("RawMessageDelivery", ""),
        format!("{invalid}RawMessageDelivery: Invalid value []. Must be true or false.")
    );
    assert_eq!(
        set_subscription("fake-attribute", "x"),
        format!("{invalid}AttributeName")
    );
    assert_eq!(
        set_subscription("RedrivePolicy", r#"{"deadLetterTargetArn":"fake"}"#),
        format!("{invalid}RedrivePolicy: deadLetterTargetArn is an invalid arn")
    );
    let refused = set_subscription("RedrivePolicy", "{invalidjson}");
    let prefix = format!("{invalid}RedrivePolicy: failed to parse JSON. ");
    assert!(refused.starts_with(&prefix), "{refused}");
    let both =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000001:d","maxReceiveCount":5}"#;
    assert_eq!(
        subscribe("sqs", QUEUE, "RedrivePolicy", both),
        format!("{among}RedrivePolicy: invalid JSON. Attribute maxReceiveCount is unknown.")
    );
    assert_eq!(
        subscribe("sqs", QUEUE, "FilterPolicyScope", "x"),
        format!(
            "{among}FilterPolicyScope: Invalid value [x]. Please use either MessageBody or MessageAttributes"
        )
    );
    let lambda = "arn:aws:lambda:us-east-1:000000000001:function:f";
    assert_eq!(
        subscribe("lambda", lambda, "RawMessageDelivery", "true"),
        format!("{among}Delivery protocol [lambda] does not support raw message delivery.")
    );
    assert_eq!(
        subscribe("lambda", lambda, "RawMessageDelivery", "false"),
        "ok"
    );
}

#[test]
fn subscription_attributes_that_can_be_set() {
    let dead = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000001:d"}"#;
    for (name, value) in [
        ("RawMessageDelivery", "true"),
        ("FilterPolicy", r#"{"a":["b"]}"#),
        ("FilterPolicy", "{}"),
        ("FilterPolicy", ""),
        ("FilterPolicyScope", "MessageBody"),
        ("RedrivePolicy", dead),
        ("RedrivePolicy", "{}"),
        ("RedrivePolicy", ""),
        ("SubscriptionRoleArn", "arn:aws:iam::000000000001:role/r"),
        (
            "DeliveryPolicy",
            r#"{"requestPolicy":{"headerContentType":"text/csv"}}"#,
        ),
    ] {
        assert_eq!(set_subscription(name, value), "ok", "{name} {value}");
        assert_eq!(subscribe("sqs", QUEUE, name, value), "ok", "{name} {value}");
    }
    let replay = r#"{"PointType":"Timestamp","StartingPoint":"2023-09-22T09:50:20.000Z","EndingPoint":"2023-09-22T10:50:20Z"}"#;
    assert_eq!(set_subscription("ReplayPolicy", replay), "ok");
    assert!(subscribe("sqs", QUEUE, "ReplayPolicy", replay).contains("only supported for FIFO"));
    for bad in [
        r#"{"PointType":"Beginning","StartingPoint":"2023-09-22T09:50:20.000Z"}"#,
        r#"{"PointType":"Timestamp"}"#,
        r#"{"PointType":"Timestamp","StartingPoint":"yesterday"}"#,
        r#"{"PointType":"Timestamp","StartingPoint":"2023-09-22T09:50:20.000Z","EndingPoint":"2023-09-22T09:50:20Z"}"#,
        r#"{"PointType":"Timestamp","StartingPoint":"2023-09-22T09:50:20.000Z","Speed":2}"#,
    ] {
        assert!(
            set_subscription("ReplayPolicy", bad).contains("ReplayPolicy: "),
            "{bad}"
        );
    }
    let stream = "arn:aws:firehose:us-east-1:000000000001:deliverystream/d";
    assert!(
        subscribe("firehose", stream, "RawMessageDelivery", "true").contains("SubscriptionRoleArn")
    );
    let role = "arn:aws:iam::000000000001:role/r";
    assert_eq!(
        subscribe("firehose", stream, "SubscriptionRoleArn", role),
        "ok"
    );
}

fn subscription(attributes: &[(&str, &str)]) -> SubscriptionAttributes {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let map: BTreeMap<String, String> = attributes.iter().map(owned).collect();
    SubscriptionAttributes::from_stored(&map)
}

#[test]
fn a_subscription_is_described_as_aws_recorded() {
    let arn = SubscriptionArn::parse(SUBSCRIPTION).unwrap();
    let described = |attributes: &[(&str, &str)], protocol, endpoint, confirmed| {
        let facts = SubscriptionFacts {
            protocol,
            endpoint,
            fifo_topic: false,
        };
        let all = subscription(attributes).describe(
            &arn,
            &facts,
            confirmed,
            "000000000002".parse().unwrap(),
            &TopicDeliveryPolicy::default(),
            attributes
                .iter()
                .any(|(name, _)| *name == "ReplayPolicy")
                .then_some("Pending"),
        );
        all.into_iter().collect::<BTreeMap<_, _>>()
    };
    let queue = described(&[], SubscriptionProtocol::Sqs, QUEUE, Some(true));
    let names: Vec<&str> = queue.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "ConfirmationWasAuthenticated",
            "Endpoint",
            "Owner",
            "PendingConfirmation",
            "Protocol",
            "RawMessageDelivery",
            "SubscriptionArn",
            "SubscriptionPrincipal",
            "TopicArn",
        ]
    );
    assert_eq!(queue["ConfirmationWasAuthenticated"], "true");
    assert_eq!(queue["PendingConfirmation"], "false");
    // Of who subscribed, which need not be the topic's account.
    assert_eq!(queue["Owner"], "000000000002");
    assert_eq!(
        queue["SubscriptionPrincipal"],
        "arn:aws:iam::000000000002:root"
    );
    assert_eq!(queue["RawMessageDelivery"], "false");
    let replay = r#"{"PointType":"Timestamp","StartingPoint":"2023-09-22T09:50:20.000Z"}"#;
    let replayed = described(
        &[("ReplayPolicy", replay)],
        SubscriptionProtocol::Sqs,
        QUEUE,
        Some(true),
    );
    assert_eq!(replayed["ReplayPolicy"], replay);
    assert_eq!(replayed["ReplayStatus"], "Pending");
    let csv = r#"{"requestPolicy":{"headerContentType":"text/csv"}}"#;
    let web = described(
        &[("DeliveryPolicy", csv), ("RawMessageDelivery", "true")],
        SubscriptionProtocol::Http,
        "http://a/",
        None,
    );
    assert_eq!(web["PendingConfirmation"], "true");
    assert_eq!(
        web["DeliveryPolicy"],
        r#"{"healthyRetryPolicy":null,"sicklyRetryPolicy":null,"throttlePolicy":null,"requestPolicy":{"headerContentType":"text/csv"},"guaranteed":false}"#
    );
    assert_eq!(
        web["EffectiveDeliveryPolicy"],
        r#"{"healthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"sicklyRetryPolicy":null,"throttlePolicy":null,"requestPolicy":{"headerContentType":"text/csv"},"guaranteed":false}"#
    );
}

#[test]
fn subscription_attributes_come_and_go() {
    let facts = SubscriptionFacts {
        protocol: SubscriptionProtocol::Sqs,
        endpoint: "arn:aws:sqs:us-east-1:000000000001:q.fifo",
        fifo_topic: true,
    };
    let change = |name: &str, value: &str| {
        let members = [
            ("SubscriptionArn", SUBSCRIPTION),
            ("AttributeName", name),
            ("AttributeValue", value),
        ];
        match request(post(form("SetSubscriptionAttributes", &members))) {
            Request::SetSubscriptionAttributes(set) => set.changes(&facts),
            other => panic!("{other:?}"),
        }
    };
    let mut now = subscription(&[]);
    now = now.with(&change("FilterPolicy", r#"{"a": ["b"]}"#).unwrap());
    assert_eq!(now.verbatim["FilterPolicy"], r#"{"a": ["b"]}"#);
    // A filter says what it looks at.
    assert_eq!(now.verbatim["FilterPolicyScope"], "MessageAttributes");
    now = now.with(&change("FilterPolicyScope", "MessageBody").unwrap());
    assert_eq!(
        now.filter_policy_scope,
        Some(FilterPolicyScope::MessageBody)
    );
    now = now.with(&change("FilterPolicy", "{}").unwrap());
    assert_eq!(now.filter_policy, None);
    assert!(!now.is_raw());
    let refused = change(
        "RedrivePolicy",
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000001:d"}"#,
    );
    assert_eq!(
        refused.unwrap_err().message,
        "Invalid parameter: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
    );
    let existing = subscription(&[("RawMessageDelivery", "true")]);
    assert!(!subscription(&[]).differs_from(&existing));
    assert!(!subscription(&[("RawMessageDelivery", "true")]).differs_from(&existing));
    assert!(subscription(&[("RawMessageDelivery", "false")]).differs_from(&existing));
    assert!(!subscription(&[("RawMessageDelivery", "false")]).differs_from(&subscription(&[])));
    let policy = DeliveryPolicy::default();
    assert!(
        policy
            .to_text()
            .starts_with(r#"{"healthyRetryPolicy":null"#)
    );
}
