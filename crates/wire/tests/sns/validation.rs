//! What is said against requests, each bound at it and over it.

use super::{QUEUE, SUBSCRIPTION, TOPIC, check, form, post, recorded, said};

fn violation(value: &str, path: &str, constraint: &str) -> String {
    let value = if value == "null" {
        value.to_owned()
    } else {
        format!("'{value}'")
    };
    format!(
        "ValidationError: 1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: {constraint}"
    )
}

/// The recorded request without a member.
fn without(body: &str, member: &str) -> String {
    let kept = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or("");
        key != member && !key.starts_with(&format!("{member}."))
    };
    body.split('&').filter(kept).collect::<Vec<_>>().join("&")
}

#[test]
fn every_member_that_the_model_requires_is_required() {
    let mut missed = 0;
    for case in recorded() {
        for member in &case.required {
            let refused = post(without(&case.body, member)).call.unwrap_err();
            let mut letters = member.chars();
            let first = letters.next().unwrap().to_ascii_lowercase();
            let path = format!("{first}{}", letters.as_str());
            let expected = violation("null", &path, "Member must not be null");
            assert_eq!(refused.to_string(), expected, "{}", case.action);
            assert_eq!(refused.status, 400);
            missed += 1;
        }
        // No other member is.
        let optional: Vec<&str> = case
            .body
            .split('&')
            .map(|pair| pair.split(['=', '.']).next().unwrap_or(""))
            .filter(|name| !matches!(*name, "Action" | "Version"))
            .filter(|name| !case.required.iter().any(|r| r == name))
            .collect();
        for member in optional {
            let read = post(without(&case.body, member)).call;
            assert!(read.is_ok(), "{} without {member}", case.action);
        }
    }
    assert_eq!(missed, 52);
}

