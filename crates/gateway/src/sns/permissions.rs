//! `AddPermission` and `RemovePermission`: statements of a topic's policy, which is kept and told, and not yet obeyed.

use levada_wire::sns::{
    AddPermissionRequest, NoResult, RemovePermissionRequest, SnsError, TopicArn, default_policy,
};

use super::context::{Context, attributes_of};
use crate::front::Failure;

pub(super) async fn add(
    cx: &Context<'_>,
    request: AddPermissionRequest,
) -> Result<NoResult, Failure> {
    let arn = request.topic()?;
    change(cx, &arn, "AddPermission", |policy| {
        request.add_to(policy, &arn)
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
        row.attributes.insert("Policy".to_owned(), policy);
        Ok(())
    })
    .await?;
    Ok(NoResult {})
}
