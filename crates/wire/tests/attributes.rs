//! A queue's attributes: bounds, defaults, what is kept and what is read back.

use std::collections::BTreeMap;

use levada_types::{QueueArn, Timestamp};
use levada_wire::sqs::{
    DeduplicationScope, QueueAttributeName, QueueAttributes, QueueCounts, RedriveAllowPolicy,
    RedrivePermission, RedrivePolicy,
};

type Map = BTreeMap<String, String>;

fn map(pairs: &[(&str, &str)]) -> Map {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn set(name: &str, value: &str, fifo: bool) -> String {
    let result = QueueAttributes::for_set(&map(&[(name, value)]), fifo);
    result
        .err()
        .map_or_else(|| "ok".to_owned(), |e| e.to_string())
}

#[test]
fn numbers_keep_their_bounds() {
    for (name, least, most) in [
        ("DelaySeconds", 0, 900),
        ("MaximumMessageSize", 1_024, 1_048_576),
        ("MessageRetentionPeriod", 60, 1_209_600),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ("VisibilityTimeout", 0, 43_200),
        ("KmsDataKeyReusePeriodSeconds", 60, 86_400),
    ] {
        assert_eq!(set(name, &format!("{least}"), false), "ok");
        assert_eq!(set(name, &format!("{most}"), true), "ok");
        let invalid = format!("InvalidAttributeValue: Invalid value for the parameter {name}.");
        let (below, above) = (format!("{}", least - 1), format!("{}", most + 1));
        for bad in [
            &*below,
            &above,
            "",
            " 60",
            "+60",
            "60.5",
            "6O",
            "true",
            "99999999999999999999",
        ] {
            assert_eq!(set(name, bad, false), invalid, "{name} {bad}");
        }
    }
}

#[test]
fn flags_and_words_keep_their_bounds() {
    for (name, good, bad) in [
        (
            "SqsManagedSseEnabled",
            &["true", "false"][..],
            &["", "TRUE", "1"][..],
        ),
        (
            "ContentBasedDeduplication",
            &["true", "false"],
            &["", "yes"],
        ),
        (
            "DeduplicationScope",
            &["queue", "messageGroup"],
            &["", "Queue"],
        ),
        (
            "FifoThroughputLimit",
            &["perQueue", "perMessageGroupId"],
            &["", "perGroup"],
        ),
    ] {
        for value in good {
            assert_eq!(set(name, value, true), "ok");
        }
        for value in bad {
            let invalid = format!("InvalidAttributeValue: Invalid value for the parameter {name}.");
            assert_eq!(set(name, value, true), invalid);
        }
    }
}

#[test]
fn what_cannot_be_set_is_unknown() {
    for name in [
        "Nope",
        "All",
        "",
        "delaySeconds",
        "QueueArn",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ] {
        assert_eq!(
            set(name, "1", true),
            format!("InvalidAttributeName: Unknown Attribute {name}.")
        );
    }
    for name in ["FifoQueue", "ContentBasedDeduplication"] {
        assert_eq!(
            set(name, "true", false),
            format!("InvalidAttributeName: Unknown Attribute {name}.")
        );
    }
    for (name, value) in [
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
    ] {
        let only_fifo = format!(
            "InvalidAttributeName: You can specify the {name} only when FifoQueue is set to true."
        );
        assert_eq!(set(name, value, false), only_fifo);
    }
    assert_eq!(set("FifoQueue", "true", true), "ok");
    assert_eq!(
        set("FifoQueue", "false", true),
        "InvalidAttributeValue: Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."
    );
    let created = QueueAttributes::for_create(&map(&[("FifoQueue", "false")]), false);
    assert_eq!(
        created.unwrap_err().to_string(),
        "InvalidAttributeName: Unknown Attribute FifoQueue."
    );
}

const TARGET: &str = "arn:aws:sqs:us-east-1:000000000001:dead";

fn refused(attribute: &str, value: &str, reason: &str) {
    let expected = format!(
        "InvalidParameterValue: Value {value} for parameter {attribute} is invalid. Reason: {reason}"
    );
    assert_eq!(set(attribute, value, false), expected);
}

#[test]
fn redrive_policies() {
    let policy = |count: &str| {
        format!("{{\"deadLetterTargetArn\":\"{TARGET}\",\"maxReceiveCount\":{count}}}")
    };
    for (count, number) in [("1", 1), ("1000", 1_000), ("\"5\"", 5)] {
        let parsed = RedrivePolicy::parse(&policy(count)).unwrap();
        assert_eq!(
            (
                parsed.dead_letter_target.to_string(),
                parsed.max_receive_count
            ),
            (TARGET.to_owned(), number)
        );
    }
    for count in ["0", "1001", "-36", "\"x\"", "1.5", "true"] {
        let shown = count.trim_matches('"');
        let reason = format!(
            "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."
        );
        refused("RedrivePolicy", &policy(count), &reason);
    }
    for bad in ["x", " ", "4", "[]", "\"\"", "null"] {
        assert_eq!(
            set("RedrivePolicy", bad, false),
            "InvalidAttributeValue: Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."
        );
    }
    let mandatory = "Redrive policy does not contain mandatory attribute: ";
    refused(
        "RedrivePolicy",
        "{}",
        &format!("{mandatory}maxReceiveCount."),
    );
    refused(
        "RedrivePolicy",
        "{\"maxReceiveCount\":5}",
        &format!("{mandatory}deadLetterTargetArn."),
    );
    let extra = policy("5").replace('}', ",\"other\":1}");
    refused(
        "RedrivePolicy",
        &extra,
        "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].",
    );
    let dummy = "{\"deadLetterTargetArn\": \"dummy\", \"maxReceiveCount\": 42}";
    refused(
        "RedrivePolicy",
        dummy,
        "Invalid value for deadLetterTargetArn.",
    );
    let topic = policy("5").replace("sqs", "sns");
    refused(
        "RedrivePolicy",
        &topic,
        "Only SQS queues are valid resources for deadLetterTargetArn.",
    );
    assert_eq!(set("RedrivePolicy", "", false), "ok");
}

#[test]
fn redrive_allow_policies() {
    let arn: QueueArn = TARGET.parse().unwrap();
    for (text, permission, allows) in [
        (
            "{\"redrivePermission\":\"allowAll\"}".to_owned(),
            RedrivePermission::AllowAll,
            true,
        ),
        (
            "{\"redrivePermission\":\"denyAll\"}".to_owned(),
            RedrivePermission::DenyAll,
            false,
        ),
        (
            format!("{{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"{TARGET}\"]}}"),
            RedrivePermission::ByQueue,
            true,
        ),
        (
            format!("{{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"{TARGET}x\"]}}"),
            RedrivePermission::ByQueue,
            false,
        ),
    ] {
        let parsed = RedriveAllowPolicy::parse(&text).unwrap();
        assert_eq!(
            (parsed.permission, parsed.allows(&arn)),
            (permission, allows),
            "{text}"
        );
    }
    let unsupported = "InvalidAttributeValue: Invalid value for the parameter RedriveAllowPolicy. Reason: Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.";
    for bad in [
        "x",
        "444",
        "[]",
        "[\"allowAll\"]",
        "{}",
        "{\"redrivePermission\":\"all\"}",
        "{\"redrivePermission\":\"allowAll\",\"other\":1}",
        "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":\"arn\"}",
        "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[{}]}",
        "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"arn\"]}",
    ] {
        assert_eq!(set("RedriveAllowPolicy", bad, false), unsupported, "{bad}");
    }
    let cannot = "Amazon SQS can't create the redrive allow policy. ";
    let sources = format!(
        "{cannot}When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values."
    );
    refused(
        "RedriveAllowPolicy",
        "{\"redrivePermission\":\"byQueue\"}",
        &sources,
    );
    let with = |permission: &str, n: usize| {
        let arns = vec![format!("\"{TARGET}\""); n].join(",");
        format!("{{\"redrivePermission\":\"{permission}\",\"sourceQueueArns\":[{arns}]}}")
    };
    assert_eq!(set("RedriveAllowPolicy", &with("byQueue", 10), false), "ok");
    refused(
        "RedriveAllowPolicy",
        &with("byQueue", 11),
        &format!("{cannot}The maximum number of source queue ARNs you can specify is 10."),
    );
    let by_queue = format!(
        "{cannot}To specify one or more source queue ARNs, you must set redrivePermission to byQueue."
    );
    refused("RedriveAllowPolicy", &with("denyAll", 1), &by_queue);
}

#[test]
fn policies() {
    assert_eq!(set("Policy", "{\"Statement\":[]}", false), "ok");
    assert_eq!(set("Policy", "", false), "ok");
    for bad in ["x", "[]", "{}", "{\"Statement\":1}"] {
        assert_eq!(
            set("Policy", bad, false),
            "InvalidAttributeValue: Invalid value for the parameter Policy."
        );
    }
    let statements = |n: usize| format!("{{\"Statement\":[{}]}}", vec!["{}"; n].join(","));
    assert_eq!(set("Policy", &statements(20), false), "ok");
    let over = "OverLimit: 21 statements were found in the submitted policy, max allowed is 20";
    assert_eq!(set("Policy", &statements(21), false), over);
}

#[test]
fn attributes_that_exclude_each_other() {
    let both = map(&[
        ("KmsMasterKeyId", "alias/aws/sqs"),
        ("SqsManagedSseEnabled", "true"),
    ]);
    let sse = "InvalidAttributeName: You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.";
    assert_eq!(
        QueueAttributes::for_set(&both, false)
            .unwrap_err()
            .to_string(),
        sse
    );
    assert_eq!(
        QueueAttributes::for_create(&both, false)
            .unwrap_err()
            .to_string(),
        sse
    );
    // Setting one alone takes the other's place.
    let managed = QueueAttributes::from_stored(&map(&[("SqsManagedSseEnabled", "true")]));
    let to_kms = QueueAttributes::for_set(&map(&[("KmsMasterKeyId", "k")]), false).unwrap();
    let kms = managed.with(&to_kms);
    assert_eq!(kms.verbatim, map(&[("KmsMasterKeyId", "k")]));
    let back = QueueAttributes::for_set(&map(&[("SqsManagedSseEnabled", "true")]), false).unwrap();
    assert_eq!(
        kms.with(&back).verbatim,
        map(&[("SqsManagedSseEnabled", "true")])
    );

    let per_group = map(&[("FifoThroughputLimit", "perMessageGroupId")]);
    let changes = QueueAttributes::for_set(&per_group, true).unwrap();
    let fifo = QueueAttributes::from_stored(&map(&[("FifoQueue", "true")]));
    assert_eq!(
        fifo.with(&changes)
            .check_together()
            .unwrap_err()
            .to_string(),
        "InvalidAttributeValue: The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup"
    );
    let scoped = QueueAttributes::from_stored(&map(&[
        ("FifoQueue", "true"),
        ("DeduplicationScope", "messageGroup"),
    ]));
    assert_eq!(
        scoped.deduplication_scope,
        Some(DeduplicationScope::MessageGroup)
    );
    assert!(scoped.with(&changes).check_together().is_ok());
}

fn described(attributes: &QueueAttributes, names: &[QueueAttributeName]) -> Map {
    let arn: QueueArn = TARGET.parse().unwrap();
    let counts = QueueCounts {
        visible: 1,
        not_visible: 2,
        delayed: 3,
    };
    let (created, modified) = (
        Timestamp::from_millis(1_700_000_000_999),
        Timestamp::from_millis(1_700_000_001_000),
    );
    let list = attributes.describe(names, &arn, &counts, created, modified);
    list.into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), value))
        .collect()
}

