//! Replay policies of subscriptions: whether one is taken, and how far a replay has come. Times are looked at when the policy is
//! set; what expires later is not missed. Wordings are ours: AWS documents none.

use levada_cluster::{Broker, RouteError, Topic};
use levada_engine::Subscription;
use levada_engine::proto::ReplayStatus;
use levada_wire::sns::SubscriptionAttributes;

use super::context::attributes_for_publishing;
use crate::clock;

const DAY_MS: u64 = 86_400_000;
const SECOND_MS: u64 = 1_000;

/// Why the replay policy among attributes that are set is none for this topic.
pub(super) fn check(topic: &Topic, attributes: &SubscriptionAttributes) -> Result<(), String> {
    let Some(policy) = attributes.replay_policy else {
        return Ok(());
    };
    let of_topic = attributes_for_publishing(&topic.row);
    let Some(days) = of_topic.archive_retention_days else {
        return Err("ReplayPolicy: the topic has no ArchivePolicy.".to_owned());
    };
    let now_ms = clock::now_ms();
    let kept_from_ms = now_ms.saturating_sub(u64::from(days) * DAY_MS);
    // Times are often written in whole seconds.
    let made_at_ms = topic.row.created_at / SECOND_MS * SECOND_MS;
    let starting_ms = policy.starting_point.as_millis();
    if starting_ms < kept_from_ms.max(made_at_ms) {
        return Err(
            "ReplayPolicy: StartingPoint must not be earlier than BeginningArchiveTime.".to_owned(),
        );
    }
    if starting_ms > now_ms {
        return Err("ReplayPolicy: StartingPoint must not be in the future.".to_owned());
    }
    Ok(())
}

/// `ReplayStatus`; none without a policy.
pub(super) async fn status(
    broker: &Broker,
    topic: &Topic,
    row: &Subscription,
) -> Result<Option<&'static str>, RouteError> {
    if row.attribute("ReplayPolicy").is_none() {
        return Ok(None);
    }
    if !Broker::has_archive(topic) {
        return Ok(Some("Failed"));
    }
    if !row.is_confirmed() {
        return Ok(Some("Pending"));
    }
    let progress = broker.replay_progress(topic, row.number, row.replay);
    let progress = progress.await?;
    Ok(Some(match progress.status() {
        ReplayStatus::Done => "Completed",
        ReplayStatus::NotBegun => "Pending",
        _ if progress.next == 0 => "Pending",
        ReplayStatus::UnderWay | ReplayStatus::Full => "In progress",
    }))
}
