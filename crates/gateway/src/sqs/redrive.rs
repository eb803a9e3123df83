//! Whether a queue may send its dead letters where its redrive policy says.

use levada_types::QueueArn;
use levada_wire::sqs::{QueueAttributes, RedrivePolicy};

use super::context::{Context, attributes_of};
use crate::front::Failure;

/// Checks the redrive policy among `attributes`, if there is one, of the queue `source`.
pub(super) async fn check(
    cx: &Context<'_>,
    source: &QueueArn,
    attributes: &QueueAttributes,
) -> Result<(), Failure> {
    let Some(policy) = &attributes.redrive_policy else {
        return Ok(());
    };
    let text = attributes
        .verbatim
        .get("RedrivePolicy")
        .map_or("", String::as_str);
    let target = &policy.dead_letter_target;
    // Both queues are of one account and one region; a target elsewhere is as good as none.
    let Some(target) = cx.queue_of_arn(target).await? else {
        return Err(RedrivePolicy::target_does_not_exist(text).into());
    };
    if target.settings.fifo != source.name.is_fifo() {
        return Err(RedrivePolicy::target_of_other_type(text).into());
    }
    let allowed = attributes_of(&target)
        .redrive_allow_policy
        .is_none_or(|policy| policy.allows(source));
    if allowed {
        Ok(())
    } else {
        Err(RedrivePolicy::target_forbids(text).into())
    }
}