#[test]
fn what_is_missing_is_told_at_once() {
    let none: &[(&str, &str)] = &[];
    assert_eq!(
        said("SetTopicAttributes", none),
        "ValidationError: 2 validation errors detected: Value null at 'topicArn' failed to satisfy constraint: Member must not be null; Value null at 'attributeName' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn members_of_members_are_required() {
    let entry = "PublishBatchRequestEntries.member.1.";
    let name = format!("{entry}MessageAttributes.entry.1.Name");
    let value = format!("{entry}MessageAttributes.entry.1.Value.StringValue");
    let (id, message) = (format!("{entry}Id"), format!("{entry}Message"));
    let mut members = vec![("TopicArn", TOPIC), (&*id, "a"), (&*message, "m")];
    assert_eq!(said("PublishBatch", &members), "ok");
    members.extend([(&*name, "attr1"), (&*value, "v")]);
    assert_eq!(
        said("PublishBatch", &members),
        violation(
            "null",
            "publishBatchRequestEntries.1.member.messageAttributes.attr1.member.dataType",
            "Member must not be null"
        )
    );
    check(
        "Publish",
        &[(
            &[
                ("TopicArn", TOPIC),
                ("Message", "m"),
                ("MessageAttributes.entry.1.Name", "attr1"),
                ("MessageAttributes.entry.1.Value.StringValue", "v"),
            ],
            &violation(
                "null",
                "messageAttributes.attr1.member.dataType",
                "Member must not be null",
            ),
        )],
    );
    for missing in [&members[1..2], &members[2..3]] {
        let kept = [&members[..1], missing].concat();
        let member = if missing[0].0.ends_with("Id") {
            "message"
        } else {
            "id"
        };
        let path = format!("publishBatchRequestEntries.1.member.{member}");
        let expected = violation("null", &path, "Member must not be null");
        assert_eq!(said("PublishBatch", &kept), expected);
    }
}

/// Every bound of the model: the lengths and patterns of `TagKey`, `TagValue`, `AmazonResourceName`,
/// `PhoneNumberString`, `OTPCode`, the enum `LanguageCodeString`, and the two sizes of pages.
#[test]
fn every_constraint_of_the_model_holds_at_its_bound_and_beyond() {
    let tag = |key: &str, value: &str| {
        said(
            "TagResource",
            &[
                ("ResourceArn", TOPIC),
                ("Tags.member.1.Key", key),
                ("Tags.member.1.Value", value),
            ],
        )
    };
    let a = |n: usize| "a".repeat(n);
    let most = |n: usize| format!("Member must have length less than or equal to {n}");
    let least = |n: usize| format!("Member must have length greater than or equal to {n}");
    assert_eq!(tag("k", ""), "ok");
    assert_eq!(tag(&a(128), &a(256)), "ok");
    assert_eq!(
        tag(&a(129), ""),
        violation(&a(129), "tags.1.member.key", &most(128))
    );
    assert_eq!(tag("", ""), violation("", "tags.1.member.key", &least(1)));
    assert_eq!(
        tag("k", &a(257)),
        violation(&a(257), "tags.1.member.value", &most(256))
    );

    let untag = |key: &str| {
        let members = [("ResourceArn", TOPIC), ("TagKeys.member.1", key)];
        said("UntagResource", &members)
    };
    assert_eq!(untag(&a(128)), "ok");
    assert_eq!(
        untag(&a(129)),
        violation(&a(129), "tagKeys.1.member", &most(128))
    );
    assert_eq!(untag(""), violation("", "tagKeys.1.member", &least(1)));

    for action in ["TagResource", "UntagResource", "ListTagsForResource"] {
        let of = |arn: &str| {
            let lists = [("Tags", ""), ("TagKeys", "")];
            said(action, &[&[("ResourceArn", arn)], &lists[..]].concat())
        };
        assert_eq!(of(TOPIC), "ok");
        assert_eq!(of(""), violation("", "resourceArn", &least(1)));
        assert_eq!(
            of(&a(1012)),
            violation(&a(1012), "resourceArn", &most(1011))
        );
        // At the bound it is only no ARN.
        let no_arn = "InvalidParameter: Invalid parameter: ResourceArn Reason: An ARN must have at least 6 elements, not 1";
        assert_eq!(of(&a(1011)), no_arn);
    }

    let pattern = r"Member must satisfy regular expression pattern: ^(\+[0-9]{8,}|[0-9]{0,9})$";
    for action in ["CreateSMSSandboxPhoneNumber", "DeleteSMSSandboxPhoneNumber"] {
        let of = |number: &str| said(action, &[("PhoneNumber", number)]);
        let digits = |n: usize| "1".repeat(n);
        for good in [
            "",
            &*digits(9),
            &format!("+{}", digits(8)),
            &format!("+{}", digits(19)),
        ] {
            assert_eq!(of(good), "ok", "{good}");
        }
        for bad in [&*digits(10), &format!("+{}", digits(7)), "+1555 123 4567"] {
            assert_eq!(of(bad), violation(bad, "phoneNumber", pattern));
        }
        let long = format!("+{}", digits(20));
        assert_eq!(of(&long), violation(&long, "phoneNumber", &most(20)));
    }

    let password = |text: &str| {
        let members = [("PhoneNumber", "+15551234567"), ("OneTimePassword", text)];
        said("VerifySMSSandboxPhoneNumber", &members)
    };
    let digits = "Member must satisfy regular expression pattern: ^[0-9]+$";
    for good in ["12345", "12345678"] {
        assert_eq!(password(good), "ok");
    }
    assert_eq!(
        password("1234"),
        violation("1234", "oneTimePassword", &least(5))
    );
    assert_eq!(
        password("123456789"),
        violation("123456789", "oneTimePassword", &most(8))
    );
    assert_eq!(
        password("12345a"),
        violation("12345a", "oneTimePassword", digits)
    );

    let language = |code: &str| {
        let members = [("PhoneNumber", "+15551234567"), ("LanguageCode", code)];
        said("CreateSMSSandboxPhoneNumber", &members)
    };
    assert_eq!(language("kr-KR"), "ok");
    let set = "Member must satisfy enum value set: [en-US, en-GB, es-419, es-ES, de-DE, fr-CA, fr-FR, it-IT, ja-JP, pt-BR, kr-KR, zh-CN, zh-TW]";
    assert_eq!(language("ko-KR"), violation("ko-KR", "languageCode", set));

    for (action, most) in [
        ("ListSMSSandboxPhoneNumbers", 100),
        ("ListOriginationNumbers", 30),
    ] {
        let page = |size: &str| said(action, &[("MaxResults", size)]);
        assert_eq!(page("1"), "ok");
        assert_eq!(page(&most.to_string()), "ok");
        let less = "Member must have value greater than or equal to 1";
        assert_eq!(page("0"), violation("0", "maxResults", less));
        let more = format!("Member must have value less than or equal to {most}");
        let over = (most + 1).to_string();
        assert_eq!(page(&over), violation(&over, "maxResults", &more));
        assert!(page("x").starts_with("MalformedInput: "));
    }
}

#[test]
fn topics() {
    let no_name = "InvalidParameter: Invalid parameter: Topic Name";
    let fifo = ("Attributes.entry.1.key", "FifoTopic");
    let fifo_name = "InvalidParameter: Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.";
    let (yes, no) = (
        ("Attributes.entry.1.value", "true"),
        ("Attributes.entry.1.value", "false"),
    );
    let most = "a".repeat(256);
    check(
        "CreateTopic",
        &[
            (&[("Name", &most)], "ok"),
            (&[("Name", "")], no_name),
            (&[("Name", &format!("{most}a"))], no_name),
            (&[("Name", "a:b")], no_name),
            (&[("Name", "a.fifo")], no_name),
            (&[("Name", "a.fifo"), fifo, no], no_name),
            (&[("Name", "a.fifo"), fifo, yes], "ok"),
            (&[("Name", "a"), fifo, no], "ok"),
            (&[("Name", "a"), fifo, yes], fifo_name),
            (
                &[
                    ("Name", "a"),
                    ("Tags.member.1.Key", "k"),
                    ("Tags.member.1.Value", "v"),
                    ("Tags.member.2.Key", "k"),
                    ("Tags.member.2.Value", "w"),
                ],
                "InvalidParameter: Invalid parameter: Duplicated keys are not allowed.",
            ),
            (
                &[("Name", "a"), ("DataProtectionPolicy", "[]")],
                "InvalidParameter: Invalid parameter: DataProtectionPolicy Reason: The policy is not a valid JSON document",
            ),
        ],
    );
    let too_few = "InvalidParameter: Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1";
    for action in [
        "DeleteTopic",
        "GetTopicAttributes",
        "ListSubscriptionsByTopic",
    ] {
        check(
            action,
            &[
                (&[("TopicArn", TOPIC)], "ok"),
                (&[("TopicArn", "topic")], too_few),
                (&[("TopicArn", "")], too_few),
                (
                    &[("TopicArn", QUEUE)],
                    "InvalidParameter: Invalid parameter: TopicArn",
                ),
            ],
        );
    }
}

#[test]
fn tags() {
    let many = |n: usize| {
        let keys: Vec<(String, String)> = (1..=n)
            .map(|i| {
                (
                    format!("Tags.member.{i}.Key"),
                    format!("Tags.member.{i}.Value"),
                )
            })
            .collect();
        let names: Vec<String> = (1..=n).map(|i| format!("k{i}")).collect();
        let mut members = vec![("ResourceArn", TOPIC)];
        for ((key, value), name) in keys.iter().zip(&names) {
            members.extend([(&**key, &**name), (&**value, "v")]);
        }
        said("TagResource", &members)
    };
    assert_eq!(many(50), "ok");
    assert_eq!(
        many(51),
        "TagLimitExceeded: Could not complete request: tag quota of per resource exceeded"
    );
    let tag = |key: &str, value: &str| {
        let members = [
            ("ResourceArn", TOPIC),
            ("Tags.member.1.Key", key),
            ("Tags.member.1.Value", value),
        ];
        said("TagResource", &members)
    };
    assert_eq!(tag("é _.:/=+-@", "日本"), "ok");
    assert!(tag("aws:x", "v").contains("cannot start with \"aws:\""));
    assert!(tag("AWS:x", "v").contains("cannot start with \"aws:\""));
    assert!(tag("a#", "v").contains("can only include"));
    assert!(tag("a", "v\n").contains("can only include"));
}

#[test]
fn subscriptions() {
    let sub = |protocol: &'static str, endpoint: &'static str| {
        said(
            "Subscribe",
            &[
                ("TopicArn", TOPIC),
                ("Protocol", protocol),
                ("Endpoint", endpoint),
            ],
        )
    };
    assert_eq!(sub("sqs", QUEUE), "ok");
    assert_eq!(
        sub("test-protocol", QUEUE),
        "InvalidParameter: Invalid parameter: Amazon SNS does not support this protocol string: test-protocol"
    );
    assert_eq!(
        sub("sqs", "http://localhost/q"),
        "InvalidParameter: Invalid parameter: SQS endpoint ARN"
    );
    assert_eq!(
        sub("sms", "NAA+15551234567"),
        "InvalidParameter: Invalid SMS endpoint: NAA+15551234567"
    );
    check(
        "Subscribe",
        &[
            (
                &[("TopicArn", TOPIC), ("Protocol", "http")],
                "InvalidParameter: Invalid parameter: Endpoint must match the specified protocol",
            ),
            (
                &[
                    ("TopicArn", TOPIC),
                    ("Protocol", "sqs"),
                    ("Endpoint", QUEUE),
                    ("ReturnSubscriptionArn", "maybe"),
                ],
                "MalformedInput: STRING_VALUE can not be converted to a Boolean",
            ),
        ],
    );
    let too_few = |n: usize| {
        format!(
            "InvalidParameter: Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not {n}"
        )
    };
    for action in ["Unsubscribe", "GetSubscriptionAttributes"] {
        let of = |arn: &str| said(action, &[("SubscriptionArn", arn)]);
        assert_eq!(of(SUBSCRIPTION), "ok");
        assert_eq!(of("randomstring"), too_few(1));
        assert_eq!(of("arn:aws:sns:us-east-1:random"), too_few(5));
        assert_eq!(
            of(TOPIC),
            "InvalidParameter: Invalid parameter: SubscriptionId"
        );
        assert_eq!(
            of(""),
            "InvalidParameter: Invalid parameter: SubscriptionArn Reason: no value for required parameter"
        );
    }
    check(
        "ConfirmSubscription",
        &[
            (&[("TopicArn", TOPIC), ("Token", "t")], "ok"),
            (
                &[("TopicArn", QUEUE), ("Token", "t")],
                "InvalidParameter: Invalid parameter: Topic",
            ),
            (
                &[("TopicArn", TOPIC), ("Token", "")],
                "InvalidParameter: Invalid parameter: Token",
            ),
        ],
    );
}

#[test]
fn permissions() {
    let base = [("TopicArn", TOPIC), ("Label", "l")];
    let add = |account: &str, action: &str| {
        let more = [
            ("AWSAccountId.member.1", account),
            ("ActionName.member.1", action),
        ];
        said("AddPermission", &[&base[..], &more].concat())
    };
    assert_eq!(add("000000000002", "Publish"), "ok");
    assert_eq!(
        add("000000000002", "CreateTopic"),
        "InvalidParameter: Invalid parameter: Policy statement action out of service scope!"
    );
    assert_eq!(
        add("12", "Publish"),
        "InvalidParameter: Invalid parameter: Policy Error: PrincipalNotFound"
    );
    let empty = |member: &str| {
        let lists = [
            ("AWSAccountId.member.1", "000000000002"),
            ("ActionName", ""),
        ];
        let other = [("AWSAccountId", ""), ("ActionName.member.1", "Publish")];
        let lists = if member == "ActionName" { lists } else { other };
        said("AddPermission", &[&base[..], &lists].concat())
    };
    for member in ["ActionName", "AWSAccountId"] {
        let expected = format!("InvalidParameter: Invalid parameter: {member}");
        assert_eq!(empty(member), expected);
    }
    let label = |label: &str| said("RemovePermission", &[("TopicArn", TOPIC), ("Label", label)]);
    assert_eq!(label(&"a".repeat(80)), "ok");
    for bad in ["", "a b", &*"a".repeat(81)] {
        assert_eq!(label(bad), "InvalidParameter: Invalid parameter: Label");
    }
}

#[test]
fn phones() {
    let bad =
        "InvalidParameter: Invalid parameter: PhoneNumber Reason: input incorrectly formatted";
    for action in ["CheckIfPhoneNumberIsOptedOut", "OptInPhoneNumber"] {
        check(
            action,
            &[
                (&[("phoneNumber", "+15551234567")], "ok"),
                (&[("phoneNumber", "+15551234567890123")], bad),
                (&[("phoneNumber", "+1a234")], bad),
            ],
        );
    }
    let set = |name: &str, value: &str| {
        let members = [
            ("attributes.entry.1.key", name),
            ("attributes.entry.1.value", value),
        ];
        said("SetSMSAttributes", &members)
    };
    for (name, good, bad) in [
        ("DefaultSMSType", "Promotional", "promotional"),
        ("DefaultSenderID", "abcdefghij1", "abcdefghij12"),
        ("DefaultSenderID", "a", "1"),
        ("DeliveryStatusSuccessSamplingRate", "100", "101"),
        ("DeliveryStatusSuccessSamplingRate", "0", "-1"),
        ("MonthlySpendLimit", "1", "free"),
        (
            "DeliveryStatusIAMRole",
            "arn:aws:iam::000000000001:role/r",
            "r",
        ),
        ("UsageReportS3Bucket", "my-bucket.1", "My"),
    ] {
        assert_eq!(set(name, good), "ok", "{name}");
        let prefix = format!(
            "InvalidParameter: Invalid parameter: Attributes Reason: {name}: Invalid value [{bad}]."
        );
        assert!(set(name, bad).starts_with(&prefix), "{}", set(name, bad));
    }
    assert_eq!(
        set("Nothing", "x"),
        "InvalidParameter: Invalid parameter: Attributes Reason: Unknown attribute Nothing"
    );
}

#[test]
fn platforms() {
    let create = |name: &str, platform: &str, credential: &str| {
        let members = [
            ("Name", name),
            ("Platform", platform),
            ("Attributes.entry.1.key", "PlatformCredential"),
            ("Attributes.entry.1.value", credential),
        ];
        said("CreatePlatformApplication", &members)
    };
    assert_eq!(create(&"a".repeat(256), "APNS", "c"), "ok");
    assert!(create(&"a".repeat(257), "APNS", "c").contains("at most 256 characters"));
    assert!(create("", "APNS", "c").contains("at least one"));
    assert!(create("a b", "APNS", "c").contains("contain only"));
    assert!(create("a", "FAX", "c").contains("Platform Reason: FAX"));
    assert!(create("a", "GCM", "").contains("Platform credentials are invalid"));
    let app = "arn:aws:sns:us-east-1:000000000001:app/GCM/phones";
    let endpoint = |token: &str, data: &str| {
        let members = [
            ("PlatformApplicationArn", app),
            ("Token", token),
            ("CustomUserData", data),
        ];
        said("CreatePlatformEndpoint", &members)
    };
    assert_eq!(endpoint("t", &"a".repeat(2048)), "ok");
    assert!(endpoint("t", &"a".repeat(2049)).contains("CustomUserData"));
    assert!(endpoint("", "").contains("Token"));
    let set = |name: &str, value: &str| {
        let members = [
            ("PlatformApplicationArn", app),
            ("Attributes.entry.1.key", name),
            ("Attributes.entry.1.value", value),
        ];
        said("SetPlatformApplicationAttributes", &members)
    };
    for (name, good, bad) in [
        ("EventEndpointCreated", TOPIC, QUEUE),
        ("SuccessFeedbackSampleRate", "100", "101"),
        (
            "SuccessFeedbackRoleArn",
            "arn:aws:iam::000000000001:role/r",
            QUEUE,
        ),
        ("Enabled", "false", "no"),
    ] {
        assert_eq!(set(name, good), "ok");
        assert!(set(name, bad).contains(&format!("{name}: Invalid value [{bad}]")));
    }
    assert!(set("Token", "t").ends_with("Unknown attribute Token"));
}

#[test]
fn page_tokens() {
    for action in [
        "ListTopics",
        "ListSubscriptions",
        "ListPlatformApplications",
    ] {
        let of = |token: &str| said(action, &[("NextToken", token)]);
        assert_eq!(of(""), "ok");
        assert_eq!(of("!"), "InvalidParameter: Invalid parameter: NextToken");
    }
    assert_eq!(
        said("ListPhoneNumbersOptedOut", &[("nextToken", "!")]),
        "InvalidParameter: Invalid parameter: NextToken"
    );
    // A form without members is a form.
    assert!(post(form("ListTopics", &[])).call.is_ok());
}
