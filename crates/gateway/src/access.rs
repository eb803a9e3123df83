//! Who may use what belongs to another account, by the policy that is attached to it.
//!
//! The owner's account may do everything with what it owns, and its policy is not asked: there are no users in it yet to whom
//! the policy could say something else. So a policy is read only when somebody else calls, and costs nothing until then.

use levada_policy::iam::{self, Outcome, Policy};
use levada_types::AccountId;

use crate::caller::Caller;
use crate::clock;

/// What the policy of something says to a caller of another account. None at all says nothing, and so does one that is not
/// understood: what it can't be read to allow stays closed.
pub(crate) fn decide(
    policy: Option<&str>,
    caller: &Caller,
    action: &str,
    resource: &str,
    owner: AccountId,
) -> Outcome {
    let Some(policy) = policy.and_then(|text| Policy::parse(text).ok()) else {
        return Outcome::NoMatch;
    };
    let (account, arn) = (caller.account.to_string(), caller.arn());
    let request = iam::Request {
        caller: iam::Caller::Aws {
            account: &account,
            names: &[&arn],
        },
        action,
        resource,
        context: &context_of(caller, owner),
    };
    policy.evaluate(&request).outcome
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
        decide(policy, &caller, "sqs:SendMessage", QUEUE, owner)
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
