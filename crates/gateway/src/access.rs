//! Who may use what belongs to another account, by the policy that is attached to it.
//!
//! The owner's account may do everything with what it owns, and its policy is not asked: there are no users in it yet to whom
//! the policy could say something else. So a policy is read only when somebody else calls, and costs nothing until then.

use levada_cluster::{Queue, Topic};
use levada_policy::iam::{self, Outcome, Policy};
use levada_types::AccountId;

use crate::caller::Caller;
use crate::clock;

/// Who sends what topics send. Source: SNS's guide, "Subscribing an Amazon SQS queue to an Amazon SNS topic".
const TOPICS: &str = "sns.amazonaws.com";
/// The keys by which what is allowed now may be denied later, though nothing has changed.
const TIMES: [&str; 2] = ["aws:currenttime", "aws:epochtime"];

/// What is asked for, and of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// As `sqs:SendMessage`.
    pub(crate) action: &'a str,
    /// An ARN.
    pub(crate) resource: &'a str,
    /// Whose it is.
    pub(crate) owner: AccountId,
    /// What conditions can look at that only this action has.
    pub(crate) keys: &'a [(&'a str, &'a str)],
}

/// What the policy of something says to a caller of another account. None at all says nothing, and so does one that is not
/// understood: what it can't be read to allow stays closed.
pub(crate) fn decide(policy: Option<&str>, caller: &Caller, asked: Asked<'_>) -> Outcome {
    let Some(policy) = policy.and_then(|text| Policy::parse(text).ok()) else {
        return Outcome::NoMatch;
    };
    let (account, arn) = (caller.account.to_string(), caller.arn());
    let mut context = context_of(caller, asked.owner);
    for (key, value) in asked.keys {
        context.insert(key, *value);
    }
    let request = iam::Request {
        caller: iam::Caller::Aws {
            account: &account,
            names: &[&arn],
        },
        action: asked.action,
        resource: asked.resource,
        context: &context,
    };
    policy.evaluate(&request).outcome
}

/// What the policy of a queue of another account says to a topic that sends to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allows: bool,
    /// It may be another one later, though neither queue nor topic has changed.
    pub(crate) is_for_now: bool,
}

/// Whether a topic may send to a queue. Between what one account owns, nobody is asked.
pub(crate) fn topic_may_send(topic: &Topic, topic_arn: &str, queue: &Queue) -> Verdict {
    let always = |allows| Verdict {
        allows,
        is_for_now: false,
    };
    if topic.account == queue.account {
        return always(true);
    }
    let policy = queue.attributes.get("Policy");
    let Some(policy) = policy.and_then(|text| Policy::parse(text).ok()) else {
        return always(false);
    };
    let (region, account, name) = (&queue.region, queue.account, &queue.name);
    let request = iam::Request {
        caller: iam::Caller::Service(TOPICS),
        action: "sqs:SendMessage",
        resource: &format!("arn:aws:sqs:{region}:{account}:{name}"),
        context: &context_of_topic(topic, topic_arn, queue),
    };
    Verdict {
        allows: policy.evaluate(&request).outcome == Outcome::Allow,
        is_for_now: TIMES.iter().any(|key| policy.looks_at(key)),
    }
}

/// The same of what a topic sends. Services speak TLS to each other.
fn context_of_topic(topic: &Topic, topic_arn: &str, queue: &Queue) -> iam::Context {
    let mut context = iam::Context::new();
    context.insert("aws:PrincipalIsAWSService", "true");
    context.insert("aws:PrincipalServiceName", TOPICS);
    context.insert("aws:RequestedRegion", queue.region.as_str());
    context.insert("aws:ResourceAccount", queue.account.to_string());
    context.insert("aws:SecureTransport", "true");
    context.insert("aws:SourceAccount", topic.account.to_string());
    context.insert("aws:SourceArn", topic_arn);
    context.insert("aws:SourceOwner", topic.account.to_string());
    context.insert("aws:ViaAWSService", "false");
    context.insert_now(clock::now_ms());
    context
}

