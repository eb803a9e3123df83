//! `CreateTopic`.

use std::collections::BTreeMap;
use std::sync::Arc;

use levada_cluster::Topic;
use levada_engine::proto::{CatalogRefusal, TopicRow};
use levada_wire::sns::{CreateTopicRequest, CreateTopicResponse, SnsError, TopicArn};

use super::context::{Context, DATA_PROTECTION, arn_of, attributes_of};
use super::{policy, refusal};
use crate::front::Failure;
use crate::limits::CHANGE_ATTEMPTS_MAX;

pub(super) async fn call(
    cx: &Context<'_>,
    request: CreateTopicRequest,
) -> Result<CreateTopicResponse, Failure> {
    let wanted = request.topic_attributes()?;
    policy::check(wanted.policy()).map_err(|why| SnsError::invalid_because("Attributes", why))?;
    let topic = create(cx, &request).await?;
    Ok(CreateTopicResponse {
        topic_arn: arn_of(&topic),
    })
}

/// The topic of that name with those attributes and tags: the one that exists, or a new one.
async fn create(cx: &Context<'_>, request: &CreateTopicRequest) -> Result<Arc<Topic>, Failure> {
    let arn = TopicArn {
        region: cx.caller.region.clone(),
        account: cx.caller.account,
        name: request.topic_name()?,
    };
    for _ in 0..CHANGE_ATTEMPTS_MAX {
        cx.broker.catch_up_catalog().await?;
        let found = cx
            .broker
            .find_topic(arn.account, &arn.region, arn.name.as_str());
        if let Some(topic) = found.await? {
            check_same(request, &topic)?;
            return Ok(topic);
        }
        match cx.broker.create_topic(row_of(request, &arn)?).await? {
            Ok(topic) => return Ok(topic),
            // Somebody else was faster: theirs is looked at.
            Err(CatalogRefusal::TopicExists) => {}
            Err(other) => return Err(refusal::of_change(other, arn.name.as_str())),
        }
    }
    Err(SnsError::throttled().into())
}

fn row_of(request: &CreateTopicRequest, arn: &TopicArn) -> Result<TopicRow, SnsError> {
    let mut attributes = request.topic_attributes()?.verbatim;
    let policy = request.data_protection_policy.as_ref();
    if let Some(policy) = policy.filter(|policy| !policy.is_empty()) {
        attributes.insert(DATA_PROTECTION.to_owned(), policy.clone());
    }
    Ok(TopicRow {
        account: arn.account.to_string(),
        region: arn.region.to_string(),
        name: arn.name.to_string(),
        attributes,
        tags: tags_of(request),
        ..TopicRow::default()
    })
}

fn tags_of(request: &CreateTopicRequest) -> BTreeMap<String, String> {
    let tags = request.tags.iter();
    tags.map(|tag| (tag.key.clone(), tag.value.clone()))
        .collect()
}

/// Whether the topic that exists is what was asked for. What the request leaves out does not count.
fn check_same(request: &CreateTopicRequest, topic: &Topic) -> Result<(), SnsError> {
    let wanted = request.topic_attributes()?;
    if wanted.differs_from(&attributes_of(&topic.row)) {
        return Err(SnsError::topic_has_other_attributes());
    }
    if !request.tags.is_empty() && tags_of(request) != topic.row.tags {
        return Err(SnsError::topic_has_other_tags());
    }
    Ok(())
}
