//! `TagResource`, `UntagResource` and `ListTagsForResource`.

use levada_engine::proto::TopicRow;
use levada_types::limits::TOPIC_TAGS_MAX;
use levada_wire::AwsError;
use levada_wire::sns::{
    Empty, ListTagsForResourceRequest, ListTagsForResourceResponse, SnsError, Tag,
    TagResourceRequest, TopicArn, UntagResourceRequest,
};

use super::context::Context;
use crate::front::Failure;

pub(super) async fn tag(cx: &Context<'_>, request: TagResourceRequest) -> Result<Empty, Failure> {
    change(cx, &request.topic()?, "TagResource", |row| {
        let tags = request.tags.iter();
        row.tags
            .extend(tags.map(|tag| (tag.key.clone(), tag.value.clone())));
        if row.tags.len() > TOPIC_TAGS_MAX {
            return Err(SnsError::too_many_tags());
        }
        Ok(())
    })
    .await
}

pub(super) async fn untag(
    cx: &Context<'_>,
    request: UntagResourceRequest,
) -> Result<Empty, Failure> {
    change(cx, &request.topic()?, "UntagResource", |row| {
        row.tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(())
    })
    .await
}

pub(super) async fn list(
    cx: &Context<'_>,
    request: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Failure> {
    let arn = request.topic()?;
    let topic = cx.current_topic(&arn, "ListTagsForResource").await;
    let topic = topic.map_err(of_resource)?;
    let tags = topic.row.tags.iter();
    Ok(ListTagsForResourceResponse {
        tags: tags
            .map(|(key, value)| Tag {
                key: key.clone(),
                value: value.clone(),
            })
            .collect(),
    })
}

async fn change(
    cx: &Context<'_>,
    arn: &TopicArn,
    action: &str,
    edit: impl Fn(&mut TopicRow) -> Result<(), SnsError> + Send + Sync,
) -> Result<Empty, Failure> {
    let changed = cx.change_topic(arn, action, |_, row| edit(row)).await;
    changed.map_err(of_resource)?;
    Ok(Empty {})
}

/// Actions on tags have a word of their own for a topic that is not there.
fn of_resource(failure: Failure) -> Failure {
    match failure {
        Failure::Aws(AwsError { status: 404, .. }) => SnsError::resource_does_not_exist().into(),
        other => other,
    }
}
