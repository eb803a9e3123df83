//! Principals, actions, resources, effects: "IAM JSON policy elements reference".

use levada_policy::iam::{Outcome, Policy};
use serde_json::{Value, json};

use crate::support::{QUEUE, check, decided, policy_of};

#[test]
fn principals() {
    let user = "arn:aws:iam::444455556666:user/ann";
    check(&[
        (
            json!({"Principal": "*"}),
            vec![
                json!({}),
                json!({"caller": user}),
                json!({"caller": "service:sns.amazonaws.com"}),
            ],
            vec![],
        ),
        (
            json!({"Principal": {"AWS": "*"}}),
            vec![json!({}), json!({"caller": user})],
            vec![],
        ),
        (
            json!({"Principal": {"AWS": "444455556666"}}),
            vec![json!({"caller": user}), json!({"caller": "444455556666"})],
            vec![
                json!({}),
                json!({"caller": "444455556667"}),
                json!({"caller": "service:444455556666"}),
            ],
        ),
        (
            json!({"Principal": {"AWS": ["arn:aws:iam::444455556666:root"]}}),
            vec![json!({"caller": user})],
            vec![json!({"caller": "arn:aws:iam::444455556667:user/ann"})],
        ),
        (
            json!({"Principal": {"AWS": user, "Service": ["sns.amazonaws.com"], "Federated": "accounts.example"}}),
            vec![
                json!({"caller": user}),
                json!({"caller": "service:sns.amazonaws.com"}),
                json!({"caller": "federated:accounts.example"}),
            ],
            vec![
                json!({"caller": "arn:aws:iam::444455556666:user/Ann"}),
                json!({"caller": "444455556666"}),
                json!({"caller": "service:s3.amazonaws.com"}),
                json!({"caller": "federated:other.example"}),
            ],
        ),
        (
            json!({"Principal": {"Service": "*"}}),
            vec![json!({"caller": "service:s3.amazonaws.com"})],
            vec![json!({}), json!({"caller": user})],
        ),
        (
            json!({"NotPrincipal": {"AWS": user}}),
            vec![json!({}), json!({"caller": "444455556666"})],
            vec![json!({"caller": user})],
        ),
    ]);
}

#[test]
fn actions_and_resources() {
    check(&[
        (
            json!({"Action": ["SQS:Send*", "sqs:GetQueue?rl"]}),
            vec![
                json!({"action": "sqs:SendMessage"}),
                json!({"action": "SQS:sendmessage"}),
                json!({"action": "sqs:GetQueueUrl"}),
            ],
            vec![
                json!({"action": "sqs:ReceiveMessage"}),
                json!({"action": "sns:SendMessage"}),
            ],
        ),
        (
            json!({"NotAction": "sqs:*Message"}),
            vec![json!({"action": "sqs:PurgeQueue"})],
            vec![json!({"action": "sqs:DeleteMessage"})],
        ),
        (
            json!({"Resource": QUEUE}),
            vec![json!({})],
            vec![json!({"resource": "arn:aws:sqs:eu-west-1:111122223333:ORDERS"})],
        ),
        (
            json!({"Resource": ["arn:aws:sqs:*:111122223333:ord*"]}),
            vec![json!({})],
            vec![json!({"resource": "arn:aws:sqs:eu-west-1:999922223333:orders"})],
        ),
        (
            json!({"NotResource": "arn:aws:sqs:*:*:orders"}),
            vec![json!({"resource": "arn:aws:sqs:eu-west-1:111122223333:bills"})],
            vec![json!({})],
        ),
        (
            json!({"Resource": "arn:aws:sqs:*:*:${aws:PrincipalTag/queue}"}),
            vec![json!({"context": {"aws:principaltag/queue": "orders"}})],
            vec![
                json!({}),
                json!({"context": {"aws:principaltag/queue": "*"}}),
            ],
        ),
        // A variable that is not known opens nothing.
        (
            json!({"NotResource": "arn:aws:sqs:*:*:${aws:PrincipalTag/queue}"}),
            vec![json!({"context": {"aws:principaltag/queue": "bills"}})],
            vec![
                json!({}),
                json!({"context": {"aws:principaltag/queue": "orders"}}),
            ],
        ),
    ]);
    let denying = json!({"Effect": "Deny", "NotResource": "arn:aws:sqs:*:*:${unknown}"});
    let outcome = crate::support::outcome(&denying, &json!({}));
    assert_eq!(outcome, Outcome::Deny);
}

