//! `GetTopicAttributes`.

use levada_cluster::{RouteError, Topic};
use levada_types::Timestamp;
use levada_wire::sns::{
    GetTopicAttributesRequest, GetTopicAttributesResponse, SubscriptionCounts, timestamp,
};

use super::context::{Context, attributes_of};
use super::replays;
use crate::clock;
use crate::front::Failure;

pub(super) async fn call(
    cx: &Context<'_>,
    request: GetTopicAttributesRequest,
) -> Result<GetTopicAttributesResponse, Failure> {
    let arn = request.topic()?;
    let topic = cx.current_topic(&arn, "GetTopicAttributes").await?;
    let attributes = attributes_of(&topic.row);
    let counts = cx.broker.subscription_counts(topic.row.topic);
    let counted = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let counts = SubscriptionCounts {
        confirmed: counted(counts.confirmed),
        pending: counted(counts.pending),
        // AWS forgets them after a while; these are all that there ever were.
        deleted: counts.deleted,
    };
    let begins = match attributes.archive_retention_days {
        None => None,
        Some(_) => Some(timestamp(archive_begins(cx, &topic).await?).to_string()),
    };
    Ok(GetTopicAttributesResponse {
        attributes: attributes.describe(&arn, &counts, begins),
    })
}

/// When the first message of the archive was published; now, if it is empty.
async fn archive_begins(cx: &Context<'_>, topic: &Topic) -> Result<Timestamp, RouteError> {
    let ends = cx.broker.archive_ends(topic, None).await?;
    let read = cx.broker.read_archive(topic, ends.horizon, 1, 1).await?;
    let first = read.records.first().map(replays::published_at);
    Ok(first.unwrap_or_else(|| Timestamp::from_millis(clock::now_ms())))
}
