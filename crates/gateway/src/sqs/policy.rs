//! A queue's policy: whether one is a policy, and how `AddPermission` and `RemovePermission` edit it.

use levada_engine::proto::CatalogRefusal;
use levada_policy::iam::Policy;
use levada_types::QueueArn;
use levada_wire::sqs::SqsError;

use super::context::{Context, arn_of};
use super::refusal;
use crate::front::Failure;
use crate::limits::CHANGE_ATTEMPTS_MAX;

/// Where a queue has its policy.
pub(super) const ATTRIBUTE: &str = "Policy";

/// Refuses what would never be understood, and so never open anything. AWS does not say why; we do.
pub(super) fn check(policy: Option<&str>) -> Result<(), SqsError> {
    let Some(text) = policy else {
        return Ok(());
    };
    match Policy::parse(text) {
        Ok(_) => Ok(()),
        Err(reason) => Err(SqsError::invalid_attribute_value_because(
            ATTRIBUTE,
            &reason.to_string(),
        )),
    }
}

/// Changes the policy of the queue at `url`. `edit` may be asked more than once: it is tried anew when
/// somebody else changed the queue meanwhile.
pub(super) async fn change(
    cx: &Context<'_>,
    url: &str,
    edit: impl Fn(Option<&str>, &QueueArn) -> Result<String, SqsError>,
) -> Result<(), Failure> {
    for _ in 0..CHANGE_ATTEMPTS_MAX {
        let queue = cx.current_queue(url).await?;
        let policy = edit(
            queue.attributes.get(ATTRIBUTE).map(String::as_str),
            &arn_of(&queue),
        )?;
        let attributes = [(ATTRIBUTE.to_owned(), policy)].into();
        match cx
            .broker
            .set_queue_attributes(&queue, attributes, Some(queue.version))
            .await?
        {
            Ok(_) => return Ok(()),
            Err(CatalogRefusal::Changed) => {}
            Err(refusal) => return Err(refusal::of_queue(refusal, &queue.name)),
        }
    }
    // Somebody else changed the queue at the same time, again and again.
    Err(levada_wire::AwsError::throttling().into())
}