/// What conditions can look at. Source: "AWS global condition context keys". docs/policies.md lists them.
fn context_of(caller: &Caller, owner: AccountId) -> iam::Context {
    let mut context = iam::Context::new();
    context.insert("aws:PrincipalAccount", caller.account.to_string());
    context.insert("aws:PrincipalArn", caller.arn());
    context.insert("aws:PrincipalType", "Account");
    context.insert("aws:PrincipalIsAWSService", "false");
    context.insert("aws:userid", caller.user_id());
    context.insert("aws:RequestedRegion", caller.region.as_str());
    context.insert("aws:ResourceAccount", owner.to_string());
    context.insert("aws:SecureTransport", caller.is_tls().to_string());
    context.insert("aws:ViaAWSService", "false");
    if let Some(address) = caller.address() {
        context.insert("aws:SourceIp", address.to_string());
    }
    context.insert_now(clock::now_ms());
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:orders";

    fn decided(policy: Option<&str>, caller: u64) -> Outcome {
        let account = AccountId::from_number(caller).unwrap();
        let caller = Caller::internal(account, levada_types::Region::us_east_1());
        let owner = AccountId::from_number(111_111_111_111).unwrap();
        let asked = Asked {
            action: "sqs:SendMessage",
            resource: QUEUE,
            owner,
            keys: &[("sns:Protocol", "sqs")],
        };
        decide(policy, &caller, asked)
    }

    #[test]
    fn what_is_not_understood_opens_nothing() {
        let opened = |condition: &str| {
            format!(
                r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "222222222222"}}, "Action": "SQS:*",
                    "Resource": "{QUEUE}", "Condition": {condition}}}}}"#
            )
        };
        let plain = opened("{}");
        assert_eq!(decided(Some(&plain), 222_222_222_222), Outcome::Allow);
        assert_eq!(decided(Some(&plain), 333_333_333_333), Outcome::NoMatch);
        assert_eq!(decided(None, 222_222_222_222), Outcome::NoMatch);
        let strange = opened(r#"{"StringEqualz": {"aws:userid": "x"}}"#);
        assert_eq!(decided(Some(&strange), 222_222_222_222), Outcome::NoMatch);
    }

    #[test]
    fn conditions_see_the_request() {
        for (condition, wanted) in [
            (r#"{"Bool": {"aws:SecureTransport": "false"}}"#, true),
            (r#"{"Bool": {"aws:SecureTransport": "true"}}"#, false),
            (
                r#"{"StringEquals": {"aws:PrincipalAccount": "222222222222"}}"#,
                true,
            ),
            (
                r#"{"StringEquals": {"aws:PrincipalAccount": "111111111111"}}"#,
                false,
            ),
            (
                r#"{"StringEquals": {"aws:ResourceAccount": "111111111111"}}"#,
                true,
            ),
            (
                r#"{"StringEquals": {"aws:RequestedRegion": "us-east-1"}}"#,
                true,
            ),
            (
                r#"{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::222222222222:root"}}"#,
                true,
            ),
            (
                r#"{"DateGreaterThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}"#,
                true,
            ),
            (
                r#"{"DateLessThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}"#,
                false,
            ),
            (r#"{"StringEquals": {"SNS:Protocol": "sqs"}}"#, true),
            (r#"{"StringEquals": {"sns:Protocol": "http"}}"#, false),
            // Of a request that nobody sends for somebody else, nothing is known of where it began.
            (r#"{"Null": {"aws:SourceArn": "true"}}"#, true),
        ] {
            let policy = format!(
                r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*",
                    "Action": "sqs:SendMessage", "Resource": "*", "Condition": {condition}}}}}"#
            );
            let outcome = decided(Some(&policy), 222_222_222_222);
            assert_eq!(outcome == Outcome::Allow, wanted, "{condition}");
        }
    }
}
