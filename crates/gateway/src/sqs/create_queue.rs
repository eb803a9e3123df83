//! `CreateQueue`.

use std::sync::Arc;

use levada_cluster::Queue;
use levada_engine::proto::{CatalogRefusal, CreateQueue};
use levada_types::QueueName;
use levada_wire::sqs::{CreateQueueRequest, CreateQueueResponse, QueueAttributes, SqsError};

use super::context::{Context, attributes_of};
use super::{policy, redrive, refusal};
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: CreateQueueRequest,
) -> Result<CreateQueueResponse, Failure> {
    let queue = create(cx, request).await?;
    Ok(CreateQueueResponse {
        queue_url: cx.url(queue.account, &queue.name),
    })
}

/// The queue of that name with those attributes: the one that exists, or a new one.
pub(super) async fn create(
    cx: &Context<'_>,
    request: CreateQueueRequest,
) -> Result<Arc<Queue>, Failure> {
    let name: QueueName = request
        .queue_name
        .parse()
        .map_err(|_| SqsError::queue_does_not_exist())?;
    let attributes = request.queue_attributes()?;
    policy::check(attributes.policy.as_deref())?;
    redrive::check(cx, &cx.caller.queue_arn(name.clone()), &attributes).await?;
    let command = CreateQueue {
        account: cx.caller.account.to_string(),
        region: cx.caller.region.to_string(),
        name: name.to_string(),
        attributes: attributes.verbatim.clone(),
        tags: request.tags,
        partitions: Vec::new(),
        reuse_after_ms: Some(cx.gateway.options.deleted_name_wait_ms),
    };
    match cx.broker.create_queue(command).await? {
        Ok(queue) => Ok(queue),
        Err(CatalogRefusal::ExistsWithOtherAttributes) => {
            Err(exists(cx, &name, &attributes).await?)
        }
        Err(refusal) => Err(refusal::of_queue(refusal, &name)),
    }
}

/// Says by which attribute the queue that exists differs.
async fn exists(
    cx: &Context<'_>,
    name: &QueueName,
    wanted: &QueueAttributes,
) -> Result<Failure, Failure> {
    cx.broker.catch_up_catalog().await?;
    let found = cx
        .broker
        .find_queue(cx.caller.account, &cx.caller.region, name)
        .await?;
    let existing = found.map(|queue| attributes_of(&queue)).unwrap_or_default();
    let attribute = wanted.difference_from(&existing).unwrap_or("Attributes");
    Ok(SqsError::queue_name_exists(attribute).into())
}