#[test]
fn a_plain_queue_reads_as_aws_has_it() {
    let created = QueueAttributes::for_create(&Map::new(), false).unwrap();
    assert!(created.verbatim.is_empty());
    let expected = map(&[
        ("QueueArn", TARGET),
        ("ApproximateNumberOfMessages", "1"),
        ("ApproximateNumberOfMessagesNotVisible", "2"),
        ("ApproximateNumberOfMessagesDelayed", "3"),
        ("CreatedTimestamp", "1700000000"),
        ("LastModifiedTimestamp", "1700000001"),
        ("VisibilityTimeout", "30"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("DelaySeconds", "0"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
    ]);
    assert_eq!(described(&created, QueueAttributeName::ALL), expected);
    assert_eq!(
        described(&created, &[QueueAttributeName::Policy]),
        Map::new()
    );
}

#[test]
fn a_fifo_queue_reads_back_what_was_set() {
    // Terraform compares texts: spaces and the order of keys must stay.
    let redrive = "{ \"maxReceiveCount\" : \"3\",\n\"deadLetterTargetArn\": \"arn:aws:sqs:us-east-1:000000000001:dead.fifo\" }";
    let set = map(&[
        ("FifoQueue", "true"),
        ("RedrivePolicy", redrive),
        ("DelaySeconds", "007"),
        ("Policy", ""),
    ]);
    let created = QueueAttributes::for_create(&set, true).unwrap();
    assert_eq!((created.delay_secs(), created.facts().fifo), (7, true));
    let stored = QueueAttributes::from_stored(&created.verbatim);
    assert_eq!(stored.redrive_policy.as_ref().unwrap().max_receive_count, 3);
    let read = described(&stored, QueueAttributeName::ALL);
    for (name, value) in [
        ("FifoQueue", "true"),
        ("RedrivePolicy", redrive),
        ("DelaySeconds", "7"),
        ("ContentBasedDeduplication", "false"),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
    ] {
        assert_eq!(read[name], value);
    }
    assert!(!read.contains_key("Policy"));
    assert!(!read.contains_key("KmsDataKeyReusePeriodSeconds"));
    let removed =
        stored.with(&QueueAttributes::for_set(&map(&[("RedrivePolicy", "")]), true).unwrap());
    assert!(removed.redrive_policy.is_none());
    assert!(!described(&removed, QueueAttributeName::ALL).contains_key("RedrivePolicy"));
}

#[test]
fn creating_again_compares_what_was_asked_for() {
    let existing = QueueAttributes::from_stored(&map(&[
        ("DelaySeconds", "5"),
        (
            "RedrivePolicy",
            &format!("{{\"deadLetterTargetArn\":\"{TARGET}\",\"maxReceiveCount\":5}}"),
        ),
    ]));
    let again = |pairs: &[(&str, &str)]| {
        let asked = QueueAttributes::for_create(&map(pairs), false).unwrap();
        asked.difference_from(&existing).map(str::to_owned)
    };
    assert_eq!(again(&[]), None);
    assert_eq!(
        again(&[("DelaySeconds", "5"), ("VisibilityTimeout", "30")]),
        None
    );
    assert_eq!(
        again(&[("DelaySeconds", "6")]).as_deref(),
        Some("DelaySeconds")
    );
    assert_eq!(
        again(&[("VisibilityTimeout", "31")]).as_deref(),
        Some("VisibilityTimeout")
    );
    let same = format!("{{\"maxReceiveCount\":\"5\",\"deadLetterTargetArn\":\"{TARGET}\"}}");
    assert_eq!(again(&[("RedrivePolicy", &same)]), None);
    assert_eq!(
        again(&[("RedrivePolicy", &same.replace("\"5\"", "6"))]).as_deref(),
        Some("RedrivePolicy")
    );
}
