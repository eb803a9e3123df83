//! `GetQueueUrl`.

use std::sync::Arc;

use levada_policy::iam::Outcome;
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
    let name: QueueName = request
        .queue_name
        .parse()
        .map_err(|_| SqsError::queue_does_not_exist())?;
    let found = cx
        .broker
        .find_queue(owner, &cx.caller.region, &name)
        .await?;
    let queue = found.ok_or_else(SqsError::queue_does_not_exist)?;
    if owner != cx.caller.account {
        let (_, outcome) = cx.judge(Arc::clone(&queue)).await?;
        // To whom its policy does not open it, a queue of another account is not there.
        if outcome != Outcome::Allow {
            return Err(SqsError::queue_does_not_exist().into());
        }
    }
    Ok(GetQueueUrlResponse {
        queue_url: cx.url(queue.account, &queue.name),
    })
}
