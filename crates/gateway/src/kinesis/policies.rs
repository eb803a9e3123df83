//! The policies of streams, consumers and queues: kept and told, and not yet obeyed.

use levada_cluster::Stream;
use levada_engine::proto::StreamRow;
use levada_types::limits::RESOURCE_POLICY_BYTES_MAX;
use levada_wire::kinesis::{
    DeleteResourcePolicyRequest, Empty, GetResourcePolicyRequest, GetResourcePolicyResponse,
    KinesisError, KinesisErrorKind, PutResourcePolicyRequest,
};

use super::consumers::{Resource, consumer_in};
use super::context::{Context, reference_to};
use super::queues::queue_in;
use crate::front::Failure;

pub(super) async fn put(
    cx: &Context<'_>,
    request: PutResourcePolicyRequest,
) -> Result<Empty, Failure> {
    let policy = request.policy.unwrap_or_default();
    let is_document = policy.len() <= RESOURCE_POLICY_BYTES_MAX
        && serde_json::from_str::<serde_json::Map<_, _>>(&policy).is_ok();
    if !is_document {
        return Err(KinesisError::invalid_argument("The policy is not valid.").into());
    }
    set(cx, request.resource_arn.as_deref(), policy).await
}

pub(super) async fn delete(
    cx: &Context<'_>,
    request: DeleteResourcePolicyRequest,
) -> Result<Empty, Failure> {
    set(cx, request.resource_arn.as_deref(), String::new()).await
}

pub(super) async fn get(
    cx: &Context<'_>,
    request: GetResourcePolicyRequest,
) -> Result<GetResourcePolicyResponse, Failure> {
    let resource = Resource::of(request.resource_arn.as_deref())?;
    let stream = cx
        .current(&reference_to(&resource.stream(cx).await?))
        .await?;
    let mut row = stream.row.clone();
    let policy = policy_of(&stream, &mut row, &resource)?;
    if policy.is_empty() {
        let arn = request.resource_arn.unwrap_or_default();
        return Err(KinesisError::new(
            KinesisErrorKind::ResourceNotFound,
            format!("No resource policy found for resource ARN {arn}"),
        )
        .into());
    }
    Ok(GetResourcePolicyResponse {
        policy: policy.clone(),
    })
}

async fn set(cx: &Context<'_>, arn: Option<&str>, policy: String) -> Result<Empty, Failure> {
    let resource = Resource::of(arn)?;
    let edit = |stream: &Stream| {
        let mut row = stream.row.clone();
        policy_of(stream, &mut row, &resource)?.clone_from(&policy);
        Ok(row.into())
    };
    let stream = resource.stream(cx).await?;
    cx.change(&reference_to(&stream), edit).await?;
    Ok(Empty {})
}

fn policy_of<'a>(
    stream: &Stream,
    row: &'a mut StreamRow,
    resource: &Resource,
) -> Result<&'a mut String, KinesisError> {
    Ok(match resource {
        Resource::Stream(_) => &mut row.policy,
        Resource::Consumer(arn) => &mut consumer_in(stream, row, arn)?.policy,
        Resource::Queue(arn) => &mut queue_in(row, arn)?.policy,
    })
}
