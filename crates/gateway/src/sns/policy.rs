//! A topic's policy: whether what is set is one, and how `AddPermission` and `RemovePermission` edit it. Whom it lets in is asked in
//! `context.rs`.

use levada_policy::iam::Policy;
use levada_wire::sns::{
    AddPermissionRequest, NoResult, RemovePermissionRequest, SnsError, TopicArn, default_policy,
};

use super::context::{Context, attributes_of};
use crate::front::Failure;

/// Where a topic has its policy.
pub(super) const ATTRIBUTE: &str = "Policy";

/// Refuses what would never be understood, and so never open anything. AWS says `Policy Error: null`; we say what is wrong.
pub(super) fn check(policy: Option<&str>) -> Result<(), String> {
    match policy.map(Policy::parse) {
        Some(Err(reason)) => Err(format!("Policy Error: {reason}")),
        Some(Ok(_)) | None => Ok(()),
    }
}

pub(super) async fn add(
    cx: &Context<'_>,
    request: AddPermissionRequest,
) -> Result<NoResult, Failure> {
    let arn = request.topic()?;
    change(cx, &arn, "AddPermission", |policy| {
        let changed = request.add_to(policy, &arn)?;
        check(Some(&changed)).map_err(SnsError::invalid_parameter)?;
        Ok(changed)
    })
    .await
}

pub(super) async fn remove(
    cx: &Context<'_>,
    request: RemovePermissionRequest,
) -> Result<NoResult, Failure> {
    change(cx, &request.topic()?, "RemovePermission", |policy| {
        request.remove_from(policy)
    })
    .await
}

async fn change(
    cx: &Context<'_>,
    arn: &TopicArn,
    action: &str,
    edit: impl Fn(&str) -> Result<String, SnsError> + Send + Sync,
) -> Result<NoResult, Failure> {
    cx.change_topic(arn, action, |topic, row| {
        let attributes = attributes_of(&topic.row);
        let policy = match attributes.policy() {
            Some(policy) => edit(policy)?,
            None => edit(&default_policy(arn))?,
        };
        row.attributes.insert(ATTRIBUTE.to_owned(), policy);
        Ok(())
    })
    .await?;
    Ok(NoResult {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_policy_is_refused_with_the_reason() {
        let arn = TopicArn::parse("arn:aws:sns:us-east-1:000000000001:t", "TopicArn").unwrap();
        let new = default_policy(&arn);
        assert_eq!((check(None), check(Some(&new))), (Ok(()), Ok(())));
        let broken = new.replace("StringEquals", "StringEqualz");
        let why = check(Some(&broken)).unwrap_err();
        assert!(
            why.starts_with("Policy Error: ") && why.contains("StringEqualz"),
            "{why}"
        );
    }
}
