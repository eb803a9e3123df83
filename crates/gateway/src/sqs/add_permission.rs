//! `AddPermission`.

use levada_wire::sqs::{AddPermissionRequest, Empty};

use super::context::Context;
use super::policy;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: AddPermissionRequest,
) -> Result<Empty, Failure> {
    policy::change(cx, &request.queue_url, |policy, arn| {
        let changed = request.add_to(policy, arn)?;
        policy::check(Some(&changed))?;
        Ok(changed)
    })
    .await?;
    Ok(Empty {})
}
