//! Tags, of streams by name and of streams, consumers and queues by ARN: the six actions.

use std::collections::BTreeMap;

use levada_cluster::Stream;
use levada_engine::proto::StreamRow;
use levada_types::limits::{STREAM_TAG_KEYS_MAX, TAGS_OF_STREAM_MAX};
use levada_wire::kinesis::{
    AddTagsToStreamRequest, Empty, KinesisError, ListTagsForResourceRequest,
    ListTagsForResourceResponse, ListTagsForStreamRequest, ListTagsForStreamResponse,
    RemoveTagsFromStreamRequest, Tag, TagResourceRequest, UntagResourceRequest,
};

use super::consumers::{Resource, consumer_in};
use super::context::{Context, reference_of, reference_to};
use super::pages;
use super::queues::queue_in;
use crate::front::Failure;

type Tags = BTreeMap<String, String>;

pub(super) async fn add(
    cx: &Context<'_>,
    request: AddTagsToStreamRequest,
) -> Result<Empty, Failure> {
    let tags = request.tags.clone().unwrap_or_default();
    let edit = |stream: &Stream| {
        let mut row = stream.row.clone();
        put(&mut row.tags, &tags, stream)?;
        Ok(row.into())
    };
    cx.change(&reference_of(&request)?, edit).await?;
    Ok(Empty {})
}

pub(super) async fn remove(
    cx: &Context<'_>,
    request: RemoveTagsFromStreamRequest,
) -> Result<Empty, Failure> {
    let keys = request.tag_keys.clone().unwrap_or_default();
    let edit = |stream: &Stream| {
        let mut row = stream.row.clone();
        row.tags.retain(|key, _| !keys.contains(key));
        Ok(row.into())
    };
    cx.change(&reference_of(&request)?, edit).await?;
    Ok(Empty {})
}

pub(super) async fn list(
    cx: &Context<'_>,
    request: ListTagsForStreamRequest,
) -> Result<ListTagsForStreamResponse, Failure> {
    let stream = cx.current(&reference_of(&request)?).await?;
    let after = request.exclusive_start_tag_key.as_deref();
    let tags = told(&stream.row.tags).into_iter();
    let tags = tags.filter(|tag| after.is_none_or(|after| tag.key.as_str() > after));
    let (tags, has_more_tags) = pages::cut(tags, pages::size(request.limit, STREAM_TAG_KEYS_MAX));
    Ok(ListTagsForStreamResponse {
        tags,
        has_more_tags,
    })
}

pub(super) async fn tag(cx: &Context<'_>, request: TagResourceRequest) -> Result<Empty, Failure> {
    let tags = request.tags.clone().unwrap_or_default();
    let resource = Resource::of(request.resource_arn.as_deref())?;
    change_of(cx, &resource, |stream, of| put(of, &tags, stream)).await
}

pub(super) async fn untag(
    cx: &Context<'_>,
    request: UntagResourceRequest,
) -> Result<Empty, Failure> {
    let keys = request.tag_keys.clone().unwrap_or_default();
    let resource = Resource::of(request.resource_arn.as_deref())?;
    change_of(cx, &resource, |_, of| {
        of.retain(|key, _| !keys.contains(key));
        Ok(())
    })
    .await
}

pub(super) async fn list_of_resource(
    cx: &Context<'_>,
    request: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Failure> {
    let resource = Resource::of(request.resource_arn.as_deref())?;
    let stream = cx
        .current(&reference_to(&resource.stream(cx).await?))
        .await?;
    let mut row = stream.row.clone();
    Ok(ListTagsForResourceResponse {
        tags: told(tags_of(&stream, &mut row, &resource)?),
    })
}

/// Changes the tags of a stream, a consumer or a queue.
async fn change_of(
    cx: &Context<'_>,
    resource: &Resource,
    change: impl Fn(&Stream, &mut Tags) -> Result<(), KinesisError> + Send + Sync,
) -> Result<Empty, Failure> {
    let edit = |stream: &Stream| {
        let mut row = stream.row.clone();
        change(stream, tags_of(stream, &mut row, resource)?)?;
        Ok(row.into())
    };
    let stream = resource.stream(cx).await?;
    cx.change(&reference_to(&stream), edit).await?;
    Ok(Empty {})
}

fn tags_of<'a>(
    stream: &Stream,
    row: &'a mut StreamRow,
    resource: &Resource,
) -> Result<&'a mut Tags, KinesisError> {
    Ok(match resource {
        Resource::Stream(_) => &mut row.tags,
        Resource::Consumer(arn) => &mut consumer_in(stream, row, arn)?.tags,
        Resource::Queue(arn) => &mut queue_in(row, arn)?.tags,
    })
}

fn put(of: &mut Tags, tags: &Tags, stream: &Stream) -> Result<(), KinesisError> {
    of.extend(tags.clone());
    if of.len() <= TAGS_OF_STREAM_MAX {
        return Ok(());
    }
    let (name, account) = (&stream.row.name, stream.account);
    Err(KinesisError::invalid_argument(format!(
        "Failed to add tags to stream {name} under account {account} because a given stream cannot have more than \
         {TAGS_OF_STREAM_MAX} tags associated with it."
    )))
}

fn told(tags: &Tags) -> Vec<Tag> {
    let told = tags.iter().map(|(key, value)| Tag {
        key: key.clone(),
        value: Some(value.clone()),
    });
    told.collect()
}
