//! `RemovePermission`.

use levada_wire::sqs::{Empty, RemovePermissionRequest};

use super::context::Context;
use super::policy;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: RemovePermissionRequest,
) -> Result<Empty, Failure> {
    policy::change(cx, &request.queue_url, |policy, _| {
        request.remove_from(policy)
    })
    .await?;
    Ok(Empty {})
}
