//! `SetQueueAttributes`.

use levada_wire::sqs::{Empty, SetQueueAttributesRequest};

use super::context::{Context, arn_of, attributes_of};
use super::{policy, redrive, refusal};
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: SetQueueAttributesRequest,
) -> Result<Empty, Failure> {
    let queue = cx.current_queue(&request.queue_url).await?;
    let changes = request.queue_attributes(queue.settings.fifo)?;
    attributes_of(&queue).with(&changes).check_together()?;
    policy::check(changes.policy.as_deref())?;
    redrive::check(cx, &arn_of(&queue), &changes).await?;
    let changed = cx
        .broker
        .set_queue_attributes(&queue, changes.verbatim, None)
        .await?;
    changed.map_err(|refusal| refusal::of_queue(refusal, &queue.name))?;
    Ok(Empty {})
}