#[test]
fn a_statement_without_resource_is_for_what_it_is_attached_to() {
    let policy =
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"}}"#;
    assert_eq!(decided(policy, &json!({})).outcome, Outcome::Allow);
}

/// Variables are there from the later version on.
#[test]
fn versions() {
    let policy = |version: &str| {
        format!(
            r#"{{{version}"Statement": [{{"Effect": "Allow", "Principal": "*", "Action": "*",
                "Resource": "arn:aws:sqs:eu-west-1:111122223333:${{q}}"}}]}}"#
        )
    };
    let written =
        json!({"resource": "arn:aws:sqs:eu-west-1:111122223333:${q}", "context": {"q": "orders"}});
    let meant = json!({"context": {"q": "orders"}});
    for version in ["", r#""Version": "2008-10-17","#] {
        assert_eq!(decided(&policy(version), &written).outcome, Outcome::Allow);
        assert_eq!(decided(&policy(version), &meant).outcome, Outcome::NoMatch);
    }
    let later = policy(r#""Version": "2012-10-17","#);
    assert_eq!(decided(&later, &written).outcome, Outcome::NoMatch);
    assert_eq!(decided(&later, &meant).outcome, Outcome::Allow);
}

/// "Policy evaluation logic".
#[test]
fn what_denies_wins_and_the_reasons_are_told() {
    let policy = r#"{
        "Version": "2012-10-17", "Id": "mine",
        "Statement": [
            {"Sid": "senders", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "sqs:SendMessage", "Resource": "*"},
            {"Effect": "Allow", "Principal": "*", "Action": "sqs:GetQueueUrl", "Resource": "*"},
            {"Sid": "plain", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*",
             "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        ]}"#;
    let parsed = Policy::parse(policy).expect("a policy");
    assert_eq!((parsed.id(), parsed.statement_count()), (Some("mine"), 3));
    let told = |request| decided(policy, &request).to_string();
    let secure = json!({"aws:SecureTransport": "true"});
    assert_eq!(
        told(json!({"caller": "444455556666", "context": secure})),
        "allowed by statement 1 (senders)"
    );
    assert_eq!(
        told(json!({"caller": "444455556666", "context": {"aws:SecureTransport": "false"}})),
        "denied by statement 3 (plain)"
    );
    assert_eq!(
        told(json!({"context": secure})),
        "no statement applies: statement 1 (senders) is for other principals; statement 2 is for other actions; \
         statement 3 (plain) has a condition that does not hold: Bool on aws:securetransport"
    );
    assert_eq!(
        told(json!({"action": "sqs:GetQueueUrl", "context": {"aws:SecureTransport": "true"}})),
        "allowed by statement 2"
    );
}

/// The policy that lets a topic send to a queue, as SNS's guide has it.
#[test]
fn a_topic_may_send_to_a_queue() {
    let policy = r#"{"Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": "arn:aws:sqs:eu-west-1:111122223333:orders",
        "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:111122223333:events"}}}]}"#;
    let from = |topic: &str| {
        let request = json!({
            "caller": "service:sns.amazonaws.com",
            "context": {"aws:SourceArn": format!("arn:aws:sns:eu-west-1:111122223333:{topic}")},
        });
        decided(policy, &request).outcome
    };
    assert_eq!(from("events"), Outcome::Allow);
    assert_eq!(from("others"), Outcome::NoMatch);
}

#[test]
fn what_a_policy_looks_at() {
    let looks = |statement: Value| {
        let policy = policy_of(&statement);
        let policy = Policy::parse(&policy).expect("a policy");
        policy.looks_at("aws:currenttime")
    };
    assert!(!looks(json!({})));
    assert!(!looks(
        json!({"Condition": {"StringEquals": {"aws:SourceArn": "aws:CurrentTime"}}})
    ));
    for looking in [
        json!({"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}),
        json!({"Condition": {"StringLike": {"aws:SourceArn": ["a", "b${aws:CURRENTTIME}"]}}}),
        json!({"Resource": ["arn:aws:sqs:*:*:${aws:CurrentTime}"]}),
        json!({"NotResource": "arn:aws:sqs:*:*:${aws:CurrentTime}"}),
    ] {
        assert!(looks(looking.clone()), "{looking}");
    }
}
