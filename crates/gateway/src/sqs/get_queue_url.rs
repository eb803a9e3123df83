//! `GetQueueUrl`.

use levada_types::{AccountId, QueueName};
use levada_wire::sqs::{GetQueueUrlRequest, GetQueueUrlResponse, SqsError};

use super::context::Context;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: GetQueueUrlRequest,
) -> Result<GetQueueUrlResponse, Failure> {
    let owner = match request.queue_owner_aws_account_id.as_deref() {
        None | Some("") => cx.caller.account,
        Some(owner) => owner
            .parse::<AccountId>()
            .map_err(|_| SqsError::queue_does_not_exist())?,
    };
    // Whether a queue of another account exists is nobody's business until policies are obeyed.
    if owner != cx.caller.account {
        return Err(SqsError::queue_does_not_exist().into());
    }
    let name: QueueName = request
        .queue_name
        .parse()
        .map_err(|_| SqsError::queue_does_not_exist())?;
    let found = cx
        .broker
        .find_queue(owner, &cx.caller.region, &name)
        .await?;
    let queue = found.ok_or_else(SqsError::queue_does_not_exist)?;
    Ok(GetQueueUrlResponse {
        queue_url: cx.url(queue.account, &queue.name),
    })
}
